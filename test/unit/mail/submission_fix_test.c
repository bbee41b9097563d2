/* SPDX-License-Identifier: ISC */
#include "mail/submission_fix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define REST "Date: x\r\nMessage-ID: <y>\r\n"

static void checks(void **state)
{
	static const struct {
		const char *block;
		unsigned problems;
		const char *addresses;
	} cases[] = {
	    {"From: a@b\r\n" REST "\r\n", 0, "a@b "},
	    {"From: a@b\r\n\r\n", SUBMISSION_NO_DATE | SUBMISSION_NO_MESSAGE_ID, "a@b "},
	    {"from: a@b\r\nDATE: x\r\n", SUBMISSION_NO_MESSAGE_ID, "a@b "},
	    {REST "\r\n", SUBMISSION_NO_FROM, ""},
	    {REST "From: A <a@b>,\r\n c@d\r\nSender: E <e@f>\r\n", 0, "a@b c@d e@f "},
	    {REST "From: team: a@b, c@d;\r\n", 0, "a@b c@d "},
	    {REST "From: a@b\r\nFrom: c@d\r\n", SUBMISSION_SEVERAL_FROM, "a@b c@d "},
	    {REST "From: a@b\r\nSender: c@d\r\nSender: e@f\r\n", SUBMISSION_SEVERAL_SENDER, "a@b c@d e@f "},
	    {REST "From: a@b\r\nSender: c@d, e@f\r\n", SUBMISSION_BAD_SENDER, "a@b c@d e@f "},
	    {REST "From: a@b\r\nSender:\r\n", SUBMISSION_BAD_SENDER, "a@b "},
	    {REST "From:\r\n", SUBMISSION_BAD_FROM, ""},
	    {REST "From: nobody:;\r\n", SUBMISSION_BAD_FROM, ""},
	    {REST "From: root\r\n", SUBMISSION_BAD_FROM, "root@ "},
	    {REST "From: a@b c@d\r\n", SUBMISSION_BAD_FROM, "a@b c@d "},
	    {REST "From: a@b\r\nDate: z\r\n", SUBMISSION_SEVERAL_DATE, "a@b "},
	    {REST "From: a@b\r\nMessage-Id: z\r\n", SUBMISSION_SEVERAL_MESSAGE_ID, "a@b "},
	    {REST "From: a@b\r\njunk\r\nFrom: c@d\r\n\r\n", SUBMISSION_JUNK | SUBMISSION_SEVERAL_FROM, "a@b c@d "},
	    {" x\r\nFrom: a@b\r\n" REST, SUBMISSION_JUNK, "a@b "},
	    {"From x y\r\nFrom: a@b\r\n" REST, SUBMISSION_JUNK, "a@b "},
	    {REST "From: a@b\r\n\r\nFrom: c@d\r\n", 0, "a@b "},
	    {"", SUBMISSION_NO_FROM | SUBMISSION_NO_DATE | SUBMISSION_NO_MESSAGE_ID, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(4096);
		struct submission s;
		struct arena a;

		arena_init(&a, 1 << 16);
		assert_true(submission_check(view_from_cstr(cases[i].block), 10, &a, &s));
		for (size_t n = 0; n < s.address_count; n++)
			buf_printf(&out, "%.*s@%.*s ", VIEW_FMT(s.addresses[n].local), VIEW_FMT(s.addresses[n].domain));
		if (s.problems != cases[i].problems || strcmp(buf_cstr(&out), cases[i].addresses) != 0)
			fail_msg("%s\n%#x %s", cases[i].block, s.problems, buf_cstr(&out));
		buf_fini(&out);
		arena_fini(&a);
	}
}

static void limits(void **state)
{
	struct submission s;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 16);
	assert_true(submission_check(VIEW_LIT("From: a@b, c@d\r\nSender: e@f\r\n"), 3, &a, &s));
	assert_false(submission_check(VIEW_LIT("From: a@b, c@d\r\nSender: e@f\r\n"), 2, &a, &s));
	assert_false(submission_check(VIEW_LIT("From: a:;b:;c:;d:;e:;f:;\r\n"), 0, &a, &s));
	arena_fini(&a);
	arena_init(&a, 16);
	assert_false(submission_check(VIEW_LIT("From: a@b\r\n"), 3, &a, &s));
	arena_fini(&a);
}

static void added_fields(void **state)
{
	static const struct {
		unsigned problems;
		const char *out;
	} cases[] = {
	    {0, ""},
	    {SUBMISSION_NO_FROM | SUBMISSION_JUNK, ""},
	    {SUBMISSION_NO_DATE, "Date: Thu, 01 Jan 1970 01:00:00 +0100\r\n"},
	    {SUBMISSION_NO_MESSAGE_ID, "Message-ID: <x@y>\r\n"},
	    {SUBMISSION_NO_DATE | SUBMISSION_NO_MESSAGE_ID,
	     "Date: Thu, 01 Jan 1970 01:00:00 +0100\r\nMessage-ID: <x@y>\r\n"},
	};
	const struct date date = {.utc_s = 0, .zone_min = 60, .zone_known = true};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(4096);

		submission_fix_format(&out, cases[i].problems, &date, VIEW_LIT("x@y"));
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checks),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(added_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
