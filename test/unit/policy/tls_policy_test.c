/* SPDX-License-Identifier: ISC */
#include "policy/tls_policy.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STS(mode) "version: STSv1\nmode: " mode "\nmx: mx.example.com\nmax_age: 100\n"
#define BYTES_32 "0123456789abcdef0123456789abcdef"

static const struct dane_record ee = {3, 1, 1, {BYTES_32, 32}};
static const struct dane_record ta = {2, 0, 2, {BYTES_32 BYTES_32, 64}};
static const struct dane_record pkix = {1, 1, 1, {BYTES_32, 32}};

static void which_records_count(void **state)
{
	const struct {
		struct dane_record r;
		bool usable;
	} cases[] = {
	    {ee, true},
	    {ta, true},
	    {pkix, false},
	    {{0, 1, 1, {BYTES_32, 32}}, false},
	    {{4, 1, 1, {BYTES_32, 32}}, false},
	    {{255, 1, 1, {BYTES_32, 32}}, false},
	    {{3, 0, 0, {"\x30\x02\x05\x00", 4}}, true},
	    {{2, 1, 0, {"\x30\x82\x00\x02\x05\x00", 6}}, true},
	    {{3, 0, 0, {"\x30\x00", 2}}, true},
	    {{3, 0, 0, {"\x30\x02\x05", 3}}, false},
	    {{3, 0, 0, {"\x30\x02\x05\x00\x00", 5}}, false},
	    {{3, 0, 0, {"\x31\x02\x05\x00", 4}}, false},
	    {{3, 0, 0, {"\x30\x80\x05\x00", 4}}, false},
	    {{3, 0, 0, {"\x30\x82\x00", 3}}, false},
	    {{3, 0, 0, {"\x30\x84\x00\x00\x00\x00", 6}}, false},
	    {{3, 0, 0, {"\x30", 1}}, false},
	    {{3, 0, 0, {"", 0}}, false},
	    {{3, 2, 1, {BYTES_32, 32}}, false},
	    {{3, 1, 1, {BYTES_32, 31}}, false},
	    {{3, 1, 2, {BYTES_32, 32}}, false},
	    {{3, 1, 3, {BYTES_32, 32}}, false},
	};
	const struct dane_record mixed[] = {pkix, ee};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(dane_is_usable(&cases[i].r), cases[i].usable);
	assert_int_equal(dane_demand_of(NULL, 0), DANE_NOTHING);
	assert_int_equal(dane_demand_of(&pkix, 1), DANE_ENCRYPT);
	assert_int_equal(dane_demand_of(mixed, 2), DANE_VERIFY);
}

static void decisions(void **state)
{
	static const struct {
		const char *sts, *host;
		const struct dane_record *tlsa;
		bool dnssec, tlsa_failed, requiretls;
		enum tls_demand demand;
		enum tls_policy_source source;
		bool testing;
	} cases[] = {
	    {NULL, "mx.example.com", NULL, false, false, false, TLS_DEMAND_NOTHING, TLS_FROM_NOBODY, false},
	    {NULL, "mx.example.com", NULL, true, false, false, TLS_DEMAND_NOTHING, TLS_FROM_NOBODY, false},
	    {STS("none"), "other.example", NULL, false, false, false, TLS_DEMAND_NOTHING, TLS_FROM_NOBODY, false},
	    {STS("testing"), "mx.example.com", NULL, false, false, false, TLS_DEMAND_NOTHING, TLS_FROM_STS, true},
	    {STS("testing"), "other.example", NULL, false, false, false, TLS_DEMAND_NOTHING, TLS_FROM_STS, true},
	    {STS("enforce"), "mx.example.com", NULL, false, false, false, TLS_DEMAND_NAME, TLS_FROM_STS, false},
	    {STS("enforce"), "other.example", NULL, false, false, false, TLS_DEMAND_NEVER, TLS_FROM_STS, false},
	    /* DANE, alone and with MTA-STS */
	    {NULL, "mx.example.com", &ee, true, false, false, TLS_DEMAND_DANE, TLS_FROM_DANE, false},
	    {STS("enforce"), "other.example", &ee, true, false, false, TLS_DEMAND_DANE, TLS_FROM_DANE, false},
	    {STS("none"), "mx.example.com", &ta, true, false, false, TLS_DEMAND_DANE, TLS_FROM_DANE, false},
	    {NULL, "mx.example.com", &pkix, true, false, false, TLS_DEMAND_ENCRYPT, TLS_FROM_DANE, false},
	    {STS("enforce"), "mx.example.com", &pkix, true, false, false, TLS_DEMAND_NAME, TLS_FROM_STS, false},
	    {STS("testing"), "mx.example.com", &pkix, true, false, false, TLS_DEMAND_ENCRYPT, TLS_FROM_DANE, false},
	    {STS("enforce"), "mx.example.com", NULL, true, true, false, TLS_DEMAND_NEVER, TLS_FROM_DANE, false},
	    {NULL, "mx.example.com", NULL, true, true, true, TLS_DEMAND_NEVER, TLS_FROM_DANE, false},
	    /* REQUIRETLS */
	    {NULL, "mx.example.com", NULL, false, false, true, TLS_DEMAND_NEVER, TLS_FROM_SENDER, false},
	    {NULL, "mx.example.com", NULL, true, false, true, TLS_DEMAND_NAME, TLS_FROM_SENDER, false},
	    {NULL, "mx.example.com", &pkix, true, false, true, TLS_DEMAND_NAME, TLS_FROM_DANE, false},
	    {NULL, "mx.example.com", &ee, true, false, true, TLS_DEMAND_DANE, TLS_FROM_DANE, false},
	    {STS("enforce"), "mx.example.com", NULL, false, false, true, TLS_DEMAND_NAME, TLS_FROM_STS, false},
	    {STS("testing"), "mx.example.com", NULL, false, false, true, TLS_DEMAND_NAME, TLS_FROM_STS, true},
	    {STS("testing"), "other.example", NULL, false, false, true, TLS_DEMAND_NEVER, TLS_FROM_SENDER, false},
	    {STS("none"), "mx.example.com", NULL, false, false, true, TLS_DEMAND_NEVER, TLS_FROM_SENDER, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mta_sts_policy sts;
		struct tls_policy_input in = {.host = view_from_cstr(cases[i].host),
					      .name_vouched = cases[i].dnssec,
					      .tlsa_failed = cases[i].tlsa_failed,
					      .tlsa = cases[i].tlsa,
					      .tlsa_count = cases[i].tlsa != NULL,
					      .requiretls = cases[i].requiretls};
		struct tls_policy_verdict v;

		if (cases[i].sts) {
			assert_true(mta_sts_policy_parse(view_from_cstr(cases[i].sts), &sts));
			in.sts = &sts;
		}
		v = tls_policy_decide(&in);
		if (v.demand != cases[i].demand || v.source != cases[i].source || v.testing != cases[i].testing)
			fail_msg("case %zu: demand %d source %d testing %d", i, (int)v.demand, (int)v.source,
				 v.testing);
		assert_int_equal(v.why != NULL, v.demand == TLS_DEMAND_NEVER);
		assert_int_equal(v.testing_mx_differs, v.testing && !view_eq_lit(in.host, "mx.example.com"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(which_records_count),
	    cmocka_unit_test(decisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
