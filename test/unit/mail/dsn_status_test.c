/* SPDX-License-Identifier: ISC */
#include "mail/dsn_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void parse(void **state)
{
	static const char *const good[] = {"2.0.0", "4.7.1", "5.1.10", "5.999.999"};
	static const char *const bad[] = {"",         "5",       "5.1",    "5.1.",   "5..1",
					  ".1.1",     "3.1.1",   "0.0.0",  "55.1.1", "5.01.1",
					  "5.1.1000", "5.1.1.1", "5.1.1 ", "5.1.x",  "-5.1.1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct dsn_status status;
		struct buf out = BUF_INIT(64);

		assert_true(dsn_status_parse(view_from_cstr(good[i]), &status));
		dsn_status_format(&out, status);
		assert_string_equal(buf_cstr(&out), good[i]);
		buf_fini(&out);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dsn_status status;

		if (dsn_status_parse(view_from_cstr(bad[i]), &status))
			fail_msg("taken: %s", bad[i]);
	}
}

static void split(void **state)
{
	struct dsn_status status;
	struct view rest;

	(void)state;
	assert_true(dsn_status_split(VIEW_LIT("5.1.1  No such user"), &status, &rest));
	assert_true(dsn_status_eq(status, (struct dsn_status){5, 1, 1}));
	assert_true(view_eq_lit(rest, "No such user"));
	assert_true(dsn_status_split(VIEW_LIT("2.0.0"), &status, &rest));
	assert_int_equal(rest.n, 0);
	assert_false(dsn_status_split(VIEW_LIT("5.1.1: No"), &status, &rest));
	assert_true(dsn_status_eq(dsn_status_of_code(451), (struct dsn_status){4, 0, 0}));
	assert_true(dsn_status_eq(dsn_status_of_code(354), (struct dsn_status){0, 0, 0}));
	assert_string_equal(dsn_status_meaning((struct dsn_status){4, 2, 2}), "mailbox is full");
	assert_null(dsn_status_meaning((struct dsn_status){5, 9, 9}));
}

static void validity(void **state)
{
	struct verdict v = VERDICT(550, 5, 1, 1, "No");

	(void)state;
	assert_true(verdict_valid(&v));
	v = VERDICT(550, 4, 1, 1, "No");
	assert_false(verdict_valid(&v));
	v = VERDICT(354, 3, 0, 0, "Go on");
	assert_false(verdict_valid(&v));
	v = VERDICT(354, 0, 0, 0, "Go on");
	assert_true(verdict_valid(&v));
	v = VERDICT(650, 5, 1, 1, "No");
	assert_false(verdict_valid(&v));
	v = VERDICT(550, 5, 1, 1, "No\r\n250 Yes");
	assert_false(verdict_valid(&v));
	v = VERDICT(550, 5, 1, 1, "No\nNever");
	assert_true(verdict_valid(&v));
	v.class = VERDICT_TEMPORARY;
	assert_false(verdict_valid(&v));
}

static void replies(void **state)
{
	static const struct {
		struct verdict verdict;
		bool utf8;
		const char *out;
	} cases[] = {
	    {VERDICT_INIT(550, 5, 1, 1, "No such mailbox"), false, "550 5.1.1 No such mailbox\r\n"},
	    {VERDICT_INIT(354, 0, 0, 0, "Go on"), false, "354 Go on\r\n"},
	    {VERDICT_INIT(250, 2, 0, 0, ""), false, "250 2.0.0\r\n"},
	    {VERDICT_INIT(250, 0, 0, 0, ""), false, "250 \r\n"},
	    {VERDICT_INIT(250, 0, 0, 0, "mail.example.org\nSIZE 1000\nHELP"), false,
	     "250-mail.example.org\r\n250-SIZE 1000\r\n250 HELP\r\n"},
	    {VERDICT_INIT(550, 5, 7, 1, "One\nTwo"), false, "550-5.7.1 One\r\n550 5.7.1 Two\r\n"},
	    {VERDICT_INIT(550, 5, 7, 1, "No\r250 Yes\x7f"), false, "550 5.7.1 No?250 Yes?\r\n"},
	    {VERDICT_INIT(550, 5, 7, 1, "gr\xc3\xbc\xc3\x9f"), false, "550 5.7.1 gr????\r\n"},
	    {VERDICT_INIT(550, 5, 7, 1, "gr\xc3\xbc\xc3\x9f"), true, "550 5.7.1 gr\xc3\xbc\xc3\x9f\r\n"},
	    {VERDICT_INIT(550, 5, 7, 1, "gr\xfc"), true, "550 5.7.1 gr?\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(4096);

		verdict_format_reply(&out, &cases[i].verdict, cases[i].utf8);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void long_replies_are_cut_into_lines(void **state)
{
	char text[3000];
	struct verdict v = VERDICT(550, 5, 7, 1, "");
	struct buf out = BUF_INIT(8192);
	struct view line, rest;
	size_t bytes = 0;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i < 1500 || i % 7 ? 'x' : ' ';
	v.text = view_from(text, sizeof text);
	verdict_format_reply(&out, &v, false);
	rest = buf_view(&out);
	while (view_cut(rest, '\n', &line, &rest)) {
		assert_true(line.n + 1 <= 512);
		assert_int_equal(line.p[3], rest.n ? '-' : ' ');
		assert_int_not_equal(line.p[strlen("550 5.7.1 ")], ' ');
		bytes += line.n - strlen("550 5.7.1 \r");
	}
	assert_int_equal(rest.n, 0);
	assert_true(bytes >= sizeof text - 10 && bytes <= sizeof text);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parse),
	    cmocka_unit_test(split),
	    cmocka_unit_test(validity),
	    cmocka_unit_test(replies),
	    cmocka_unit_test(long_replies_are_cut_into_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
