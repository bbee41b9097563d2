/* SPDX-License-Identifier: ISC */
#include "mail/mime_decode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	enum mime_encoding encoding;
	const char *in, *out;
} cases[] = {
    {MIME_7BIT, "as=20is \r\n", "as=20is \r\n"},
    {MIME_UNKNOWN_ENCODING, "as=20is \r\n", "as=20is \r\n"},
    {MIME_BASE64, "aGVsbG8=", "hello"},
    {MIME_BASE64, "aGVs\r\nbG8gd29ybGQ=\r\n", "hello world"},
    {MIME_BASE64, "aGVsbG8", "hello"},
    {MIME_BASE64, "aGVsbA==", "hell"},
    {MIME_BASE64, "a*G!V sb\tG8=", "hello"},
    {MIME_BASE64, "aGVsbG8=IHdvcmxk", "hello world"},
    {MIME_BASE64, "a", ""},
    {MIME_BASE64, "", ""},
    {MIME_QUOTED_PRINTABLE, "plain text\r\n", "plain text\r\n"},
    {MIME_QUOTED_PRINTABLE, "=C3=a4 =3D\r\n", "\xc3\xa4 =\r\n"},
    {MIME_QUOTED_PRINTABLE, "soft=\r\nbreak", "softbreak"},
    {MIME_QUOTED_PRINTABLE, "soft= \t\r\nbreak", "softbreak"},
    {MIME_QUOTED_PRINTABLE, "soft=\nbreak", "softbreak"},
    {MIME_QUOTED_PRINTABLE, "blanks \t \r\nkept=20\r\n a b\r\n", "blanks\r\nkept \r\n a b\r\n"},
    {MIME_QUOTED_PRINTABLE, "blanks at the end  ", "blanks at the end"},
    {MIME_QUOTED_PRINTABLE, "broken =XY =4Z = x =\rx =", "broken =XY =4Z = x =\rx "},
    {MIME_QUOTED_PRINTABLE, "a\rb\r\r\nc", "a\rb\r\r\nc"},
    {MIME_QUOTED_PRINTABLE, "end=", "end"},
    {MIME_QUOTED_PRINTABLE, "end=4", "end=4"},
    {MIME_QUOTED_PRINTABLE, "==41=\r\n=41", "=AA"},
    {MIME_QUOTED_PRINTABLE, "x \r", "x \r"},
};

static void decodes_the_same_however_it_is_cut(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view in = view_from_cstr(cases[i].in);

		for (size_t step = 1; step <= in.n + 1; step++) {
			struct mime_decoder d;

			buf_reset(&out);
			mime_decoder_init(&d, cases[i].encoding);
			for (size_t at = 0; at < in.n; at += step)
				mime_decoder_feed(&d, view_sub(in, at, step), &out);
			mime_decoder_finish(&d, &out);
			mime_decoder_fini(&d);
			assert_string_equal(buf_cstr(&out), cases[i].out);
		}
	}
	buf_fini(&out);
}

static void a_long_run_of_blanks_is_not_held_back(void **state)
{
	struct buf in = BUF_INIT(100000), out = BUF_INIT(100000);
	struct mime_decoder d;

	(void)state;
	for (int i = 0; i < 50000; i++)
		buf_append_char(&in, ' ');
	mime_decoder_init(&d, MIME_QUOTED_PRINTABLE);
	mime_decoder_feed(&d, buf_view(&in), &out);
	assert_true(out.n >= 49000);
	assert_true(d.blanks.n <= 1000);
	mime_decoder_finish(&d, &out);
	mime_decoder_fini(&d);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_the_same_however_it_is_cut),
	    cmocka_unit_test(a_long_run_of_blanks_is_not_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
