/* SPDX-License-Identifier: ISC */
#include "mail/smtp_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void describe_path(struct buf *out, const struct smtp_path *path)
{
	switch (path->kind) {
	case SMTP_PATH_NULL:
		buf_append_cstr(out, " null");
		break;
	case SMTP_PATH_POSTMASTER:
		buf_append_cstr(out, " postmaster");
		break;
	case SMTP_PATH_MAILBOX:
		buf_printf(out, " <%.*s|%.*s>", VIEW_FMT(path->address.local), VIEW_FMT(path->address.domain));
		break;
	}
}

static void describe_params(struct buf *out, const struct smtp_params *p)
{
	if (p->present & SMTP_PARAM_SIZE)
		buf_printf(out, " size=%llu", (unsigned long long)p->size_bytes);
	if (p->present & SMTP_PARAM_BODY)
		buf_printf(out, " body=%d", (int)p->body);
	if (p->present & SMTP_PARAM_SMTPUTF8)
		buf_append_cstr(out, " utf8");
	if (p->present & SMTP_PARAM_RET)
		buf_printf(out, " ret=%d", (int)p->ret);
	if (p->present & SMTP_PARAM_ENVID)
		buf_printf(out, " envid=%.*s", VIEW_FMT(p->envid));
	if (p->present & SMTP_PARAM_AUTH)
		buf_printf(out, " auth=%.*s", VIEW_FMT(p->auth));
	if (p->present & SMTP_PARAM_REQUIRETLS)
		buf_append_cstr(out, " requiretls");
	if (p->present & SMTP_PARAM_NOTIFY)
		buf_printf(out, " notify=%u", p->notify);
	if (p->present & SMTP_PARAM_ORCPT)
		buf_printf(out, " orcpt=%.*s;%.*s", VIEW_FMT(p->orcpt_type), VIEW_FMT(p->orcpt_address));
	for (size_t i = 0; i < p->unknown_count && i < SMTP_UNKNOWN_PARAMS_MAX; i++)
		buf_printf(out, " ?%.*s", VIEW_FMT(p->unknown[i]));
}

static void describe(struct buf *out, const struct smtp_command *c)
{
	buf_append_cstr(out, smtp_verb_name(c->verb));
	if (c->verb == SMTP_EHLO || c->verb == SMTP_HELO)
		buf_printf(out, " %.*s%s%s", VIEW_FMT(c->hello.name), c->hello.is_literal ? " literal" : "",
			   c->hello.is_lenient ? " lenient" : "");
	if (c->verb == SMTP_MAIL || c->verb == SMTP_RCPT) {
		describe_path(out, &c->path);
		describe_params(out, &c->params);
	}
	if (c->text.n)
		buf_printf(out, " %.*s", VIEW_FMT(c->text));
	if (c->verb == SMTP_BDAT)
		buf_printf(out, " %llu%s", (unsigned long long)c->chunk_bytes, c->is_last ? " last" : "");
	if (c->verb == SMTP_AUTH)
		buf_printf(out, " %.*s%s%.*s", VIEW_FMT(c->mechanism), c->has_initial ? " " : "", VIEW_FMT(c->initial));
}

static void expect(struct view line, bool utf8_ok, const char *want)
{
	struct buf out = BUF_INIT(4096);
	struct smtp_command command;
	struct verdict error;
	struct arena a;

	arena_init(&a, 4096);
	if (smtp_command_parse(line, utf8_ok, &a, &command, &error)) {
		describe(&out, &command);
	} else {
		assert_true(verdict_valid(&error));
		buf_printf(&out, "%u ", (unsigned)error.code);
		dsn_status_format(&out, error.enhanced);
	}
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg("%.*s\n got: %s\nwant: %s", VIEW_FMT(line), buf_cstr(&out), want);
	buf_fini(&out);
	arena_fini(&a);
}

static void commands(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
	    {"EHLO mail.example.org", "EHLO mail.example.org"},
	    {"ehlo [192.0.2.1]", "EHLO [192.0.2.1] literal"},
	    {"HELO [IPv6:::1] my text", "HELO [IPv6:::1] literal lenient"},
	    {"EHLO my_pc", "EHLO my_pc lenient"},
	    {"EHLO [192.0.2.1", "EHLO [192.0.2.1 lenient"},
	    {"EHLO", "501 5.5.4"},
	    {"EHLO gr\xc3\xbc\xc3\x9f", "501 5.5.4"},
	    {"DATA", "DATA"},
	    {"data \t", "DATA"},
	    {"DATA x", "501 5.5.4"},
	    {"RSET", "RSET"},
	    {"QUIT", "QUIT"},
	    {"QUIT now", "501 5.5.4"},
	    {"STARTTLS", "STARTTLS"},
	    {"STARTTLS x", "501 5.5.4"},
	    {"NOOP", "NOOP"},
	    {"NOOP a b", "NOOP a b"},
	    {"HELP mail", "HELP mail"},
	    {"VRFY user", "VRFY user"},
	    {"VRFY", "501 5.5.4"},
	    {"EXPN list", "EXPN list"},
	    {"EXPN ", "501 5.5.4"},
	    {"BDAT 1000", "BDAT 1000"},
	    {"BDAT 0 last", "BDAT 0 last"},
	    {"BDAT", "501 5.5.4"},
	    {"BDAT -1", "501 5.5.4"},
	    {"BDAT 1 LASTLY", "501 5.5.4"},
	    {"BDAT 1 LAST x", "501 5.5.4"},
	    {"BDAT 18446744073709551616", "501 5.5.4"},
	    {"AUTH PLAIN", "AUTH PLAIN"},
	    {"AUTH plain =", "AUTH plain "},
	    {"AUTH PLAIN AGEAYg==", "AUTH PLAIN AGEAYg=="},
	    {"AUTH SCRAM-SHA-256-PLUS biws", "AUTH SCRAM-SHA-256-PLUS biws"},
	    {"AUTH", "501 5.5.4"},
	    {"AUTH PL;AIN", "501 5.5.4"},
	    {"AUTH A23456789012345678901", "501 5.5.4"},
	    {"AUTH PLAIN a b", "501 5.5.2"},
	    {"AUTH PLAIN *", "501 5.5.2"},
	    {"", "500 5.5.1"},
	    {" QUIT", "500 5.5.1"},
	    {"GET / HTTP/1.1", "500 5.5.1"},
	    {"QUITS", "500 5.5.1"},
	    {"MAI", "500 5.5.1"},
	    {"NOOP a\x07", "501 5.5.2"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(view_from_cstr(cases[i].line), false, cases[i].want);
	expect(VIEW_LIT("NOOP a\0b"), false, "501 5.5.2");
}

static void paths(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
	    {"MAIL FROM:<>", "MAIL null"},
	    {"mail from: <a@b.c> ", "MAIL <a|b.c>"},
	    {"MAIL  FROM:<a@b.c>", "MAIL <a|b.c>"},
	    {"MAIL FROM:<\"a>b\"@b.c>", "MAIL <a>b|b.c>"},
	    {"MAIL FROM:<\"a\\\">b\"@b.c>", "MAIL <a\">b|b.c>"},
	    {"MAIL FROM:<a@[192.0.2.1]>", "MAIL <a|[192.0.2.1]>"},
	    {"MAIL FROM:<prvs=0123456789=a-very-long-return-path-0123456789012345678901234567890123456789@b.c>",
	     "MAIL <prvs=0123456789=a-very-long-return-path-0123456789012345678901234567890123456789|b.c>"},
	    {"RCPT TO:<a@b.c>", "RCPT <a|b.c>"},
	    {"RCPT TO:<@x,@y.z:a@b.c>", "RCPT <a|b.c>"},
	    {"RCPT TO:<@x:a@[IPv6:::1]>", "RCPT <a|[IPv6:::1]>"},
	    {"RCPT TO:<postMaster>", "RCPT postmaster"},
	    {"RCPT TO:<Postmaster@b.c>", "RCPT <Postmaster|b.c>"},
	    {"RCPT TO:<a%b.c@d>", "RCPT <a%b.c|d>"},
	    {"RCPT TO:<b!a@d>", "RCPT <b!a|d>"},
	    {"MAIL", "501 5.5.4"},
	    {"MAIL TO:<a@b.c>", "501 5.5.4"},
	    {"MAIL FROM <a@b.c>", "501 5.5.4"},
	    {"MAIL FROM:", "501 5.1.7"},
	    {"MAIL FROM:a@b.c", "501 5.1.7"},
	    {"MAIL FROM:<a@b.c", "501 5.1.7"},
	    {"MAIL FROM:<a@b.c>>", "501 5.1.7"},
	    {"MAIL FROM:<a@b.c>SIZE=1", "501 5.1.7"},
	    {"MAIL FROM:<<a@b.c>>", "501 5.1.7"},
	    {"MAIL FROM:< >", "501 5.1.7"},
	    {"MAIL FROM:<a@b..c>", "501 5.1.7"},
	    {"MAIL FROM:<;sleep 1;>", "501 5.1.7"},
	    {"MAIL FROM:<postmaster>", "501 5.1.7"},
	    {"RCPT TO:<>", "501 5.1.3"},
	    {"RCPT TO:<a>", "501 5.1.3"},
	    {"RCPT TO:<@x>", "501 5.1.3"},
	    {"RCPT TO:<@x:>", "501 5.1.3"},
	    {"RCPT TO:<@x,y:a@b.c>", "501 5.1.3"},
	    {"RCPT TO:<@x,:a@b.c>", "501 5.1.3"},
	    {"RCPT TO:<@:a@b.c>", "501 5.1.3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(view_from_cstr(cases[i].line), false, cases[i].want);
}

static void params(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
	    {"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME", "MAIL <a|b> size=1000 body=1"},
	    {"MAIL FROM:<a@b>  size=0  body=7bit ", "MAIL <a|b> size=0 body=0"},
	    {"MAIL FROM:<a@b> BODY=BINARYMIME", "MAIL <a|b> body=2"},
	    {"MAIL FROM:<a@b> SIZE=99999999999999999999", "MAIL <a|b> size=18446744073709551615"},
	    {"MAIL FROM:<a@b> RET=hdrs ENVID=a+2Bb", "MAIL <a|b> ret=1 envid=a+b"},
	    {"MAIL FROM:<> RET=FULL REQUIRETLS", "MAIL null ret=0 requiretls"},
	    {"MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", "MAIL <a|b> auth=e=mc2@example.com"},
	    {"MAIL FROM:<a@b> AUTH=<>", "MAIL <a|b> auth="},
	    {"RCPT TO:<a@b> NOTIFY=NEVER", "RCPT <a|b> notify=1"},
	    {"RCPT TO:<a@b> NOTIFY=success,DELAY ORCPT=rfc822;x+40y", "RCPT <a|b> notify=10 orcpt=rfc822;x@y"},
	    {"RCPT TO:<a@b> ORCPT=utf-8;x\\x{FC}@y", "RCPT <a|b> orcpt=utf-8;x\\x{FC}@y"},
	    {"MAIL FROM:<a@b> XFOO X-BAR=1", "MAIL <a|b> ?XFOO ?X-BAR"},
	    {"MAIL FROM:<a@b> NOTIFY=NEVER", "MAIL <a|b> ?NOTIFY"},
	    {"RCPT TO:<a@b> SIZE=1", "RCPT <a|b> ?SIZE"},
	    {"MAIL FROM:<a@b> A B C D E F", "MAIL <a|b> ?A ?B ?C ?D"},
	    {"MAIL FROM:<a@b> SIZE", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SIZE=", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SIZE=000000000000000000001", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4"},
	    {"MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4"},
	    {"MAIL FROM:<a@b> RET=ALL", "501 5.5.4"},
	    {"MAIL FROM:<a@b> RET=FULL RET=FULL", "501 5.5.4"},
	    {"MAIL FROM:<a@b> ENVID=a+2b", "501 5.5.4"},
	    {"MAIL FROM:<a@b> ENVID=a+0A", "501 5.5.4"},
	    {"MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4"},
	    {"MAIL FROM:<a@b> -X", "501 5.5.4"},
	    {"MAIL FROM:<a@b> X=a=b", "501 5.5.4"},
	    {"MAIL FROM:<a@b> =1", "501 5.5.4"},
	    {"RCPT TO:<a@b> NOTIFY=", "501 5.5.4"},
	    {"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4"},
	    {"RCPT TO:<a@b> NOTIFY=DELAY,", "501 5.5.4"},
	    {"RCPT TO:<a@b> ORCPT=x", "501 5.5.4"},
	    {"RCPT TO:<a@b> ORCPT=;x", "501 5.5.4"},
	    {"RCPT TO:<a@b> ORCPT=rfc822;", "501 5.5.4"},
	    {"RCPT TO:<a@b> ORCPT=rfc822;a+00", "501 5.5.4"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(view_from_cstr(cases[i].line), false, cases[i].want);
}

static void smtputf8(void **state)
{
	(void)state;
	expect(VIEW_LIT("MAIL FROM:<\xc3\xbc@b>"), true, "553 5.6.7");
	expect(VIEW_LIT("MAIL FROM:<\xc3\xbc@b> SMTPUTF8"), false, "MAIL <\xc3\xbc|b> utf8");
	expect(VIEW_LIT("RCPT TO:<a@\xc3\xbc>"), false, "553 5.6.7");
	expect(VIEW_LIT("RCPT TO:<a@\xc3\xbc>"), true, "RCPT <a|\xc3\xbc>");
	expect(VIEW_LIT("RCPT TO:<a@\xfc>"), true, "501 5.1.3");
}

static void long_values(void **state)
{
	struct buf line = BUF_INIT(4096);

	(void)state;
	buf_printf(&line, "MAIL FROM:<a@b> ENVID=%0*d", SMTP_ENVID_MAX + 1, 7);
	expect(buf_view(&line), false, "501 5.5.4");
	buf_reset(&line);
	buf_printf(&line, "RCPT TO:<a@b> ORCPT=rfc822;%0*d", SMTP_ORCPT_MAX - 6, 7);
	expect(buf_view(&line), false, "501 5.5.4");
	buf_reset(&line);
	buf_printf(&line, "EHLO %0*d", ADDRESS_DOMAIN_MAX + 1, 7);
	expect(buf_view(&line), false, "501 5.5.4");
	buf_fini(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands), cmocka_unit_test(paths),       cmocka_unit_test(params),
	    cmocka_unit_test(smtputf8), cmocka_unit_test(long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
