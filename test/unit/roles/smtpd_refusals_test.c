/* SPDX-License-Identifier: ISC
 * What was refused reaches stored: each kind once, in batches, bounded; nothing of what was accepted does. */
#include "smtpd_talk.h"

#include "base/clock.h"
#include "ipc/msgs/smtp_msgs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FLOOD = 3000, WAIT_MS = 60000 };

/* Until so many were told of, kept or left out. */
static void wait_for(struct rig *r, uint64_t n)
{
	uint64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (r->refused_count + r->left_out < n) {
		assert_true(clock_mono_ms() < until_ms);
		rig_turn(r);
		(void)usleep(1000);
	}
	assert_int_equal(r->refused_count + r->left_out, n);
}

static void each_kind_once(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-message-size = 1000000\nmax-recipients = 4\n");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO}, {"Message-ID: <kept@x>\r\n\r\n.\r\n", "250 2.0.0 kept, id 0000000000001\r\n"},
	     {"MAIL FROM:<big@far.example> SIZE=2000000\r\n", "552 5.3.4 Message is too big\r\n"},
	     {"MAIL FROM:<> SIZE=2000000\r\n", "552 5.3.4 Message is too big\r\n"}, /* nobody to find it by */
	     {"MAIL FROM:<refuse@far.example>\r\n", SENDER_OK},
	     {"RCPT TO:<no@example.org>\r\n", "550 5.1.1 No such mailbox\r\n"},
	     {"RCPT TO:<later@example.org>\r\n", "451 4.2.1 Not now\r\n"}, {"RCPT TO:<a@example.org>\r\n", RCPT_OK},
	     {"RCPT TO:<b@example.org>\r\n", RCPT_OK},
	     {"RCPT TO:<c@example.org>\r\n", "452 4.5.3 Too many recipients; send them another copy\r\n"},
	     {"DATA\r\n", GO}, {"Subject: x\r\n\r\n.\r\n", "550 5.7.1 Not wanted\r\n"});
	wait_for(&r, 6);
	assert_int_equal(r.left_out, 0);
	assert_string_equal(buf_cstr(&r.refused), "big@far.example> 552 5.3.4 ;"
						  "refuse@far.example>no@example.org 550 5.1.1 ;"
						  "refuse@far.example>later@example.org 451 4.2.1 ;"
						  "refuse@far.example>c@example.org 452 4.5.3 ;"
						  "refuse@far.example>a@example.org 550 5.7.1 said@stored;"
						  "refuse@far.example>b@example.org 550 5.7.1 said@stored;");
	rig_close(&r);
}

#define FAULT "550 5.6.0 The message has an LF without CR; lines end in CRLF\r\n"

static void message_ids(void **state)
{
	static const char next[] = "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n";
	static const char long_line[] = "0123456789012345678901234567890123456789012345678\r\n";
	struct buf text = BUF_INIT(65536);
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-message-size = 2K\n");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO}, {"Message-ID: <1@x>\r\n\r\nbare\nline\r\n.\r\n", FAULT},
	     {next, SENDER_OK RCPT_OK GO});
	/* In two pieces; in the body; too big, at once. */
	(void)rig_say(&r, c, "Subject: x\r\nMessage-ID:\r\n <2@x>\r\n");
	TALK(&r, c, {"\r\nbare\n\r\n.\r\n", FAULT}, {next, SENDER_OK RCPT_OK GO},
	     {"Subject: x\r\n\r\nMessage-ID: <no@x>\r\nbare\n.\r\n.\r\n", FAULT}, {next, SENDER_OK RCPT_OK GO});
	buf_append_cstr(&text, "Message-ID: <4@x>\r\n\r\n");
	while (text.n < 3000)
		buf_append_cstr(&text, long_line);
	buf_append_cstr(&text, ".\r\n");
	TALK(&r, c, {buf_cstr(&text), "552 5.3.4 Message is too big\r\n"},
	     {"MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n", SENDER_OK RCPT_OK},
	     {"BDAT 24\r\nMessage-ID: <5@x>\r\n\r\na\nb", FAULT});
	wait_for(&r, 5);
	assert_string_equal(buf_cstr(&r.refused),
			    "a@example.net>u@example.org 550 5.6.0 1@x;>u@example.org 550 5.6.0 2@x;"
			    ">u@example.org 550 5.6.0 ;>u@example.org 552 5.3.4 4@x;>u@example.org 550 5.6.0 5@x;");
	buf_fini(&text);
	rig_close(&r);
}

static void those_of_users(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, "allow-plaintext-auth-on-loopback = yes\n");
	c = greeted(&r);
	TALK(&r, c, {"AUTH PLAIN AG1lAHNlY3JldA==\r\n", "235 2.7.0 Logged in\r\n"},
	     {"MAIL FROM:<thief@example.org>\r\n", "553 5.7.1 Not your address\r\n"});
	wait_for(&r, 1);
	assert_string_equal(buf_cstr(&r.refused), "me@example.org:thief@example.org> 553 5.7.1 ;");
	rig_close(&r);
}

/* Commands in runs of so many. */
static void flood(struct rig *r, size_t client, const char *line, size_t n)
{
	struct buf text = BUF_INIT(1 << 20);

	for (size_t i = 0; i < n; i++) {
		buf_append_cstr(&text, line);
		if (i % 50 == 49 || i + 1 == n) {
			(void)rig_say(r, client, buf_cstr(&text));
			buf_reset(&text);
		}
	}
	buf_fini(&text);
}

/* As many at once as are kept, and some for the time since then, however long this process had to wait in it. */
static void assert_bounded(const struct rig *r, uint64_t began_ms)
{
	assert_true(r->refused_count >= 50);
	assert_true(r->refused_count <= 51 + (clock_mono_ms() - began_ms) / 200);
}

static void a_flood_is_counted(void **state)
{
	uint64_t began_ms;
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-smtp-errors = 10000\nmax-smtp-commands = 100000\nmax-recipients = 1000\n");
	c = greeted(&r);
	began_ms = clock_mono_ms();
	for (size_t i = 0; i < FLOOD; i += 500) {
		TALK(&r, c, {"RSET\r\nMAIL FROM:<x@far.example>\r\n", OK SENDER_OK});
		flood(&r, c, "RCPT TO:<no@example.org>\r\n", 500);
	}
	wait_for(&r, FLOOD);
	assert_bounded(&r, began_ms);
	rig_close(&r);
}

/* A message for a thousand has a row each for as many as there is room for. */
static void a_message_for_many(void **state)
{
	uint64_t began_ms;
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<refuse@far.example>\r\n", SENDER_OK});
	flood(&r, c, "RCPT TO:<u@example.org>\r\n", 500);
	began_ms = clock_mono_ms();
	TALK(&r, c, {"DATA\r\n", GO}, {".\r\n", "550 5.7.1 Not wanted\r\n"});
	wait_for(&r, 500);
	assert_bounded(&r, began_ms);
	rig_close(&r);
}

static void while_stored_is_away(void **state)
{
	uint64_t began_ms;
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-recipients = 1000\n");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@far.example>\r\n", SENDER_OK});
	rig_store_dies(&r);
	began_ms = clock_mono_ms();
	TALK(&r, c, {"RCPT TO:<u@example.org>\r\n", "451 4.3.0 The mail store cannot be reached now; try again\r\n"});
	(void)usleep(300000); /* its timer ran out meanwhile */
	rig_turn(&r);
	flood(&r, c, "RCPT TO:<u@example.org>\r\n", 99);
	assert_int_equal(r.refused_count, 0);
	rig_store_returns(&r);
	wait_for(&r, 100);
	assert_bounded(&r, began_ms);
	assert_true(has_prefix(buf_cstr(&r.refused), "a@far.example>u@example.org 451 4.3.0 ;"));
	rig_close(&r);
}

static void is_stopped(void *ctx)
{
	((struct rig *)ctx)->stopped = true;
}

/* What waits goes out before the process ends, not when its time has come. */
static void the_end(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@far.example>\r\n", SENDER_OK},
	     {"RCPT TO:<no@example.org>\r\n", "550 5.1.1 No such mailbox\r\n"});
	smtpd_stop(r.smtpd, is_stopped, &r);
	while (!r.stopped) {
		rig_hang_up(&r, c);
		rig_turn(&r);
	}
	rig_turn(&r);
	assert_int_equal(r.refused_count, 1);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_kind_once),
	    cmocka_unit_test(message_ids),
	    cmocka_unit_test(those_of_users),
	    cmocka_unit_test(a_flood_is_counted),
	    cmocka_unit_test(a_message_for_many),
	    cmocka_unit_test(while_stored_is_away),
	    cmocka_unit_test(the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
