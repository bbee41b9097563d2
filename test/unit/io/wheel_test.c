/* SPDX-License-Identifier: ISC */
#include "io/wheel.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TICK = WHEEL_TICK_MS, ROUND = WHEEL_TICK_MS * WHEEL_SLOTS };

/* Every entry comes once, not early, and at most a tick late when the wheel is asked when it says. */
static void each_in_time(void **state)
{
	static const uint64_t delays[] = {
	    0,         1,     TICK - 1,  TICK,           TICK + 1, 5000,           ROUND - TICK,
	    ROUND - 1, ROUND, ROUND + 1, 3 * ROUND + 77, 1800000,  7 * 86400000ull};
	static const uint64_t starts[] = {0, 1, TICK, 123456789, 987654321012ull};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct wheel w = {0};
		struct wheel_entry e[ARRAY_LEN(delays)] = {0};
		size_t seen = 0;

		for (size_t k = 0; k < ARRAY_LEN(delays); k++)
			wheel_set(&w, &e[k], starts[i] + delays[k], starts[i]);
		assert_null(wheel_pop(&(struct wheel){0}, starts[i]));
		while (wheel_next_ms(&w) != UINT64_MAX) {
			uint64_t now_ms = wheel_next_ms(&w);
			struct wheel_entry *due;

			while ((due = wheel_pop(&w, now_ms))) {
				assert_null(due->at);
				assert_true(due->due_ms <= now_ms);
				assert_true(now_ms < due->due_ms + TICK || now_ms < starts[i] + TICK);
				seen++;
			}
		}
		assert_int_equal(seen, ARRAY_LEN(delays));
		assert_int_equal(w.count, 0);
	}
}

static void cleared_and_moved(void **state)
{
	struct wheel w = {0};
	struct wheel_entry a = {0}, b = {0}, c = {0};

	(void)state;
	wheel_set(&w, &a, 1000, 0);
	wheel_set(&w, &b, 1000, 0);
	wheel_set(&w, &c, 1000, 0);
	wheel_clear(&w, &b);
	wheel_clear(&w, &b);
	wheel_set(&w, &c, 5000, 0);
	assert_ptr_equal(wheel_pop(&w, 2000), &a);
	assert_null(wheel_pop(&w, 2000));
	wheel_set(&w, &a, 2500, 2000);
	assert_ptr_equal(wheel_pop(&w, 3000), &a);
	assert_null(wheel_pop(&w, 4900));
	/* long after: the wheel was not looked at for many rounds */
	assert_ptr_equal(wheel_pop(&w, 50ull * ROUND), &c);
	assert_int_equal(wheel_next_ms(&w), UINT64_MAX);
	/* empty for long, then used again: not overdue at once */
	wheel_set(&w, &a, 90ull * ROUND + 3000, 90ull * ROUND);
	assert_true(wheel_next_ms(&w) >= 90ull * ROUND + 3000);
}

static void at_random(void **state)
{
	enum { N = 500 };
	static struct wheel_entry e[N];
	struct wheel w = {0};
	uint64_t now_ms = 1000000;
	size_t set = 0;

	(void)state;
	srandom(7);
	for (int step = 0; step < 20000; step++) {
		struct wheel_entry *x = &e[random() % N];
		struct wheel_entry *due;

		set -= x->at != NULL;
		if (random() % 4) {
			wheel_set(&w, x, now_ms + (uint64_t)(random() % (random() % 3 ? 3000 : 200000)), now_ms);
			set++;
		} else {
			wheel_clear(&w, x);
		}
		now_ms += (uint64_t)(random() % 40);
		while ((due = wheel_pop(&w, now_ms))) {
			assert_true(due->due_ms <= now_ms);
			set--;
		}
		assert_int_equal(set, w.count);
		for (size_t i = 0; i < N; i++)
			assert_true(!e[i].at || e[i].due_ms + TICK > now_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_in_time),
	    cmocka_unit_test(cleared_and_moved),
	    cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
