/* SPDX-License-Identifier: ISC */
#include "cli/raw_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void lines(void **state)
{
	static const struct {
		const char *text;
		bool dot_ends;
		const char *want;
	} cases[] = {
	    {"", true, ""},
	    {"a", true, "a\r\n"},
	    {"a\nb\r\nc\rd\n", true, "a\r\nb\r\nc\r\nd\r\n"},
	    {"a\r\n\r\nb\r\r\n", true, "a\r\n\r\nb\r\n\r\n"},
	    {"a\n.\nb\n", true, "a\r\n"},
	    {"a\r\n.\r\nb\n", true, "a\r\n"},
	    {"a\n.\nb\n", false, "a\r\n.\r\nb\r\n"},
	    {".\n", true, ""},
	    {".", true, ""},
	    {"..\n.a\n", true, "..\r\n.a\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(1000);

		raw_message_lines(&out, view_from_cstr(cases[i].text), cases[i].dot_ends);
		assert_string_equal(buf_cstr(&out), cases[i].want);
	}
}

static void rewrites(void **state)
{
	static const struct {
		const char *message, *want;
	} cases[] = {
	    {"Subject: s\r\n\r\nbody\r\n", "Subject: s\r\nFrom: Me <me@d.example>\r\n\r\nbody\r\n"},
	    {"From: a@b.example\r\nBcc: x@y.example,\r\n z@y.example\r\nTo: t@b.example\r\n\r\nbody\r\n",
	     "From: a@b.example\r\nTo: t@b.example\r\n\r\nbody\r\n"},
	    {"From: root (Cron Daemon)\r\nTo: root, x@y.example\r\n\r\n",
	     "From: Cron Daemon <root@d.example>\r\nTo: root@d.example,\r\n x@y.example\r\n\r\n"},
	    {"from: a@b.example\r\nSubject: s\r\n", "from: a@b.example\r\nSubject: s\r\n\r\n"},
	    {"no header here\r\nmore: text\r\n", "From: Me <me@d.example>\r\n\r\nno header here\r\nmore: text\r\n"},
	    {"\r\nbody: x\r\n", "From: Me <me@d.example>\r\n\r\nbody: x\r\n"},
	    {"", "From: Me <me@d.example>\r\n\r\n"},
	    {"From mbox Mon Jan 1\r\nReturn-Path: <x@y>\r\nSubject: s\r\n\r\nb\r\n",
	     "Subject: s\r\nFrom: Me <me@d.example>\r\n\r\nb\r\n"},
	    {"Subject: s\r\nnot a field\r\n\r\nb\r\n",
	     "Subject: s\r\nFrom: Me <me@d.example>\r\n\r\nnot a field\r\n\r\nb\r\n"},
	    /* what cannot be read stays as it is: the server says what it thinks of it */
	    {"From: a@b@c\r\n\r\n", "From: a@b@c\r\n\r\n"},
	    {"From: a@b.example\r\nTo: list: root;\r\n\r\n", "From: a@b.example\r\nTo: root@d.example\r\n\r\n"},
	    {"From: a@b.example\r\nResent-Bcc: x@y.example\r\n\r\n", "From: a@b.example\r\n\r\n"},
	};
	const struct addressee me = {VIEW_LIT("Me"), VIEW_LIT("me@d.example")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(4000);

		raw_message_rewrite(&out, view_from_cstr(cases[i].message), VIEW_LIT("d.example"), &me);
		assert_string_equal(buf_cstr(&out), cases[i].want);
	}
}

static void recipients(void **state)
{
	static const struct {
		const char *message, *want;
	} cases[] = {
	    {"To: a@x.example\r\nCc: B <b@x.example>\r\nBcc: c@x.example,\r\n d\r\n\r\nTo: body@x.example\r\n",
	     "a@x.example b@x.example c@x.example d@d.example "},
	    {"to: a@x.example\r\nTO: b@x.example\r\n\r\n", "a@x.example b@x.example "},
	    {"To: a@x.example\r\nResent-To: r@x.example\r\nResent-From: q@x.example\r\n\r\n", "r@x.example "},
	    {"Subject: nobody\r\n\r\n", ""},
	    {"To: undisclosed-recipients:;\r\n\r\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf got = BUF_INIT(1000);
		_cleanup_(addressees_fini) struct addressees list;
		struct view bad;

		addressees_init(&list);
		assert_int_equal(
		    raw_message_recipients(view_from_cstr(cases[i].message), VIEW_LIT("d.example"), &list, &bad),
		    ADDRESSEE_FINE);
		for (size_t k = 0; k < list.n; k++)
			buf_printf(&got, "%.*s ", VIEW_FMT(list.items[k].address));
		assert_string_equal(buf_cstr(&got), cases[i].want);
	}
}

static void a_bad_recipient_stops_it(void **state)
{
	_cleanup_(addressees_fini) struct addressees list;
	struct view bad;

	(void)state;
	addressees_init(&list);
	assert_int_equal(raw_message_recipients(VIEW_LIT("To: a@x.example, b@\r\n\r\n"), VIEW_EMPTY, &list, &bad),
			 ADDRESSEE_BAD);
}

static void author(void **state)
{
	_cleanup_(addressees_fini) struct addressees list;

	(void)state;
	addressees_init(&list);
	assert_false(raw_message_author(VIEW_LIT("To: a@x.example\r\n\r\n"), VIEW_EMPTY, &list));
	assert_false(raw_message_author(VIEW_LIT("From: root\r\n\r\n"), VIEW_EMPTY, &list));
	assert_true(raw_message_author(VIEW_LIT("From: A <a@x.example>\r\n\r\n"), VIEW_EMPTY, &list));
	assert_true(view_eq_lit(list.items[0].address, "a@x.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(rewrites),
					   cmocka_unit_test(recipients), cmocka_unit_test(a_bad_recipient_stops_it),
					   cmocka_unit_test(author)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
