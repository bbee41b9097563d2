/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void overflow_is_sticky_and_keeps_what_was_there(void **state)
{
	struct buf b = BUF_INIT(5);

	(void)state;
	buf_append_cstr(&b, "abc");
	buf_append_cstr(&b, "def");
	assert_true(b.overflow);
	buf_append_cstr(&b, "x");
	assert_true(view_eq_lit(buf_view(&b), "abc"));
	assert_null(buf_cstr(&b));
	buf_reset(&b);
	buf_append_cstr(&b, "12345");
	assert_false(b.overflow);
	assert_string_equal(buf_cstr(&b), "12345");
	buf_reset(&b);
	buf_append_lower(&b, VIEW_LIT("aZ\xc3\x84-"));
	assert_string_equal(buf_cstr(&b), "az\xc3\x84-");
	buf_fini(&b);
}

static void numbers_printf_and_consume(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	buf_append_u64(&b, UINT64_MAX);
	buf_append_char(&b, ' ');
	buf_append_u64(&b, 0);
	buf_printf(&b, " %s %d", "x", -4);
	assert_string_equal(buf_cstr(&b), "18446744073709551615 0 x -4");
	buf_consume(&b, 21);
	assert_string_equal(buf_cstr(&b), "0 x -4");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(overflow_is_sticky_and_keeps_what_was_there),
	    cmocka_unit_test(numbers_printf_and_consume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
