/* SPDX-License-Identifier: ISC */
#include "smtpd_talk.h"

#include "ipc/msgs/smtp_msgs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PLAIN "AUTH PLAIN AG1lAHNlY3JldA==\r\n"
#define LOGGED_IN "235 2.7.0 Logged in\r\n"
#define ON_LOOPBACK "allow-plaintext-auth-on-loopback = yes\n"

static void no_password_before_tls(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ""); /* loopback, but the operator did not ask for it */
	c = rig_connect(&r);
	assert_null(strstr(rig_say(&r, c, "EHLO c\r\n"), "AUTH"));
	TALK(&r, c, {PLAIN, "538 5.7.11 Say STARTTLS first; no password is taken without TLS\r\n"},
	     {"MAIL FROM:<me@example.org>\r\n", "530 5.7.0 Say STARTTLS first\r\n"},
	     {"BDAT 2\r\nxx", "530 5.7.0 Say STARTTLS first\r\n"},
	     {"VRFY x\r\n", "252 2.0.0 Not verified; send the message and see\r\n"});
	rig_close(&r);
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK); /* asked for, but not from loopback */
	c = rig_connect_to(&r, "submission", false);
	assert_null(strstr(rig_say(&r, c, "EHLO c\r\n"), "AUTH"));
	TALK(&r, c, {PLAIN, "538 5.7.11 Say STARTTLS first; no password is taken without TLS\r\n"});
	rig_close(&r);
}

static void logging_in(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK);
	c = rig_connect(&r);
	assert_non_null(strstr(rig_say(&r, c, "EHLO c\r\n"), "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"));
	TALK(&r, c, {"MAIL FROM:<me@example.org>\r\n", "530 5.7.0 Log in with AUTH first\r\n"},
	     {"AUTH PLAIN !!\r\n", "501 5.5.2 The initial response is not base64\r\n"},
	     {"AUTH PLAIN AAA\r\n", "501 5.5.2 That is not a valid response\r\n"},
	     {"AUTH\r\n", "501 5.5.4 Syntax error in arguments\r\n"}, {"AUTH PLAIN\r\n", "334 \r\n"},
	     {"*\r\n", "501 5.7.0 Cancelled\r\n"}, {"AUTH PLAIN\r\n", "334 \r\n"}, {"AG1lAHNlY3JldA==\r\n", LOGGED_IN},
	     {PLAIN, "503 5.5.1 You are logged in already\r\n"});
	assert_int_equal(r.cancelled, 1);
	assert_null(strstr(rig_say(&r, c, "EHLO c\r\n"), "AUTH"));
	TALK(&r, c, {"MAIL FROM:<thief@example.org>\r\n", "553 5.7.1 Not your address\r\n"},
	     {"MAIL FROM:<me@example.org> AUTH=<>\r\n", SENDER_OK}, {"RCPT TO:<far@example.net>\r\n", RCPT_OK},
	     {"DATA\r\n", GO}, {"a: b\r\n.\r\n", "250 2.0.0 kept, id 0000000000001\r\n"});
	assert_string_equal(buf_cstr(&r.messages[0].envelope), "me@example.org|far@example.net|ESMTPA");
	assert_string_equal(buf_cstr(&r.asked), "S:thief@example.org;S:me@example.org;R:far@example.net;");
	TALK(&r, c, {"QUIT\r\n", BYE});
	assert_int_equal(r.dropped_grants, 1);
	rig_close(&r);
}

/* A login that authd takes its time with ends with its connection. */
static void a_client_that_goes_amid_a_login(void **state)
{
	static const struct linger reset = {1, 0};
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK);
	c = greeted(&r);
	TALK(&r, c, {"AUTH PLAIN bXV0ZQ==\r\n", ""});
	assert_int_equal(setsockopt(r.clients[c], SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
	rig_hang_up(&r, c);
	assert_int_equal(r.smtpd->session_count, 0);
	assert_int_equal(r.cancelled, 1);
	rig_close(&r);
}

static void data_that_goes_with_success(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK);
	c = greeted(&r);
	TALK(&r, c, {"AUTH SCRAM-SHA-256 aGk=\r\n", "334 bm9uY2U=\r\n"}, {"cHJvb2Y=\r\n", "334 dj1vaw==\r\n"},
	     {"*\r\n", "501 5.7.0 Cancelled\r\n"});
	assert_int_equal(r.dropped_grants, 1);
	TALK(&r, c, {"MAIL FROM:<me@example.org>\r\n", "530 5.7.0 Log in with AUTH first\r\n"},
	     {"AUTH SCRAM-SHA-256 aGk=\r\n", "334 bm9uY2U=\r\n"}, {"cHJvb2Y=\r\n", "334 dj1vaw==\r\n"},
	     {"\r\n", LOGGED_IN}, {"MAIL FROM:<me@example.org>\r\n", SENDER_OK});
	rig_close(&r);
}

static void failed_logins(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK "max-auth-failures = 2\n");
	c = greeted(&r);
	TALK(&r, c, {"AUTH PLAIN d3Jvbmc=\r\n", "535 5.7.8 User name or password is wrong\r\n"},
	     {"AUTH PLAIN YnVzeQ==\r\n", "454 4.7.0 Logging in is not possible now; try again later\r\n"},
	     {"AUTH PLAIN d3Jvbmc=\r\n", "421 4.7.0 Too many failed logins; goodbye\r\n"});
	assert_true(rig_is_closed(&r, c));
	rig_close(&r);
}

static void authd_goes_and_returns(void **state)
{
	struct rig r;
	size_t c, asking;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK);
	c = greeted(&r);
	asking = greeted(&r);
	TALK(&r, asking, {"AUTH PLAIN\r\n", "334 \r\n"});
	channel_free(&r.auth);
	TALK(&r, asking, {"AG1lAHNlY3JldA==\r\n", "454 4.7.0 Logging in is not possible now; try again later\r\n"});
	TALK(&r, c, {PLAIN, "454 4.7.0 Logging in is not possible now; try again later\r\n"});
	rig_auth_returns(&r);
	TALK(&r, c, {PLAIN, LOGGED_IN});
	TALK(&r, asking, {PLAIN, LOGGED_IN});
	rig_close(&r);
}

static void a_grant_that_ends(void **state)
{
	struct smtp_grant_ended m = {VIEW_LIT("0123456789abcdef0123456789abcdef")};
	struct rig r;
	size_t idle, busy, other;

	(void)state;
	rig_open(&r, SMTPD_SUBMISSION, ON_LOOPBACK);
	other = greeted(&r);
	idle = greeted(&r);
	busy = greeted(&r);
	TALK(&r, idle, {PLAIN, LOGGED_IN});
	TALK(&r, busy, {PLAIN, LOGGED_IN}, {"MAIL FROM:<me@example.org>\r\n", SENDER_OK},
	     {"RCPT TO:<slow@x.org>\r\n", ""});
	assert_true(smtp_send_grant_ended(r.store, 0, &m));
	assert_string_equal(rig_hear(&r, idle), "421 4.7.0 Your login has ended; connect again\r\n");
	assert_true(rig_is_closed(&r, idle));
	rig_answer_slow(&r);
	assert_string_equal(rig_hear(&r, busy), RCPT_OK "421 4.7.0 Your login has ended; connect again\r\n");
	TALK(&r, other, {"NOOP\r\n", OK}, {PLAIN, LOGGED_IN});
	rig_store_dies(&r); /* a stored that starts anew knows no grants */
	assert_string_equal(rig_hear(&r, other), "421 4.7.0 Your login has ended; connect again\r\n");
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_password_before_tls),
	    cmocka_unit_test(logging_in),
	    cmocka_unit_test(a_client_that_goes_amid_a_login),
	    cmocka_unit_test(data_that_goes_with_success),
	    cmocka_unit_test(failed_logins),
	    cmocka_unit_test(authd_goes_and_returns),
	    cmocka_unit_test(a_grant_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
