/* SPDX-License-Identifier: ISC */
#include "ipc/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct calls *t, uint32_t id, uint64_t deadline_ms)
{
	struct call c = {.id = id, .deadline_ms = deadline_ms, .ctx = (void *)(uintptr_t)id};

	calls_add(t, &c);
}

/* Against a plain array of what should be there, for ids that crowd into the same places. */
static void as_an_array_would(void **state)
{
	static bool there[4096];
	struct calls t;
	size_t n = 0;

	(void)state;
	srand(7);
	calls_init(&t);
	for (int step = 0; step < 200000; step++) {
		/* Few homes, among them the last ones of the table, so that runs wrap around. */
		uint32_t k = (uint32_t)rand() % 4096, id = (k % 16) * 256 + (k / 16) + 1;
		struct call c = {0};

		if (n > 60 || (there[k] && rand() % 2)) {
			assert_int_equal(calls_take(&t, id, &c), there[k]);
			if (there[k]) {
				assert_int_equal(c.id, id);
				assert_ptr_equal(c.ctx, (void *)(uintptr_t)id);
				n--;
			}
			there[k] = false;
		} else if (!there[k]) {
			add(&t, id, 1);
			there[k] = true;
			n++;
		}
		assert_int_equal(t.n, n);
	}
	for (uint32_t k = 0; k < 4096; k++)
		assert_int_equal(calls_find(&t, (k % 16) * 256 + (k / 16) + 1) != NULL, there[k]);
	calls_fini(&t);
}

static void what_is_due_comes_once(void **state)
{
	struct calls t;
	struct call c;
	size_t cursor = 0, taken = 0;

	(void)state;
	calls_init(&t);
	for (uint32_t id = 1; id <= 1000; id++)
		add(&t, id, id % 3 == 0 ? 5 : 50);
	assert_int_equal(calls_next_deadline(&t), 5);
	while (calls_take_expired(&t, 10, &cursor, &c)) {
		assert_int_equal(c.id % 3, 0);
		taken++;
	}
	assert_int_equal(taken, 333);
	assert_int_equal(t.n, 667);
	assert_int_equal(calls_next_deadline(&t), 50);
	cursor = 0;
	while (calls_take_expired(&t, UINT64_MAX, &cursor, &c))
		taken++;
	assert_int_equal(taken, 1000);
	assert_int_equal(calls_next_deadline(&t), UINT64_MAX);
	assert_null(calls_find(&t, 0));
	calls_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_an_array_would),
	    cmocka_unit_test(what_is_due_comes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
