/* SPDX-License-Identifier: ISC */
#include "smtpd/reply.h"
#include "smtpd_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whatever somebody else could take for the end of a message is not one here, and is not handed on either. Nothing of
 * what follows it is a command before the real end. */
static void smuggling_is_refused(void **state)
{
	static const struct view ends[] = {
	    VIEW_LIT("\n.\n"),     VIEW_LIT("\r.\r"),       VIEW_LIT("\n.\r\n"),     VIEW_LIT("\r\n.\n"),
	    VIEW_LIT("\r\n.\r"),   VIEW_LIT("\r.\r\n"),     VIEW_LIT("\r\n\n.\r\n"), VIEW_LIT("\r\n.\r\r\n"),
	    VIEW_LIT("\n\r.\r\n"), VIEW_LIT("\r\n\0.\r\n"), VIEW_LIT("\r\n.\0\r\n"), VIEW_LIT("\n\n.\n\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct rig r;
		size_t c;

		rig_open(&r, SMTPD_MX, "");
		c = addressed(&r);
		TALK(&r, c, {"DATA\r\n", GO}, {"Subject: x\r\n\r\nbody", ""});
		rig_send(&r, c, ends[i]);
		TALK(&r, c, {"MAIL FROM:<evil@example.net>\r\nRCPT TO:<u@x.org>\r\nDATA\r\nsmuggled", ""});
		assert_true(has_prefix(rig_say(&r, c, "\r\n.\r\n"), "550 5.6.0 The message has a"));
		TALK(&r, c, {"NOOP\r\n", OK});
		assert_int_equal(r.message_count, 0);
		rig_close(&r);
	}
}

static void a_bad_message_is_answered_once_at_its_end(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO}, {"a\nb\r\n", ""}, {"MAIL FROM:<x@y.z>\r\n", ""}, {"\r\n.\n", ""},
	     {"\r\n.\r\n", "550 5.6.0 The message has an LF without CR; lines end in CRLF\r\n"},
	     {"MAIL FROM:<x@y.z>\r\n", SENDER_OK});
	assert_int_equal(r.message_count, 0);
	rig_close(&r);
}

static void chunks(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = addressed(&r);
	TALK(&r, c, {"BDAT 5\r\na: b\r", "250 2.0.0 5 octets taken\r\n"}, {"NOOP\r\n", OK},
	     {"DATA\r\n", "503 5.5.1 In the middle of BDAT; finish it or say RSET\r\n"},
	     {"RCPT TO:<v@x.org>\r\n", "503 5.5.1 In the middle of BDAT; finish it or say RSET\r\n"},
	     {"BDAT 8\r\n\n\r\n.\r\n.\r", "250 2.0.0 8 octets taken\r\n"},
	     {"BDAT 1 LAST\r\n\n", "250 2.0.0 kept, id 0000000000001\r\n"},
	     {"BDAT 0 LAST\r\n", "503 5.5.1 Give a sender with MAIL first\r\n"}, {"MAIL FROM:<>\r\n", SENDER_OK},
	     {"BDAT 4\r\nNOOP", "554 5.5.1 No recipient was accepted\r\n"}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK},
	     {"BDAT 3\r\na:b", "250 2.0.0 3 octets taken\r\n"}, {"RSET\r\n", OK}, {"MAIL FROM:<>\r\n", SENDER_OK},
	     {"RCPT TO:<u@x.org>\r\nBDAT 3\r\na:bBDAT 0 LAST\r\nNOOP\r\n",
	      RCPT_OK "250 2.0.0 3 octets taken\r\n250 2.0.0 kept, id 0000000000002\r\n" OK});
	assert_string_equal(text_of(&r, 0), "a: b\r\n\r\n.\r\n.\r\n");
	assert_string_equal(text_of(&r, 1), "a:b");
	rig_close(&r);
}

static void chunks_that_fail(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = addressed(&r);
	TALK(&r, c,
	     {"BDAT 4\r\na\nb\rBDAT 2\r\nxy", "550 5.6.0 The message has an LF without CR; lines end in CRLF\r\n"
					      "503 5.5.1 The message failed; say RSET\r\n"},
	     {"BDAT 2 LAST\r\n\r\n", "503 5.5.1 The message failed; say RSET\r\n"},
	     {"MAIL FROM:<>\r\n", "503 5.5.1 The message failed; say RSET\r\n"}, {"RSET\r\n", OK},
	     {"MAIL FROM:<>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK},
	     {"BDAT 2 LAST\r\na\r", "550 5.6.0 The message has a CR without LF; lines end in CRLF\r\n"},
	     {"MAIL FROM:<>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK},
	     {"BDAT 1 LAST\r\n\xff", "250 2.0.0 kept, id 0000000000001\r\n"});
	assert_int_equal(r.message_count, 1);
	rig_close(&r);
}

static void too_big(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-message-size = 1024\n");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO});
	for (int i = 0; i < 101; i++)
		rig_send(&r, c, VIEW_LIT("12345678\r\n"));
	assert_string_equal(rig_say(&r, c, ".\r\n"), "250 2.0.0 kept, id 0000000000001\r\n");
	TALK(&r, c, {"MAIL FROM:<>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK}, {"DATA\r\n", GO});
	for (int i = 0; i < 103; i++)
		rig_send(&r, c, VIEW_LIT("12345678\r\n"));
	assert_string_equal(rig_say(&r, c, ".\r\n"), "552 5.3.4 Message is too big\r\n");
	TALK(&r, c, {"MAIL FROM:<>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK}, {"DATA\r\n", GO});
	for (int i = 0; i < 400; i++)
		rig_send(&r, c, VIEW_LIT("12345678\r\n"));
	assert_string_equal(rig_hear(&r, c), "552 5.3.4 Message is too big\r\n");
	assert_true(rig_is_closed(&r, c));
	assert_int_equal(r.message_count, 1);
	rig_close(&r);
}

/* A message over 64 KiB goes in pieces, as far as stored's credit reaches; then the client is not read from. */
static void a_big_message_is_streamed(void **state)
{
	struct buf line = BUF_INIT(1024), text = BUF_INIT(1 << 20);
	struct rig r;
	size_t c;

	(void)state;
	for (int i = 0; i < 98; i++)
		buf_append_char(&line, 'x');
	buf_append_cstr(&line, "\r\n");
	for (int i = 0; i < 9000; i++)
		buf_append_view(&text, buf_view(&line));
	rig_open(&r, SMTPD_MX, "");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO});
	r.no_credit = true;
	rig_send(&r, c, buf_view(&text));
	for (int i = 0; i < 20; i++)
		rig_turn(&r);
	assert_int_equal(r.message_count, 1);
	assert_int_equal(r.messages[0].text.n, 262144);
	assert_int_equal(r.messages[0].size_bytes, 0);
	assert_true(r.smtpd->bytes_held <= 65536 + 1024); /* and the envelope */
	r.no_credit = false;
	rig_give_credit(&r, 0, 262144);
	for (int i = 0; i < 100; i++)
		rig_turn(&r);
	if (r.messages[0].text.n < text.n) /* what rig_send() could not get rid of */
		rig_send(&r, c, view_sub(buf_view(&text), r.messages[0].text.n + r.smtpd->bytes_held, text.n));
	assert_string_equal(rig_say(&r, c, ".\r\n"), "250 2.0.0 kept, id 0000000000001\r\n");
	assert_true(view_eq(buf_view(&r.messages[0].text), buf_view(&text)));
	assert_int_equal(r.smtpd->bytes_held, 0);
	buf_fini(&line);
	buf_fini(&text);
	rig_close(&r);
}

static void a_client_that_goes_leaves_nothing(void **state)
{
	static char big[200000];
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	memset(big, 'x', sizeof big);
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO});
	rig_send(&r, c, view_from(big, sizeof big));
	rig_hang_up(&r, c);
	assert_int_equal(r.aborts, 1);
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@b.c>\r\nRCPT TO:<slow@x.org>\r\n", SENDER_OK});
	rig_hang_up(&r, c);
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<mute@b.c>\r\nRCPT TO:<u@x.org>\r\n", SENDER_OK RCPT_OK}, {"DATA\r\n", GO},
	     {".\r\n", ""});
	rig_hang_up(&r, c);
	assert_int_equal(r.aborts, 1); /* stored had all of the last one: it may keep it */
	rig_store_dies(&r);
	assert_int_equal(r.smtpd->session_count, 0);
	assert_int_equal(r.smtpd->bytes_held, 0);
	rig_close(&r);
}

static void bytes_in_flight(void **state)
{
	static char most[60000];
	struct rig r;
	size_t clients[20], late;

	(void)state;
	memset(most, 'x', sizeof most);
	rig_open(&r, SMTPD_MX, "max-bytes-in-flight = 1M\n");
	late = greeted(&r);
	for (size_t i = 0; i < 18; i++) {
		clients[i] = addressed(&r);
		TALK(&r, clients[i], {"DATA\r\n", GO});
	}
	for (size_t i = 0; i < 18; i++) {
		rig_send(&r, clients[i], view_from(most, sizeof most));
		rig_turn(&r);
	}
	assert_true(r.smtpd->bytes_held <= 1048576);
	assert_int_equal(r.message_count, 1); /* the one that passed the limit is streamed */
	r.smtpd->settings->max_bytes_in_flight = r.smtpd->bytes_held;
	TALK(&r, late, {"MAIL FROM:<>\r\n", "452 4.4.5 Too much mail is under way; try again soon\r\n"});
	for (size_t i = 0; i < 18; i++)
		assert_true(has_prefix(rig_say(&r, clients[i], "\r\n.\r\n"), "250 2.0.0 kept"));
	TALK(&r, late, {"MAIL FROM:<>\r\n", SENDER_OK}, {"RSET\r\n", OK});
	assert_int_equal(r.smtpd->bytes_held, 0);
	rig_close(&r);
}

/* Envelopes fill memory as well as text does. */
static void envelopes_count_too(void **state)
{
	struct rig r;
	size_t clients[12], refused = 0;
	char line[256];

	(void)state;
	rig_open(&r, SMTPD_MX, "max-bytes-in-flight = 1M\n");
	for (size_t i = 0; i < 12; i++) {
		clients[i] = addressed(&r);
		for (int k = 0; k < 999 && refused == 0; k++) {
			(void)snprintf(line, sizeof line, "RCPT TO:<u+%0100d@example.org>\r\n", k);
			refused += has_prefix(rig_say(&r, clients[i], line), "452 4.4.5");
		}
		if (refused)
			break;
	}
	assert_int_equal(refused, 1);
	assert_true(r.smtpd->bytes_held >= 1048576 && r.smtpd->bytes_held < 1048576 + 4096);
	TALK(&r, clients[0], {"RSET\r\n", OK}, {"MAIL FROM:<>\r\n", SENDER_OK});
	for (size_t i = 0; i < r.client_count; i++)
		rig_hang_up(&r, i);
	assert_int_equal(r.smtpd->bytes_held, 0);
	rig_close(&r);
}

/* Of two that wait for room on the way to stored the first is ended, and lingers: the other one goes on all the same. */
static void one_that_ends_while_stalled(void **state)
{
	static char much[60000];
	struct rig r;
	size_t first, second, others[8];

	(void)state;
	memset(much, 'x', sizeof much);
	rig_open(&r, SMTPD_MX, "max-message-size = 1M\n");
	first = greeted(&r);
	second = greeted(&r);
	r.no_credit = true;
	for (int i = 0; i < 8; i++) {
		others[i] = addressed(&r);
		TALK(&r, others[i], {"DATA\r\n", GO});
	}
	channel_pause(r.store);
	for (int i = 0; i < 8; i++)
		while (rig_send_some(&r, others[i], view_from(much, sizeof much)))
			;
	assert_true(channel_is_full(r.smtpd->store));
	assert_string_equal(rig_say(&r, first, "NOOP\r\n"), "");
	assert_string_equal(rig_say(&r, second, "NOOP\r\n"), "");
	session_part(TAILQ_FIRST(&r.smtpd->sessions), &reply_shutting_down);
	assert_true(has_prefix(rig_hear(&r, first), "421 4.3.2"));
	channel_resume(r.store);
	rig_turn(&r);
	assert_string_equal(rig_hear(&r, second), OK);
	rig_close(&r);
}

/* Who does not read replies is not read from; nothing is lost. */
static void a_client_that_does_not_read(void **state)
{
	enum { COUNT = 200000 };
	struct buf all = BUF_INIT(1 << 21);
	size_t heard = 0, sent = 0;
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-smtp-commands = 1000000\n");
	c = rig_connect_to(&r, "smtp", false);
	(void)rig_hear(&r, c);
	for (int i = 0; i < COUNT; i++)
		buf_append_cstr(&all, "NOOP\r\n");
	while (sent < all.n) {
		size_t n = rig_send_some(&r, c, view_sub(buf_view(&all), sent, all.n));

		sent += n;
		if (n == 0)
			break;
	}
	assert_true(sent < all.n); /* it stopped reading */
	while (heard < COUNT) {
		size_t n = strlen(rig_hear(&r, c)) / strlen(OK);

		heard += n;
		sent += rig_send_some(&r, c, view_sub(buf_view(&all), sent, all.n));
		assert_true(n > 0 || sent < all.n || heard == COUNT);
	}
	assert_int_equal(heard, COUNT);
	buf_fini(&all);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(smuggling_is_refused),
	    cmocka_unit_test(a_bad_message_is_answered_once_at_its_end),
	    cmocka_unit_test(chunks),
	    cmocka_unit_test(chunks_that_fail),
	    cmocka_unit_test(too_big),
	    cmocka_unit_test(a_big_message_is_streamed),
	    cmocka_unit_test(a_client_that_goes_leaves_nothing),
	    cmocka_unit_test(bytes_in_flight),
	    cmocka_unit_test(envelopes_count_too),
	    cmocka_unit_test(one_that_ends_while_stalled),
	    cmocka_unit_test(a_client_that_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
