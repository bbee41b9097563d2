/* SPDX-License-Identifier: ISC
 * When the kernel is told to read the database ahead. */
#include "store/sqlite_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PAGE = 4096, MIB = 1024 * 1024 };

/* `n` reads, `step` bytes apart, from `at` on; how many MiB were asked for. Every piece begins where the one before ended. */
static uint64_t walk(struct sqlite_ahead *a, uint64_t at, uint64_t step, unsigned n, bool slow)
{
	uint64_t asked = 0, from, bytes, until = 0;

	for (unsigned i = 0; i < n; i++, at += step) {
		if (!sqlite_ahead_note(a, at, slow && at >= until, &from, &bytes))
			continue;
		if (until)
			assert_int_equal(from, until);
		assert_true(from + bytes > at);
		until = from + bytes;
		asked += bytes;
	}
	return asked / MIB;
}

static void test_a_cold_walk_is_read_ahead(void **state)
{
	struct sqlite_ahead a = {0};
	uint64_t pages = 100 * MIB / (4 * PAGE), asked = walk(&a, PAGE, 4 * PAGE, (unsigned)pages, true);

	(void)state;
	assert_in_range(asked, 99, 112); /* all of it, and not much more */
	/* Another one, further back. */
	asked = walk(&a, PAGE, 3 * PAGE, (unsigned)pages, true);
	assert_in_range(asked, 74, 87);
}

static void test_what_is_in_memory_or_far_apart_is_not(void **state)
{
	struct sqlite_ahead a = {0};

	(void)state;
	assert_int_equal(walk(&a, PAGE, 4 * PAGE, 10000, false), 0);
	assert_int_equal(walk(&a, PAGE, 40 * PAGE, 10000, true), 0);
	for (unsigned i = 0; i < 1000; i++) /* back and forth */
		assert_int_equal(walk(&a, (i * 7919 % 1000) * 100 * PAGE, PAGE, 1, true), 0);
}

static void test_a_walk_that_grows_thin_ends(void **state)
{
	struct sqlite_ahead a = {0};

	(void)state;
	assert_in_range(walk(&a, PAGE, PAGE, 1000, true), 8, 12);
	assert_true(walk(&a, PAGE + 4 * MIB, 100 * PAGE, 600, false) <= 4); /* of 240 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_cold_walk_is_read_ahead),
	    cmocka_unit_test(test_what_is_in_memory_or_far_apart_is_not),
	    cmocka_unit_test(test_a_walk_that_grows_thin_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
