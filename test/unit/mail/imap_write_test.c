/* SPDX-License-Identifier: ISC */
#include "mail/imap_write.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef void writer(struct buf *out, struct view v);

static void check(writer *write, struct view v, const char *expected)
{
	struct buf out = BUF_INIT(10000);

	write(&out, v);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void strings(void **state)
{
	(void)state;
	check(imap_write_string, VIEW_LIT(""), "\"\"");
	check(imap_write_string, VIEW_LIT("a b"), "\"a b\"");
	check(imap_write_string, VIEW_LIT("a\"b\\c"), "\"a\\\"b\\\\c\"");
	check(imap_write_string, VIEW_LIT("a\r\nb"), "{4}\r\na\r\nb");
	check(imap_write_string, VIEW_LIT("\xc3\xa4"), "{2}\r\n\xc3\xa4");
	check(imap_write_string, VIEW_LIT("a\0b"), "{3}\r\na?b");
	check(imap_write_string_utf8, VIEW_LIT("\xc3\xa4"), "\"\xc3\xa4\"");
	check(imap_write_string_utf8, VIEW_LIT("\xe4"), "{1}\r\n\xe4");
	check(imap_write_nstring, (struct view){NULL, 0}, "NIL");
	check(imap_write_nstring, VIEW_LIT(""), "\"\"");
	check(imap_write_astring, VIEW_LIT("a]b.c"), "a]b.c");
	check(imap_write_astring, VIEW_LIT(""), "\"\"");
	check(imap_write_astring, VIEW_LIT("nil"), "\"nil\"");
	check(imap_write_astring, VIEW_LIT("a(b"), "\"a(b\"");
	check(imap_write_astring, VIEW_LIT("\xe4"), "{1}\r\n\xe4");
}

static void long_strings_are_literals(void **state)
{
	struct buf text = BUF_INIT(2000), out = BUF_INIT(10000);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_append_char(&text, 'x');
	imap_write_string(&out, buf_view(&text));
	assert_int_equal(out.n, 1002);
	buf_append_char(&text, 'x');
	buf_reset(&out);
	imap_write_string(&out, buf_view(&text));
	assert_true(view_starts_with(buf_view(&out), VIEW_LIT("{1001}\r\nxxx")));
	buf_reset(&out);
	imap_write_literal(&out, 5);
	imap_write_literal8(&out, 18446744073709551615u);
	assert_string_equal(buf_cstr(&out), "{5}\r\n~{18446744073709551615}\r\n");
	buf_fini(&text);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings),
	    cmocka_unit_test(long_strings_are_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
