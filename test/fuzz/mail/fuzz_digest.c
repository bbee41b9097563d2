/* SPDX-License-Identifier: ISC
 * Digests of any header can be read back and find what a search of the header finds. */
#include "base/arena.h"
#include "mail/digest.h"
#include "mail/search_match.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t key[2] = {3, 4};
	struct view header = view_from(data, size), keys[DIGEST_KEYS];
	struct digest_values v, addresses[DIGEST_ADDRESS_FIELDS];
	struct buf columns[DIGEST_COLUMNS];
	struct digest_thread thread;
	struct search_key word;
	struct digest_date date;
	struct arena a;

	arena_init(&a, 1 << 16);
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		buf_init(&columns[i], DIGEST_RECORD_MAX);
	digest_make(header, key, columns);
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		require(!columns[i].overflow);
	require(digest_read_date(buf_view(&columns[DIGEST_DATE]), &date));
	require(digest_read_subject(buf_view(&columns[DIGEST_SUBJECT]), &v));
	require(digest_read_addresses(buf_view(&columns[DIGEST_ADDRESSES]), addresses));
	require(digest_read_sort(buf_view(&columns[DIGEST_SORT]), keys));
	require(digest_read_thread(buf_view(&columns[DIGEST_THREAD]), &thread));
	require(search_key_init(&word, view_sub(header, size / 2, 2), SEARCH_IN_TEXT, &a));
	if (!v.cut && view_find_char(word.folded, '\n') == word.folded.n)
		require(search_match_header(header, VIEW_LIT("subject"), &word) ==
			(v.present && (word.folded.n == 0 || view_find(v.folded, word.folded) < v.folded.n)));
	/* what is read back may be anything */
	(void)!digest_read_date(header, &date);
	(void)!digest_read_subject(header, &v);
	(void)!digest_read_addresses(header, addresses);
	(void)!digest_read_sort(header, keys);
	(void)!digest_read_thread(header, &thread);
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		buf_fini(&columns[i]);
	arena_fini(&a);
	return 0;
}
