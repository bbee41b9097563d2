/* SPDX-License-Identifier: ISC */
#include "policy/mta_sts.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool find_one(const char *txt, struct view *ret_id)
{
	struct view v = view_from_cstr(txt);

	return mta_sts_record_find(&v, 1, ret_id);
}

static void records_that_count(void **state)
{
	static const struct {
		const char *txt, *id;
	} cases[] = {
	    {"v=STSv1; id=20160831085700Z;", "20160831085700Z"}, /* RFC 8461 §3.1 */
	    {"v=STSv1;id=1", "1"},
	    {"v=STSv1 ;\tid=ab ; ", "ab"},
	    {"v=STSv1; x-y.z=!:</~; id=3;", "3"},
	    {"v=STSv1; id=first; id=second;", "first"},
	    {"v=STSv1; id=12345678901234567890123456789012;", "12345678901234567890123456789012"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view id;

		assert_true(find_one(cases[i].txt, &id));
		assert_true(view_eq_lit(id, cases[i].id));
	}
}

static void records_that_do_not(void **state)
{
	static const char *const cases[] = {
	    "",
	    "v=STSv1",
	    "v=STSv1;",
	    "v=STSv1; id=;",
	    "v=STSv1; id=a-b;",
	    "v=STSv1; id=123456789012345678901234567890123;",
	    "V=STSv1; id=1;",
	    " v=STSv1; id=1;",
	    "v=STSv10; id=1;",
	    "v=STSv1; ID=1;",
	    "v=STSv1; id=1; x;",
	    "v=STSv1; id=1; x=a b;",
	    "v=STSv1; id=1; x=a=b;",
	    "v=STSv1; id=1;; x=y",
	    "v=spf1 -all",
	    "id=1; v=STSv1",
	};
	struct view id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (find_one(cases[i], &id))
			fail_msg("taken: %s", cases[i]);
}

static void one_record_among_others(void **state)
{
	const struct view among[] = {VIEW_LIT("v=spf1 -all"), VIEW_LIT("v=STSv1; id=7;"), VIEW_LIT("hello")};
	const struct view twice[] = {VIEW_LIT("v=STSv1; id=7;"), VIEW_LIT("v=STSv1; id=7;")};
	const struct view broken[] = {VIEW_LIT("v=STSv1; id=7;"), VIEW_LIT("v=STSv1; nonsense")};
	struct view id;

	(void)state;
	assert_true(mta_sts_record_find(among, 3, &id));
	assert_true(view_eq_lit(id, "7"));
	assert_false(mta_sts_record_find(twice, 2, &id));
	assert_false(mta_sts_record_find(broken, 2, &id));
	assert_false(mta_sts_record_find(among, 0, &id));
}

#define EXAMPLE                                                                                                        \
	"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\n" \
	"max_age: 604800\r\n"

static bool parse(const char *text, struct mta_sts_policy *ret)
{
	return mta_sts_policy_parse(view_from_cstr(text), ret);
}

static void the_rfcs_example(void **state)
{
	static const struct {
		const char *host;
		bool allowed;
	} hosts[] = {
	    {"mail.example.com", true},       {"MAIL.example.COM", true}, {"backupmx.example.com", true},
	    {"mx1.example.net", true},        {"example.net", false},     {"a.b.example.net", false},
	    {"mx.example.com", false},        {".example.net", false},    {"", false},
	    {"mail.example.com.evil", false}, {"*.example.net", true},
	};
	struct mta_sts_policy p;
	struct view rest, mx;

	(void)state;
	assert_true(parse(EXAMPLE, &p));
	assert_int_equal(p.mode, MTA_STS_ENFORCE);
	assert_int_equal(p.max_age_s, 604800);
	assert_int_equal(p.mx_count, 3);
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		assert_int_equal(mta_sts_allows(&p, view_from_cstr(hosts[i].host)), hosts[i].allowed);
	rest = p.text;
	assert_true(mta_sts_next_mx(&rest, &mx) && view_eq_lit(mx, "mail.example.com"));
	assert_true(mta_sts_next_mx(&rest, &mx) && view_eq_lit(mx, "*.example.net"));
	assert_true(mta_sts_next_mx(&rest, &mx) && view_eq_lit(mx, "backupmx.example.com"));
	assert_false(mta_sts_next_mx(&rest, &mx));
}

static void policies_that_count(void **state)
{
	static const struct {
		const char *text;
		enum mta_sts_mode mode;
		uint32_t max_age_s;
	} cases[] = {
	    {"version: STSv1\nmode: testing\nmx: a.example\nmax_age: 0", MTA_STS_TESTING, 0},
	    {"version:STSv1\nmode:\tenforce  \nmx:a.example\nmax_age:86400\n", MTA_STS_ENFORCE, 86400},
	    {"max_age: 9999999999\nmx: a.example\nmode: enforce\nversion: STSv1\n", MTA_STS_ENFORCE, MTA_STS_AGE_MAX_S},
	    {"version: STSv1\nmode: none\nmax_age: 1\n", MTA_STS_NONE, 1},
	    {"version: STSv1\nmode: enforce\nmode: none\nmx: a.example\nmax_age: 5\nmax_age: x\n", MTA_STS_ENFORCE, 5},
	    {"version: STSv1\nmode: enforce\nfuture: v\xc3\xa4lue: 1\nmx: a.example\nmax_age: 5\n\n", MTA_STS_ENFORCE,
	     5},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mta_sts_policy p;

		if (!parse(cases[i].text, &p))
			fail_msg("refused: %s", cases[i].text);
		assert_int_equal(p.mode, cases[i].mode);
		assert_int_equal(p.max_age_s, cases[i].max_age_s);
	}
}

static void policies_that_do_not(void **state)
{
	static const char *const cases[] = {
	    "",
	    "\n",
	    "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 5\n",
	    "mode: enforce\nmx: a.example\nmax_age: 5\n",
	    "version: STSv1\nmx: a.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmax_age: 5\n",
	    "version: STSv1\nmode: testing\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a.example\n",
	    "version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 12345678901\n",
	    "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1\n",
	    "version: STSv1\nmode: enforce\nmx: *.*.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a..example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a.example.\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: m\xc3\xa4.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a.example b.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx:\nmax_age: 5\n",
	    "version: STSv1\n\nmode: enforce\nmx: a.example\nmax_age: 5\n",
	    "version: STSv1\nnonsense\nmode: enforce\nmx: a.example\nmax_age: 5\n",
	    "<html>\nversion: STSv1\nmode: enforce\nmx: a.example\nmax_age: 5\n",
	    "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 5\nx: \x01\n",
	    "version: STSv1\rmode: enforce\rmx: a.example\rmax_age: 5\r",
	};
	struct mta_sts_policy p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (parse(cases[i], &p))
			fail_msg("taken: %s", cases[i]);
}

static void limits(void **state)
{
	static char text[MTA_STS_POLICY_MAX + 1];
	struct mta_sts_policy p;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < MTA_STS_MX_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "mx: a%d.example\n", i);
	n += (size_t)snprintf(text + n, sizeof text - n, "version: STSv1\nmode: enforce\nmax_age: 5\n");
	assert_true(mta_sts_policy_parse(view_from(text, n), &p));
	assert_true(mta_sts_allows(&p, VIEW_LIT("a255.example")));
	n += (size_t)snprintf(text + n, sizeof text - n, "mx: one.more.example\n");
	assert_false(mta_sts_policy_parse(view_from(text, n), &p));
	memset(text, 'x', sizeof text);
	memcpy(text, EXAMPLE "long: ", sizeof EXAMPLE "long: " - 1);
	assert_true(mta_sts_policy_parse(view_from(text, MTA_STS_POLICY_MAX), &p));
	assert_false(mta_sts_policy_parse(view_from(text, MTA_STS_POLICY_MAX + 1), &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_that_count),
	    cmocka_unit_test(records_that_do_not),
	    cmocka_unit_test(one_record_among_others),
	    cmocka_unit_test(the_rfcs_example),
	    cmocka_unit_test(policies_that_count),
	    cmocka_unit_test(policies_that_do_not),
	    cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
