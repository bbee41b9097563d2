/* SPDX-License-Identifier: ISC */
#include "mail/imap_set.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void show(const struct imap_set *set, struct buf *out)
{
	struct imap_set_writer w;

	buf_reset(out);
	imap_set_writer_init(&w, out);
	for (uint32_t i = 0; i < set->count; i++)
		imap_set_writer_add_span(&w, set->spans[i].first, set->spans[i].last);
	imap_set_writer_end(&w);
}

static void sets_are_resolved(void **state)
{
	static const struct {
		const char *text;
		uint32_t max;
		const char *resolved;
	} cases[] = {
	    {"1", 10, "1"},
	    {"5,1,3", 10, "1,3,5"},
	    {"2,4:7,9,12:*", 15, "2,4:7,9,12:15"},
	    {"*:4,5:7", 10, "4:10"},
	    {"4:2", 10, "2:4"},
	    {"1:3,2:6,7", 10, "1:7"},
	    {"20:*", 10, "10:20"},
	    {"*", 10, "10"},
	    {"*", 0, ""},
	    {"1:*,5", 0, "5"},
	    {"5:*", 0, ""},
	    {"4294967295:1", 5, "1:4294967295"},
	    {"4294967295,4294967294", 5, "4294967294:4294967295"},
	    {"3,3,3", 5, "3"},
	};
	struct buf out = BUF_INIT(1000);
	struct imap_set set;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(imap_set_parse(view_from_cstr(cases[i].text), &a, &set));
		assert_false(set.saved);
		imap_set_resolve(&set, cases[i].max);
		show(&set, &out);
		assert_string_equal(buf_cstr(&out), cases[i].resolved);
	}
	arena_fini(&a);
	buf_fini(&out);
}

static void what_is_no_set_is_refused(void **state)
{
	static const char *const bad[] = {"",    "0",          "01", "1,",  ",1", "1:",    ":1", "1::2", "a",
					  "1 2", "4294967296", "-1", "1,$", "$$", "1:2:3", "**", "1:0"};
	struct imap_set set;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(imap_set_parse(view_from_cstr(bad[i]), &a, &set));
	assert_true(imap_set_parse(VIEW_LIT("$"), &a, &set));
	assert_true(set.saved && set.count == 0);
	assert_true(imap_set_parse_known(VIEW_LIT("1:5,7"), &a, &set));
	assert_false(imap_set_parse_known(VIEW_LIT("1:*"), &a, &set));
	assert_false(imap_set_parse_known(VIEW_LIT("$"), &a, &set));
	arena_fini(&a);
	arena_init(&a, 64);
	assert_false(imap_set_parse(VIEW_LIT("1,2,3,4,5,6,7,8,9,10"), &a, &set));
	arena_fini(&a);
}

static void a_resolved_set_answers(void **state)
{
	struct imap_set set;
	struct arena a;
	uint32_t max;

	(void)state;
	arena_init(&a, 100000);
	assert_true(imap_set_parse(VIEW_LIT("2:4,8,100:200"), &a, &set));
	imap_set_resolve(&set, 1000);
	for (uint32_t n = 0; n < 300; n++)
		assert_int_equal(imap_set_has(&set, n), (n >= 2 && n <= 4) || n == 8 || (n >= 100 && n <= 200));
	assert_int_equal(imap_set_count(&set), 3 + 1 + 101);
	assert_true(imap_set_max(&set, &max));
	assert_int_equal(max, 200);
	assert_true(imap_set_parse(VIEW_LIT("1:4294967295"), &a, &set));
	imap_set_resolve(&set, 1);
	assert_true(imap_set_count(&set) == 4294967295u && imap_set_has(&set, 4294967295u));
	set.count = 0;
	assert_false(imap_set_max(&set, &max) || imap_set_has(&set, 1));
	arena_fini(&a);
}

static void numbers_are_written_compactly(void **state)
{
	static const uint32_t numbers[] = {1, 2, 3, 7, 9, 10, 4294967294u, 4294967295u, 5, 4, 3};
	struct buf out = BUF_INIT(1000);
	struct imap_set_writer w;

	(void)state;
	imap_set_writer_init(&w, &out);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		imap_set_writer_add(&w, numbers[i]);
	imap_set_writer_end(&w);
	assert_string_equal(buf_cstr(&out), "1:3,7,9:10,4294967294:4294967295,5,4,3");
	buf_reset(&out);
	imap_set_writer_init(&w, &out);
	imap_set_writer_end(&w);
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static void partial_ranges(void **state)
{
	static const struct {
		const char *text;
		uint32_t total, first, last; /* 0: none of them is there */
	} cases[] = {
	    {"1:500", 23764, 1, 500},
	    {"500:1", 23764, 1, 500},
	    {"23500:24000", 23764, 23500, 23764},
	    {"24000:24500", 23764, 0, 0},
	    {"-1:-100", 23764, 23665, 23764},
	    {"-100:-1", 23764, 23665, 23764},
	    {"-3:-3", 3, 1, 1},
	    {"-3:-4", 3, 1, 1},
	    {"-4:-5", 3, 0, 0},
	    {"1:4294967295", 3, 1, 3},
	    {"-1:-4294967295", 3, 1, 3},
	    {"1:1", 0, 0, 0},
	};
	static const char *const bad[] = {"",      "1",     "1:",   ":1",           "0:1",  "1:0",
					  "*:1",   "1:*",   "-1:1", "1:-1",         "-1",   "-:-",
					  "-1:-0", "1:2:3", "1,2",  "4294967296:1", "+1:2", "--1:-2"};
	struct imap_partial p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t first = 0, last = 0;

		assert_true(imap_partial_parse(view_from_cstr(cases[i].text), &p));
		assert_int_equal(imap_partial_of(&p, cases[i].total, &first, &last), cases[i].first != 0);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(last, cases[i].last);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(imap_partial_parse(view_from_cstr(bad[i]), &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_are_resolved),
	    cmocka_unit_test(partial_ranges),
	    cmocka_unit_test(what_is_no_set_is_refused),
	    cmocka_unit_test(a_resolved_set_answers),
	    cmocka_unit_test(numbers_are_written_compactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
