/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LOCAL_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LABEL_63 "012345678901234567890123456789012345678901234567890123456789012"

static void mailboxes(void **state)
{
	static const struct {
		const char *in;
		unsigned flags;
		const char *local, *domain; /* local NULL: refused */
	} cases[] = {
	    {"user@example.org", 0, "user", "example.org"},
	    {"User+Detail@Example.ORG", 0, "User+Detail", "Example.ORG"},
	    {"a.b.c@d", 0, "a.b.c", "d"},
	    {"!#$%&'*+-/=?^_`{|}~@x.y", 0, "!#$%&'*+-/=?^_`{|}~", "x.y"},
	    {"a%b@x.y", 0, "a%b", "x.y"},
	    {"\"a b\"@x.y", 0, "a b", "x.y"},
	    {"\"a.b\"@x.y", 0, "a.b", "x.y"},
	    {"\"a@b\"@x.y", 0, "a@b", "x.y"},
	    {"\"a\\\"b\\\\\\c\"@x.y", 0, "a\"b\\c", "x.y"},
	    {"u@[192.0.2.1]", 0, "u", "[192.0.2.1]"},
	    {"u@[IPv6:2001:db8::1]", 0, "u", "[IPv6:2001:db8::1]"},
	    {"u@[ipv6:::1]", 0, "u", "[ipv6:::1]"},
	    {"u@[x25:1234]", 0, "u", "[x25:1234]"},
	    {LOCAL_64 "@x.y", 0, LOCAL_64, "x.y"},
	    {LOCAL_64 "4@x.y", ADDRESS_LONG_LOCAL, LOCAL_64 "4", "x.y"},
	    {"u@" LABEL_63 ".org", 0, "u", LABEL_63 ".org"},
	    {"gr\xc3\xbc\xc3\x9f@m\xc3\xbcnchen.example", ADDRESS_UTF8, "gr\xc3\xbc\xc3\x9f", "m\xc3\xbcnchen.example"},
	    {"\"\xc3\xbc x\"@y", ADDRESS_UTF8, "\xc3\xbc x", "y"},
	    {"", 0, NULL, NULL},
	    {"user", 0, NULL, NULL},
	    {"@example.org", 0, NULL, NULL},
	    {"user@", 0, NULL, NULL},
	    {"\"\"@example.org", 0, NULL, NULL},
	    {".user@x", 0, NULL, NULL},
	    {"user.@x", 0, NULL, NULL},
	    {"us..er@x", 0, NULL, NULL},
	    {"us er@x", 0, NULL, NULL},
	    {"us\\er@x", 0, NULL, NULL},
	    {"a@b@c", 0, NULL, NULL},
	    {"a,b@c", 0, NULL, NULL},
	    {"\"a@x.y", 0, NULL, NULL},
	    {"\"a\\\"@x.y", 0, NULL, NULL},
	    {"\"a\"b@x.y", 0, NULL, NULL},
	    {"\"a\tb\"@x.y", 0, NULL, NULL},
	    {"u@-x.y", 0, NULL, NULL},
	    {"u@x-.y", 0, NULL, NULL},
	    {"u@x_y.z", 0, NULL, NULL},
	    {"u@x..y", 0, NULL, NULL},
	    {"u@.x", 0, NULL, NULL},
	    {"u@x.", 0, NULL, NULL},
	    {"u@x y", 0, NULL, NULL},
	    {"u@[192.0.2.256]", 0, NULL, NULL},
	    {"u@[192.0.2]", 0, NULL, NULL},
	    {"u@[192.0.2.01]", 0, NULL, NULL},
	    {"u@192.0.2.1]", 0, NULL, NULL},
	    {"u@[192.0.2.1", 0, NULL, NULL},
	    {"u@[]", 0, NULL, NULL},
	    {"u@[IPv6:192.0.2.1]", 0, NULL, NULL},
	    {"u@[2001:db8::1]x", 0, NULL, NULL},
	    {"u@[x25:]", 0, NULL, NULL},
	    {"u@[x25:a\\b]", 0, NULL, NULL},
	    {LOCAL_64 "4@x.y", 0, NULL, NULL},
	    {"u@" LABEL_63 "3.org", 0, NULL, NULL},
	    {"u@" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, ADDRESS_LONG_LOCAL, NULL, NULL},
	    {"gr\xc3\xbc\xc3\x9f@x.y", 0, NULL, NULL},
	    {"u@m\xc3\xbcnchen.example", 0, NULL, NULL},
	    {"gr\xfc\xdf@x.y", ADDRESS_UTF8, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct address address = {.domain = VIEW_EMPTY};
		struct arena a;

		arena_init(&a, 4096);
		if (address_parse(view_from_cstr(cases[i].in), cases[i].flags, &a, &address)) {
			if (!cases[i].local)
				fail_msg("taken: %s", cases[i].in);
			assert_true(view_eq_lit(address.local, cases[i].local));
			assert_true(view_eq_lit(address.domain, cases[i].domain));
			assert_int_equal(address.quoted, cases[i].in[0] == '"');
			assert_int_equal(address.is_literal, cases[i].domain[0] == '[');
			assert_int_equal(address.is_utf8, !!(cases[i].flags & ADDRESS_UTF8));
		} else if (cases[i].local) {
			fail_msg("refused: %s", cases[i].in);
		}
		arena_fini(&a);
	}
}

static void nul_is_refused(void **state)
{
	struct address address;
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	assert_false(address_parse(VIEW_LIT("a\0b@x.y"), 0, &a, &address));
	assert_false(address_parse(VIEW_LIT("\"a\0b\"@x.y"), 0, &a, &address));
	assert_false(address_parse(VIEW_LIT("a@x\0.y"), 0, &a, &address));
	assert_false(address_parse(VIEW_LIT("a@[192.0.2.1\0]"), 0, &a, &address));
	arena_fini(&a);
}

static void a_full_arena_refuses(void **state)
{
	struct address address;
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	assert_false(address_parse(VIEW_LIT("\"a b\"@x.y"), 0, &a, &address));
	assert_true(address_parse(VIEW_LIT("ab@x.y"), 0, &a, &address));
	arena_fini(&a);
}

static void formats_with_least_quoting(void **state)
{
	static const struct {
		const char *local, *out;
	} cases[] = {
	    {"a.b", "a.b@x"},
	    {"a b", "\"a b\"@x"},
	    {"a..b", "\"a..b\"@x"},
	    {".a", "\".a\"@x"},
	    {"a\"b\\c", "\"a\\\"b\\\\c\"@x"},
	    {"a@b", "\"a@b\"@x"},
	    {"\xc3\xbc", "\xc3\xbc@x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = BUF_INIT(256);

		address_format(&out, view_from_cstr(cases[i].local), VIEW_LIT("x"));
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void ip_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"192.0.2.1", "[192.0.2.1]"},
	    {"2001:DB8:0:0::1", "[IPv6:2001:db8::1]"},
	    {"::ffff:192.0.2.1", "[IPv6:::ffff:192.0.2.1]"},
	    {"192.0.2.1.5", NULL},
	    {"::g", NULL},
	    {"fe80::1%eth0", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = BUF_INIT(256);
		struct ip ip;
		bool ok = ip_parse(view_from_cstr(cases[i].in), &ip);

		assert_int_equal(ok, cases[i].out != NULL);
		if (ok) {
			ip_format_literal(&out, &ip);
			assert_string_equal(buf_cstr(&out), cases[i].out);
		}
		buf_fini(&out);
	}
}

static void networks(void **state)
{
	static const struct {
		const char *ip, *network;
	} cases[] = {
	    {"192.0.2.77", "192.0.2.0"},        {"255.255.255.255", "255.255.255.0"},
	    {"::ffff:192.0.2.77", "192.0.2.0"}, {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
	    {"2001:db8::1", "2001:db8::"},      {"ffff:ffff:ffff:ffff:ffff::", "ffff:ffff:ffff:ffff::"},
	};
	static const unsigned bits[] = {0, 1, 7, 8, 9, 31, 32};
	static const char *const of_all[] = {"0.0.0.0",     "128.0.0.0",       "254.0.0.0",      "255.0.0.0",
					     "255.128.0.0", "255.255.255.254", "255.255.255.255"};
	struct ip ip, expected;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(ip_parse(view_from_cstr(cases[i].ip), &ip));
		assert_true(ip_parse(view_from_cstr(cases[i].network), &expected));
		ip_to_network(&ip, 24, 64);
		assert_true(ip_eq(&ip, &expected));
	}
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		assert_true(ip_parse(VIEW_LIT("255.255.255.255"), &ip));
		assert_true(ip_parse(view_from_cstr(of_all[i]), &expected));
		ip_to_network(&ip, bits[i], 0);
		assert_true(ip_eq(&ip, &expected));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mailboxes),
	    cmocka_unit_test(nul_is_refused),
	    cmocka_unit_test(a_full_arena_refuses),
	    cmocka_unit_test(formats_with_least_quoting),
	    cmocka_unit_test(ip_text),
	    cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
