/* SPDX-License-Identifier: ISC
 * What the preview of a message reads, and which part it is made of. */
#include "mail/preview.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *message, const char *expected)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	const struct mime_index *x = mime_index_parse(p, view_from_cstr(message));
	const struct mime_part *part = NULL;
	struct buf out = BUF_INIT(PREVIEW_BYTES);

	while (out.n == 0 && (part = preview_part(x, part)))
		preview_format(part, view_sub(view_from_cstr(message), part->body_off, part->body_bytes), &out);
	assert_string_equal(buf_cstr(&out), expected);
	assert_false(out.overflow);
	buf_fini(&out);
	mime_parser_free(&p);
}

#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n\r\n"

static void test_plain(void **state)
{
	static const struct {
		const char *message, *expected;
	} cases[] = {
	    {"\r\nHi,\r\n\r\n  how are\tyou?\r\n", "Hi, how are you?"},
	    {"\r\n", ""},
	    {"Subject: x\r\n\r\n> quoted\r\n>> more\r\nMine\r\n> again\r\n-- \r\nSignature\r\n", "Mine"},
	    {"\r\n> only\r\n> quotes\r\n", "> only > quotes"},
	    {PLAIN "a\302\240b\342\200\213c\357\273\277d\302\255e\342\200\212f", "a bcde f"},
	    {"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nCaf\351", "Caf\303\251"},
	    {"Content-Type: text/plain; charset=nonsense\r\n\r\nCaf\351", "Caf\303\251"},
	    {"Content-Type: text/plain\r\n\r\nCaf\303\251", "Caf\303\251"},
	    {"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nQ2Fmw6k=\r\n",
	     "Caf\303\251"},
	    {"Content-Transfer-Encoding: quoted-printable\r\n\r\nlong=\r\nline =3D x\r\n", "longline = x"},
	    {"\r\na\1\2b\177c", "a b c"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].message, cases[i].expected);
}

static void test_html(void **state)
{
	static const struct {
		const char *message, *expected;
	} cases[] = {
	    {HTML "<p>One</p><p>Two<br>Three", "One Two Three"},
	    {HTML "<!DOCTYPE html><html><head><title>No</title><style>p{}</style></head><body>Yes</body>", "Yes"},
	    {HTML "a<script>if (a<b) x('</p>')</script>b", "ab"},
	    {HTML "a<!-- <p>no</p> -->b", "ab"},
	    {HTML "a<img alt=\"x > y\">b<i>c</i>d", "a bcd"},
	    {HTML "<p title=\"it's>x</p>y", "x y"},
	    {HTML "5 < 6 &amp;&lt;&gt; &euro;&#8364;&#x20AC; &auml;&bogus; &#xD800; &#0; &",
	     "5 < 6 &<> \342\202\254\342\202\254\342\202\254 \303\244&bogus; &#xD800; &#0; &"},
	    {HTML "&nbsp;&zwnj;&nbsp;&shy;x", "x"},
	    {HTML "<style>never ends", ""},
	    {HTML "<a href=", ""},
	    {HTML "<?xml version=\"1.0\"?>x", "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].message, cases[i].expected);
}

static void test_parts(void **state)
{
	(void)state;
	check("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" PLAIN "plain\r\n--b\r\n" HTML
	      "html\r\n--b--\r\n",
	      "plain");
	check("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" PLAIN "\r\n \r\n--b\r\n" HTML
	      "html\r\n--b--\r\n",
	      "html");
	check("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
	      "image/png\r\n\r\nPNG\r\n--b\r\n" PLAIN "text\r\n--b--\r\n",
	      "text");
	check("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninside\r\n", "");
	check("Content-Type: application/pdf\r\n\r\n%PDF", "");
	check("Content-Type: text/calendar\r\n\r\nBEGIN", "");
}

/* 200 characters, whatever their size. */
static void test_length(void **state)
{
	struct buf message = BUF_INIT(100000), expected = BUF_INIT(1000);

	(void)state;
	buf_append_cstr(&message, PLAIN);
	for (unsigned i = 0; i < 1000; i++) {
		buf_append_cstr(&message, "\360\237\230\200");
		if (i < PREVIEW_CHARS)
			buf_append_cstr(&expected, "\360\237\230\200");
	}
	check(buf_cstr(&message), buf_cstr(&expected));
	buf_reset(&message);
	buf_reset(&expected);
	buf_append_cstr(&message, HTML);
	for (unsigned i = 0; i < 1000; i++)
		buf_append_cstr(&message, "<b>ab</b> ");
	for (unsigned i = 0; i < 67; i++)
		buf_append_cstr(&expected, i ? " ab" : "ab");
	check(buf_cstr(&message), buf_cstr(&expected));
	buf_fini(&message);
	buf_fini(&expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_html),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
