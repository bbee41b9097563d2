/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void rfc5322(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
		int64_t utc_s;
	} cases[] = {
	    {"Tue, 01 Jan 2019 10:00:00 +0100", "Tue, 01 Jan 2019 10:00:00 +0100", 1546333200},
	    {"Tue, 1 Jan 2019 10:00:00 +0000", "Tue, 01 Jan 2019 10:00:00 +0000", 1546336800},
	    {"1 Jan 2019 10:00 -0530", "Tue, 01 Jan 2019 10:00:00 -0530", 1546356600},
	    {" Fri,\r\n 21 Nov\r\n 1997 09(comment (nested \\) )):   55  :  06 -0600",
	     "Fri, 21 Nov 1997 09:55:06 -0600", 880127706},
	    {"21 Nov 97 09:55:06 GMT", "Fri, 21 Nov 1997 09:55:06 +0000", 880106106},
	    {"21 Nov 103 09:55:06 GMT", "Fri, 21 Nov 2003 09:55:06 +0000", 1069408506},
	    {"Thu, 1 Jan 1970 00:00:00 -0000", "Thu, 01 Jan 1970 00:00:00 -0000", 0},
	    {"Thu, 1 Jan 1970 00:00:00", "Thu, 01 Jan 1970 00:00:00 -0000", 0},
	    {"1 Jan 1970 00:00:00 A", "Thu, 01 Jan 1970 00:00:00 -0000", 0},
	    {"1 Jan 1970 00:00:00 Z", "Thu, 01 Jan 1970 00:00:00 +0000", 0},
	    {"1 Jan 1970 00:00:00 CEST", "Thu, 01 Jan 1970 00:00:00 -0000", 0},
	    {"31 Dec 1969 19:00:00 EST", "Wed, 31 Dec 1969 19:00:00 -0500", 0},
	    {"31 Dec 1969 16:59:59 pdt", "Wed, 31 Dec 1969 16:59:59 -0700", -1},
	    {"Sat, 29 Feb 2020 23:59:60 +0000", "Sun, 01 Mar 2020 00:00:00 +0000", 1583020800},
	    {"29 Feb 2000 00:00:00 +0000", "Tue, 29 Feb 2000 00:00:00 +0000", 951782400},
	    {"Tue, 19 Jan 2038 03:14:08 +0000", "Tue, 19 Jan 2038 03:14:08 +0000", 2147483648},
	    {"Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 23:59:59 -0100", 253402304399},
	    {"1 January 2019 10:00:00 +01:00 (CET)", "Tue, 01 Jan 2019 10:00:00 +0100", 1546333200},
	    {"1-Jan-2019 10.00.00.123 +01", "Tue, 01 Jan 2019 10:00:00 +0100", 1546333200},
	    {"Di., 1. Jan 2019 10:00:00 GMT+0100", "Tue, 01 Jan 2019 10:00:00 +0100", 1546333200},
	    {"Tue Jan  1 10:00:00 2019", "Tue, 01 Jan 2019 10:00:00 -0000", 1546336800},
	    {"Tue Jan  1 10:00:00 EST 2019", "Tue, 01 Jan 2019 10:00:00 -0500", 1546354800},
	    {"Jan 1 10:00:00 2019 +0100", "Tue, 01 Jan 2019 10:00:00 +0100", 1546333200},
	    {"1 Jan 2019 10:00:00 +9999", "Tue, 01 Jan 2019 10:00:00 -0000", 1546336800},
	    {"1 Jan 2019 10:00:00 +0160", "Tue, 01 Jan 2019 10:00:00 -0000", 1546336800},
	    {"1 Jan 2019 10:00:00 +2400", "Tue, 01 Jan 2019 10:00:00 -0000", 1546336800},
	    {"", NULL, 0},
	    {"yesterday", NULL, 0},
	    {"Tue", NULL, 0},
	    {"1 Jan 2019", NULL, 0},
	    {"1 Foo 2019 10:00:00", NULL, 0},
	    {"29 Feb 2019 10:00:00", NULL, 0},
	    {"29 Feb 1900 10:00:00", NULL, 0},
	    {"31 Apr 2019 10:00:00", NULL, 0},
	    {"0 Jan 2019 10:00:00", NULL, 0},
	    {"32 Jan 2019 10:00:00", NULL, 0},
	    {"1 Jan 10000 10:00:00", NULL, 0},
	    {"1 Jan 0000 10:00:00", NULL, 0},
	    {"1 Jan 2019 24:00:00", NULL, 0},
	    {"1 Jan 2019 10:60:00", NULL, 0},
	    {"1 Jan 2019 10:00:61", NULL, 0},
	    {"1 Jan 2019 10:-1:00", NULL, 0},
	    {"99999999999999999999 Jan 2019 10:00:00", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(256);
		struct date date = {.utc_s = 0};
		bool ok = date_parse(view_from_cstr(cases[i].in), &date);

		if (ok)
			date_format(&out, &date);
		if (ok != (cases[i].out != NULL) || date.utc_s != cases[i].utc_s ||
		    strcmp(buf_cstr(&out), ok ? cases[i].out : "") != 0)
			fail_msg("%s: %s %lld", cases[i].in, buf_cstr(&out), (long long)date.utc_s);
		buf_fini(&out);
	}
}

static void imap(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		int64_t utc_s, local_day;
	} cases[] = {
	    {"17-Jul-1996 02:44:25 -0700", true, 837596665, 9694},
	    {" 1-Jan-2019 00:30:00 +0100", true, 1546299000, 17897},
	    {"01-Jan-1970 00:00:00 +0000", true, 0, 0},
	    {"31-Dec-1969 23:00:00 -0100", true, 0, -1},
	    {"1-Jan-2019 00:30:00 +0100", false, 0, 0},
	    {"  -Jan-2019 00:30:00 +0100", false, 0, 0},
	    {"30-Feb-2019 00:30:00 +0100", false, 0, 0},
	    {"01-Foo-2019 00:30:00 +0100", false, 0, 0},
	    {"01-Jan-2019 24:30:00 +0100", false, 0, 0},
	    {"01-Jan-2019 00:30:00 +2400", false, 0, 0},
	    {"01-Jan-2019 00:30:00 +0160", false, 0, 0},
	    {"01-Jan-2019 00:30:00 0100 ", false, 0, 0},
	    {"01-Jan-2019 00:30:00 +010", false, 0, 0},
	    {"01-Jan-2019 00:30:00 +01000", false, 0, 0},
	    {"01 Jan 2019 00:30:00 +0100", false, 0, 0},
	    {"", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(256);
		struct date date = {.utc_s = 0};

		if (date_parse_imap(view_from_cstr(cases[i].in), &date) != cases[i].ok)
			fail_msg("%s", cases[i].in);
		assert_true(date.utc_s == cases[i].utc_s && date_local_day(&date) == cases[i].local_day);
		if (cases[i].ok) {
			date_format_imap(&out, &date);
			assert_string_equal(buf_cstr(&out) + 2, cases[i].in + 2);
			assert_true(out.p[0] == (cases[i].in[0] == '0' ? ' ' : cases[i].in[0]));
		}
		buf_fini(&out);
	}
}

static void imap_days(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		int64_t day;
	} cases[] = {
	    {"1-Jan-1970", true, 0},    {"01-jan-1970", true, 0},    {"29-Feb-2000", true, 11016},
	    {"31-Dec-1969", true, -1},  {"1-Mar-2000", true, 11017}, {"29-Feb-1999", false, 0},
	    {"001-Jan-1970", false, 0}, {"1-Jan-70", false, 0},      {"1-Jan-19700", false, 0},
	    {"1 Jan 1970", false, 0},   {"-Jan-1970", false, 0},     {"1-January-1970", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t day = 0;

		if (date_parse_imap_day(view_from_cstr(cases[i].in), &day) != cases[i].ok || day != cases[i].day)
			fail_msg("%s: %lld", cases[i].in, (long long)day);
	}
}

/* Every day of eight centuries: written, read back, one day after the one before. */
static void every_day(void **state)
{
	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		struct date date = {.utc_s = day * 86400 + 43200, .zone_min = 60, .zone_known = true}, back;
		struct buf out = BUF_INIT(64);

		date_format(&out, &date);
		assert_true(date_parse(buf_view(&out), &back));
		assert_true(back.utc_s == date.utc_s && back.zone_min == 60 && date_local_day(&back) == day);
		buf_fini(&out);
	}
}

static void any_value_can_be_written(void **state)
{
	static const struct {
		struct date date;
		const char *out;
	} cases[] = {
	    {{INT64_MIN, INT32_MIN, true}, "Mon, 01 Jan 0001 00:00:00 -2359"},
	    {{INT64_MAX, INT32_MAX, true}, "Fri, 31 Dec 9999 23:59:59 +2359"},
	    {{253402300800, 0, true}, "Fri, 31 Dec 9999 23:59:59 +0000"},
	    {{253402300800, -60, true}, "Fri, 31 Dec 9999 23:00:00 -0100"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(64);

		date_format(&out, &cases[i].date);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5322),
	    cmocka_unit_test(imap),
	    cmocka_unit_test(imap_days),
	    cmocka_unit_test(every_day),
	    cmocka_unit_test(any_value_can_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
