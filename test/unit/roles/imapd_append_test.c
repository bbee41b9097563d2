/* SPDX-License-Identifier: ISC
 * APPEND of several messages (RFC 3502), of literal8 and UTF8 data (RFC 3516, 6855), and REPLACE (RFC 8508). */
#include "talk.h"

#include <stdio.h>

/* The example of RFC 3502 §6.3.11. */
#define FIRST                                                                                                          \
	"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@Blurdybloop.example.COM>\r\n"         \
	"Subject: afternoon meeting\r\nTo: mooch@owatagu.example.net\r\n"                                              \
	"Message-Id: <B27397-0100000@Blurdybloop.example.COM>\r\nMIME-Version: 1.0\r\n"                                \
	"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"                                                           \
	"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
#define SECOND                                                                                                         \
	"Date: Mon, 7 Feb 1994 22:43:04 -0800 (PST)\r\nFrom: Joe Mooch <mooch@OWaTaGu.example.net>\r\n"                \
	"Subject: Re: afternoon meeting\r\nTo: foobar@blurdybloop.example.com\r\n"                                     \
	"Message-Id: <a0434793874930@OWaTaGu.example.net>\r\nMIME-Version: 1.0\r\n"                                    \
	"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n3:30 is fine with me.\r\n"

static void test_multiappend(void **state)
{
	struct rig r;
	struct box *sent;
	char line[128];
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	(void)snprintf(line, sizeof line, "A003 APPEND Sent (\\Seen) {%zu}\r\n", sizeof FIRST - 1);
	TALK(&r, c, {line, "+ OK\r\n"}, {FIRST, ""});
	(void)snprintf(line, sizeof line, " (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {%zu}\r\n", sizeof SECOND - 1);
	TALK(&r, c, {line, "+ OK\r\n"}, {SECOND, ""}, {"\r\n", "A003 OK [APPENDUID 1002 1:2] APPEND completed\r\n"},
	     {"A004 APPEND bogusname (\\Flagged) {1023}\r\n", "A004 NO [TRYCREATE] No such mailbox\r\n"});
	sent = box_store_find(&r.store, "Sent");
	assert_int_equal(sent->n, 2);
	assert_true(view_eq_lit(buf_view(&sent->messages[0].bytes), FIRST));
	assert_true(view_eq_lit(buf_view(&sent->messages[1].bytes), SECOND));
	assert_int_equal(sent->messages[1].flags, 1);
	assert_int_equal(sent->messages[1].date_s, 760689784);
	rig_close(&r);
}

/* Whatever goes wrong with one, none is kept. */
static void test_multiappend_is_all_or_nothing(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-message-size = 1K\n");
	c = rig_login(&r);
	TALK(&r, c, {"a APPEND Sent {3+}\r\nabc {0+}\r\n\r\n", "a NO [CANNOT] A message of no bytes is none\r\n"},
	     {"b APPEND Sent {3+}\r\nabc {3+}\r\na\nb\r\n", "b NO [CANNOT] The message has an LF without CR\r\n"},
	     {"c APPEND Sent {3+}\r\nab\r {3+}\r\nabc\r\n", "c NO [CANNOT] The message has a CR without LF\r\n"},
	     {"d APPEND Sent {3+}\r\nabc {1025+}\r\n", "d NO [TOOBIG] The message is too big\r\n"});
	wire_hang_up(&r.wire, c);
	c = rig_login(&r);
	TALK(&r, c, {"e APPEND Sent {3+}\r\nabc (\\Nonsense) {3+}\r\nabc\r\n", "e BAD Not what APPEND takes\r\n"},
	     {"f APPEND Sent {3+}\r\nabc (\\Seen)\r\n", "f BAD Not what APPEND takes\r\n"},
	     {"g APPEND Sent {3}\r\n", "+ OK\r\n"}, {"abc", ""},
	     {" {2000}\r\n", "g NO [TOOBIG] The message is too big\r\n"},
	     {"h APPEND Sent {3+}\r\nabc {3}\r\n", "+ OK\r\n"});
	assert_int_equal(r.store.before_count, 1);
	wire_hang_up(&r.wire, c);
	wire_turn(&r.wire);
	assert_int_equal(r.store.before_count, 0);
	c = rig_login(&r);
	r.store.fail_code = 5;
	TALK(&r, c, {"i APPEND Sent {3+}\r\nabc {2+}\r\nde\r\n", "i NO [OVERQUOTA] Over quota\r\n"});
	assert_int_equal(box_store_find(&r.store, "Sent")->n, 0);
	assert_int_equal(rig_imapd(&r)->bytes_in_flight, 0);
	rig_close(&r);
}

static void test_multiappend_of_large_ones(void **state)
{
	static char large[300000];
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	memset(large, 'a', sizeof large);
	wire_send(&r.wire, c, VIEW_LIT("a APPEND Sent {300000+}\r\n"));
	wire_send(&r.wire, c, view_from(large, sizeof large));
	wire_send(&r.wire, c, VIEW_LIT(" {5+}\r\nshort {300000+}\r\n"));
	wire_send(&r.wire, c, view_from(large, sizeof large));
	TALK(&r, c, {"\r\n", "a OK [APPENDUID 1002 1:3] APPEND completed\r\n"});
	assert_int_equal(box_store_find(&r.store, "Sent")->messages[2].bytes.n, sizeof large);
	rig_close(&r);
}

static void test_kinds_of_literals(void **state)
{
	static const char nul[] = "a APPEND Sent ~{3+}\r\na\0b\r\n";
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a APPEND Sent ~{3+}\r\nabc\r\n", "a OK [APPENDUID 1002 1] APPEND completed\r\n"},
	     {"b APPEND Sent UTF8 (~{3+}\r\nabc)\r\n", "b OK [APPENDUID 1002 2] APPEND completed\r\n"},
	     {"c APPEND Sent (\\Seen) UTF8 (~{3+}\r\nabc) (\\Draft) {2+}\r\nde\r\n",
	      "c OK [APPENDUID 1002 3:4] APPEND completed\r\n"},
	     {"d APPEND Sent UTF8 (~{3+}\r\nabc\r\n", "d BAD Missing )\r\n"},
	     {"e APPEND Sent UTF8 ({3+}\r\nabc)\r\n", "e BAD Not what APPEND takes\r\n"},
	     {"f APPEND Sent ~{3+}\r\na\nb\r\n", "f NO [UNKNOWN-CTE] The message has an LF without CR\r\n"},
	     {"g APPEND Sent UTF8 (~{3+}\r\nabc ~{3+}\r\nabc)\r\n", "g BAD Not what APPEND takes\r\n"});
	wire_send(&r.wire, c, view_from(nul, sizeof nul - 1));
	assert_string_equal(wire_hear(&r.wire, c), "a NO [UNKNOWN-CTE] The message has a NUL\r\n");
	assert_int_equal(box_store_find(&r.store, "Sent")->n, 4);
	rig_close(&r);
}

/* The examples of RFC 8508 §3.2 and §3.3: what is replaced goes behind APPENDUID and EXISTS. */
static void test_replace(void **state)
{
	struct rig r;
	struct box *inbox;
	size_t c;

	(void)state;
	rig_open(&r, "");
	for (unsigned i = 0; i < 4; i++)
		(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: draft\r\n\r\n"), 0);
	c = rig_select(&r);
	TALK(&r, c, {"A003 REPLACE 4 INBOX (\\Seen \\Draft) {23}\r\n", "+ OK\r\n"}, {"Subject: happy new year", ""},
	     {"\r\n", "* OK [APPENDUID 1001 5] Replacement message ready\r\n* 5 EXISTS\r\n* 4 EXPUNGE\r\n"
		      "A003 OK REPLACE completed\r\n"},
	     {"A004 UID REPLACE 5 Sent {3+}\r\nabc\r\n", "* OK [APPENDUID 1002 1] Replacement message ready\r\n"
							 "* 4 EXPUNGE\r\nA004 OK UID REPLACE completed\r\n"},
	     {"a REPLACE 4 Sent {3+}\r\nabc\r\n", "a BAD There is no such message\r\n"},
	     {"b UID REPLACE 77 Sent {3+}\r\nabc\r\n", "b NO [NONEXISTENT] There is no such message\r\n"},
	     {"c REPLACE 1:2 Sent {3+}\r\nabc\r\n", "c BAD One message is needed\r\n"},
	     {"d REPLACE 1 Nowhere {3}\r\n", "d NO [TRYCREATE] No such mailbox\r\n"},
	     {"e REPLACE 1 Sent {3+}\r\nabc {3+}\r\nabc\r\n", "e BAD Only one message can replace another\r\n"},
	     {"f REPLACE 1 Sent\r\n", "f BAD The message is missing\r\n"}, {"g REPLACE * {4}\r\n", "+ OK\r\n"},
	     {"Sent {3+}\r\nabc\r\n", "* OK [APPENDUID 1002 2] Replacement message ready\r\n* 3 EXPUNGE\r\n"
				      "g OK REPLACE completed\r\n"});
	inbox = box_store_find(&r.store, "INBOX");
	assert_int_equal(box_count(inbox), 2);
	rig_close(&r);
}

/* Numbers are refused before a literal is asked for; one that comes unasked is skipped. */
static void test_replace_by_number_with_uidonly(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: draft\r\n\r\n"), 0);
	c = rig_select(&r);
	(void)wire_say(&r.wire, c, "a ENABLE UIDONLY\r\n");
	TALK(&r, c,
	     {"b REPLACE 1 INBOX {10}\r\n", "b BAD [UIDREQUIRED] Message numbers are not used in this session\r\n"},
	     {"c REPLACE 1 INBOX {3+}\r\nabc\r\n",
	      "c BAD [UIDREQUIRED] Message numbers are not used in this session\r\n"},
	     {"d UID REPLACE 1 Sent {3+}\r\nabc\r\n",
	      "* OK [APPENDUID 1002 1] Replacement message ready\r\n* VANISHED 1\r\nd OK UID REPLACE completed\r\n"});
	rig_close(&r);
}

static void test_replace_read_only(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: draft\r\n\r\n"), 0);
	c = rig_login(&r);
	TALK(&r, c, {"a REPLACE 1 INBOX {3+}\r\nabc\r\n", "a BAD Select a mailbox first\r\n"});
	(void)wire_say(&r.wire, c, "b EXAMINE INBOX\r\n");
	TALK(&r, c, {"c REPLACE 1 INBOX {3}\r\n", "c NO [READ-ONLY] The mailbox was opened for reading only\r\n"});
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_multiappend),
	    cmocka_unit_test(test_multiappend_is_all_or_nothing),
	    cmocka_unit_test(test_multiappend_of_large_ones),
	    cmocka_unit_test(test_kinds_of_literals),
	    cmocka_unit_test(test_replace),
	    cmocka_unit_test(test_replace_by_number_with_uidonly),
	    cmocka_unit_test(test_replace_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
