/* SPDX-License-Identifier: ISC */
#include "policy/judgement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct judgement judge(struct arena *a, enum judgement_purpose purpose, const char *head)
{
	struct judgement_input in = {
	    .purpose = purpose,
	    .message_id = 42,
	    .sender = VIEW_LIT("me@example.org"),
	    .hostname = VIEW_LIT("mx.example.org"),
	    .wall_s = 1000000000,
	    .max_hops = 3,
	    .max_header_bytes = 400,
	    .head = view_from_cstr(head),
	};
	struct judgement j;

	arena_init(a, JUDGEMENT_ARENA_BYTES);
	judgement_make(&in, a, &j);
	return j;
}

static void assert_view(struct view v, const char *want)
{
	assert_int_equal(v.n, strlen(want));
	assert_memory_equal(v.p, want, v.n);
}

static void what_a_header_says(void **state)
{
	struct arena a;
	struct judgement j =
	    judge(&a, JUDGEMENT_STRANGER,
		  "Date: Sun, 09 Sep 2001 03:46:41 +0200\r\nFrom: A <a@b.org>, \"x y\"@c.org\r\nSender: s@d.org\r\n"
		  "Message-ID:\r\n <1@b.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n and\r\n\r\nbody\r\n");

	(void)state;
	assert_int_equal(j.refusal.code, 0);
	assert_int_equal(j.date_s, 1000000001);
	assert_view(j.message_id, "<1@b.org>");
	assert_view(j.subject, "gr\xc3\xbc\xc3\x9f"
			       "e and");
	assert_int_equal(j.from_count, 3);
	assert_view(j.from[0], "a@b.org");
	assert_view(j.from[1], "\"x y\"@c.org");
	assert_view(j.from[2], "s@d.org");
	assert_int_equal(j.header_add.n, 0);
	assert_int_equal(j.separator.n, 0);
	assert_int_equal(
	    j.header_bytes,
	    strlen("Date: Sun, 09 Sep 2001 03:46:41 +0200\r\nFrom: A <a@b.org>, \"x y\"@c.org\r\nSender: "
		   "s@d.org\r\nMessage-ID:\r\n <1@b.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n and\r\n\r\n"));
	arena_fini(&a);
}

static void a_submission_is_completed(void **state)
{
	static const struct {
		const char *head, *added, *message_id;
	} cases[] = {
	    {"From: me@example.org\r\n\r\n",
	     "Date: Sun, 09 Sep 2001 01:46:40 +0000\r\nMessage-ID: <000000000001a@example.org>\r\n",
	     "<000000000001a@example.org>"},
	    {"From: me@example.org\r\nDate: Sun, 09 Sep 2001 01:46:40 +0000\r\n\r\n",
	     "Message-ID: <000000000001a@example.org>\r\n", "<000000000001a@example.org>"},
	    {"from: me@example.org\r\ndate: Sun, 09 Sep 2001 01:46:40 +0000\r\nmessage-id: <x@y>\r\n\r\n", "", "<x@y>"},
	    {"From: me@example.org\r\nMessage-ID: <x@y>\r\n", "Date: Sun, 09 Sep 2001 01:46:40 +0000\r\n", "<x@y>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a;
		struct judgement j = judge(&a, JUDGEMENT_SUBMISSION, cases[i].head);

		assert_int_equal(j.refusal.code, 0);
		assert_view(j.header_add, cases[i].added);
		assert_view(j.message_id, cases[i].message_id);
		assert_int_equal(j.from_count, 1);
		assert_view(j.from[0], "me@example.org");
		arena_fini(&a);
	}
}

static void only_a_submission_is(void **state)
{
	static const enum judgement_purpose others[] = {JUDGEMENT_STRANGER, JUDGEMENT_INDEX, JUDGEMENT_TRUSTED};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct arena a;
		struct judgement j = judge(&a, others[i], "Subject: nobody's\r\n\r\n");

		assert_int_equal(j.refusal.code, 0);
		assert_int_equal(j.header_add.n, 0);
		assert_int_equal(j.message_id.n, 0);
		assert_int_equal(j.date_s, 1000000000);
		arena_fini(&a);
	}
}

static void submissions_that_are_refused(void **state)
{
	static const struct {
		const char *head, *why;
	} cases[] = {
	    {"Subject: x\r\n\r\n", "The From field is missing"},
	    {"\r\nFrom: me@example.org\r\n", "The From field is missing"},
	    {"From: me@example.org\r\nFrom: you@example.org\r\n\r\n", "There are several From fields"},
	    {"From: me\r\n\r\n", "The From field is not valid"},
	    {"From:\r\n\r\n", "The From field is not valid"},
	    {"From: a@b.org, c@d.org\r\n\r\n", "Several authors need a Sender field"},
	    {"From: a@b.org\r\nSender: a@b.org, c@d.org\r\n\r\n", "The Sender field is not valid"},
	    {"From: a@b.org\r\nSender: a@b.org\r\nSender: c@d.org\r\n\r\n", "There are several Sender fields"},
	    {"From: a@b.org\r\nDate: x\r\nDate: y\r\n\r\n", "There are several Date fields"},
	    {"From: a@b.org\r\nMessage-ID: <x>\r\nMessage-ID: <y>\r\n\r\n", "There are several Message-ID fields"},
	    {" x\r\nFrom: a@b.org\r\n\r\n", "A line of the header is no header field"},
	    {"From: a@b.org\r\nno field\r\nFrom: c@d.org\r\n\r\n", "A line of the header is no header field"},
	    {"hello\r\n", "A line of the header is no header field"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a;
		struct judgement j = judge(&a, JUDGEMENT_SUBMISSION, cases[i].head);

		assert_int_equal(j.refusal.code, 550);
		assert_true(verdict_valid(&j.refusal));
		assert_view(j.refusal.text, cases[i].why);
		arena_fini(&a);
		j = judge(&a, JUDGEMENT_STRANGER, cases[i].head);
		assert_int_equal(j.refusal.code, 0);
		arena_fini(&a);
	}
}

static void several_authors_with_a_sender(void **state)
{
	struct arena a;
	struct judgement j = judge(&a, JUDGEMENT_SUBMISSION, "From: a@b.org, c@d.org\r\nSender: a@b.org\r\n\r\n");

	(void)state;
	assert_int_equal(j.refusal.code, 0);
	assert_int_equal(j.from_count, 3);
	arena_fini(&a);
}

#define HOP "Received: from a by b; x\r\n"

static void a_loop_is_found(void **state)
{
	struct arena a;

	(void)state;
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, HOP HOP HOP "\r\n").refusal.code, 0);
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, HOP HOP HOP HOP "\r\n").refusal.code, 554);
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_TRUSTED, HOP HOP HOP HOP "\r\n").refusal.code, 554);
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_INDEX, HOP HOP HOP HOP "\r\n").refusal.code, 0);
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, "A: b\r\n\r\n" HOP HOP HOP HOP).refusal.code, 0);
	arena_fini(&a);
}

static void a_header_has_a_size(void **state)
{
	static char head[512];
	struct arena a;

	(void)state;
	memset(head, 'x', 396);
	memcpy(head, "A: ", 3);
	memcpy(head + 396, "\r\n\r\nbody", 9);
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, head).refusal.code, 0);
	arena_fini(&a);
	memcpy(head + 396, "x\r\n\r\nbody", 10);
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, head).refusal.code, 552);
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_INDEX, head).refusal.code, 552);
	arena_fini(&a);
}

/* What starts like a continuation must not continue our own last field. */
static void what_must_be_kept_apart(void **state)
{
	struct arena a;

	(void)state;
	assert_int_not_equal(judge(&a, JUDGEMENT_STRANGER, " evil\r\nA: b\r\n\r\n").separator.n, 0);
	arena_fini(&a);
	assert_view(judge(&a, JUDGEMENT_STRANGER, "").separator, "\r\n");
	arena_fini(&a);
	assert_int_equal(judge(&a, JUDGEMENT_STRANGER, "A: b\r\n\r\n").separator.n, 0);
	arena_fini(&a);
}

/* Lines that are no fields: readers of mail look for the empty line. */
static void what_is_no_field(void **state)
{
	static const char text[] = "no header at all\r\n\r\nFrom: a@b\r\n", lost[] = "A: b\r\nU29tZSB0ZXh0\r\n";
	static char long_text[100000];
	struct judgement j;
	struct arena a;

	(void)state;
	j = judge(&a, JUDGEMENT_STRANGER, text);
	assert_view(j.header_add, "\r\n");
	assert_int_equal(j.header_bytes, 0);
	assert_int_equal(j.separator.n, 0);
	arena_fini(&a);
	j = judge(&a, JUDGEMENT_INDEX, text);
	assert_int_equal(j.header_add.n, 0);
	assert_int_equal(j.header_bytes, 20);
	arena_fini(&a);
	j = judge(&a, JUDGEMENT_INDEX, lost);
	assert_int_equal(j.header_bytes, sizeof lost - 1);
	arena_fini(&a);
	memset(long_text, 'A', sizeof long_text - 1);
	memcpy(long_text, lost, sizeof lost - 1);
	j = judge(&a, JUDGEMENT_INDEX, long_text);
	assert_int_equal(j.refusal.code, 0);
	assert_int_equal(j.header_bytes, 6);
	arena_fini(&a);
}

static void long_texts_are_cut_between_characters(void **state)
{
	struct judgement_input in = {
	    .purpose = JUDGEMENT_STRANGER, .max_hops = 1, .max_header_bytes = 100000, .wall_s = 5};
	struct buf head = BUF_INIT(10000);
	struct judgement j;
	struct arena a;

	(void)state;
	arena_init(&a, JUDGEMENT_ARENA_BYTES);
	buf_append_cstr(&head, "Subject: x");
	for (int i = 0; i < 1000; i++)
		buf_append_cstr(&head, "\xc3\xa4");
	buf_append_cstr(&head, "\r\n\r\n");
	in.head = buf_view(&head);
	in.sender = in.hostname = VIEW_EMPTY;
	judgement_make(&in, &a, &j);
	assert_int_equal(j.subject.n, 997);
	assert_true(view_is_utf8(j.subject));
	buf_fini(&head);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_header_says),
	    cmocka_unit_test(a_submission_is_completed),
	    cmocka_unit_test(only_a_submission_is),
	    cmocka_unit_test(submissions_that_are_refused),
	    cmocka_unit_test(several_authors_with_a_sender),
	    cmocka_unit_test(a_loop_is_found),
	    cmocka_unit_test(a_header_has_a_size),
	    cmocka_unit_test(what_must_be_kept_apart),
	    cmocka_unit_test(what_is_no_field),
	    cmocka_unit_test(long_texts_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
