/* SPDX-License-Identifier: ISC */
#include "cli/compose.h"

#include "mail/header.h"
#include "mail/rfc2047.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

struct draft {
	struct addressees from, to, cc;
	struct compose m;
	struct buf out;
};

static int setup(void **state)
{
	static struct draft d;
	struct view bad;

	d.out = BUF_INIT(1024 * 1024);
	addressees_init(&d.from);
	addressees_init(&d.to);
	addressees_init(&d.cc);
	assert_int_equal(addressees_add(&d.from, VIEW_LIT("Alice <alice@example.org>"), VIEW_EMPTY, &bad),
			 ADDRESSEE_FINE);
	assert_int_equal(addressees_add(&d.to, VIEW_LIT("bob@example.net"), VIEW_EMPTY, &bad), ADDRESSEE_FINE);
	d.m = (struct compose){
	    .from = d.from.items,
	    .to = &d.to,
	    .cc = &d.cc,
	    .subject = VIEW_LIT("hello"),
	    .text = VIEW_LIT("text\n"),
	    .date = {.utc_s = 1767225600, .zone_min = 60, .zone_known = true},
	    .unique = VIEW_LIT("0123456789abcdef"),
	};
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	struct draft *d = *state;

	addressees_fini(&d->from);
	addressees_fini(&d->to);
	addressees_fini(&d->cc);
	buf_fini(&d->out);
	return 0;
}

static void plain(void **state)
{
	struct draft *d = *state;

	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	assert_string_equal(buf_cstr(&d->out), "Date: Thu, 01 Jan 2026 01:00:00 +0100\r\n"
					       "From: Alice <alice@example.org>\r\n"
					       "To: bob@example.net\r\n"
					       "Subject: hello\r\n"
					       "Message-ID: <0123456789abcdef@example.org>\r\n"
					       "MIME-Version: 1.0\r\n"
					       "Content-Type: text/plain; charset=us-ascii\r\n"
					       "Content-Transfer-Encoding: 7bit\r\n"
					       "\r\n"
					       "text\r\n");
}

static void with_files(void **state)
{
	const struct compose_file files[] = {{VIEW_LIT("a.txt"), "text/plain", VIEW_LIT("one\n")},
					     {VIEW_LIT("b.bin"), "application/octet-stream", VIEW_LIT("\0")}};
	struct draft *d = *state;

	d->m.files = files;
	d->m.file_count = 2;
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	assert_true(view_ends_with_nocase(buf_view(&d->out),
					  VIEW_LIT("Content-Type: multipart/mixed; boundary=\"=_0123456789abcdef\"\r\n"
						   "\r\n"
						   "--=_0123456789abcdef\r\n"
						   "Content-Type: text/plain; charset=us-ascii\r\n"
						   "Content-Transfer-Encoding: 7bit\r\n"
						   "\r\n"
						   "text\r\n"
						   "\r\n"
						   "--=_0123456789abcdef\r\n"
						   "Content-Type: text/plain; charset=utf-8;\r\n\tname=a.txt\r\n"
						   "Content-Transfer-Encoding: base64\r\n"
						   "Content-Disposition: attachment;\r\n\tfilename=a.txt\r\n"
						   "\r\n"
						   "b25lCg==\r\n"
						   "\r\n"
						   "--=_0123456789abcdef\r\n"
						   "Content-Type: application/octet-stream;\r\n\tname=b.bin\r\n"
						   "Content-Transfer-Encoding: base64\r\n"
						   "Content-Disposition: attachment;\r\n\tfilename=b.bin\r\n"
						   "\r\n"
						   "AA==\r\n"
						   "\r\n"
						   "--=_0123456789abcdef--\r\n")));
	buf_reset(&d->out);
	d->m.text = VIEW_LIT(" \n"); /* no text: no part for it */
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	assert_int_equal(view_find(buf_view(&d->out), VIEW_LIT("us-ascii")), d->out.n);
}

/* What the field says, read back; and no line of the header is over 78 characters. */
static void read_back(struct view message, const char *name, struct buf *out)
{
	struct view header = view_sub(message, 0, header_length(message)), line;
	struct header_field field;

	assert_true(header_find(header, name, &field));
	rfc2047_decode(field.value, out);
	while (view_cut(header, '\n', &line, &header))
		assert_in_range(line.n, 1, 79); /* with its CR */
}

static void subjects(void **state)
{
	static const struct {
		const char *subject, *want;
	} cases[] = {
	    {"Gr\xc3\xbc\xc3\x9f"
	     "e",
	     NULL},
	    {"a =?UTF-8?Q?looks_encoded?= b", NULL},
	    {"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen", NULL},
	    {"Gr\xc3\xbc\xc3\x9f"
	     "e, die \xc3\xbc"
	     "ber mehrere Zeilen gehen, weil sie so lang sind, wie es nur geht, und noch l\xc3\xa4nger",
	     NULL},
	    {"line\nBcc: evil@example.com\r\n\r\nbody", "line Bcc: evil@example.com    body"},
	    {" \t trimmed \n", "trimmed"},
	    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f"
	     "\x98\x80",
	     NULL},
	};
	struct draft *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf got = BUF_INIT(4096);

		buf_reset(&d->out);
		d->m.subject = view_from_cstr(cases[i].subject);
		assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
		read_back(buf_view(&d->out), "Subject", &got);
		assert_string_equal(buf_cstr(&got), cases[i].want ? cases[i].want : cases[i].subject);
		assert_int_equal(header_count(buf_view(&d->out), "Bcc"), 0);
	}
	buf_reset(&d->out);
	d->m.subject = VIEW_LIT(" ");
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	assert_int_equal(header_count(buf_view(&d->out), "Subject"), 0);
}

static void subjects_that_are_none(void **state)
{
	_cleanup_(buf_fini) struct buf word = BUF_INIT(2000);
	struct draft *d = *state;

	d->m.subject = VIEW_LIT("caf\xe9");
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_BAD_SUBJECT);
	for (int i = 0; i < 1000; i++)
		buf_append_char(&word, 'x');
	d->m.subject = buf_view(&word);
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_BAD_SUBJECT);
	d->m.subject = VIEW_LIT("fine");
	d->m.text = VIEW_LIT("caf\xe9");
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_BAD_TEXT);
	d->m.text = VIEW_LIT("a text that is longer than what fits");
	buf_fini(&d->out);
	d->out.max = 20;
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_TOO_BIG);
}

static void names(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"Alice Liddell <a@example.org>", "From: Alice Liddell <a@example.org>\r\n"},
	    {"\"Liddell, A.\" <a@example.org>", "From: \"Liddell, A.\" <a@example.org>\r\n"},
	    {"\"a \\\"b\\\" \\\\c\" <a@example.org>", "From: \"a \\\"b\\\" \\\\c\" <a@example.org>\r\n"},
	    {"J\xc3\xbcrgen <j@example.org>", "From: =?UTF-8?B?SsO8cmdlbg==?= <j@example.org>\r\n"},
	    {"j@example.org", "From: j@example.org\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(4096);
		_cleanup_(addressees_fini) struct addressees list;
		struct view bad;

		addressees_init(&list);
		assert_int_equal(addressees_add(&list, view_from_cstr(cases[i].text), VIEW_EMPTY, &bad),
				 ADDRESSEE_FINE);
		compose_put_addressees(&out, "From", list.items, list.n);
		assert_string_equal(buf_cstr(&out), cases[i].want);
	}
}

static void many_recipients(void **state)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(100000), got = BUF_INIT(100000);
	_cleanup_(addressees_fini) struct addressees again;
	struct draft *d = *state;
	struct view bad;
	struct header_field field;

	for (int i = 0; i < 300; i++)
		buf_printf(
		    &text,
		    "%s\"J\xc3\xbcrgen, der %d. und immer noch nicht der letzte, den es hier gibt\" <u%d@example.org>",
		    i ? ", " : "", i, i);
	assert_int_equal(addressees_add(&d->to, buf_view(&text), VIEW_EMPTY, &bad), ADDRESSEE_FINE);
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	read_back(buf_view(&d->out), "To", &got);
	addressees_init(&again);
	assert_true(header_find(buf_view(&d->out), "To", &field));
	assert_int_equal(addressees_add(&again, field.value, VIEW_EMPTY, &bad), ADDRESSEE_FINE);
	assert_int_equal(again.n, d->to.n);
	for (size_t i = 0; i < again.n; i++) {
		assert_true(view_eq(again.items[i].name, d->to.items[i].name));
		assert_true(view_eq(again.items[i].address, d->to.items[i].address));
	}
}

static void nobody_to_see(void **state)
{
	struct draft *d = *state;

	d->to.n = 0;
	assert_int_equal(compose_format(&d->out, &d->m), COMPOSE_DONE);
	assert_true(view_find(buf_view(&d->out), VIEW_LIT("\r\nTo: undisclosed-recipients:;\r\n")) < d->out.n);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(plain), TEST(with_files),      TEST(subjects),     TEST(subjects_that_are_none),
	    TEST(names), TEST(many_recipients), TEST(nobody_to_see)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
