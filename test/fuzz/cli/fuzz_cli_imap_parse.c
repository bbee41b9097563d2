/* SPDX-License-Identifier: ISC
 * Whatever another IMAP server says is read within its bytes, and reading ends. */
#include "cli/imap_parse.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct view whole, struct view part)
{
	assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void read_words(struct view whole)
{
	struct view rest = whole, word;
	enum imap_word_kind k;

	while ((k = imap_word(&rest, &word)) != IMAP_WORD_END && k != IMAP_WORD_BAD) {
		struct buf text = BUF_INIT(1 << 20);

		check_inside(whole, word);
		check_inside(whole, rest);
		imap_word_text(k, word, &text);
		assert(text.overflow || text.n <= word.n);
		buf_fini(&text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view whole = view_from(data, size);
	struct imap_list list = {.name = BUF_INIT(4096)};
	struct imap_fetch fetch;
	struct imap_url url;
	uint64_t literal;
	char *text = view_to_cstr(whole);

	read_words(whole);
	(void)imap_ends_in_literal(whole, &literal);
	if (imap_read_list(whole, &list))
		assert(list.name.n > 0);
	if (imap_read_fetch(whole, &fetch)) {
		assert(fetch.uid > 0 && fetch.n_flags <= IMAP_FETCH_WORDS);
		check_inside(whole, fetch.body);
		check_inside(whole, fetch.date);
	}
	if (text) {
		if (imap_url_parse(text, &url))
			assert(*url.user && *url.host && *url.port);
		imap_url_fini(&url);
	}
	free(text);
	buf_fini(&list.name);
	return 0;
}
