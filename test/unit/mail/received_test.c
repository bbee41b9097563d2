/* SPDX-License-Identifier: ISC */
#include "mail/header.h"
#include "mail/received.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct received plain = {
    .helo = {"client.example", 14},
    .client_name = {"host.example", 12},
    .client_ip = {"192.0.2.1", 9},
    .by = {"mail.example.org", 16},
    .protocol = {"ESMTPS", 6},
    .tls = {"TLSv1.3 TLS_AES_256_GCM_SHA384", 30},
    .id = {"01hq3v9k2m5xa", 13},
    .for_address = {"user@example.org", 16},
    .date = {.utc_s = 1546333200, .zone_min = 60, .zone_known = true},
};

static void expect(const struct received *r, const char *want)
{
	struct buf out = BUF_INIT(4096);

	received_format(&out, r);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void fields(void **state)
{
	struct received r = plain;

	(void)state;
	expect(&r, "Received: from client.example (host.example [192.0.2.1]) by mail.example.org\r\n"
		   "\twith ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 01hq3v9k2m5xa\r\n"
		   "\tfor <user@example.org>; Tue, 01 Jan 2019 10:00:00 +0100\r\n");
	r.client_name = VIEW_EMPTY;
	r.client_ip = VIEW_LIT("2001:db8::1");
	r.tls = VIEW_EMPTY;
	r.protocol = VIEW_LIT("SMTP");
	r.for_address = VIEW_EMPTY;
	expect(&r, "Received: from client.example ([IPv6:2001:db8::1]) by mail.example.org\r\n"
		   "\twith SMTP id 01hq3v9k2m5xa; Tue, 01 Jan 2019 10:00:00 +0100\r\n");
	r.helo = VIEW_EMPTY;
	r.protocol = VIEW_EMPTY;
	expect(&r, "Received: by mail.example.org id 01hq3v9k2m5xa;\r\n"
		   "\tTue, 01 Jan 2019 10:00:00 +0100\r\n");
}

static void nothing_breaks_out(void **state)
{
	struct received r = plain;

	(void)state;
	r.helo = VIEW_LIT("a) by\r\nX: y(\\\0");
	r.client_name = VIEW_LIT("b;\nc");
	r.client_ip = VIEW_LIT("1.2.3.4]\r\nX: y");
	r.tls = VIEW_LIT("TLSv1.3) x\ny");
	r.for_address = VIEW_LIT("a\r\nb@c");
	expect(&r, "Received: from a??by??X:?y??? by mail.example.org with ESMTPS (TLSv1.3? x?y)\r\n"
		   "\tid 01hq3v9k2m5xa for <a??b@c>; Tue, 01 Jan 2019 10:00:00 +0100\r\n");
}

static void utf8_recipients(void **state)
{
	struct received r = plain;
	struct buf out = BUF_INIT(4096);

	(void)state;
	r.for_address = VIEW_LIT("\xc3\xbc@example.org");
	received_format(&out, &r);
	assert_int_equal(view_find(buf_view(&out), VIEW_LIT("for <")), out.n);
	assert_true(view_is_ascii(buf_view(&out)));
	buf_reset(&out);
	r.protocol = VIEW_LIT("UTF8SMTPS");
	received_format(&out, &r);
	assert_int_not_equal(view_find(buf_view(&out), VIEW_LIT("for <\xc3\xbc@example.org>;")), out.n);
	buf_fini(&out);
}

static void lines_are_short(void **state)
{
	char name[240];
	struct received r = plain;
	struct buf out = BUF_INIT(4096);
	struct view line, rest;

	(void)state;
	for (size_t n = 0; n < 60; n++) {
		memset(name, 'x', n + 1);
		r.helo = r.by = view_from(name, n + 1);
		buf_reset(&out);
		received_format(&out, &r);
		for (rest = buf_view(&out); view_cut(rest, '\n', &line, &rest);)
			assert_true(line.n - 1 + (line.p[0] == '\t' ? 7 : 0) <= 78);
		assert_int_equal(header_count(buf_view(&out), "Received"), 1);
	}
	memset(name, 'x', sizeof name);
	r.helo = r.by = view_from(name, sizeof name);
	buf_reset(&out);
	received_format(&out, &r);
	for (rest = buf_view(&out); view_cut(rest, '\n', &line, &rest);)
		assert_true(line.n < 250);
	buf_fini(&out);
}

static void protocols(void **state)
{
	static const struct {
		bool ehlo, tls, auth, utf8;
		const char *name;
	} cases[] = {
	    {false, false, false, false, "SMTP"},   {false, true, false, false, "SMTP"},
	    {true, false, false, false, "ESMTP"},   {true, true, false, false, "ESMTPS"},
	    {true, false, true, false, "ESMTPA"},   {true, true, true, false, "ESMTPSA"},
	    {true, false, false, true, "UTF8SMTP"}, {true, true, false, true, "UTF8SMTPS"},
	    {true, false, true, true, "UTF8SMTPA"}, {true, true, true, true, "UTF8SMTPSA"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(received_protocol(cases[i].ehlo, cases[i].tls, cases[i].auth, cases[i].utf8),
				    cases[i].name);
}

static void hops(void **state)
{
	(void)state;
	assert_int_equal(
	    received_count(VIEW_LIT("Received: a\r\n b\r\nX-Received: c\r\nRECEIVED : d\r\n\r\nReceived: e\r\n")), 2);
	assert_int_equal(received_count(VIEW_EMPTY), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),          cmocka_unit_test(nothing_breaks_out), cmocka_unit_test(utf8_recipients),
	    cmocka_unit_test(lines_are_short), cmocka_unit_test(protocols),          cmocka_unit_test(hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
