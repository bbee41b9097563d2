/* SPDX-License-Identifier: ISC */
#include "mail/envelope.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(struct view header, size_t max_bytes, const char *expected)
{
	struct buf out = BUF_INIT(1 << 20);

	envelope_format(&out, header, max_bytes);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static const struct {
	const char *header, *envelope;
} cases[] = {
    {"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: hello\r\nFrom: A B <a@b.example>\r\nTo: c@d\r\n"
     "In-Reply-To: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n",
     "(\"Thu, 1 Jan 2026 00:00:00 +0000\" \"hello\" ((\"A B\" NIL \"a\" \"b.example\")) "
     "((\"A B\" NIL \"a\" \"b.example\")) ((\"A B\" NIL \"a\" \"b.example\")) ((NIL NIL \"c\" \"d\")) NIL NIL "
     "\"<1@x>\" \"<2@x>\")"},
    /* present but empty is empty, absent is NIL; addresses are NIL in both cases */
    {"Subject:\r\nDate: \r\nFrom:\r\nSender:\r\nTo: \r\nMessage-ID:\r\n",
     "(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL \"\")"},
    /* Sender and Reply-To of their own, several To fields, the first Subject */
    {"From: f@x\r\nSender: s@x\r\nReply-To: r@x, q@x\r\nTo: 1@x\r\nSubject: a\r\nSubject: b\r\nTo: 2@x\r\ncc: 3@x\r\n"
     "BCC: 4@x\r\n",
     "(NIL \"a\" ((NIL NIL \"f\" \"x\")) ((NIL NIL \"s\" \"x\")) ((NIL NIL \"r\" \"x\")(NIL NIL \"q\" \"x\")) "
     "((NIL NIL \"1\" \"x\")(NIL NIL \"2\" \"x\")) ((NIL NIL \"3\" \"x\")) ((NIL NIL \"4\" \"x\")) NIL NIL)"},
    /* groups */
    {"To: friends: a@b, \"C, D\" <c@d>;, undisclosed-recipients:;\r\n",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"friends\" NIL)(NIL NIL \"a\" \"b\")(\"C, D\" NIL \"c\" \"d\")"
     "(NIL NIL NIL NIL)(NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)"},
    {"To: open: a@b\r\n",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"open\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"},
    /* quotes, comments, routes, old forms, no domain, encoded words, folding */
    {"To: \"a \\\"b\\\"\" <\"x y\"@[1.2.3.4]>,\r\n <@r1,@r2:u@h> (note), old@style (Old Name), "
     "root,\r\n\t=?utf-8?Q?=C3=A4?=\r\n"
     " =?utf-8?Q?b?= <e@f>\r\n",
     "(NIL NIL NIL NIL NIL ((\"a \\\"b\\\"\" NIL \"x y\" \"[1.2.3.4]\")(\"note\" \"@r1,@r2\" \"u\" \"h\")"
     "(\"Old Name\" NIL \"old\" \"style\")(NIL NIL \"root\" \"\")"
     "(\"=?utf-8?Q?=C3=A4?= =?utf-8?Q?b?=\" NIL \"e\" \"f\")) NIL NIL NIL NIL)"},
    {"Subject: one\r\n two\r\n\tthree  \r\n", "(NIL \"one two\tthree\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Subject: q\"b\\s\r\n", "(NIL \"q\\\"b\\\\s\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Subject: \xc3\xa4\r\nFrom: \xe4 <a@b>\r\n",
     "(NIL {2}\r\n\xc3\xa4 (({1}\r\n\xe4 NIL \"a\" \"b\")) (({1}\r\n\xe4 NIL \"a\" \"b\")) "
     "(({1}\r\n\xe4 NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)"},
    /* the header ends at the blank line */
    {"Subject: a\r\n\r\nFrom: x@y\r\n", "(NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"To: ,;,<>\r\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"\" \"\")) NIL NIL NIL NIL)"},
};

static void envelopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check(view_from_cstr(cases[i].header), 1 << 16, cases[i].envelope);
}

static void nul_is_written_as_a_question_mark(void **state)
{
	(void)state;
	check(VIEW_LIT("Subject: a\0b\r\n"), 1000, "(NIL {3}\r\na?b NIL NIL NIL NIL NIL NIL NIL NIL)");
}

static void lists_end_early_between_two_addresses(void **state)
{
	(void)state;
	check(VIEW_LIT("To: a@x, g: b@x, c@x, d@x;\r\nCc: e@x\r\n"), 50,
	      "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"x\")(NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)");
}

static void only_those_fields_are_read(void **state)
{
	(void)state;
	assert_true(envelope_uses_field(VIEW_LIT("reply-TO")) && envelope_uses_field(VIEW_LIT("Message-Id")));
	assert_false(envelope_uses_field(VIEW_LIT("Received")) || envelope_uses_field(VIEW_LIT("Dat")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(envelopes),
	    cmocka_unit_test(nul_is_written_as_a_question_mark),
	    cmocka_unit_test(lists_end_early_between_two_addresses),
	    cmocka_unit_test(only_those_fields_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
