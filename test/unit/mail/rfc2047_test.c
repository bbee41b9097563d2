/* SPDX-License-Identifier: ISC */
#include "mail/rfc2047.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *in, *out;
} cases[] = {
    {"", ""},
    {" plain text ", "plain text"},
    {"folded\r\n text", "folded text"},
    {"=?iso-8859-1?Q?a=E4b?=", "a\xc3\xa4"
			       "b"},
    {"=?UTF-8?B?w6Q=?=", "\xc3\xa4"},
    {"=?utf-8*en?q?a_b?=", "a b"},
    /* RFC 2047 §8 */
    {"(=?ISO-8859-1?Q?a?=)", "(a)"},
    {"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
    {"(=?ISO-8859-1?Q?a?=  \r\n   =?ISO-8859-1?Q?b?=)", "(ab)"},
    {"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
    /* a character cut between two words */
    {"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "\xc3\xa4"},
    {"=?utf-8?B?w6Q?= =?UTF-8?B?w7w=?=", "\xc3\xa4\xc3\xbc"},
    {"=?utf-8?Q?=C3?= x =?utf-8?Q?=A4?=", "\xef\xbf\xbd x \xef\xbf\xbd"},
    {"=?x-what?Q?a=E4?= =?x-what?Q?b?= c", "=?x-what?Q?a=E4?= =?x-what?Q?b?= c"},
    {"=?utf-8?x?a?= =?utf-8?Q?open", "=?utf-8?x?a?= =?utf-8?Q?open"},
    {"=?utf-8?Q?"
     "?= x",
     " x"},
    {"a=?utf-8?Q?b c?=d", "ab cd"},
    {"raw \xc3\xa4", "raw \xc3\xa4"},
    {"raw \xe4", "raw \xc3\xa4"},
    {"=?=?utf-8?Q?a?=", "=?a"},
};

static void values_are_decoded(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&out);
		rfc2047_decode(view_from_cstr(cases[i].in), &out);
		assert_string_equal(buf_cstr(&out), cases[i].out);
	}
	buf_fini(&out);
}

static size_t looked_at; /* bytes that were searched */

/* Instead of the library's. */
void *memmem(const void *text, size_t n, const void *wanted, size_t m)
{
	const char *p = text;

	for (size_t i = 0; i + m <= n; i++)
		if (memcmp(p + i, wanted, m) == 0) {
			looked_at += i;
			return (char *)(uintptr_t)(p + i);
		}
	looked_at += n;
	return NULL;
}

/* Beginnings of encoded-words without an end: a header of them kept a processor busy for seconds. */
static void many_beginnings_are_looked_at_once(void **state)
{
	struct buf value = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_append(&value, "?a=?a?q", 7);
	looked_at = 0;
	rfc2047_decode(buf_view(&value), &out);
	assert_true(view_eq(buf_view(&out), buf_view(&value)));
	assert_in_range(looked_at, value.n, 4 * value.n);
	buf_fini(&value);
	buf_fini(&out);
}

static void what_is_encoded_decodes_again(void **state)
{
	struct buf text = BUF_INIT(100000), wire = BUF_INIT(100000), back = BUF_INIT(100000);

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct view rest;

		buf_append_cstr(&text, i % 3 ? "\xf0\x9f\x98\x80" : i % 2 ? "x " : "\xc3\xa4");
		buf_reset(&wire);
		buf_reset(&back);
		rfc2047_encode(buf_view(&text), 9, &wire);
		assert_true(view_is_ascii(buf_view(&wire)));
		rfc2047_decode(buf_view(&wire), &back);
		assert_true(view_eq(buf_view(&back), buf_view(&text)));
		rest = buf_view(&wire);
		for (size_t column = 9; rest.n; column = 0) {
			size_t n = view_find(rest, VIEW_LIT("\r\n"));

			assert_true(column + n <= 76);
			rest = view_sub(rest, n + 2, rest.n);
		}
	}
	buf_reset(&wire);
	rfc2047_encode(VIEW_LIT("only ASCII"), 9, &wire);
	assert_string_equal(buf_cstr(&wire), "only ASCII");
	buf_reset(&wire);
	rfc2047_encode(VIEW_LIT("inject\r\nBcc: x"), 9, &wire);
	assert_int_equal(view_find_char(buf_view(&wire), '\n'), wire.n);
	buf_fini(&text);
	buf_fini(&wire);
	buf_fini(&back);
}

static void many_words_that_never_end_take_no_time(void **state)
{
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 21);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_append_cstr(&in, "=?a?q? ");
	rfc2047_decode(buf_view(&in), &out);
	assert_int_equal(out.n, in.n - 1);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_decoded),
	    cmocka_unit_test(many_beginnings_are_looked_at_once),
	    cmocka_unit_test(what_is_encoded_decodes_again),
	    cmocka_unit_test(many_words_that_never_end_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
