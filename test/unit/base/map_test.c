/* SPDX-License-Identifier: ISC */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_thousand_keys(void **state)
{
	struct map m;
	static int values[1000];
	size_t seen = 0;

	(void)state;
	map_init(&m);
	for (uint64_t i = 0; i < 1000; i++)
		assert_null(map_u64_set(&m, i, &values[i]));
	assert_int_equal(m.count, 1000);
	for (uint64_t i = 0; i < 1000; i += 2)
		assert_ptr_equal(map_u64_remove(&m, i), &values[i]);
	for (uint64_t i = 0; i < 1000; i++)
		assert_ptr_equal(map_u64_get(&m, i), i % 2 ? &values[i] : NULL);
	for (struct map_entry *e = map_first(&m); e; e = map_next(&m, e))
		seen++;
	assert_int_equal(seen, 500);
	map_fini(&m);
}

static void replacing_returns_the_old(void **state)
{
	struct map m;
	int a, b;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, VIEW_LIT("k")));
	assert_null(map_set(&m, VIEW_LIT("k"), &a));
	assert_ptr_equal(map_set(&m, VIEW_LIT("k"), &b), &a);
	assert_ptr_equal(map_get(&m, VIEW_LIT("k")), &b);
	assert_null(map_get(&m, VIEW_LIT("")));
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thousand_keys),
	    cmocka_unit_test(replacing_returns_the_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
