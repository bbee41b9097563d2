/* SPDX-License-Identifier: ISC */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_maximum_holds(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	assert_non_null(arena_alloc(&a, 4000));
	assert_null(arena_alloc(&a, 200));
	assert_null(arena_array(&a, SIZE_MAX, 2));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 200));
	arena_fini(&a);
}

static void copies_are_independent(void **state)
{
	struct arena a;
	char text[] = "hello";
	struct view v;

	(void)state;
	arena_init(&a, 4096);
	v = arena_copy(&a, view_from(text, 5));
	text[0] = 'j';
	assert_true(view_eq_lit(v, "hello"));
	assert_null(arena_cstr(&a, view_from("a\0b", 3)));
	assert_string_equal(arena_cstr(&a, view_from("ab", 2)), "ab");
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_maximum_holds),
	    cmocka_unit_test(copies_are_independent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
