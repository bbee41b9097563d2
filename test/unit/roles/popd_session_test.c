/* SPDX-License-Identifier: ISC
 * Dialogues with popd sessions: each exchange word for word. */
#include "dialogue.h"

#include "popd/popd.h"

#define GREETING "+OK mx.example.org pombo ready\r\n"
#define WITHOUT_LOGIN "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
#define IMPLEMENTATION "IMPLEMENTATION pombo-" POMBO_VERSION "\r\n.\r\n"

static const char simple[] = "Subject: Hi\r\n\r\n.dot\r\n..\r\n.\r\nlast";

static void deliver(struct rig *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)box_store_deliver(&r->store, "INBOX", VIEW_LIT(simple), 0);
}

static void test_before_login(void **state)
{
	struct rig r;
	size_t near, far;

	(void)state;
	rig_open(&r, "");
	near = rig_connect(&r, true);
	TALK(&r, near, {"", GREETING},
	     {"CAPA\r\n",
	      "+OK Capabilities follow\r\n" WITHOUT_LOGIN "USER\r\nSASL PLAIN LOGIN SCRAM-SHA-256\r\n" IMPLEMENTATION},
	     {"AUTH\r\n", "+OK\r\nPLAIN\r\nLOGIN\r\nSCRAM-SHA-256\r\n.\r\n"});
	far = rig_connect(&r, false);
	TALK(&r, far, {"", GREETING}, {"capa\r\n", "+OK Capabilities follow\r\n" WITHOUT_LOGIN IMPLEMENTATION},
	     {"USER me\r\n", "-ERR Use TLS first\r\n"}, {"PASS secret\r\n", "-ERR Use TLS first\r\n"},
	     {"AUTH PLAIN\r\n", "-ERR Use TLS first\r\n"}, {"AUTH\r\n", "+OK\r\n.\r\n"},
	     {"STLS\r\n", "-ERR [SYS/TEMP] There is no certificate\r\n"}, {"STAT\r\n", "-ERR Log in first\r\n"},
	     {"NONSENSE\r\n", "-ERR Unknown command\r\n"}, {"QUIT\r\n", "+OK Goodbye\r\n"});
	assert_true(wire_is_closed(&r.wire, far));
	rig_close(&r);
}

static void test_login(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-auth-failures = 3\n");
	deliver(&r, 2);
	c = rig_connect(&r, true);
	TALK(&r, c, {"", GREETING}, {"PASS secret\r\n", "-ERR USER comes first\r\n"},
	     {"USER\r\n", "-ERR A user name is needed\r\n"}, {"USER me\r\n", "+OK\r\n"},
	     {"PASS secret \r\n", "-ERR [AUTH] Wrong user name or password\r\n"},
	     {"PASS secret\r\n", "-ERR USER comes first\r\n"},
	     {"USER busy\r\nPASS x\r\n", "+OK\r\n-ERR [SYS/TEMP] Logging in is not possible now, try again later\r\n"},
	     {"AUTH PLAIN\r\n", "+ \r\n"}, {"*\r\n", "-ERR Cancelled\r\n"},
	     {"AUTH GUESS aGk=\r\n", "-ERR There is no such mechanism\r\n"},
	     {"AUTH SCRAM-SHA-256 aGk=\r\n", "+ bm9uY2U=\r\n"}, {"cHJvb2Y=\r\n", "+ dj1vaw==\r\n"},
	     {"\r\n", "+OK 2 messages (64 octets)\r\n"}, {"USER me\r\n", "-ERR Already logged in\r\n"});
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c,
	     {"USER me\r\nPASS secret\r\nSTAT\r\nQUIT\r\n",
	      "+OK\r\n+OK 2 messages (64 octets)\r\n+OK 2 64\r\n+OK Goodbye\r\n"});
	assert_true(wire_is_closed(&r.wire, c));
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	for (int i = 0; i < 3; i++)
		(void)wire_say(&r.wire, c, "USER me\r\nPASS no\r\n");
	assert_string_equal(buf_cstr(&r.wire.heard), "+OK\r\n-ERR [AUTH] Too many failed logins\r\n");
	assert_true(wire_is_closed(&r.wire, c));
	assert_int_equal(r.store.closed, 1);
	rig_close(&r);
}

static void test_transaction(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 5);
	box_store_expunge(&r.store, "INBOX", 2);
	c = rig_login(&r);
	TALK(&r, c, {"STAT\r\n", "+OK 4 128\r\n"},
	     {"LIST\r\n", "+OK 4 messages (128 octets)\r\n1 32\r\n2 32\r\n3 32\r\n4 32\r\n.\r\n"},
	     {"LIST 2\r\n", "+OK 2 32\r\n"}, {"LIST 5\r\n", "-ERR No such message\r\n"},
	     {"LIST x\r\n", "-ERR A message number is needed\r\n"},
	     {"UIDL\r\n", "+OK Unique ids follow\r\n1 u1001.1\r\n2 u1001.3\r\n3 u1001.4\r\n4 u1001.5\r\n.\r\n"},
	     {"UIDL 2\r\n", "+OK 2 u1001.3\r\n"},
	     {"RETR 1\r\n", "+OK 32 octets\r\nSubject: Hi\r\n\r\n..dot\r\n...\r\n..\r\nlast\r\n.\r\n"},
	     {"TOP 1 0\r\n", "+OK The top follows\r\nSubject: Hi\r\n\r\n.\r\n"},
	     {"TOP 1 2\r\n", "+OK The top follows\r\nSubject: Hi\r\n\r\n..dot\r\n...\r\n.\r\n"},
	     {"TOP 1 99\r\n", "+OK The top follows\r\nSubject: Hi\r\n\r\n..dot\r\n...\r\n..\r\nlast\r\n.\r\n"},
	     {"TOP 1\r\n", "-ERR A message number and a number of lines are needed\r\n"},
	     {"DELE 2\r\n", "+OK Message 2 will be deleted\r\n"}, {"DELE 2\r\n", "-ERR No such message\r\n"},
	     {"RETR 2\r\n", "-ERR No such message\r\n"}, {"STAT\r\n", "+OK 3 96\r\n"},
	     {"UIDL\r\n", "+OK Unique ids follow\r\n1 u1001.1\r\n3 u1001.4\r\n4 u1001.5\r\n.\r\n"},
	     {"RSET\r\n", "+OK\r\n"}, {"STAT\r\n", "+OK 4 128\r\n"}, {"NOOP\r\n", "+OK\r\n"},
	     {"LIST 2\n", "-ERR Lines end in CRLF\r\n"}, {"\r\n", ""});
	/* Without QUIT nothing goes. */
	TALK(&r, c, {"DELE 1\r\n", "+OK Message 1 will be deleted\r\n"});
	wire_hang_up(&r.wire, c);
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 4);
	c = rig_login(&r);
	deliver(&r, 1); /* not part of the session */
	TALK(&r, c,
	     {"DELE 1\r\nDELE 2\r\nDELE 4\r\nQUIT\r\n",
	      "+OK Message 1 will be deleted\r\n+OK Message 2 will be deleted\r\n"
	      "+OK Message 4 will be deleted\r\n+OK Goodbye\r\n"});
	assert_true(wire_is_closed(&r.wire, c));
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 2);
	assert_false(box_find(box_store_find(&r.store, "INBOX"), 4)->expunged);
	assert_false(box_find(box_store_find(&r.store, "INBOX"), 6)->expunged);
	rig_close(&r);
}

static void test_empty(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-command-errors = 3\n");
	c = rig_login(&r);
	TALK(&r, c, {"LIST\r\n", "+OK 0 messages (0 octets)\r\n.\r\n"}, {"UIDL\r\n", "+OK Unique ids follow\r\n.\r\n"},
	     {"RETR 1\r\n", "-ERR No such message\r\n"},
	     {"X\r\nX\r\n", "-ERR Unknown command\r\n-ERR Unknown command\r\n"}, {"X\r\n", "-ERR Too many errors\r\n"});
	assert_true(wire_is_closed(&r.wire, c));
	rig_close(&r);
}

/* Every piece border inside a dot, a line end or the end of the header. */
static void test_big(void **state)
{
	enum { LINES = 60000 };
	struct rig r;
	struct buf text = BUF_INIT(8 << 20), expected = BUF_INIT(8 << 20);
	size_t c;

	(void)state;
	rig_open(&r, "");
	buf_append_cstr(&text, "Subject: big\r\n\r\n");
	for (unsigned i = 0; i < LINES; i++) {
		static const char dots[] = "..............................";
		int n = (int)(i * 7 % 30);

		buf_printf(&text, "%.*s\r\n", n, dots);
		buf_printf(&expected, "%s%.*s\r\n", n ? "." : "", n, dots);
	}
	(void)box_store_deliver(&r.store, "INBOX", buf_view(&text), 0);
	c = rig_login(&r);
	(void)wire_say(&r.wire, c, "RETR 1\r\n");
	buf_append_cstr(&expected, ".\r\n");
	assert_true(view_ends_with_nocase(buf_view(&r.wire.heard), buf_view(&expected)));
	assert_true(r.store.bytes_asked >= 4);
	r.store.bytes_asked = 0;
	(void)wire_say(&r.wire, c, "TOP 1 3\r\n");
	assert_string_equal(buf_cstr(&r.wire.heard),
			    "+OK The top follows\r\nSubject: big\r\n\r\n\r\n........\r\n...............\r\n.\r\n");
	assert_int_equal(r.store.bytes_asked, 1);
	buf_fini(&text);
	buf_fini(&expected);
	rig_close(&r);
}

static void test_slow_reader(void **state)
{
	static char big[8 << 20];
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	memset(big, 'x', sizeof big);
	(void)box_store_deliver(&r.store, "INBOX", view_from(big, sizeof big), 1);
	c = rig_login(&r);
	d = rig_login(&r);
	wire_send(&r.wire, c, VIEW_LIT("RETR 1\r\nRETR 1\r\nRETR 1\r\n"));
	for (int i = 0; i < 50; i++)
		wire_turn(&r.wire);
	assert_true(r.store.bytes_asked < 32);
	TALK(&r, d, {"NOOP\r\n", "+OK\r\n"});
	(void)wire_hear(&r.wire, c);
	assert_true(r.wire.heard.n > 3 * sizeof big);
	rig_close(&r);
}

/* How many listings were heard to their ends. */
static unsigned count_ends(struct rig *r)
{
	const struct view end = VIEW_LIT("\r\n.\r\n");
	struct view rest = buf_view(&r->wire.heard);
	unsigned n = 0;

	for (size_t at; (at = view_find(rest, end)) < rest.n; n++)
		rest = view_sub(rest, at + end.n, rest.n);
	return n;
}

/* More commands at once than a turn has, of those that ask stored for nothing; what their client does not read holds them back. */
static void test_many_commands_at_once(void **state)
{
	struct buf commands = BUF_INIT(1 << 20);
	const struct conn *conn;
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	for (int i = 0; i < 1000; i++)
		buf_append_cstr(&commands, "CAPA\r\n");
	wire_send(&r.wire, c, view_sub(buf_view(&commands), 0, 100 * 6));
	(void)wire_hear(&r.wire, c);
	assert_int_equal(count_ends(&r), 100);
	conn = TAILQ_FIRST(&r.front->conns);
	send_until_stuck(&r, c, buf_view(&commands));
	assert_true(stream_out(conn->stream)->n < 2 * popd_stream_limits.out_high);
	assert_in_range(conn->commands, 200, 50000);
	assert_false(conn->closing);
	(void)wire_hear(&r.wire, c);
	assert_true(count_ends(&r) > 1000);
	buf_fini(&commands);
	rig_close(&r);
}

static void test_store_goes(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 1);
	c = rig_login(&r);
	d = rig_login(&r);
	box_store_end_session(&r.store, 0);
	assert_string_equal(wire_hear(&r.wire, c), "-ERR [AUTH] The login has ended, log in again\r\n");
	r.store.mute = true;
	TALK(&r, d, {"DELE 1\r\nQUIT\r\n", "+OK Message 1 will be deleted\r\n"});
	rig_store_dies(&r);
	assert_string_equal(wire_hear(&r.wire, d), "-ERR [SYS/TEMP] Some deleted messages were not removed\r\n");
	assert_true(wire_is_closed(&r.wire, d));
	c = rig_login(&r);
	TALK(&r, c, {"STAT\r\n", "+OK 0 0\r\n"});
	front_stop(r.front, NULL, NULL);
	assert_string_equal(wire_hear(&r.wire, c), "-ERR [SYS/TEMP] The server is going down\r\n");
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_before_login),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_transaction),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_big),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_many_commands_at_once),
	    cmocka_unit_test(test_store_goes),
	    cmocka_unit_test(test_gone_while_logging_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
