/* SPDX-License-Identifier: ISC */
#include "io/netset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void members(void **state)
{
	static const struct {
		const char *network;
		const char *in[4];
		const char *out[5];
	} cases[] = {
	    {"192.0.2.0/24",
	     {"192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"},
	     {"192.0.3.0", "192.0.1.255", "::192.0.2.7", "", "x"}},
	    {"192.0.2.128/25", {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127"}},
	    {"192.0.2.77/25", {"192.0.2.0", "192.0.2.127"}, {"192.0.2.128"}}, /* host bits do not count */
	    {"127.0.0.1", {"127.0.0.1"}, {"127.0.0.2", "::1"}},
	    {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::", "2001:db8::1"}},
	    {"::/0", {"0.0.0.0", "2001:db8::1", "::"}, {"192.0.2.1/32", " 192.0.2.1", "192.0.2", "::g"}},
	    {"2001:db8::/33", {"2001:db8::1", "2001:db8:7fff::"}, {"2001:db8:8000::", "2001:db9::"}},
	    {"2001:db8::5", {"2001:db8::5", "2001:DB8:0:0::5"}, {"2001:db8::4"}},
	    {"::ffff:192.0.2.0/120", {"192.0.2.9"}, {"192.0.3.9"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view items[] = {VIEW_LIT("203.0.113.1"), view_from_cstr(cases[i].network)};
		struct conf_list list = {items, 2};
		struct buf error = BUF_INIT(500);
		struct netset *set;

		assert_int_equal(netset_parse(&list, &set, &error), 0);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].in) && cases[i].in[k]; k++)
			assert_true(netset_contains(set, cases[i].in[k]));
		for (size_t k = 0; k < ARRAY_LEN(cases[i].out) && cases[i].out[k]; k++)
			assert_false(netset_contains(set, cases[i].out[k]));
		assert_true(netset_contains(set, "203.0.113.1"));
		netset_free(&set);
		assert_null(set);
	}
}

static void bad_ones(void **state)
{
	static const char *const cases[] = {"",   "192.0.2.0/33",   "192.0.2.0/", "192.0.2.0/-1", "2001:db8::/129",
					    "/8", "192.0.2.0/24/8", "mail",       "192.0.2",      "192.0.2.0/ 8"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view item = view_from_cstr(cases[i]);
		struct conf_list list = {&item, 1};
		struct buf error = BUF_INIT(500);
		struct netset *set = NULL;

		assert_int_equal(netset_parse(&list, &set, &error), -EINVAL);
		assert_true(error.n > 0);
		assert_null(set);
		buf_fini(&error);
	}
}

static void empty(void **state)
{
	struct conf_list list = {NULL, 0};
	struct buf error = BUF_INIT(500);
	struct netset *set;

	(void)state;
	assert_int_equal(netset_parse(&list, &set, &error), 0);
	assert_false(netset_contains(set, "127.0.0.1"));
	netset_free(&set);
	netset_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members),
	    cmocka_unit_test(bad_ones),
	    cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
