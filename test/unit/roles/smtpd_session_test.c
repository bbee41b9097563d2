/* SPDX-License-Identifier: ISC */
#include "smtpd_talk.h"

#include "ipc/msgs/smtp_msgs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ehlo_offers_what_is_there(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "max-message-size = 1000000\nmax-recipients = 7\nmax-smtp-messages = 9999999\n");
	c = rig_connect(&r);
	TALK(&r, c,
	     {"EHLO client.example.net\r\n",
	      "250-mx.example.org\r\n250-SIZE 1000000\r\n250-LIMITS MAILMAX=999999 RCPTMAX=7\r\n"
	      "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"
	      "250 CHUNKING\r\n"},
	     {"HELO client\r\n", HELO_OK}, {"EHLO [192.0.2.1]\r\n", rig_say(&r, c, "EHLO [IPv6:2001:db8::1]\r\n")});
	rig_close(&r);
}

static void one_message(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = addressed(&r);
	TALK(&r, c, {"DATA\r\n", GO}, {"Subject: x\r\n\r\n..dot\r\n.\r\n", "250 2.0.0 kept, id 0000000000001\r\n"},
	     {"QUIT\r\n", BYE});
	assert_true(rig_is_closed(&r, c));
	assert_string_equal(text_of(&r, 0), "Subject: x\r\n\r\n.dot\r\n");
	assert_string_equal(buf_cstr(&r.messages[0].envelope), "a@example.net|u@example.org|ESMTP");
	assert_int_equal(r.messages[0].size_bytes, r.messages[0].text.n);
	assert_int_equal(r.messages[0].pieces, 1);
	assert_int_equal(r.smtpd->session_count, 0);
	assert_int_equal(r.smtpd->bytes_held, 0);
	rig_close(&r);
}

#define WHOLE                                                                                                          \
	"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nRCPT TO:<no@example.org>\r\nRCPT "                       \
	"TO:<later@example.org>\r\n"                                                                                   \
	"RCPT TO:<slow@example.org>\r\nNOOP\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nRSET\r\nQUIT\r\n"

/* Replies keep their order, however the client cuts what it sends and whenever stored answers. */
static void pipelined_or_byte_by_byte(void **state)
{
	static const char expected[] =
	    SENDER_OK RCPT_OK "550 5.1.1 No such mailbox\r\n451 4.2.1 Not now\r\n" RCPT_OK OK GO
			      "250 2.0.0 kept, id 0000000000001\r\n" OK BYE;

	(void)state;
	for (size_t step = 1; step < sizeof WHOLE; step += step < 4 ? 1 : 37) {
		struct buf all = BUF_INIT(65536);
		struct rig r;
		size_t c;

		rig_open(&r, SMTPD_MX, "");
		c = rig_connect(&r);
		for (size_t at = 0; at < sizeof WHOLE - 1; at += step) {
			rig_send(&r, c, view_sub(VIEW_LIT(WHOLE), at, step));
			buf_append_cstr(&all, rig_hear(&r, c));
		}
		assert_true(r.slow_count == 1);
		rig_answer_slow(&r);
		buf_append_cstr(&all, rig_hear(&r, c));
		assert_string_equal(strstr(buf_cstr(&all), "250 CHUNKING\r\n") + strlen("250 CHUNKING\r\n"), expected);
		assert_string_equal(buf_cstr(&r.asked),
				    "R:u@example.org;R:no@example.org;R:later@example.org;R:slow@example.org;");
		assert_string_equal(buf_cstr(&r.messages[0].envelope), "|u@example.org|slow@example.org|ESMTP");
		assert_true(rig_is_closed(&r, c));
		buf_fini(&all);
		rig_close(&r);
	}
}

static void questions_go_out_before_answers_come(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c,
	     {"MAIL FROM:<a@example.net>\r\nRCPT TO:<slow1@x.org>\r\nRCPT TO:<no@x.org>\r\nRCPT TO:<bad\r\nRCPT "
	      "TO:<slow2@x.org>\r\nN",
	      SENDER_OK});
	assert_int_equal(r.slow_count, 2);
	rig_send(&r, c, VIEW_LIT("OOP\r\n"));
	rig_answer_slow(&r); /* the last first */
	assert_string_equal(rig_hear(&r, c), RCPT_OK
			    "550 5.1.1 No such mailbox\r\n501 5.1.3 Recipient address is not valid\r\n" RCPT_OK OK);
	rig_close(&r);
}

/* One line of a fresh session past EHLO, and the reply. */
static void replies_to_single_commands(void **state)
{
	static const struct exchange cases[] = {
	    {"NOOP\r\n", OK},
	    {"noop whatever\r\n", OK},
	    {"RSET\r\n", OK},
	    {"RSET x\r\n", "501 5.5.4 This command takes no arguments\r\n"},
	    {"VRFY root\r\n", "252 2.0.0 Not verified; send the message and see\r\n"},
	    {"EXPN list\r\n", "502 5.5.1 Lists are not expanded here\r\n"},
	    {"FOO\r\n", "500 5.5.1 Command not recognized\r\n"},
	    {"\r\n", "500 5.5.1 Command not recognized\r\n"},
	    {"EHLO\r\n", "501 Your host name is missing\r\n"},
	    {"HELO\r\n", "501 Your host name is missing\r\n"},
	    {"DATA\r\n", "503 5.5.1 Give a sender with MAIL first\r\n"},
	    {"RCPT TO:<a@b.org>\r\n", "503 5.5.1 Give a sender with MAIL first\r\n"},
	    {"AUTH PLAIN AAAA\r\n", "502 5.5.1 This command is not offered on this port\r\n"},
	    {"STARTTLS\r\n", "454 4.7.0 TLS is not available now\r\n"},
	    {"NOOP\n", "500 5.5.2 LF without CR: lines end in CRLF\r\n"},
	    {"NO\rOP\r\n", "500 5.5.2 CR without LF: lines end in CRLF\r\n"},
	    {"MAIL FROM:<a@example.net>\r\n", SENDER_OK},
	    {"mail from:<>\r\n", SENDER_OK},
	    {"MAIL FROM: <a@example.net>\r\n", SENDER_OK},
	    {"MAIL FROM:<@relay.example,@other.example:a@example.net>\r\n", SENDER_OK},
	    {"MAIL FROM:a@example.net\r\n", "501 5.1.7 Sender address is not valid\r\n"},
	    {"MAIL FROM:<a@>\r\n", "501 5.1.7 Sender address is not valid\r\n"},
	    {"MAIL FROM:<postmaster>\r\n", "501 5.1.7 Sender address is not valid\r\n"},
	    {"MAIL TO:<a@example.net>\r\n", "501 5.5.4 Syntax error in arguments\r\n"},
	    {"MAIL FROM:<a@example.net> SIZE=1024\r\n", SENDER_OK},
	    {"MAIL FROM:<a@example.net> SIZE=1025\r\n", "552 5.3.4 Message is too big\r\n"},
	    {"MAIL FROM:<a@example.net> SIZE=99999999999999999999\r\n", "552 5.3.4 Message is too big\r\n"},
	    {"MAIL FROM:<a@example.net> SIZE=x\r\n", "501 5.5.4 Syntax error in parameters\r\n"},
	    {"MAIL FROM:<a@example.net> BODY=8BITMIME SMTPUTF8\r\n", SENDER_OK},
	    {"MAIL FROM:<a@example.net> BODY=BINARYMIME\r\n", "555 5.5.4 A parameter of MAIL is not offered here\r\n"},
	    {"MAIL FROM:<a@example.net> RET=HDRS\r\n", SENDER_OK},
	    {"MAIL FROM:<a@example.net> ENVID=1\r\n", SENDER_OK},
	    {"MAIL FROM:<a@example.net> REQUIRETLS\r\n", "555 5.5.4 A parameter of MAIL is not offered here\r\n"},
	    {"MAIL FROM:<a@example.net> AUTH=<>\r\n", "555 5.5.4 A parameter of MAIL is not offered here\r\n"},
	    {"MAIL FROM:<a@example.net> FUTURE=1\r\n", "555 5.5.4 A parameter of MAIL is not offered here\r\n"},
	    {"MAIL FROM:<\xc3\xa4@example.net>\r\n", "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n"},
	    {"MAIL FROM:<\xc3\xa4@example.net> SMTPUTF8\r\n", SENDER_OK},
	    {"MAIL FROM:<\xff@example.net> SMTPUTF8\r\n", "501 5.1.7 Sender address is not valid\r\n"},
	    {"BDAT 3\r\nabc", "503 5.5.1 Give a sender with MAIL first\r\n"},
	    {"BDAT 7 LAST\r\nNOOP\r\n\nNOOP\r\n", "503 5.5.1 Give a sender with MAIL first\r\n" OK},
	    {"BDAT\r\nabc", "501 5.5.4 Syntax error in arguments\r\n"},
	    {"BDAT -1\r\nabc", "501 5.5.4 Syntax error in arguments\r\n"},
	    {"GET / HTTP/1.1\r\n", ""},
	    {"QUIT\r\n", BYE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig r;

		rig_open(&r, SMTPD_MX, "max-message-size = 1024\n");
		assert_string_equal(rig_say(&r, greeted(&r), cases[i].say), cases[i].hear);
		rig_close(&r);
	}
}

static void order_of_commands(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = rig_connect(&r);
	TALK(&r, c, {"MAIL FROM:<a@example.net>\r\n", "503 5.5.1 Say EHLO first\r\n"}, {"NOOP\r\n", OK},
	     {"HELO x\r\n", HELO_OK}, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK},
	     {"DATA\r\n", "554 5.5.1 No recipient was accepted\r\n"},
	     {"RCPT TO:<no@x.org>\r\n", "550 5.1.1 No such mailbox\r\n"},
	     {"DATA\r\n", "554 5.5.1 No recipient was accepted\r\n"},
	     {"MAIL FROM:<b@example.net>\r\n", "503 5.5.1 A message is under way; finish it or say RSET\r\n"},
	     {"RCPT TO:<Postmaster>\r\n", RCPT_OK}, {"RCPT TO:<>\r\n", "501 5.1.3 Recipient address is not valid\r\n"},
	     {"STARTTLS\r\n", "503 5.5.1 A message is under way; finish it or say RSET\r\n"}, {"DATA\r\n", GO},
	     {".\r\n", "250 2.0.0 kept, id 0000000000001\r\n"},
	     {"DATA\r\n", "503 5.5.1 Give a sender with MAIL first\r\n"}, {"MAIL FROM:<>\r\n", SENDER_OK},
	     {"HELO again\r\n", HELO_OK}, {"RCPT TO:<u@x.org>\r\n", "503 5.5.1 Give a sender with MAIL first\r\n"});
	assert_string_equal(buf_cstr(&r.messages[0].envelope), "a@example.net|postmaster|SMTP");
	assert_int_equal(r.messages[0].text.n, 0);
	rig_close(&r);
}

/* What stored is asked about: the address as it was meant, without what a relay trick would hide in it. */
static void addresses_as_stored_sees_them(void **state)
{
	static const struct exchange cases[] = {
	    {"<u@EXAMPLE.org>", "R:u@EXAMPLE.org;"},
	    {"<@relay.example:u@example.org>", "R:u@example.org;"},
	    {"<@a.example,@b.example:u@far.example>", "R:u@far.example;"},
	    {"<\"u\"@example.org>", "R:u@example.org;"},
	    {"<\"u\\x\"@example.org>", "R:ux@example.org;"},
	    {"<\"far@example.net\"@example.org>", "R:\"far@example.net\"@example.org;"},
	    {"<\"far%example.net\"@example.org>", "R:far%example.net@example.org;"},
	    {"<far%example.net@example.org>", "R:far%example.net@example.org;"},
	    {"<example.net!far@example.org>", "R:example.net!far@example.org;"},
	    {"<far@example.net@example.org>", ""},
	    {"<far@[192.0.2.1]>", "R:far@[192.0.2.1];"},
	    {"<@example.org:far@example.net>", "R:far@example.net;"},
	    {"<far@example.net%@example.org>", ""},
	    {"<u@example.org,far@example.net>", ""},
	    {"<u@example.org>,<far@example.net>", ""},
	    {"<u@example.org far@example.net>", ""},
	    {"<postMASTER>", "R:postmaster;"},
	    {"<postmaster@far.example>", "R:postmaster@far.example;"},
	    {"<\"postmaster\">", ""},
	    {"<\"\"@example.org>", ""},
	    {"<u@exa_mple.org>", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig r;
		size_t c;
		char line[256];

		rig_open(&r, SMTPD_MX, "");
		c = greeted(&r);
		TALK(&r, c, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK});
		(void)snprintf(line, sizeof line, "RCPT TO:%s\r\n", cases[i].say);
		assert_int_equal(has_prefix(rig_say(&r, c, line), "250"), cases[i].hear[0] != '\0');
		assert_string_equal(buf_cstr(&r.asked), cases[i].hear);
		rig_close(&r);
	}
}

static void trusted_networks_are_told_to_stored(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "trusted-networks = 127.0.0.0/8\n");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK});
	assert_string_equal(buf_cstr(&r.asked), "R:u@x.org!;");
	rig_close(&r);
}

static void utf8_addresses_need_smtputf8(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK},
	     {"RCPT TO:<\xc3\xbc@x.org>\r\n", "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n"}, {"RSET\r\n", OK},
	     {"MAIL FROM:<a@example.net> SMTPUTF8\r\n", SENDER_OK}, {"RCPT TO:<\xc3\xbc@x.org>\r\n", RCPT_OK},
	     {"DATA\r\n", GO}, {"x: y\r\n.\r\n", "250 2.0.0 kept, id 0000000000001\r\n"});
	assert_string_equal(buf_cstr(&r.messages[0].envelope), "a@example.net|\xc3\xbc@x.org|UTF8SMTP");
	rig_close(&r);
}

static void limits_of_a_connection(void **state)
{
	struct rig r;
	size_t c;
	char line[600];

	(void)state;
	rig_open(&r, SMTPD_MX,
		 "max-smtp-line = 512\nmax-smtp-errors = 3\nmax-smtp-commands = 12\nmax-recipients = "
		 "2\nmax-smtp-messages = 2\n");
	memset(line, 'x', sizeof line);
	memcpy(line, "NOOP ", 5);
	memcpy(line + 510, "\r\n", 3);
	c = greeted(&r);
	assert_string_equal(rig_say(&r, c, line), OK);
	memcpy(line + 510, "x\r\n", 4);
	TALK(&r, c, {line, "500 5.5.2 Line is too long\r\n"}, {"FOO\r\n", "500 5.5.1 Command not recognized\r\n"},
	     {"BAR\r\n", "500 5.5.1 Command not recognized\r\n421 4.7.0 Too many errors; goodbye\r\n"});
	assert_true(rig_is_closed(&r, c));
	c = addressed(&r);
	TALK(&r, c, {"RCPT TO:<v@x.org>\r\n", RCPT_OK},
	     {"RCPT TO:<w@x.org>\r\n", "452 4.5.3 Too many recipients; send them another copy\r\n"}, {"RSET\r\n", OK},
	     {"MAIL FROM:<>\r\n", SENDER_OK}, {"RSET\r\n", OK},
	     {"MAIL FROM:<>\r\n", "421 4.7.0 Too many messages in one session; connect again\r\n"});
	assert_true(rig_is_closed(&r, c));
	c = greeted(&r);
	for (int i = 0; i < 11; i++)
		assert_string_equal(rig_say(&r, c, "NOOP\r\n"), OK);
	assert_string_equal(rig_say(&r, c, "NOOP\r\n"), "421 4.7.0 Too many commands; goodbye\r\n");
	assert_true(rig_is_closed(&r, c));
	rig_close(&r);
}

static void disk_nearly_full(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	assert_true(smtp_send_space(r.store, 0, &(struct smtp_space){.low = true}));
	TALK(&r, c, {"NOOP\r\n", OK}, {"MAIL FROM:<>\r\n", "452 4.3.1 The disk is nearly full; try again later\r\n"});
	assert_true(smtp_send_space(r.store, 0, &(struct smtp_space){.low = false}));
	TALK(&r, c, {"NOOP\r\n", OK}, {"MAIL FROM:<>\r\n", SENDER_OK});
	rig_close(&r);
}

static void stored_ends_a_session(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK},
	     {"RCPT TO:<u@x.org>\r\nRCPT TO:<ended@x.org>\r\nRCPT TO:<v@x.org>\r\n", RCPT_OK "421 4.7.0 Ended\r\n"});
	rig_hang_up(&r, c);
	assert_int_equal(r.smtpd->session_count, 0);
	rig_close(&r);
}

static void stored_refuses(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	c = greeted(&r);
	TALK(&r, c, {"MAIL FROM:<refuse@example.net>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK},
	     {"DATA\r\n", GO}, {"x\r\n.\r\n", "550 5.7.1 Not wanted\r\n"}, {"MAIL FROM:<>\r\n", SENDER_OK});
	rig_close(&r);
}

static void stored_dies_and_returns(void **state)
{
	struct rig r;
	size_t asking, keeping, sending, idle;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	idle = greeted(&r);
	asking = greeted(&r);
	TALK(&r, asking, {"MAIL FROM:<a@example.net>\r\nRCPT TO:<mute@x.org>\r\nRCPT TO:<u@x.org>\r\n", SENDER_OK});
	keeping = greeted(&r);
	TALK(&r, keeping, {"MAIL FROM:<mute@example.net>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK},
	     {"DATA\r\n", GO}, {"x\r\n.\r\nNOOP\r\n", ""});
	sending = addressed(&r);
	TALK(&r, sending, {"DATA\r\n", GO}, {"half a", ""});
	rig_store_dies(&r);
	assert_string_equal(rig_hear(&r, asking),
			    "451 4.3.0 The mail store cannot be reached now; try again\r\n" RCPT_OK);
	assert_string_equal(rig_hear(&r, keeping), "451 4.3.0 The mail store cannot be reached now; try again\r\n" OK);
	TALK(&r, sending, {" message\r\n.\r\n", "451 4.3.0 The mail store cannot be reached now; try again\r\n"});
	TALK(&r, idle, {"MAIL FROM:<>\r\n", "451 4.3.0 The mail store cannot be reached now; try again\r\n"},
	     {"NOOP\r\n", OK});
	rig_store_returns(&r);
	TALK(&r, idle, {"MAIL FROM:<>\r\n", SENDER_OK}, {"RCPT TO:<u@x.org>\r\n", RCPT_OK}, {"DATA\r\n", GO},
	     {"x\r\n.\r\n", "250 2.0.0 kept, id 0000000000001\r\n"});
	TALK(&r, asking, {"DATA\r\n", GO}, {"x\r\n.\r\n", "250 2.0.0 kept, id 0000000000002\r\n"});
	rig_close(&r);
}

static void note_stopped(void *ctx)
{
	struct rig *r = ctx;

	r->stopped = true;
}

static void stopping_lets_messages_finish(void **state)
{
	struct rig r;
	size_t idle, sending, chunking;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	idle = greeted(&r);
	sending = addressed(&r);
	TALK(&r, sending, {"DATA\r\n", GO}, {"half", ""});
	chunking = addressed(&r);
	TALK(&r, chunking, {"BDAT 3\r\na:b", "250 2.0.0 3 octets taken\r\n"});
	smtpd_stop(r.smtpd, note_stopped, &r);
	assert_string_equal(rig_hear(&r, idle), "421 4.3.2 The server is shutting down; try again\r\n");
	assert_true(rig_is_closed(&r, idle));
	assert_false(r.stopped);
	TALK(&r, sending,
	     {"\r\n.\r\nNOOP\r\n",
	      "250 2.0.0 kept, id 0000000000001\r\n421 4.3.2 The server is shutting down; try again\r\n"});
	TALK(&r, chunking,
	     {"BDAT 2 LAST\r\n\r\n",
	      "250 2.0.0 kept, id 0000000000002\r\n421 4.3.2 The server is shutting down; try again\r\n"});
	assert_true(rig_is_closed(&r, sending));
	assert_true(rig_is_closed(&r, chunking));
	rig_hang_up(&r, sending); /* who said more than was read may hear the end first */
	assert_true(r.stopped);
	rig_close(&r);
}

static void stopping_without_a_store(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	rig_store_dies(&r);
	smtpd_stop(r.smtpd, note_stopped, &r);
	assert_true(r.stopped);
	rig_close(&r);
}

static void settings_change_for_new_sessions(void **state)
{
	struct buf error = BUF_INIT(256);
	struct conf *conf;
	struct rig r;
	size_t old;

	(void)state;
	rig_open(&r, SMTPD_MX, "");
	old = greeted(&r);
	assert_int_equal(conf_parse(VIEW_LIT("hostname = mx.example.org\nmax-recipients = 1\n"), "test", &conf, &error),
			 0);
	assert_int_equal(smtpd_configure(r.smtpd, conf, &error), 0);
	conf_free(&conf);
	assert_non_null(strstr(rig_say(&r, old, "EHLO c\r\n"), "RCPTMAX=1000\r\n"));
	assert_non_null(strstr(rig_say(&r, rig_connect(&r), "EHLO c\r\n"), "RCPTMAX=1\r\n"));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ehlo_offers_what_is_there),
	    cmocka_unit_test(one_message),
	    cmocka_unit_test(pipelined_or_byte_by_byte),
	    cmocka_unit_test(questions_go_out_before_answers_come),
	    cmocka_unit_test(replies_to_single_commands),
	    cmocka_unit_test(order_of_commands),
	    cmocka_unit_test(addresses_as_stored_sees_them),
	    cmocka_unit_test(trusted_networks_are_told_to_stored),
	    cmocka_unit_test(utf8_addresses_need_smtputf8),
	    cmocka_unit_test(limits_of_a_connection),
	    cmocka_unit_test(disk_nearly_full),
	    cmocka_unit_test(stored_refuses),
	    cmocka_unit_test(stored_ends_a_session),
	    cmocka_unit_test(stored_dies_and_returns),
	    cmocka_unit_test(stopping_lets_messages_finish),
	    cmocka_unit_test(stopping_without_a_store),
	    cmocka_unit_test(settings_change_for_new_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
