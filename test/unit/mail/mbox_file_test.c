/* SPDX-License-Identifier: ISC
 * mbox files: where messages begin and end, quoting, flags. */
#include "mail/mbox_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define D "Thu Jan  1 10:00:00 2015"

static void test_from_line(void **state)
{
	static const struct {
		const char *line;
		bool ok;
		int64_t date_s;
		const char *sender;
	} cases[] = {
	    {"From a@b.c " D, true, 1420106400, "a@b.c"},
	    {"From a@b.c Thu Jan 1 10:00 2015", true, 1420106400, "a@b.c"},
	    {"From - " D, true, 1420106400, "-"},
	    {"From " D, true, 1420106400, ""},
	    {"From a@b.c Thu Jan  1 10:00:00 EST 2015", true, 1420124400, "a@b.c"},
	    {"From a@b.c Thu Jan  1 10:00:00 2015 +0100", true, 1420102800, "a@b.c"},
	    {"From \"a b\"@c " D " remote from x", true, 1420106400, "\"a"},
	    {"From here on it gets better", false, 0, ""},
	    {"From a@b.c Thu Jan 41 10:00:00 2015", false, 0, ""},
	    {"From a@b.c Thu Jan  1 2015", false, 0, ""},
	    {"from a@b.c " D, false, 0, ""},
	    {">From a@b.c " D, false, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view sender = VIEW_EMPTY;
		int64_t date_s = 0;

		if (mbox_from_line_parse(view_from_cstr(cases[i].line), &date_s, &sender) != cases[i].ok)
			fail_msg("%s", cases[i].line);
		if (cases[i].ok) {
			assert_int_equal(date_s, cases[i].date_s);
			assert_true(view_eq_lit(sender, cases[i].sender));
		}
	}
}

/* The messages of `file`, each with "|" behind it. */
static void check(const char *file, const char *want)
{
	struct buf got = BUF_INIT(65536);
	struct mbox_message m;
	struct mbox_file f;
	enum parse p;

	mbox_file_init(&f, view_from_cstr(file));
	while ((p = mbox_file_next(&f, &m)) == PARSE_DONE) {
		if (m.quoted)
			mbox_unquote(&got, m.raw);
		else
			buf_append_view(&got, m.raw);
		buf_append_char(&got, '|');
	}
	if (p == PARSE_BAD)
		buf_append_cstr(&got, "BAD");
	assert_string_equal(buf_cstr(&got), want);
	buf_fini(&got);
}

static void test_messages(void **state)
{
	(void)state;
	check("", "");
	check("\n\n", "");
	check("Subject: x\n\nno mbox\n", "BAD");
	check("From a " D "\nS: 1\n\none\n\nFrom b " D "\nS: 2\n\ntwo\n", "S: 1\n\none\n|S: 2\n\ntwo\n|");
	check("From a " D "\r\nS: 1\r\n\r\none\r\n\r\nFrom b " D "\r\nS: 2\r\n\r\ntwo\r\n\r\n",
	      "S: 1\r\n\r\none\r\n|S: 2\r\n\r\ntwo\r\n|");
	/* No date, no empty line before it: text. */
	check("From a " D "\nS: 1\n\none\n\nFrom here on\nFrom b " D "\n",
	      "S: 1\n\none\n\nFrom here on\nFrom b " D "\n|");
	/* mboxo, mboxrd */
	check("From a " D "\nS: 1\n\n>From me\n>>From you\n> From\n\n", "S: 1\n\nFrom me\n>From you\n> From\n|");
	/* The header is not unquoted. */
	check("From a " D "\n>From b " D " remote from x\nS: 1\n\none\n",
	      ">From b " D " remote from x\nS: 1\n\none\n|");
	/* mboxcl2: measured, nothing quoted. */
	check("From a " D "\nContent-Length: 44\n\nx\n\nFrom b " D "\n>From: y\n\nFrom c " D "\nS: 2\n\n",
	      "Content-Length: 44\n\nx\n\nFrom b " D "\n>From: y\n|S: 2\n\n|");
	/* A length that leads elsewhere is not believed. */
	check("From a " D "\nContent-Length: 3\n\nlonger\n\nFrom c " D "\nS: 2\n\n",
	      "Content-Length: 3\n\nlonger\n|S: 2\n\n|");
	check("From a " D "\nContent-Length: 18446744073709551615\n\nx\n",
	      "Content-Length: 18446744073709551615\n\nx\n|");
	/* No line end at the end; a header alone. */
	check("From a " D "\nS: 1\n\none", "S: 1\n\none|");
	check("From a " D "\nS: 1\n\nFrom b " D "\nS: 2\n", "S: 1\n|S: 2\n|");
}

static void test_status(void **state)
{
	const struct view text =
	    VIEW_LIT("Subject: x\nStatus: RO\nX-Status: AF\nX-Keywords: a b\nX-UID: 5\n\nStatus: R\n");
	struct buf out = BUF_INIT(4096);
	struct mbox_status s, back;

	(void)state;
	mbox_status_read(text, &s);
	assert_true(s.seen && s.answered && s.flagged && !s.deleted && !s.draft && !s.is_pseudo);
	assert_true(view_eq_lit(s.keywords, "a b"));
	mbox_status_strip(&out, text, false);
	assert_string_equal(buf_cstr(&out), "Subject: x\n\nStatus: R\n");
	buf_reset(&out);
	mbox_status_format(&out, &s);
	mbox_status_read(buf_view(&out), &back);
	assert_true(back.seen && back.answered && back.flagged && !back.deleted && view_eq_lit(back.keywords, "a b"));
	mbox_status_read(VIEW_LIT("X-Mozilla-Status: 0009\n\n"), &s);
	assert_true(s.seen && s.deleted && !s.answered);
	mbox_status_read(VIEW_LIT("X-IMAP: 1 2\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\n"), &s);
	assert_true(s.is_pseudo);
	buf_fini(&out);
}

static void test_quote(void **state)
{
	static const char text[] = "S: 1\nFrom x\n\nFrom a\n>From b\n From c\nfrom d\nFrom";
	struct buf quoted = BUF_INIT(4096), back = BUF_INIT(4096);

	(void)state;
	mbox_quote(&quoted, VIEW_LIT(text));
	assert_string_equal(buf_cstr(&quoted), "S: 1\nFrom x\n\n>From a\n>>From b\n From c\nfrom d\nFrom");
	mbox_unquote(&back, buf_view(&quoted));
	assert_string_equal(buf_cstr(&back), text);
	buf_reset(&back);
	mbox_from_line_format(&back, VIEW_LIT("a b"), 1420106400);
	assert_string_equal(buf_cstr(&back), "From MAILER-DAEMON " D "\n");
	buf_fini(&quoted);
	buf_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_from_line),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
