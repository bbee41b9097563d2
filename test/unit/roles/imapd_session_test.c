/* SPDX-License-Identifier: ISC
 * Dialogues with imapd sessions: each exchange word for word. */
#include "talk.h"

#include <event2/event.h>
#include <sys/socket.h>

#define SYNC_CAPABILITIES "SEARCHRES PARTIAL CONDSTORE QRESYNC UIDONLY COMPRESS=DEFLATE "
#define AFTER_LOGIN                                                                                                    \
	"IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE "            \
	"LIST-EXTENDED "                                                                                               \
	"LIST-STATUS ESEARCH " SYNC_CAPABILITIES ITEMS_CAPABILITIES " UTF8=ACCEPT INPROGRESS NOTIFY UNAUTHENTICATE"

static const char simple[] = "From: Ann <ann@example.net>\r\nTo: me@example.org\r\nSubject: Hi\r\n\r\nBody.\r\n";
static const char multipart[] =
    "From: Ann <ann@example.net>\r\nSubject: Two\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
    "One.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\nX-A: 1\r\n\r\nIn.\r\n"
    "--b--\r\n";

static void deliver(struct rig *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)box_store_deliver(&r->store, "INBOX", VIEW_LIT(simple), 0);
}

static void test_greeting(void **state)
{
	struct rig r;
	size_t near, far;

	(void)state;
	rig_open(&r, "");
	near = rig_connect(&r, true);
	assert_string_equal(
	    wire_hear(&r.wire, near),
	    "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- ID ENABLE IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN "
	    "AUTH=SCRAM-SHA-256] mx.example.org pombo ready\r\n");
	far = rig_connect(&r, false);
	assert_string_equal(wire_hear(&r.wire, far), "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- ID ENABLE IDLE "
						     "LOGINDISABLED] mx.example.org pombo ready\r\n");
	TALK(&r, far, {"a LOGIN me secret\r\n", "a NO [PRIVACYREQUIRED] Use TLS first\r\n"},
	     {"b AUTHENTICATE PLAIN\r\n", "b NO [PRIVACYREQUIRED] Use TLS first\r\n"},
	     {"c STARTTLS\r\n", "c NO [UNAVAILABLE] There is no certificate\r\n"},
	     {"d SELECT INBOX\r\n", "d BAD Log in first\r\n"}, {"e NONSENSE\r\n", "e BAD Unknown command\r\n"},
	     {"f LOGOUT\r\n", "* BYE Logging out\r\nf OK LOGOUT completed\r\n"});
	assert_true(wire_is_closed(&r.wire, far));
	rig_close(&r);
}

/* `n` bytes of a literal that needs no "+", in the place of a user name, and what is said to it. */
static void literal(struct rig *r, size_t c, size_t n, const char *said)
{
	struct buf text = BUF_INIT(1 << 20);

	buf_printf(&text, "l LOGIN {%zu+}\r\n", n);
	for (size_t i = 0; i < n; i++)
		buf_append_char(&text, 'x');
	buf_append_cstr(&text, " {7+}\r\nfat man\r\n");
	wire_send(&r->wire, c, buf_view(&text));
	assert_string_equal(wire_hear(&r->wire, c), said);
	buf_fini(&text);
}

/* RFC 7888 §3 and §5: with LITERAL-, 4,096 bytes and no more. */
static void test_literals(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c,
	     {"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n",
	      "A001 NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n"});
	literal(&r, c, 4096, "l NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
	literal(&r, c, 4097, "l BAD [TOOBIG] The literal is too long\r\n");
	TALK(&r, c, {"b NOOP\r\n", "b OK NOOP completed\r\n"});
	literal(&r, c, 100000,
		"l BAD [TOOBIG] The literal is too long\r\n* BYE [TOOBIG] What comes behind a refusal is too long\r\n");
	assert_true(wire_is_closed(&r.wire, c));
	rig_close(&r);
}

static void test_login(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c, {"a LOGIN me wrong\r\n", "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n"},
	     {"b LOGIN busy x\r\n", "b NO [UNAVAILABLE] Logging in is not possible now, try again later\r\n"},
	     {"c LOGIN me\r\n", "c BAD A user name and a password are needed\r\n"}, {"d LOGIN {2}\r\n", "+ OK\r\n"},
	     {"me {6+}\r\nsecret\r\n", "d OK [CAPABILITY " AFTER_LOGIN "] Logged in\r\n"},
	     {"e LOGIN me secret\r\n", "e BAD Already logged in\r\n"},
	     {"f CAPABILITY\r\n", "* CAPABILITY " AFTER_LOGIN "\r\nf OK CAPABILITY completed\r\n"},
	     {"g FETCH 1 FLAGS\r\n", "g BAD Select a mailbox first\r\n"},
	     {"h NAMESPACE\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\nh OK NAMESPACE completed\r\n"});
	wire_hang_up(&r.wire, c);
	assert_int_equal(r.store.closed, 1);
	rig_close(&r);
}

static void test_authenticate(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c, {"a AUTHENTICATE PLAIN\r\n", "+ \r\n"}, {"*\r\n", "a BAD Cancelled\r\n"},
	     {"b AUTHENTICATE PLAIN !!\r\n", "b BAD Not what the mechanism says\r\n"},
	     {"c AUTHENTICATE GUESS aGk=\r\n", "c NO [CANNOT] There is no such mechanism\r\n"},
	     {"d AUTHENTICATE SCRAM-SHA-256 aGk=\r\n", "+ bm9uY2U=\r\n"}, {"cHJvb2Y=\r\n", "+ dj1vaw==\r\n"},
	     {"\r\n", "d OK [CAPABILITY " AFTER_LOGIN "] Logged in\r\n"});
	assert_int_equal(r.auth.cancelled, 1);
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c, {"a AUTHENTICATE PLAIN AG1lAHNlY3JldA==\r\n", "a OK [CAPABILITY " AFTER_LOGIN "] Logged in\r\n"});
	rig_close(&r);
}

static void test_too_many_failures(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-auth-failures = 2\nmax-command-errors = 3\n");
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c, {"a LOGIN me no\r\n", "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n"},
	     {"b LOGIN me no\r\n", "* BYE [CLIENTBUG] Too many failed logins\r\n"});
	assert_true(wire_is_closed(&r.wire, c));
	c = rig_connect(&r, true);
	(void)wire_hear(&r.wire, c);
	TALK(&r, c, {"a X\r\n", "a BAD Unknown command\r\n"}, {"a (\r\n", "a BAD Missing or invalid command\r\n"},
	     {"\001\r\n", "* BAD Invalid tag\r\n* BYE [CLIENTBUG] Too many errors\r\n"});
	assert_true(wire_is_closed(&r.wire, c));
	rig_close(&r);
}

static void test_select(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 9);
	box_store_flag(&r.store, "INBOX", 1, 1);
	for (uint32_t uid = 2; uid < 9; uid += 2)
		box_store_expunge(&r.store, "INBOX", uid);
	c = rig_login(&r);
	TALK(
	    &r, c,
	    {"a SELECT inbox\r\n",
	     FLAGS "* 5 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 2] The first unseen message\r\n"
		   "* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 10] Predicted next UID\r\n"
		   "* OK [HIGHESTMODSEQ 15] Highest\r\n* OK [MAILBOXID (F1)] The same whatever its name\r\na OK "
		   "[READ-WRITE] SELECT completed\r\n"},
	    {"b EXAMINE Sent\r\n",
	     "* OK [CLOSED] The mailbox selected before is closed\r\n"
	     "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS ()] Read-only mailbox\r\n"
	     "* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1002] UIDs are valid\r\n"
	     "* OK [UIDNEXT 1] Predicted next UID\r\n* OK [HIGHESTMODSEQ 1] Highest\r\n* OK [MAILBOXID (F2)] The same "
	     "whatever its name\r\n"
	     "b OK [READ-ONLY] EXAMINE completed\r\n"},
	    {"c SELECT Nowhere\r\n", "* OK [CLOSED] The mailbox selected before is closed\r\n"
				     "c NO [NONEXISTENT] No such mailbox\r\n"},
	    {"d CHECK\r\n", "d BAD Select a mailbox first\r\n"},
	    {"e SELECT \"a//b\"\r\n", "e NO [CANNOT] Not a valid mailbox name\r\n"});
	rig_close(&r);
}

static void test_fetch(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 1);
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(multipart), 2);
	c = rig_select(&r);
	TALK(
	    &r, c,
	    {"a FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)\r\n",
	     "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" RFC822.SIZE 71)\r\n"
	     "* 2 FETCH (UID 2 FLAGS (\\Answered) INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" RFC822.SIZE 221)\r\n"
	     "a OK FETCH completed\r\n"},
	    {"b FETCH 1 ENVELOPE\r\n",
	     "* 1 FETCH (ENVELOPE (NIL \"Hi\" ((\"Ann\" NIL \"ann\" \"example.net\")) ((\"Ann\" NIL \"ann\" "
	     "\"example.net\")) ((\"Ann\" NIL \"ann\" \"example.net\")) ((NIL NIL \"me\" \"example.org\")) NIL NIL NIL "
	     "NIL))\r\nb OK FETCH completed\r\n"},
	    {"c FETCH 1 (BODY[] FLAGS)\r\n",
	     "* 1 FETCH (FLAGS (\\Seen) BODY[] {71}\r\nFrom: Ann <ann@example.net>\r\nTo: "
	     "me@example.org\r\nSubject: Hi\r\n\r\nBody.\r\n)\r\nc OK FETCH completed\r\n"},
	    {"d FETCH 1 (BODY[TEXT]<2.3> BODY.PEEK[HEADER.FIELDS (subject)])\r\n",
	     "* 1 FETCH (BODY[TEXT]<2> {3}\r\ndy. BODY[HEADER.FIELDS (subject)] {15}\r\nSubject: Hi\r\n\r\n)\r\n"
	     "d OK FETCH completed\r\n"},
	    {"e UID FETCH 2 (BODY.PEEK[1] BODY.PEEK[2.HEADER] BODY.PEEK[2.HEADER.FIELDS.NOT (x-a)] BODY.PEEK[2.TEXT] "
	     "BODY.PEEK[3] BODY.PEEK[1.MIME])\r\n",
	     "* 2 FETCH (UID 2 BODY[1] {4}\r\nOne. BODY[2.HEADER] {26}\r\nSubject: Inner\r\nX-A: 1\r\n\r\n "
	     "BODY[2.HEADER.FIELDS.NOT (x-a)] {18}\r\nSubject: Inner\r\n\r\n BODY[2.TEXT] {3}\r\nIn. BODY[3] NIL "
	     "BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n)\r\ne OK UID FETCH completed\r\n"},
	    {"f FETCH 3 FLAGS\r\n", "f BAD There is no such message\r\n"},
	    {"g UID FETCH 3 FLAGS\r\n", "g OK UID FETCH completed\r\n"},
	    {"h FETCH 1 NONSENSE\r\n", "h BAD Unknown FETCH item\r\n"},
	    {"i UID FETCH 2:* UID\r\n", "* 2 FETCH (UID 2)\r\ni OK UID FETCH completed\r\n"});
	assert_int_equal(box_find(box_store_find(&r.store, "INBOX"), 1)->flags, 1);
	assert_int_equal(box_find(box_store_find(&r.store, "INBOX"), 2)->flags, 2);
	assert_int_equal(r.store.flags_asked, 1);
	rig_close(&r);
}

static void test_store(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 3);
	c = rig_select(&r);
	d = rig_select(&r);
	TALK(&r, c,
	     {"a STORE 1,3 +FLAGS (\\Deleted $Junk)\r\n",
	      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\r\n"
	      "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk \\*)] Flags are kept\r\n"
	      "* 1 FETCH (FLAGS (\\Deleted $Junk))\r\n* 3 FETCH (FLAGS (\\Deleted $Junk))\r\na OK STORE completed\r\n"},
	     {"b UID STORE 2 FLAGS.SILENT \\Seen\r\n", "b OK UID STORE completed\r\n"},
	     {"c NOOP\r\n", "c OK NOOP completed\r\n"},
	     {"d UID STORE 2 -FLAGS \\Seen\r\n", "* 2 FETCH (UID 2 FLAGS ())\r\nd OK UID STORE completed\r\n"},
	     {"e STORE 9 FLAGS ()\r\n", "e BAD There is no such message\r\n"},
	     {"f STORE 1 FLAGS \\Recent\r\n", "f BAD Not what STORE takes\r\n"});
	TALK(&r, d,
	     {"a NOOP\r\n",
	      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\r\n"
	      "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk \\*)] Flags are kept\r\n"
	      "* 1 FETCH (FLAGS (\\Deleted $Junk))\r\n* 2 FETCH (FLAGS ())\r\n"
	      "* 3 FETCH (FLAGS (\\Deleted $Junk))\r\na OK NOOP completed\r\n"});
	rig_close(&r);
}

static void test_expunge(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 6);
	for (uint32_t uid = 1; uid <= 6; uid++)
		box_store_flag(&r.store, "INBOX", uid, uid == 4 ? 0 : 8);
	c = rig_select(&r);
	d = rig_select(&r);
	TALK(&r, c, {"a UID EXPUNGE 5:6\r\n", "* 6 EXPUNGE\r\n* 5 EXPUNGE\r\na OK UID EXPUNGE completed\r\n"},
	     {"b EXPUNGE\r\n", "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nb OK EXPUNGE completed\r\n"},
	     {"c FETCH 1 UID\r\n", "* 1 FETCH (UID 4)\r\nc OK FETCH completed\r\n"});
	/* Untold, the messages are still there under their numbers. */
	TALK(&r, d,
	     {"a FETCH 1:3 (UID)\r\n",
	      "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\na OK FETCH completed\r\n"},
	     {"b SEARCH ALL\r\n", "* SEARCH 4\r\nb OK SEARCH completed\r\n"},
	     {"c STORE 1 +FLAGS \\Seen\r\n", "c OK STORE completed\r\n"},
	     {"d UID SEARCH UNSEEN\r\n", "* SEARCH 4\r\n* 6 EXPUNGE\r\n* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* "
					 "1 EXPUNGE\r\nd OK UID SEARCH completed\r\n"},
	     {"e CLOSE\r\n", "e OK CLOSE completed\r\n"}, {"f CLOSE\r\n", "f BAD Select a mailbox first\r\n"});
	rig_close(&r);
}

static void test_close_expunges(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 2);
	box_store_flag(&r.store, "INBOX", 1, 8);
	c = rig_select(&r);
	TALK(&r, c, {"a UNSELECT\r\n", "a OK UNSELECT completed\r\n"});
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 2);
	(void)wire_say(&r.wire, c, "b EXAMINE INBOX\r\n");
	TALK(&r, c, {"c CLOSE\r\n", "c OK CLOSE completed\r\n"});
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 2);
	(void)wire_say(&r.wire, c, "d SELECT INBOX\r\n");
	TALK(&r, c, {"e CLOSE\r\n", "e OK CLOSE completed\r\n"});
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 1);
	rig_close(&r);
}

static void test_copy_and_move(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 5);
	c = rig_select(&r);
	TALK(&r, c, {"a COPY 2,4:5 Sent\r\n", "a OK [COPYUID 1002 2,4:5 1:3] COPY completed\r\n"},
	     {"b COPY 1 Nowhere\r\n", "b NO [TRYCREATE] No such mailbox\r\n"},
	     {"c UID COPY 77 Sent\r\n", "c OK UID COPY completed\r\n"},
	     {"d MOVE 1:2 Trash\r\n",
	      "* OK [COPYUID 1003 1:2 1:2] Moved\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nd OK MOVE completed\r\n"},
	     {"e UID MOVE 4 INBOX\r\n",
	      "* OK [COPYUID 1001 4 6] Moved\r\n* 4 EXISTS\r\n* 2 EXPUNGE\r\ne OK UID MOVE completed\r\n"},
	     {"f UID FETCH 1:* UID\r\n",
	      "* 1 FETCH (UID 3)\r\n* 2 FETCH (UID 5)\r\n* 3 FETCH (UID 6)\r\nf OK UID FETCH completed\r\n"});
	r.store.fail_code = 5;
	TALK(&r, c, {"g COPY 1 Sent\r\n", "g NO [OVERQUOTA] Over quota\r\n"});
	rig_close(&r);
}

static void test_append(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-message-size = 1024\n");
	c = rig_login(&r);
	TALK(&r, c, {"a APPEND Sent (\\Seen $MDNSent) \" 1-Feb-2026 10:00:00 +0100\" {15}\r\n", "+ OK\r\n"},
	     {"Subject: x\r\n\r\n.", ""}, {"\r\n", "a OK [APPENDUID 1002 1] APPEND completed\r\n"},
	     {"b APPEND Nowhere {3}\r\n", "b NO [TRYCREATE] No such mailbox\r\n"},
	     {"c APPEND Nowhere {3+}\r\nabc\r\n", "c NO [TRYCREATE] No such mailbox\r\n"},
	     {"d APPEND Sent {2000}\r\n", "d NO [TOOBIG] The message is too big\r\n"},
	     {"e APPEND Sent {3+}\r\na\nb\r\n", "e NO [CANNOT] The message has an LF without CR\r\n"},
	     {"f APPEND Sent {3+}\r\nab\r\r\n", "f NO [CANNOT] The message has a CR without LF\r\n"},
	     {"g APPEND Sent {3+}\r\nabc {2+}\r\nde\r\n", "g OK [APPENDUID 1002 2:3] APPEND completed\r\n"},
	     {"h APPEND {4}\r\n", "+ OK\r\n"},
	     {"Sent {5+}\r\nX: y\n\r\n", "h NO [CANNOT] The message has an LF without CR\r\n"},
	     {"i APPEND Sent\r\n", "i BAD The message is missing\r\n"},
	     {"j APPEND Sent () {6+}\r\nA: b\r\n\r\n", "j OK [APPENDUID 1002 4] APPEND completed\r\n"},
	     {"k APPEND Sent {0+}\r\n\r\n", "k NO [CANNOT] A message of no bytes is none\r\n"},
	     {"l NOOP\r\n", "l OK NOOP completed\r\n"});
	assert_int_equal(box_find(box_store_find(&r.store, "Sent"), 1)->flags, 1);
	assert_int_equal(box_find(box_store_find(&r.store, "Sent"), 1)->date_s, 1769936400);
	assert_string_equal(buf_cstr(&box_find(box_store_find(&r.store, "Sent"), 1)->keywords), "$MDNSent ");
	assert_int_equal(rig_imapd(&r)->bytes_in_flight, 0);
	r.store.fail_code = 5;
	TALK(&r, c, {"m APPEND Sent {3+}\r\nabc\r\n", "m NO [OVERQUOTA] Over quota\r\n"});
	rig_close(&r);
}

/* stored gives no credit: what is read of the client is bounded. A client that goes takes its message with it. */
static void test_append_without_credit(void **state)
{
	static char big[4 << 20];
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	memset(big, 'x', sizeof big);
	r.store.no_credit = true;
	c = rig_login(&r);
	wire_send(&r.wire, c, VIEW_LIT("a APPEND Sent {4194304+}\r\n"));
	wire_send(&r.wire, c, view_from(big, sizeof big));
	assert_true(r.store.append.bytes.n <= 262144 && r.store.append.bytes.n > 131072);
	assert_int_equal(rig_imapd(&r)->bytes_in_flight, 262144);
	wire_hang_up(&r.wire, c);
	r.store.no_credit = false;
	(void)mailbox_send_more(r.store.channel, r.store.append.id, &(struct mailbox_more){262144});
	for (int i = 0; i < 40; i++)
		wire_turn(&r.wire);
	assert_int_equal(r.store.aborts, 1);
	assert_int_equal(rig_imapd(&r)->bytes_in_flight, 0);
	c = rig_login(&r);
	wire_send(&r.wire, c, VIEW_LIT("a APPEND Sent {4194304+}\r\n"));
	wire_send(&r.wire, c, view_from(big, sizeof big));
	TALK(&r, c, {"\r\n", "a OK [APPENDUID 1002 1] APPEND completed\r\n"});
	assert_int_equal(box_find(box_store_find(&r.store, "Sent"), 1)->bytes.n, sizeof big);
	rig_close(&r);
}

static void test_search(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 8);
	for (uint32_t uid = 2; uid <= 8; uid += 2)
		box_store_flag(&r.store, "INBOX", uid, 4);
	box_store_expunge(&r.store, "INBOX", 1);
	c = rig_select(&r);
	TALK(&r, c, {"a SEARCH FLAGGED\r\n", "* SEARCH 1 3 5 7\r\na OK SEARCH completed\r\n"},
	     {"b UID SEARCH FLAGGED\r\n", "* SEARCH 2 4 6 8\r\nb OK UID SEARCH completed\r\n"},
	     {"c SEARCH RETURN (MIN COUNT) FLAGGED\r\n",
	      "* ESEARCH (TAG \"c\") MIN 1 COUNT 4\r\nc OK SEARCH completed\r\n"},
	     {"d UID SEARCH RETURN () 2:5 NOT SUBJECT \"a \\\"b\"\r\n",
	      "* ESEARCH (TAG \"d\") UID ALL 3:6\r\nd OK UID SEARCH completed\r\n"},
	     {"e SEARCH RETURN (ALL) KEYWORD x\r\n", "* ESEARCH (TAG \"e\")\r\ne OK SEARCH completed\r\n"},
	     {"f SEARCH CHARSET X-NONE TEXT a\r\n", "f NO [BADCHARSET (US-ASCII UTF-8)] The charset is not known\r\n"},
	     {"g SEARCH 99 UID 1:*\r\n", "* SEARCH\r\ng OK SEARCH completed\r\n"},
	     {"h SEARCH OR (SEEN DELETED) RECENT\r\n", "* SEARCH\r\nh OK SEARCH completed\r\n"});
	assert_string_equal(buf_cstr(&r.store.program), "OR (SEEN DELETED) NOT ALL");
	TALK(&r, c,
	     {"i SEARCH OLD 1:3,5 SINCE 1-Feb-2026 SMALLER 9 CC {4+}\r\nfr\xc3\xa9\r\n",
	      "* SEARCH\r\ni OK SEARCH completed\r\n"});
	assert_string_equal(buf_cstr(&r.store.program),
			    "NOT NOT ALL UID 2:4,6 SINCE 1-Feb-2026 SMALLER 9 HEADER \"Cc\" \"fr\xc3\xa9\"");
	TALK(&r, c, {"j SEARCH CHARSET ISO-8859-1 TEXT {4+}\r\nfr\xe9 \r\n", "* SEARCH\r\nj OK SEARCH completed\r\n"});
	assert_string_equal(buf_cstr(&r.store.program), "TEXT \"fr\xc3\xa9 \"");
	TALK(&r, c,
	     {"k SEARCH MODSEQ 10 UID 2,8\r\n", "* OK [HIGHESTMODSEQ 14] Highest\r\n* SEARCH 1 7 "
						"(MODSEQ 13)\r\nk OK SEARCH completed\r\n"},
	     {"l SEARCH RETURN (MIN) MODSEQ 10\r\n",
	      "* ESEARCH (TAG \"l\") MIN 1 MODSEQ 10\r\nl OK SEARCH completed\r\n"});
	rig_close(&r);
}

static void test_condstore(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 3);
	c = rig_login(&r);
	TALK(&r, c, {"a ENABLE CONDSTORE X-OTHER\r\n", "* ENABLED CONDSTORE\r\na OK ENABLE completed\r\n"});
	(void)wire_say(&r.wire, c, "b SELECT INBOX (CONDSTORE)\r\n");
	TALK(&r, c,
	     {"c UID STORE 1 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)\r\n",
	      "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (5))\r\nc OK UID STORE completed\r\n"},
	     {"d STORE 1:3 (UNCHANGEDSINCE 3) +FLAGS (\\Flagged)\r\n",
	      "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))\r\n"
	      "d OK [MODIFIED 1,3] Conditional STORE did not do all\r\n"},
	     {"e FETCH 1:* (FLAGS) (CHANGEDSINCE 5)\r\n",
	      "* 2 FETCH (FLAGS (\\Flagged) MODSEQ (6))\r\ne OK FETCH completed\r\n"},
	     {"f FETCH 1 MODSEQ\r\n", "* 1 FETCH (MODSEQ (5))\r\nf OK FETCH completed\r\n"},
	     {"g STATUS INBOX (HIGHESTMODSEQ UNSEEN)\r\n",
	      "* STATUS INBOX (UNSEEN 2 HIGHESTMODSEQ 6)\r\ng OK STATUS completed\r\n"});
	rig_close(&r);
}

/* RFC 7162 §3.1: the first command that asks for modseqs hears where the mailbox stands. */
static void test_condstore_begins(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 2);
	c = rig_select(&r);
	TALK(&r, c,
	     {"a FETCH 1 (UID MODSEQ)\r\n",
	      "* OK [HIGHESTMODSEQ 3] Highest\r\n* 1 FETCH (UID 1 MODSEQ (2))\r\na OK FETCH completed\r\n"},
	     {"b ENABLE CONDSTORE\r\n", "* ENABLED CONDSTORE\r\nb OK ENABLE completed\r\n"});
	c = rig_select(&r);
	TALK(&r, c,
	     {"a STORE 2 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\\Deleted)\r\n",
	      "* OK [HIGHESTMODSEQ 3] Highest\r\n* 2 FETCH (UID 2 "
	      "FLAGS (\\Deleted) MODSEQ (4))\r\na OK STORE "
	      "completed\r\n"},
	     {"b STORE 2 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)\r\n",
	      "b OK [MODIFIED 2] Conditional STORE did not do all\r\n"},
	     {"c SEARCH MODSEQ \"/flags/\\\\draft\" all 4\r\n", "* SEARCH 2 (MODSEQ 4)\r\nc OK SEARCH completed\r\n"},
	     {"d SEARCH OR NOT MODSEQ 1 LARGER 50000\r\n", "* SEARCH\r\nd OK SEARCH completed\r\n"});
	rig_close(&r);
}

static void test_idle(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 2);
	c = rig_select(&r);
	box_store_expunge(&r.store, "INBOX", 1);
	TALK(&r, c, {"a IDLE\r\n", "+ idling\r\n* 1 EXPUNGE\r\n"});
	deliver(&r, 1);
	assert_string_equal(wire_hear(&r.wire, c), "* 2 EXISTS\r\n");
	box_store_flag(&r.store, "INBOX", 2, 1);
	assert_string_equal(wire_hear(&r.wire, c), "* 1 FETCH (FLAGS (\\Seen))\r\n");
	TALK(&r, c, {"done\r\n", "a OK IDLE completed\r\n"},
	     {"b IDLE\r\nDONE\r\nc NOOP\r\n", "+ idling\r\nb OK IDLE completed\r\nc OK NOOP completed\r\n"},
	     {"d IDLE\r\n", "+ idling\r\n"}, {"e NOOP\r\n", "d BAD DONE was expected\r\n"});
	rig_close(&r);
}

static void test_mailboxes(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a CREATE \"Caf&AOk-\"\r\n", "a OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"b CREATE Trash\r\n", "b NO [ALREADYEXISTS] There is a mailbox of that name\r\n"},
	     {"c CREATE Work/2026/\r\n", "c OK [MAILBOXID (F6)] CREATE completed\r\n"},
	     {"d SUBSCRIBE Work/2026\r\n", "d OK SUBSCRIBE completed\r\n"},
	     {"e LIST \"\" *\r\n",
	      "* LIST (\\HasNoChildren) \"/\" Caf&AOk-\r\n* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
	      "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n"
	      "* LIST (\\HasNoChildren) \"/\" Work/2026\r\ne OK LIST completed\r\n"},
	     {"f LIST Wo rk/%\r\n", "* LIST (\\HasNoChildren) \"/\" Work/2026\r\nf OK LIST completed\r\n"},
	     {"g LIST \"\" \"W%\"\r\n", "* LIST (\\Noselect \\HasChildren) \"/\" Work\r\ng OK LIST completed\r\n"},
	     {"h LSUB \"\" %\r\n",
	      "* LSUB (\\HasNoChildren) \"/\" INBOX\r\n* LSUB (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
	      "* LSUB (\\Noselect \\HasChildren) \"/\" Work\r\nh OK LSUB completed\r\n"},
	     {"i LIST \"\" \"\"\r\n", "* LIST (\\Noselect) \"/\" \"\"\r\ni OK LIST completed\r\n"},
	     {"j RENAME Sent Gone\r\n", "j OK RENAME completed\r\n"},
	     {"k DELETE INBOX\r\n", "k NO [CANNOT] Not possible with this mailbox\r\n"},
	     {"l DELETE Gone\r\n", "l OK DELETE completed\r\n"},
	     {"m DELETE Gone\r\n", "m NO [NONEXISTENT] No such mailbox\r\n"},
	     {"n UNSUBSCRIBE Work/2026\r\n", "n OK UNSUBSCRIBE completed\r\n"},
	     {"o STATUS Trash (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)\r\n",
	      "* STATUS Trash (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY 1003 UNSEEN 0)\r\no OK STATUS completed\r\n"},
	     {"p STATUS Nope (MESSAGES)\r\n", "p NO [NONEXISTENT] No such mailbox\r\n"},
	     {"q LIST (SUBSCRIBED) \"\" (INBOX Tr*) RETURN (STATUS (MESSAGES))\r\n",
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 0)\r\nq OK LIST "
	      "completed\r\n"},
	     {"r LIST () \"\" T% RETURN (SUBSCRIBED CHILDREN)\r\n",
	      "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\nr OK LIST completed\r\n"},
	     {"s CREATE INBOX\r\n", "s NO [ALREADYEXISTS] There is a mailbox of that name\r\n"});
	rig_close(&r);
}

static void test_deleted_under_a_session(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	d = rig_login(&r);
	(void)wire_say(&r.wire, c, "a SELECT Trash\r\n");
	(void)wire_say(&r.wire, d, "a SELECT Trash\r\n");
	TALK(&r, c, {"b DELETE Trash\r\n", "* OK [CLOSED] The mailbox is closed\r\nb OK DELETE completed\r\n"},
	     {"c CHECK\r\n", "c BAD Select a mailbox first\r\n"});
	TALK(&r, d, {"b NOOP\r\n", "* BYE [CLOSED] The mailbox was deleted\r\n"});
	assert_true(wire_is_closed(&r.wire, d));
	rig_close(&r);
}

static void test_store_goes(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	c = rig_select(&r);
	d = rig_connect(&r, true);
	(void)wire_hear(&r.wire, d);
	box_store_end_session(&r.store, 0);
	assert_string_equal(wire_hear(&r.wire, c), "* BYE [UNAVAILABLE] The login has ended, log in again\r\n");
	c = rig_select(&r);
	r.store.mute = true;
	TALK(&r, c, {"a NOOP\r\n", ""});
	rig_store_dies(&r);
	assert_string_equal(wire_hear(&r.wire, c),
			    "a OK NOOP completed\r\n* BYE [UNAVAILABLE] The mail store is away, try again later\r\n");
	assert_true(wire_is_closed(&r.wire, c));
	(void)wire_say(&r.wire, d, "a LOGIN me secret\r\n");
	TALK(&r, d, {"b STATUS INBOX (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\nb OK STATUS completed\r\n"});
	rig_close(&r);
}

static void test_big_message(void **state)
{
	static char big[3 << 20];
	struct rig r;
	size_t c, literal;
	const char *heard;

	(void)state;
	rig_open(&r, "");
	memset(big, 'x', sizeof big);
	memcpy(big, "Subject: big\r\n\r\n", 16);
	(void)box_store_deliver(&r.store, "INBOX", view_from(big, sizeof big), 1);
	deliver(&r, 1);
	c = rig_select(&r);
	heard = wire_say(&r.wire, c, "a FETCH 1:2 (BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (Subject)] UID)\r\n");
	literal = sizeof "* 1 FETCH (UID 1 BODY[] {3145728}\r\n" - 1;
	assert_memory_equal(heard, "* 1 FETCH (UID 1 BODY[] {3145728}\r\n", literal);
	assert_memory_equal(heard + literal, big, sizeof big);
	assert_string_equal(
	    heard + literal + sizeof big,
	    " BODY[HEADER.FIELDS (Subject)] {16}\r\nSubject: big\r\n\r\n)\r\n"
	    "* 2 FETCH (UID 2 BODY[] {71}\r\nFrom: Ann <ann@example.net>\r\nTo: me@example.org\r\nSubject: Hi\r\n\r\n"
	    "Body.\r\n BODY[HEADER.FIELDS (Subject)] {15}\r\nSubject: Hi\r\n\r\n)\r\na OK FETCH completed\r\n");
	assert_int_equal(r.store.bytes_asked, 12);
	rig_close(&r);
}

/* A client that does not read: what is held for it is bounded, others are served. */
static void test_slow_reader(void **state)
{
	static char big[8 << 20];
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	memset(big, 'x', sizeof big);
	(void)box_store_deliver(&r.store, "INBOX", view_from(big, sizeof big), 1);
	c = rig_select(&r);
	d = rig_select(&r);
	for (int i = 0; i < 5; i++)
		wire_send(&r.wire, c, VIEW_LIT("a FETCH 1 BODY[]\r\n"));
	for (int i = 0; i < 50; i++)
		wire_turn(&r.wire);
	/* Far less than one message was fetched: the rest waits for the client. */
	assert_true(r.store.bytes_asked < 32);
	TALK(&r, d, {"b NOOP\r\n", "b OK NOOP completed\r\n"});
	(void)wire_hear(&r.wire, c);
	assert_true(r.wire.heard.n > 5 * sizeof big);
	rig_close(&r);
}

/* How often `text` stands in what was heard. */
static unsigned count_heard(struct rig *r, const char *text)
{
	struct view rest = buf_view(&r->wire.heard), wanted = view_from_cstr(text);
	unsigned n = 0;

	for (size_t at; (at = view_find(rest, wanted)) < rest.n; n++)
		rest = view_sub(rest, at + wanted.n, rest.n);
	return n;
}

/* More commands at once than a turn has, of those that ask stored for nothing; what their client does not read holds them back. */
static void test_many_commands_at_once(void **state)
{
	static const char command[] = "a CAPABILITY\r\n";
	struct buf commands = BUF_INIT(4 << 20);
	const struct conn *conn;
	struct rig r;
	uint32_t begun;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	for (int i = 0; i < 1000; i++)
		buf_append_cstr(&commands, command);
	wire_send(&r.wire, c, view_sub(buf_view(&commands), 0, 100 * (sizeof command - 1)));
	(void)wire_hear(&r.wire, c);
	assert_int_equal(count_heard(&r, "a OK CAPABILITY completed"), 100);
	conn = TAILQ_FIRST(&r.front->conns);
	begun = conn->commands;
	send_until_stuck(&r, c, buf_view(&commands));
	assert_true(stream_out(conn->stream)->n < 2 * imapd_stream_limits.out_high);
	begun = conn->commands - begun;
	assert_in_range(begun, 100, 20000);
	assert_false(conn->closing);
	(void)wire_hear(&r.wire, c);
	assert_true(count_heard(&r, "a OK CAPABILITY completed") >= begun);
	buf_fini(&commands);
	rig_close(&r);
}

/* Whoever gives many commands at once, all others are looked at in between. */
static void test_commands_in_turns(void **state)
{
	static const char commands[] = "a NAMESPACE\r\nb NAMESPACE\r\nc NAMESPACE\r\nd NAMESPACE\r\n";
	const struct conn *conn;
	struct rig r;
	uint32_t before;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	conn = TAILQ_FIRST(&r.front->conns);
	before = conn->commands;
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(r.wire.clients[c], commands, sizeof commands - 1, 0), sizeof commands - 1);
	for (uint32_t last = before, now; last < before + 400; last = now) {
		(void)event_base_loop(r.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		now = conn->commands;
		assert_in_range(now - last, 1, 64); /* what was read, and what was left of the turn before */
	}
	(void)wire_hear(&r.wire, c);
	assert_int_equal(count_heard(&r, " OK NAMESPACE completed"), 400);
	rig_close(&r);
}

/* However many keywords are new, all are named once, not once for each. */
static void test_many_new_keywords(void **state)
{
	enum { MESSAGES = 60 };
	size_t writer, clients[3];
	static const char *const asks[] = {"a NOOP\r\n", "a FETCH 1:* (FLAGS)\r\n",
					   "a FETCH 1:* (FLAGS INTERNALDATE)\r\n"};
	struct rig r;

	(void)state;
	rig_open(&r, "");
	r.store.page_rows = MESSAGES + 1;
	for (int i = 0; i < MESSAGES; i++)
		(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: x\r\n\r\n"), 0);
	writer = rig_select(&r);
	for (int i = 0; i < 3; i++)
		clients[i] = rig_select(&r);
	for (int i = 0; i < MESSAGES; i++) {
		struct buf command = BUF_INIT(100);

		buf_printf(&command, "s STORE %d +FLAGS.SILENT (keyword%d)\r\n", i + 1, i);
		(void)wire_say(&r.wire, writer, buf_cstr(&command));
		buf_fini(&command);
	}
	for (int i = 0; i < 3; i++) {
		(void)wire_say(&r.wire, clients[i], asks[i]);
		assert_int_equal(count_heard(&r, "* FLAGS ("), 1);
		assert_in_range(count_heard(&r, "FLAGS (keyword"), MESSAGES, 2 * MESSAGES);
		assert_non_null(strstr(buf_cstr(&r.wire.heard), " keyword59)\r\n"));
	}
	rig_close(&r);
}

/* "$" again and again is too long, and is not read to its end to find that out. */
static void test_search_for_too_many_saved(void **state)
{
	struct buf command = BUF_INIT(1 << 16);
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	for (int i = 0; i < 2000; i++)
		(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: x\r\n\r\n"), 0);
	c = rig_select(&r);
	buf_append_cstr(&command, "a SEARCH RETURN (SAVE) 1");
	for (int i = 3; i < 2000; i += 2)
		buf_printf(&command, ",%d", i);
	buf_append_cstr(&command, "\r\n");
	TALK(&r, c, {buf_cstr(&command), "a OK SEARCH completed\r\n"});
	buf_reset(&command);
	buf_append_cstr(&command, "b SEARCH");
	for (int i = 0; i < 4000; i++)
		buf_append_cstr(&command, " $");
	buf_append_cstr(&command, "\r\n");
	TALK(&r, c, {buf_cstr(&command), "b NO [LIMIT] That is too much to search for\r\n"});
	buf_fini(&command);
	rig_close(&r);
}

/* Items that come without pieces of the message can fill the output in the middle of a page. */
static void test_slow_reader_of_many(void **state)
{
	enum { MESSAGES = 12, SUBJECT_BYTES = 100000 };
	static char subject[SUBJECT_BYTES + 1];
	struct buf message = BUF_INIT(2 * SUBJECT_BYTES);
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	memset(subject, 's', SUBJECT_BYTES);
	buf_printf(&message, "Subject: %s\r\n\r\n", subject);
	for (int i = 0; i < MESSAGES; i++)
		(void)box_store_deliver(&r.store, "INBOX", buf_view(&message), 0);
	c = rig_select(&r);
	wire_send(&r.wire, c, VIEW_LIT("a FETCH 1:* (ENVELOPE THREADID)\r\n"));
	for (int i = 0; i < 50; i++)
		wire_turn(&r.wire);
	(void)wire_hear(&r.wire, c);
	assert_int_equal(count_heard(&r, " FETCH (ENVELOPE ("), MESSAGES);
	assert_non_null(strstr(buf_cstr(&r.wire.heard), "\r\na OK FETCH completed\r\n"));
	buf_fini(&message);
	rig_close(&r);
}

static void test_stop(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	c = rig_select(&r);
	d = rig_select(&r);
	TALK(&r, c, {"a IDLE\r\n", "+ idling\r\n"});
	r.store.mute = true;
	wire_send(&r.wire, d, VIEW_LIT("a CHECK\r\n"));
	front_stop(r.front, NULL, NULL);
	assert_string_equal(wire_hear(&r.wire, c), "* BYE [UNAVAILABLE] The server is going down\r\n");
	assert_true(wire_is_closed(&r.wire, c));
	assert_false(wire_is_closed(&r.wire, d));
	rig_store_dies(&r);
	assert_string_equal(wire_hear(&r.wire, d),
			    "a OK CHECK completed\r\n* BYE [UNAVAILABLE] The server is going down\r\n");
	assert_int_equal(r.front->session_count, 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_greeting),
	    cmocka_unit_test(test_literals),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_authenticate),
	    cmocka_unit_test(test_too_many_failures),
	    cmocka_unit_test(test_select),
	    cmocka_unit_test(test_fetch),
	    cmocka_unit_test(test_store),
	    cmocka_unit_test(test_expunge),
	    cmocka_unit_test(test_close_expunges),
	    cmocka_unit_test(test_copy_and_move),
	    cmocka_unit_test(test_append),
	    cmocka_unit_test(test_append_without_credit),
	    cmocka_unit_test(test_search),
	    cmocka_unit_test(test_condstore),
	    cmocka_unit_test(test_condstore_begins),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_mailboxes),
	    cmocka_unit_test(test_deleted_under_a_session),
	    cmocka_unit_test(test_store_goes),
	    cmocka_unit_test(test_gone_while_logging_in),
	    cmocka_unit_test(test_big_message),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_many_commands_at_once),
	    cmocka_unit_test(test_commands_in_turns),
	    cmocka_unit_test(test_many_new_keywords),
	    cmocka_unit_test(test_search_for_too_many_saved),
	    cmocka_unit_test(test_slow_reader_of_many),
	    cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
