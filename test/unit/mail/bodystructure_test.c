/* SPDX-License-Identifier: ISC */
#include "mail/bodystructure.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

static const struct {
	const char *message, *bodystructure, *body;
} cases[] = {
    {"", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)"},
    {"Content-Type: TEXT/Html; Charset=UTF-8; x=\"a b\"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n"
     "Content-ID: <1@x>\r\nContent-Description: what it\r\n is\r\nContent-MD5: Q2hlY2s=\r\n"
     "Content-Disposition: inline; filename=a\r\nContent-Language: en, de-DE\r\n"
     "Content-Location: http://a.example/\r\n\r\none\r\ntwo\r\n",
     "(\"TEXT\" \"Html\" (\"Charset\" \"UTF-8\" \"x\" \"a b\") \"<1@x>\" \"what it is\" \"Quoted-Printable\" 10 2 "
     "\"Q2hlY2s=\" (\"inline\" (\"filename\" \"a\")) (\"en\" \"de-DE\") \"http://a.example/\")",
     "(\"TEXT\" \"Html\" (\"Charset\" \"UTF-8\" \"x\" \"a b\") \"<1@x>\" \"what it is\" \"Quoted-Printable\" 10 2)"},
    {"Content-Type: image/png\r\nContent-Disposition: attachment\r\n\r\nxyz",
     "(\"image\" \"png\" NIL NIL NIL \"7bit\" 3 NIL (\"attachment\" NIL) NIL NIL)",
     "(\"image\" \"png\" NIL NIL NIL \"7bit\" 3)"},
    /* broken types are text/plain (RFC 2045 §5.2), text of any kind has a charset */
    {"Content-Type: text\r\n\r\n",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)"},
    {"Content-Type: text/x; format=flowed\r\n\r\n",
     "(\"text\" \"x\" (\"format\" \"flowed\" \"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)",
     "(\"text\" \"x\" (\"format\" \"flowed\" \"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)"},
    /* multiparts, and one without parts */
    {"Content-Type: multipart/mixed; boundary=b\r\nContent-Language: fr\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n"
     "Content-Type: multipart/alternative; boundary=c\r\n\r\n--b--\r\n",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0 NIL NIL NIL NIL)"
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"alternative\" "
     "(\"boundary\" \"c\") NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL (\"fr\") NIL)",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0)"
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"alternative\") \"mixed\")"},
    {"Content-Type: multipart/mixed\r\n\r\nx",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)",
     "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"},
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\nx",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" "
     "\"b\") NIL NIL NIL)",
     "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")"},
    /* a message inside */
    {"Content-Type: message/rfc822\r\n\r\nFrom: a@b\r\nSubject: s\r\nContent-Type: text/plain; "
     "charset=x\r\n\r\none\r\n",
     "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 67 (NIL \"s\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
     "((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"x\") NIL NIL \"7bit\" 5 1 NIL "
     "NIL NIL "
     "NIL) 5 NIL NIL NIL NIL)",
     "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 67 (NIL \"s\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
     "((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"x\") NIL NIL \"7bit\" 5 1) 5)"},
    {"Content-Type: message/delivery-status\r\n\r\nx",
     "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL)",
     "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1)"},
    {"Content-Type: message/GLOBAL\r\n\r\n",
     "(\"message\" \"GLOBAL\" NIL NIL NIL \"7bit\" 0 " NO_ENVELOPE
     " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) 0 NIL NIL NIL NIL)",
     "(\"message\" \"GLOBAL\" NIL NIL NIL \"7bit\" 0 " NO_ENVELOPE
     " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) 0)"},
    /* RFC 2231: joined, still encoded; literals */
    {"Content-Type: a/b; name*0=\"one)(\"; name*1=\" \\\"two\"; n2*=utf-8''%e2%82%ac; n3=\xc3\xa4\r\n\r\n",
     "(\"a\" \"b\" (\"name\" \"one)( \\\"two\" \"n2*\" \"utf-8''%e2%82%ac\" \"n3\" {2}\r\n\xc3\xa4) NIL NIL \"7bit\" 0 "
     "NIL NIL "
     "NIL NIL)",
     "(\"a\" \"b\" (\"name\" \"one)( \\\"two\" \"n2*\" \"utf-8''%e2%82%ac\" \"n3\" {2}\r\n\xc3\xa4) NIL NIL \"7bit\" "
     "0)"},
};

static void texts(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf out = BUF_INIT(100000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct mime_index *x = mime_index_parse(p, view_from_cstr(cases[i].message));

		buf_reset(&out);
		buf_append_view(&out, x->bodystructure);
		assert_string_equal(buf_cstr(&out), cases[i].bodystructure);
		buf_reset(&out);
		assert_true(bodystructure_to_body(&out, x->bodystructure));
		assert_string_equal(buf_cstr(&out), cases[i].body);
	}
	buf_fini(&out);
	mime_parser_free(&p);
}

/* What is over a limit is still as the grammar wants it. */
static void leaves_over_the_limit(void **state)
{
	struct mime_limits limits = mime_limits_default;
	struct mime_parser *p;
	struct buf out = BUF_INIT(100000);

	(void)state;
	limits.depth = 0;
	p = mime_parser_new(&limits);
	buf_append_view(
	    &out, mime_index_parse(p, VIEW_LIT("Content-Type: message/rfc822\r\n\r\na: b\r\n\r\nc"))->bodystructure);
	assert_string_equal(
	    buf_cstr(&out),
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " NO_ENVELOPE
	    " (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)");
	buf_reset(&out);
	buf_append_view(
	    &out, mime_index_parse(p, VIEW_LIT("Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n"))->bodystructure);
	assert_string_equal(buf_cstr(&out),
			    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) "
			    "\"x\" (\"boundary\" \"b\") NIL NIL NIL)");
	buf_fini(&out);
	mime_parser_free(&p);
}

static void what_is_no_bodystructure_gives_no_body(void **state)
{
	static const char *const bad[] = {
	    "",
	    "(",
	    ")",
	    "()",
	    "NIL",
	    "(\"a\" \"b\")",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1",
	    "(\"text\" \"b\" NIL NIL NIL \"7bit\" 1)",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1))",
	    "(\"a\" {99}\r\nb NIL NIL NIL \"7bit\" 1)",
	    "(\"a\" \"b NIL NIL NIL \"7bit\" 1)",
	    "((\"a\" \"b\" NIL NIL NIL \"7bit\" 1))",
	    "(\"a\" \"b\" (NIL NIL NIL \"7bit\" 1)",
	    "(\"a\" \"b\" {x}\r\n NIL NIL \"7bit\" 1)",
	};
	struct buf out = BUF_INIT(100000), deep = BUF_INIT(100000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_reset(&out);
		assert_false(bodystructure_to_body(&out, view_from_cstr(bad[i])));
	}
	for (int i = 0; i < 50000; i++)
		buf_append_char(&deep, '(');
	assert_false(bodystructure_to_body(&out, buf_view(&deep)));
	buf_fini(&out);
	buf_fini(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),
	    cmocka_unit_test(leaves_over_the_limit),
	    cmocka_unit_test(what_is_no_bodystructure_gives_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
