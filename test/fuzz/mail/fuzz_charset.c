/* SPDX-License-Identifier: ISC
 * Text in any charset becomes UTF-8, the same however it is cut; composing what is composed changes nothing; folded text is UTF-8. The first
 * byte chooses the charset, the second where to cut. */
#include "mail/charset.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const charsets[] = {
    "utf-8",       "utf-7",   "utf-16",      "utf-16le",     "utf-16be",     "utf-32",    "utf-32be",  "iso-2022-jp",
    "iso-2022-kr", "gb18030", "iso-2022-cn", "big5",         "shift_jis",    "euc-jp",    "euc-kr",    "euc-tw",
    "us-ascii",    "koi8-r",  "gb2312",      "windows-1252", "iso-8859-8-i", "macintosh", "x-unknown", ""};

static bool convert(struct view charset, struct view in, size_t step, struct buf *out)
{
	struct charset_stream s;
	bool known = charset_stream_init(&s, charset);

	for (size_t at = 0; known && at < in.n; at += step)
		charset_stream_feed(&s, view_sub(in, at, step), out);
	if (known)
		charset_stream_finish(&s, out);
	charset_stream_fini(&s);
	return known;
}

static void check_forms(struct view utf8)
{
	struct buf once = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);

	charset_fold(utf8, &once);
	charset_casemap(utf8, &twice);
	assert(view_is_utf8(buf_view(&once)) && view_is_utf8(buf_view(&twice)));
	buf_reset(&once);
	buf_reset(&twice);
	if (charset_nfc(utf8, &once)) {
		assert(view_is_utf8(buf_view(&once)));
		if (charset_nfc(buf_view(&once), &twice))
			assert(view_eq(buf_view(&once), buf_view(&twice)));
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
	struct view charset, in;

	if (size < 2 || size > 10000)
		return 0;
	charset = view_from_cstr(charsets[data[0] % ARRAY_LEN(charsets)]);
	in = view_from(data + 2, size - 2);
	assert(convert(charset, in, size, &whole) == convert(charset, in, data[1] % 7 + 1U, &pieces));
	assert(view_is_utf8(buf_view(&whole)) && view_is_utf8(buf_view(&pieces)));
	/* Broken UTF-7 is read from where the library's last call began. */
	assert(view_eq_lit(charset, "utf-7") || view_eq(buf_view(&whole), buf_view(&pieces)));
	check_forms(buf_view(&whole));
	check_forms(view_sub(in, 0, charset_whole_chars(in)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
