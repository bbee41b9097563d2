/* SPDX-License-Identifier: ISC */
#include "policy/text_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct text_scan scan(const char *text, size_t step)
{
	struct view v = view_from_cstr(text);
	struct text_scan s = TEXT_SCAN_INIT;

	for (size_t at = 0; at < v.n; at += step)
		text_scan_feed(&s, view_sub(v, at, step));
	return s;
}

static void lines_and_bytes(void **state)
{
	static char text[2100];

	(void)state;
	for (size_t step = 1; step < 2100; step *= 3) {
		memset(text, 'x', sizeof text - 1);
		memcpy(text + 998, "\r\n", 2);
		memcpy(text + 1998, "\r\n", 3);
		assert_false(scan(text, step).has_long_line);
		assert_false(scan(text, step).is_eightbit);
		memcpy(text + 998, "x\r\n", 3);
		assert_true(scan(text, step).has_long_line);
		text[500] = '\xe4';
		assert_true(scan(text, step).is_eightbit);
		assert_true(scan(text + 501, step).has_long_line == false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_and_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
