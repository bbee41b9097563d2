/* SPDX-License-Identifier: ISC
 * When a server that says nothing, or hardly anything, is given up, and that one that gets on never is. */
#include "cli/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { IDLE_MS = 300000, DAY_MS = 86400000 };

/* Waits for `bytes` each `every_ms` until it is over, a day at most; an answer is complete after so many waits (0: never). How long it was. */
static uint64_t wait_for(struct patience *p, uint64_t every_ms, uint64_t bytes, unsigned waits)
{
	uint64_t at = 0;

	for (unsigned n = 1; at < DAY_MS; n++) {
		uint64_t left = patience_left_ms(p);

		if (left < every_ms) {
			patience_waited(p, left, false);
			return at + left;
		}
		patience_waited(p, every_ms, true);
		patience_got(p, bytes);
		if (waits && n % waits == 0)
			patience_answered(p);
		at += every_ms;
	}
	return at;
}

static void test_silence(void **state)
{
	struct patience p;

	(void)state;
	patience_init(&p, IDLE_MS);
	assert_int_equal(wait_for(&p, 2 * IDLE_MS, 1, 0), IDLE_MS);
	assert_int_equal(patience_left_ms(&p), 0);
	assert_true(patience_was_silent(&p));
	/* In pieces, as poll() is interrupted. */
	patience_init(&p, IDLE_MS);
	for (int i = 0; i < 3; i++)
		patience_waited(&p, IDLE_MS / 3, false);
	assert_int_equal(patience_left_ms(&p), 0);
	assert_true(patience_was_silent(&p));
}

static void test_dripping(void **state)
{
	struct patience p;
	uint64_t waited;

	(void)state;
	/* A byte a second, a keep-alive line every 15: half an hour and what they pay for. */
	patience_init(&p, IDLE_MS);
	waited = wait_for(&p, 1000, 1, 0);
	assert_in_range(waited, 1800000, 1820000);
	assert_false(patience_was_silent(&p));
	patience_init(&p, IDLE_MS);
	assert_in_range(wait_for(&p, 15000, 26, 0), 1800000, 1830000);
	/* A byte just before silence would end it. */
	patience_init(&p, IDLE_MS);
	assert_in_range(wait_for(&p, IDLE_MS - 1, 1, 0), 1800000, 1801000);
}

static void test_what_gets_on(void **state)
{
	struct patience p;

	(void)state;
	patience_init(&p, IDLE_MS);
	assert_true(wait_for(&p, 1000, 300, 0) >= DAY_MS); /* a line of 2,400 baud */
	patience_init(&p, IDLE_MS);
	assert_true(wait_for(&p, 60000, 10, 1) >= DAY_MS); /* a minute for each folder */
	patience_init(&p, IDLE_MS);
	assert_true(wait_for(&p, 200000, 100000, 0) >= DAY_MS); /* much, seldom */
	/* What came long ago pays for no more than the whole. */
	patience_init(&p, IDLE_MS);
	patience_got(&p, UINT32_MAX);
	assert_int_equal(wait_for(&p, IDLE_MS / 2, 0, 0), 6 * IDLE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_dripping),
	    cmocka_unit_test(test_what_gets_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
