/* SPDX-License-Identifier: ISC
 * Queries and responses by hand, byte for byte. */
#include "mail/dns_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

#define HEAD(flags, an, ns) "\x12\x34" flags "\0\1\0" an "\0" ns "\0\0"
#define QUESTION(type) "\2ab\4test\0\0" type "\0\1"
/* The name of the question: at 12. */
#define RR(type, ttl, n) "\xc0\x0c\0" type "\0\1\0\0" ttl "\0" n
#define PARSE(packet, type, answer) dns_answer_parse(VIEW_LIT(packet), VIEW_LIT("AB.test."), type, &arena, answer)

static void query(void **state)
{
	struct buf out = BUF_INIT(DNS_QUERY_BYTES_MAX);

	(void)state;
	assert_true(dns_query_format(&out, 0x1234, VIEW_LIT("Ab.TEST."), DNS_MX));
	assert_true(view_eq(buf_view(&out), VIEW_LIT("\x12\x34\0\0\0\1\0\0\0\0\0\1\2ab\4test\0\0\x0f\0\1"
						     "\0\0\x29\4\xd0\0\0\0\0\0\0")));
	buf_fini(&out);
	assert_false(dns_query_format(&out, 1, VIEW_LIT("a..b"), DNS_MX));
	buf_fini(&out);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		const char *canon; /* NULL: none */
	} cases[] = {{"", ""},
		     {".", ""},
		     {"Example.ORG.", "example.org"},
		     {"_25._tcp.mx-1.example.org", "_25._tcp.mx-1.example.org"},
		     {"1.0/25.2.0.192.in-addr.arpa", "1.0/25.2.0.192.in-addr.arpa"},
		     {"..", NULL},
		     {".a", NULL},
		     {"a..b", NULL},
		     {"a b", NULL},
		     {"a\"b", NULL},
		     {"b\xc3\xbc.de", NULL},
		     {"0123456789012345678901234567890123456789012345678901234567890123.org", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(DNS_NAME_MAX);
		bool is = dns_name_canon(view_from_cstr(cases[i].name), &out);

		assert_int_equal(is, cases[i].canon != NULL);
		if (is)
			assert_string_equal(buf_cstr(&out), cases[i].canon);
		buf_fini(&out);
	}
}

static void records(void **state)
{
	struct dns_answer a;
	struct dns_mx mx;
	struct dns_soa soa;
	struct dns_srv srv;
	struct dns_tlsa tlsa;
	struct dns_caa caa;

	(void)state;
	assert_true(PARSE(HEAD("\x84\0", "\2", "\0") QUESTION("\x0f")
			      RR("\x0f", "\1\x2c", "\6") "\0\x0a\1M\xc0\x0c" RR("\x0f", "\0\x3c", "\3") "\0\0\0",
			  DNS_MX, &a));
	assert_int_equal(a.n_records, 2);
	assert_int_equal(a.ttl_s, 60);
	assert_true(a.authoritative && !a.truncated && a.rcode == 0);
	assert_true(view_eq_lit(a.canonical, "ab.test"));
	assert_true(dns_read_mx(a.records[0], &mx) && mx.preference == 10 && view_eq_lit(mx.exchange, "m.ab.test"));
	assert_true(dns_read_mx(a.records[1], &mx) && mx.preference == 0 && mx.exchange.n == 0);

	assert_true(
	    PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\x10") RR("\x10", "\0\1", "\6") "\2v=\2xy", DNS_TXT, &a));
	assert_true(a.n_records == 1 && view_eq_lit(a.records[0], "v=xy"));
	assert_true(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\x06") RR("\x06", "\0\1", "\x18") "\xc0\x0c\xc0\x0c"
												 "\0\0\0\7"
												 "\0\0\0\2"
												 "\0\0\0\3"
												 "\0\0\0\4"
												 "\0\0\1\0",
			  DNS_SOA, &a));
	assert_true(dns_read_soa(a.records[0], &soa) && soa.serial == 7 && soa.minimum == 256 &&
		    view_eq_lit(soa.primary, "ab.test"));
	assert_true(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\x21") RR("\x21", "\0\1", "\x09") "\0\1\0\2\3\xe1\1x\0",
			  DNS_SRV, &a));
	assert_true(dns_read_srv(a.records[0], &srv) && srv.priority == 1 && srv.weight == 2 && srv.port == 993 &&
		    view_eq_lit(srv.target, "x"));
	assert_true(
	    PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\x34") RR("\x34", "\0\1", "\5") "\3\1\1xy", DNS_TLSA, &a));
	assert_true(dns_read_tlsa(a.records[0], &tlsa) && tlsa.usage == 3 && tlsa.selector == 1 && tlsa.matching == 1 &&
		    view_eq_lit(tlsa.data, "xy"));
	assert_true(dns_answer_parse(VIEW_LIT(HEAD("\x80\0", "\1", "\0") "\2ab\4test\0\1\1\0\1"
									 "\xc0\x0c\1\1\0\1\0\0\0\1\0\x09"
									 "\0\5issueca"),
				     VIEW_LIT("ab.test"), DNS_CAA, &arena, &a));
	assert_true(dns_read_caa(a.records[0], &caa) && view_eq_lit(caa.tag, "issue") && view_eq_lit(caa.value, "ca"));
}

static void aliases(void **state)
{
	struct dns_answer a;

	(void)state;
	/* In whatever order they stand. */
	assert_true(PARSE(HEAD("\x80\0", "\2", "\0") QUESTION("\1") "\1C\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1" RR(
			      "\5", "\0\x14", "\4") "\1c\xc0\x0c",
			  DNS_A, &a));
	assert_true(view_eq_lit(a.canonical, "c.ab.test") && a.n_records == 1 && a.ttl_s == 20);
	/* The alias itself, when it is asked for. */
	assert_true(
	    PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\5") RR("\5", "\0\x14", "\4") "\1c\xc0\x0c", DNS_CNAME, &a));
	assert_true(view_eq_lit(a.canonical, "ab.test") && view_eq_lit(a.records[0], "c.ab.test"));
	/* A ring. */
	assert_false(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\1") RR("\5", "\0\x14", "\2") "\xc0\x0c", DNS_A, &a));
	/* Somebody else's record is none of ours. */
	assert_true(
	    PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\1") "\1x\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", DNS_A, &a));
	assert_int_equal(a.n_records, 0);
}

static void denials(void **state)
{
	struct dns_answer a;

	(void)state;
	assert_true(PARSE(HEAD("\x80\3", "\0", "\1") QUESTION("\1") RR("\6", "\1\0", "\x18") "\xc0\x0c\xc0\x0c"
											     "\0\0\0\7"
											     "\0\0\0\2"
											     "\0\0\0\3"
											     "\0\0\0\4"
											     "\0\0\0\x1e",
			  DNS_A, &a));
	assert_true(a.rcode == 3 && a.n_records == 0 && a.ttl_s == 30);
	assert_true(PARSE(HEAD("\x80\0", "\0", "\0") QUESTION("\1"), DNS_A, &a));
	assert_true(a.rcode == 0 && a.ttl_s == 0);
	assert_true(PARSE(HEAD("\x82\0", "\0", "\0") QUESTION("\1"), DNS_A, &a));
	assert_true(a.truncated);
}

static void odd_records_are_dropped(void **state)
{
	struct dns_answer a;

	(void)state;
	/* An address of 3 bytes; a name with a blank, with a NUL, with a line end, with a dot in a label; a TXT whose string is too long. */
	assert_true(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\1") RR("\1", "\0\1", "\3") "abc", DNS_A, &a));
	assert_true(a.n_records == 0 && a.dropped == 1);
	assert_true(PARSE(HEAD("\x80\0", "\4", "\0") QUESTION("\2")
			      RR("\2", "\0\1", "\5") "\3a b\0" RR("\2", "\0\1", "\5") "\3a\0b\0" RR(
				  "\2", "\0\1", "\5") "\3a\nb\0" RR("\2", "\0\1", "\5") "\3a.b\0",
			  DNS_NS, &a));
	assert_true(a.n_records == 0 && a.dropped == 4);
	assert_true(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\x10") RR("\x10", "\0\1", "\2") "\2x", DNS_TXT, &a));
	assert_true(a.n_records == 0 && a.dropped == 1);
	/* The name runs on behind the record's end. */
	assert_true(PARSE(HEAD("\x80\0", "\2", "\0") QUESTION("\2")
			      RR("\2", "\0\1", "\1") "\1" RR("\2", "\0\1", "\3") "\1x\0",
			  DNS_NS, &a));
	assert_true(a.n_records == 1 && a.dropped == 1);
}

static void bad_packets(void **state)
{
	struct dns_answer a;
	static const struct view whole = {HEAD("\x84\0", "\1", "\0") QUESTION("\x0f")
					      RR("\x0f", "\1\x2c", "\6") "\0\x0a\1M\xc0\x0c",
					  12 + 13 + 12 + 6};

	(void)state;
	for (size_t n = 0; n < whole.n; n++)
		assert_false(dns_answer_parse(view_sub(whole, 0, n), VIEW_LIT("ab.test"), DNS_MX, &arena, &a));
	assert_true(dns_answer_parse(whole, VIEW_LIT("ab.test"), DNS_MX, &arena, &a));
	assert_false(dns_answer_parse(whole, VIEW_LIT("ab.test"), DNS_A, &arena, &a)); /* not our question */
	assert_false(dns_answer_parse(whole, VIEW_LIT("ac.test"), DNS_MX, &arena, &a));
	assert_false(PARSE(HEAD("\x04\0", "\0", "\0") QUESTION("\1"), DNS_A, &a)); /* a query */
	assert_false(PARSE(HEAD("\xa0\0", "\0", "\0") QUESTION("\1"), DNS_A, &a)); /* an opcode */
	/* Pointers forward, to themselves, and in a ring. */
	assert_false(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\2") "\xc0\x30\0\2\0\1\0\0\0\1\0\1\0", DNS_NS, &a));
	assert_false(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\2") "\xc0\x19\0\2\0\1\0\0\0\1\0\1\0", DNS_NS, &a));
	assert_false(PARSE(HEAD("\x80\0", "\1", "\0") QUESTION("\2") "\1x\xc0\x19\0\2\0\1\0\0\0\1\0\1\0", DNS_NS, &a));
}

static void reverse(void **state)
{
	struct buf out = BUF_INIT(DNS_NAME_MAX);

	(void)state;
	assert_true(dns_reverse_name(VIEW_LIT("192.0.2.1"), &out));
	assert_string_equal(buf_cstr(&out), "1.2.0.192.in-addr.arpa");
	buf_reset(&out);
	assert_true(dns_reverse_name(VIEW_LIT("::ffff:192.0.2.1"), &out));
	assert_string_equal(buf_cstr(&out), "1.2.0.192.in-addr.arpa");
	buf_reset(&out);
	assert_true(dns_reverse_name(VIEW_LIT("2001:db8::1"), &out));
	assert_string_equal(buf_cstr(&out), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
	buf_reset(&out);
	assert_false(dns_reverse_name(VIEW_LIT("example.org"), &out));
	assert_false(dns_reverse_name(VIEW_LIT(""), &out));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(query),
	    cmocka_unit_test(names),
	    cmocka_unit_test_setup_teardown(records, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(aliases, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(denials, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(odd_records_are_dropped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(bad_packets, set_up, tear_down),
	    cmocka_unit_test(reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
