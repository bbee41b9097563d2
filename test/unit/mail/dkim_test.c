/* SPDX-License-Identifier: ISC
 * Canonical forms with the examples of RFC 6376 §3.4.5 and what stands around them; the DKIM-Signature field; the record. */
#include "mail/dkim_canon.h"
#include "mail/dkim_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void put(void *ctx, struct view bytes)
{
	buf_append_view(ctx, bytes);
}

static void fields(void **state)
{
	static const struct {
		const char *name, *value, *canon;
	} cases[] = {
	    {"A", " X", "a:X\r\n"}, /* RFC 6376 §3.4.5 */
	    {"B ", " Y\t\r\n\tZ  ", "b:Y Z\r\n"},
	    {"Subject", "", "subject:\r\n"},
	    {"SUBJECT", " \t \r\n ", "subject:\r\n"},
	    {"X", " a:b \t c", "x:a:b c\r\n"},
	    {"X", "a\n b", "x:a b\r\n"},
	    {"X", "\r\n folded", "x:folded\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(1000);

		dkim_canon_field(&out, view_from_cstr(cases[i].name), view_from_cstr(cases[i].value));
		assert_string_equal(buf_cstr(&out), cases[i].canon);
		buf_fini(&out);
	}
}

static void bodies(void **state)
{
	static const struct {
		const char *body, *canon;
	} cases[] = {
	    {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"}, /* RFC 6376 §3.4.5 */
	    {"", ""},
	    {"\r\n", ""},
	    {"\r\n\r\n\r\n", ""},
	    {" \t \r\n \r\n", ""},
	    {"a", "a\r\n"},
	    {"a ", "a\r\n"},
	    {"a\r\n", "a\r\n"},
	    {"a\r\n\r\n", "a\r\n"},
	    {"a\r\n \r\nb", "a\r\n\r\nb\r\n"},
	    {"\r\n\r\na", "\r\n\r\na\r\n"},
	    {"\ta\t\tb", " a b\r\n"},
	    {"a\nb\n", "a\r\nb\r\n"},
	    {"a\rb\r\n", "a\rb\r\n"},
	    {"a\r", "a\r\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view body = view_from_cstr(cases[i].body);

		for (size_t cut = 0; cut <= body.n; cut++) {
			struct buf out = BUF_INIT(1000);
			struct dkim_body b;

			dkim_body_init(&b, put, &out);
			dkim_body_feed(&b, view_sub(body, 0, cut));
			dkim_body_feed(&b, view_sub(body, cut, body.n));
			dkim_body_finish(&b);
			if (!view_eq_lit(buf_view(&out), cases[i].canon))
				fail_msg("%zu, cut at %zu: %s", i, cut, buf_cstr(&out));
			buf_fini(&out);
		}
	}
}

static void long_body(void **state)
{
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct dkim_body b;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_append_cstr(&in, "line \r\n\r\n");
	dkim_body_init(&b, put, &out);
	dkim_body_feed(&b, buf_view(&in));
	dkim_body_finish(&b);
	assert_int_equal(out.n, 5000 * 8 - 2);
	buf_fini(&in);
	buf_fini(&out);
}

static void which_fields(void **state)
{
	struct buf names = BUF_INIT(DKIM_NAMES_MAX), input = BUF_INIT(DKIM_INPUT_MAX);

	(void)state;
	assert_true(
	    dkim_sign_fields(VIEW_LIT("Date: today\r\n"),
			     VIEW_LIT("Received: x\r\nsubject: one\r\nfrom : A <a@example.test>\r\nReferences: 1\r\n"
				      "References: 2\r\n\r\nFrom: b\r\n"),
			     &names, &input));
	assert_true(
	    view_starts_with(buf_view(&names), VIEW_LIT("From:From:Reply-To:To:Cc:Subject:Subject:Date:Date:Message-ID:"
							"References:References:MIME-Version")));
	assert_string_equal(buf_cstr(&input),
			    "from:A <a@example.test>\r\nsubject:one\r\ndate:today\r\nreferences:2\r\nreferences:1\r\n");
	buf_reset(&names);
	buf_reset(&input);
	assert_false(dkim_sign_fields(VIEW_EMPTY, VIEW_LIT("Subject: x\r\n\r\n"), &names, &input));
	buf_reset(&names);
	buf_reset(&input);
	assert_false(dkim_sign_fields(VIEW_EMPTY, VIEW_LIT("From: a@b\r\nFrom: c@d\r\n\r\n"), &names, &input));
	buf_fini(&names);
	buf_fini(&input);
}

static void domains(void **state)
{
	static const struct {
		const char *from, *domain;
	} cases[] = {{"From: A <a@Example.TEST>\r\n", "example.test"},
		     {"From: a@one.test, b@two.test\r\n", "one.test"},
		     {"from: =?utf-8?q?x?= <u@m\xc3\xbcnchen.example>\r\n", "xn--mnchen-3ya.example"},
		     {"From: a@[192.0.2.1]\r\n", NULL},
		     {"From: nobody\r\n", NULL},
		     {"To: a@b.test\r\n", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(255);

		assert_int_equal(dkim_sign_domain(view_from_cstr(cases[i].from), &out), cases[i].domain != NULL);
		if (cases[i].domain)
			assert_string_equal(buf_cstr(&out), cases[i].domain);
		buf_fini(&out);
	}
}

static void the_field(void **state)
{
	struct buf begun = BUF_INIT(DKIM_FIELD_MAX), input = BUF_INIT(DKIM_INPUT_MAX), whole = BUF_INIT(DKIM_FIELD_MAX);
	char hash[32] = {0}, signature[256];
	struct dkim_to_sign s = {.algorithm = DKIM_RSA_SHA256,
				 .domain = VIEW_LIT("example.test"),
				 .selector = VIEW_LIT("s1"),
				 .wall_s = 1700000000,
				 .names = VIEW_LIT("From:From:Subject"),
				 .body_hash = view_from(hash, sizeof hash)};
	struct view line, rest;

	(void)state;
	memset(signature, 0xff, sizeof signature);
	dkim_sign_begin(&begun, &s);
	dkim_sign_input(&input, VIEW_LIT("from:a@example.test\r\n"), buf_view(&begun));
	assert_string_equal(
	    buf_cstr(&input),
	    "from:a@example.test\r\ndkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=s1; "
	    "t=1700000000; h=From:From:Subject; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=");
	dkim_sign_finish(&whole, buf_view(&begun), view_from(signature, sizeof signature));
	rest = buf_view(&whole);
	while (view_cut(rest, '\n', &line, &rest))
		assert_true(line.n > 0 && line.n < 100 && line.p[line.n - 1] == '\r');
	assert_int_equal(rest.n, 0);
	buf_fini(&begun);
	buf_fini(&input);
	buf_fini(&whole);
}

static void records(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	dkim_record_format(&out, DKIM_ED25519_SHA256, VIEW_LIT("xyz"));
	assert_string_equal(buf_cstr(&out), "v=DKIM1; k=ed25519; p=eHl6");
	assert_true(dkim_record_is(buf_view(&out), DKIM_ED25519_SHA256, VIEW_LIT("xyz")));
	assert_false(dkim_record_is(buf_view(&out), DKIM_RSA_SHA256, VIEW_LIT("xyz")));
	assert_false(dkim_record_is(buf_view(&out), DKIM_ED25519_SHA256, VIEW_LIT("xyy")));
	assert_true(dkim_record_is(VIEW_LIT(" v = DKIM1 ; t=s; p = eH l6 ; n=note"), DKIM_RSA_SHA256, VIEW_LIT("xyz")));
	assert_false(dkim_record_is(VIEW_LIT("v=DKIM1; p="), DKIM_RSA_SHA256, VIEW_LIT("xyz"))); /* revoked */
	assert_false(dkim_record_is(VIEW_LIT("v=DKIM2; p=eHl6"), DKIM_RSA_SHA256, VIEW_LIT("xyz")));
	assert_false(dkim_record_is(VIEW_LIT("v=DKIM1; h=sha1; p=eHl6"), DKIM_RSA_SHA256, VIEW_LIT("xyz")));
	assert_false(dkim_record_is(VIEW_LIT("v=spf1 -all"), DKIM_RSA_SHA256, VIEW_LIT("xyz")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),       cmocka_unit_test(bodies),  cmocka_unit_test(long_body),
	    cmocka_unit_test(which_fields), cmocka_unit_test(domains), cmocka_unit_test(the_field),
	    cmocka_unit_test(records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
