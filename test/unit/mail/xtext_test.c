/* SPDX-License-Identifier: ISC */
#include "mail/xtext.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void round_trip(void **state)
{
	char bytes[256];
	struct buf out = BUF_INIT(1024);
	struct view back;
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	xtext_encode(&out, view_from(bytes, sizeof bytes));
	assert_true(xtext_decode(buf_view(&out), &a, &back));
	assert_true(view_eq(back, view_from(bytes, sizeof bytes)));
	buf_reset(&out);
	xtext_encode(&out, VIEW_LIT("a+b=c d\xc3"));
	assert_string_equal(buf_cstr(&out), "a+2Bb+3Dc+20d+C3");
	buf_fini(&out);
	arena_fini(&a);
}

static void refuses(void **state)
{
	static const char *const cases[] = {"+", "+2", "+2b", "+G0", "a=b", "a b", "a\x7f", "\xc3\xbc"};
	struct view back;
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (xtext_decode(view_from_cstr(cases[i]), &a, &back))
			fail_msg("taken: %s", cases[i]);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(refuses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
