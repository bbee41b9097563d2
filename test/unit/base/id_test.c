/* SPDX-License-Identifier: ISC */
#include "base/id.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void ids_rise_even_when_the_clock_steps_back(void **state)
{
	struct id_source s;
	uint64_t last = 0;

	(void)state;
	id_source_init(&s, 3, 0);
	for (int i = 0; i < 200000; i++) {
		uint64_t id = id_next(&s);

		assert_true(id > last);
		assert_true((id >> 16 & 63) == 3);
		last = id;
		if (i == 1000)
			clock_shift_wall(-60000000);
	}
	clock_shift_wall(60000000);
}

/* Ids fit what a database calls an integer, and go on from there when the clock is set right. */
static void a_clock_before_the_first_year(void **state)
{
	const int64_t years_us = INT64_C(40) * 365 * 86400 * 1000000;
	struct id_source s;
	uint64_t early, next;

	(void)state;
	id_source_init(&s, 0, 0);
	clock_shift_wall(-years_us);
	early = id_next(&s);
	next = id_next(&s);
	clock_shift_wall(years_us);
	assert_true(early > 0 && early < next && next < id_next(&s) && id_next(&s) < INT64_MAX);
	assert_true(id_wall_us(id_next(&s)) <= clock_wall_us());
}

static void text_sorts_as_the_number_and_comes_back(void **state)
{
	struct id_source s;
	char a[ID_TEXT_BYTES + 1], b[ID_TEXT_BYTES + 1];
	uint64_t x, y, back;

	(void)state;
	id_source_init(&s, 0, 0);
	x = id_next(&s);
	y = id_next(&s);
	id_format(x, a);
	id_format(y, b);
	assert_true(strcmp(a, b) < 0);
	assert_true(id_parse(view_from_cstr(a), &back) && back == x);
	assert_false(id_parse(VIEW_LIT("too-short"), &back));
	assert_false(id_parse(VIEW_LIT("zzzzzzzzzzzzz"), &back));
	assert_true(id_wall_us(x) <= clock_wall_us() && id_wall_us(x) > clock_wall_us() - 5000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_clock_before_the_first_year),
	    cmocka_unit_test(ids_rise_even_when_the_clock_steps_back),
	    cmocka_unit_test(text_sorts_as_the_number_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
