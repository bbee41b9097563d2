/* SPDX-License-Identifier: ISC */
#include "base/view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void numbers_are_strict(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
	    {"0", true, 0},
	    {"18446744073709551615", true, UINT64_MAX},
	    {"18446744073709551616", false, 0},
	    {"", false, 0},
	    {"+1", false, 0},
	    {" 1", false, 0},
	    {"1 ", false, 0},
	    {"0x1", false, 0},
	    {"007", true, 7},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t value = 0;

		assert_int_equal(view_to_u64(view_from_cstr(cases[i].text), UINT64_MAX, &value), cases[i].ok);
		assert_true(value == cases[i].value);
	}
}

static void utf8_is_strict(void **state)
{
	(void)state;
	assert_true(view_is_utf8(VIEW_LIT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x95\x8a")));
	assert_false(view_is_utf8(VIEW_LIT("\xc0\xaf")));
	assert_false(view_is_utf8(VIEW_LIT("\xed\xa0\x80")));
	assert_false(view_is_utf8(VIEW_LIT("\xf4\x90\x80\x80")));
	assert_false(view_is_utf8(VIEW_LIT("\xe2\x82")));
}

static void cut_and_trim(void **state)
{
	struct view l, r;

	(void)state;
	assert_true(view_cut(VIEW_LIT("a=b=c"), '=', &l, &r));
	assert_true(view_eq_lit(l, "a") && view_eq_lit(r, "b=c"));
	assert_false(view_cut(VIEW_LIT("abc"), '=', &l, &r));
	assert_true(view_eq_lit(view_trim(VIEW_LIT(" \t x y\r\n")), "x y"));
	assert_int_equal(view_find(VIEW_LIT("hello"), VIEW_LIT("llo")), 2);
	assert_int_equal(view_find(VIEW_LIT("hello"), VIEW_LIT("xyz")), 5);
	assert_true(view_cmp(VIEW_LIT("ab"), VIEW_LIT("abc")) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_strict),
	    cmocka_unit_test(utf8_is_strict),
	    cmocka_unit_test(cut_and_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
