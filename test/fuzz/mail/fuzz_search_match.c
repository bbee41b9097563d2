/* SPDX-License-Identifier: ISC
 * Searching a message finds the same however it is cut; decoders and charsets take anything. */
#include "mail/charset.h"
#include "mail/rfc2047.h"
#include "mail/search_match.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Which of the keys hit, as bits. */
static unsigned scan(const struct mime_index *x, struct view message, size_t step, struct view word)
{
	struct search_key keys[3];
	struct search_scan *s;
	struct arena a;
	unsigned hits = 0;

	arena_init(&a, 1 << 16);
	require(search_key_init(&keys[0], VIEW_LIT("a\xc3\xa4"), SEARCH_IN_BODY, &a));
	require(search_key_init(&keys[1], VIEW_LIT("subject"), SEARCH_IN_TEXT, &a));
	require(search_key_init(&keys[2], word, SEARCH_IN_TEXT, &a));
	s = search_scan_new(x, keys, ARRAY_LEN(keys));
	for (size_t at = 0; at < message.n; at += step)
		search_scan_feed(s, view_sub(message, at, step));
	search_scan_finish(s);
	search_scan_free(&s);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		hits |= (unsigned)keys[i].hit << i;
	arena_fini(&a);
	return hits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view message = view_from(data, size), word = view_sub(message, size / 2, 3);
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	const struct mime_index *x = mime_index_parse(p, message);
	struct buf out = BUF_INIT(1 << 20);

	require(scan(x, message, size + 1, word) == scan(x, message, size % 7 + 1, word));
	rfc2047_decode(message, &out);
	require(view_is_utf8(buf_view(&out)));
	buf_reset(&out);
	charset_fold(message, &out);
	require(view_is_utf8(buf_view(&out)));
	mime_parser_free(&p);
	buf_fini(&out);
	return 0;
}
