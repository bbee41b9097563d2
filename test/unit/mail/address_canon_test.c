/* SPDX-License-Identifier: ISC */
#include "mail/address_canon.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define IDN_2 "\xe4\xbe\x8b\xe5\xad\x90"
#define IDN_8 IDN_2 IDN_2 IDN_2 IDN_2
#define IDN_24 IDN_8 IDN_8 IDN_8

typedef bool canon_fn(struct view in, struct buf *out);

static void expect(canon_fn *canon, const char *in, const char *want)
{
	struct buf out = BUF_INIT(1024);

	buf_append_char(&out, '|');
	if (canon(view_from_cstr(in), &out) != (want != NULL))
		fail_msg("%s: %s", in, want ? "refused" : "taken");
	assert_string_equal(buf_cstr(&out) + 1, want ? want : "");
	buf_fini(&out);
}

static void domains(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"Example.ORG", "example.org"},
	    {"m\xc3\xbcnchen.example", "xn--mnchen-3ya.example"},
	    {"M\xc3\x9cNCHEN.Example", "xn--mnchen-3ya.example"},
	    {"mu\xcc\x88nchen.example", "xn--mnchen-3ya.example"},
	    {"XN--Mnchen-3ya.example", "xn--mnchen-3ya.example"},
	    {"stra\xc3\x9f"
	     "e.example",
	     "xn--strae-oqa.example"},
	    {"\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a", "xn--fsqu00a.xn--4rr70v"},
	    {IDN_24 ".org", "xn--fsqaaaaaaaaaaa2720bbabbbbbbbbbb.org"}, /* 72 octets here, 35 there */
	    {IDN_24 IDN_24 IDN_24 ".org", NULL}, /* over 63 octets as an A-label */
	    {"[192.0.2.1]", "[192.0.2.1]"},
	    {"[IPV6:2001:DB8:0::0:1]", "[IPv6:2001:db8::1]"},
	    {"[X25:ABC]", "[x25:abc]"},
	    {"", NULL},
	    {"a..b", NULL},
	    {"a_b.c", NULL},
	    {"a b", NULL},
	    {"\xff.example", NULL},
	    {"\xe2\x80\xa8.example", NULL}, /* LINE SEPARATOR is no letter */
	    {"[300.0.0.1]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(address_domain_canon, cases[i].in, cases[i].out);
}

static void local_parts(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"User.Name+Tag", "user.name+tag"},
	    {"GR\xc3\x9c\xe1\xba\x9e", "gr\xc3\xbcss"}, /* ẞ folds to ss */
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbcss"},
	    {"u\xcc\x88", "\xc3\xbc"},
	    {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd"},
	    {"a b", "a b"},
	    {"a\x7f", NULL},
	    {"a\tb", NULL},
	    {"a\xc2\x85"
	     "b",
	     NULL}, /* NEL */
	    {"a\xff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(address_local_canon, cases[i].in, cases[i].out);
}

static void whole_addresses(void **state)
{
	struct buf out = BUF_INIT(64);

	(void)state;
	assert_true(address_canon(VIEW_LIT("Info"), VIEW_LIT("M\xc3\xbcnchen.EXAMPLE"), &out));
	assert_string_equal(buf_cstr(&out), "info@xn--mnchen-3ya.example");
	assert_false(address_canon(VIEW_LIT("info"), VIEW_LIT("a..b"), &out));
	assert_string_equal(buf_cstr(&out), "info@xn--mnchen-3ya.example");
	buf_fini(&out);
	buf_init(&out, 8);
	assert_false(address_canon(VIEW_LIT("info"), VIEW_LIT("example.org"), &out));
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static void display(void **state)
{
	struct buf out = BUF_INIT(256);

	(void)state;
	address_domain_display(VIEW_LIT("xn--mnchen-3ya.example"), &out);
	buf_append_char(&out, ' ');
	address_domain_display(VIEW_LIT("example.org"), &out);
	buf_append_char(&out, ' ');
	address_domain_display(VIEW_LIT("[192.0.2.1]"), &out);
	assert_string_equal(buf_cstr(&out), "m\xc3\xbcnchen.example example.org [192.0.2.1]");
	buf_fini(&out);
}

static void detail(void **state)
{
	struct view user, rest;

	(void)state;
	assert_true(address_split_detail(VIEW_LIT("u+a+b"), '+', &user, &rest));
	assert_true(view_eq_lit(user, "u") && view_eq_lit(rest, "a+b"));
	assert_true(address_split_detail(VIEW_LIT("u+"), '+', &user, &rest));
	assert_true(view_eq_lit(user, "u") && rest.n == 0);
	assert_false(address_split_detail(VIEW_LIT("+a"), '+', &user, &rest));
	assert_false(address_split_detail(VIEW_LIT("u-a"), '+', &user, &rest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(domains), cmocka_unit_test(local_parts), cmocka_unit_test(whole_addresses),
	    cmocka_unit_test(display), cmocka_unit_test(detail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
