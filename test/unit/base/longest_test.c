/* SPDX-License-Identifier: ISC */
#include "base/longest.h"

/* cmocka needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_spans(void **state)
{
	struct longest l = {0};
	uint64_t span = LONGEST_SPAN_MS;

	(void)state;
	longest_note(&l, 50, 10 * span);
	longest_note(&l, 20, 10 * span + 1);
	assert_int_equal(longest_get(&l, 11 * span - 1), 50);
	longest_note(&l, 30, 11 * span);
	assert_int_equal(longest_get(&l, 12 * span - 1), 50);
	assert_int_equal(longest_get(&l, 12 * span), 30);
	longest_note(&l, 7, 12 * span);
	assert_int_equal(longest_get(&l, 12 * span), 30);
	assert_int_equal(longest_get(&l, 13 * span), 7);
	assert_int_equal(longest_get(&l, 20 * span), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_spans)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
