/* SPDX-License-Identifier: ISC */
#include "mail/tls_report.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void records(void **state)
{
	static const struct {
		const char *txt;
		size_t count;
		const char *first;
	} cases[] = {
	    {"v=TLSRPTv1;rua=mailto:reports@example.com", 1, "mailto:reports@example.com"}, /* RFC 8460 §3.1 */
	    {"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", 1, "https://reporting.example.com/v1/tlsrpt"},
	    {"v=TLSRPTv1; x=y; rua=mailto:a@b.example , https://c.example/ ;", 2, "mailto:a@b.example"},
	    {"v=TLSRPTv1;rua=ftp://a.example/,mailto:b@c.example", 1, "mailto:b@c.example"},
	    {"v=TLSRPTv1;", 0, ""},
	    {"v=TLSRPTv1;rua=", 0, ""},
	    {"v=TLSRPTv1;rua=ftp://a.example/", 0, ""},
	    {"v=TLSRPTv2;rua=mailto:a@b.example", 0, ""},
	    {"rua=mailto:a@b.example", 0, ""},
	};
	const struct view twice[] = {VIEW_LIT("v=TLSRPTv1;rua=mailto:a@b.example"),
				     VIEW_LIT("v=TLSRPTv1;rua=mailto:a@b.example")};
	struct tls_report_record r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view txt = view_from_cstr(cases[i].txt);

		assert_int_equal(tls_report_record_find(&txt, 1, &r), cases[i].count > 0);
		if (cases[i].count) {
			assert_int_equal(r.count, cases[i].count);
			assert_true(view_eq_lit(r.rua[0], cases[i].first));
		}
	}
	assert_false(tls_report_record_find(twice, 2, &r));
	assert_false(tls_report_record_find(twice, 0, &r));
}

static void addresses(void **state)
{
	static const struct {
		const char *uri, *address;
	} cases[] = {
	    {"mailto:a@b.example", "a@b.example"},
	    {"MAILTO:a%2Bc@b.example?subject=x", "a+c@b.example"},
	    {"mailto:", NULL},
	    {"mailto:a", NULL},
	    {"mailto:@b.example", NULL},
	    {"mailto:a@", NULL},
	    {"mailto:a@b@c", NULL},
	    {"mailto:a@b.example,c@d.example", NULL},
	    {"mailto:a%0d%0aRcpt@b.example", NULL},
	    {"mailto:a%4@b.example", NULL},
	    {"mailto:a@b.example%2", NULL},
	    {"https://a@b.example", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(400);

		assert_int_equal(tls_report_mailto(view_from_cstr(cases[i].uri), &out), cases[i].address != NULL);
		if (cases[i].address)
			assert_string_equal(buf_cstr(&out), cases[i].address);
		buf_fini(&out);
	}
}

static const struct tls_report_row rows[] = {
    {TLS_REPORT_STS,
     {"version: STSv1\nmx: *.mail.example\nmax_age: 9", 44},
     {"", 0},
     {"mx1.mail.example", 16},
     {"192.0.2.1", 9},
     {"198.51.100.1", 12},
     {"", 0},
     5326},
    {TLS_REPORT_STS,
     {"version: STSv1\nmx: *.mail.example\nmax_age: 9", 44},
     {"certificate-expired", 19},
     {"mx1.mail.example", 16},
     {"192.0.2.1", 9},
     {"198.51.100.1", 12},
     {"it \"expired\"\n", 13},
     100},
    {TLS_REPORT_NO_POLICY, {"", 0}, {"", 0}, {"mx1.mail.example", 16}, {"", 0}, {"", 0}, {"", 0}, 2},
    {TLS_REPORT_TLSA,
     {"3 1 1 00ff", 10},
     {"", 0},
     {"mx2.mail.example", 16},
     {"", 0},
     {"", 0},
     {"", 0},
     3,
     {"real.mail.example", 17}},
};

static const struct tls_report report = {.organization = {"mail.us.example", 15},
					 .contact = {"postmaster@mail.us.example", 26},
					 .id = {"20000.7", 7},
					 .domain = {"company.example", 15},
					 .day = 16892, /* 2016-04-01 */
					 .rows = rows,
					 .count = ARRAY_LEN(rows)};

static void json(void **state)
{
	struct buf out = BUF_INIT(10000), small = BUF_INIT(300);

	(void)state;
	assert_true(tls_report_json(&out, &report));
	assert_string_equal(
	    buf_cstr(&out),
	    "{\"organization-name\":\"mail.us.example\",\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\","
	    "\"end-datetime\":\"2016-04-01T23:59:59Z\"},\"contact-info\":\"postmaster@mail.us.example\",\"report-id\":"
	    "\"20000.7\","
	    "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mx: "
	    "*.mail.example\","
	    "\"max_age: 9\"],\"policy-domain\":\"company.example\",\"mx-host\":[\"*.mail.example\"]},\"summary\":{"
	    "\"total-successful-session-count\":5326,\"total-failure-session-count\":100},\"failure-details\":[{"
	    "\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"198.51.100.1\","
	    "\"receiving-mx-hostname\":\"mx1.mail.example\",\"receiving-ip\":\"192.0.2.1\",\"failed-session-count\":"
	    "100,"
	    "\"failure-reason-code\":\"it \\\"expired\\\"\\u000a\"}]},{\"policy\":{\"policy-type\":\"no-policy-found\","
	    "\"policy-domain\":\"company.example\"},\"summary\":{\"total-successful-session-count\":2,"
	    "\"total-failure-session-count\":0}},{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 "
	    "00ff\"],"
	    "\"policy-domain\":\"real.mail.example\",\"mx-host\":[\"mx2.mail.example\"]},\"summary\":{"
	    "\"total-successful-session-count\":3,\"total-failure-session-count\":0}}]}\n");
	assert_false(tls_report_json(&small, &report));
	buf_fini(&out);
	buf_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
