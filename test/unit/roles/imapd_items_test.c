/* SPDX-License-Identifier: ISC
 * FETCH items and SEARCH keys: BINARY (RFC 3516), PREVIEW (8970), SAVEDATE (8514), object identifiers (8474); CREATE with a
 * special use (6154), names in UTF-8 and their normal form (9051). */
#include "talk.h"

#include "base/encode.h"

#include <event2/event.h>
#include <sys/socket.h>

#include <stdlib.h>

static const char encoded[] =
    "Subject: encoded\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Caf=C3=A9 =\r\nau lait\r\n"
    "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "AAECAwQ=\r\n"
    "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nM123\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n";

static void test_binary(void **state)
{
	struct rig r;
	struct box_message *m;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(encoded), 0);
	c = rig_select(&r);
	TALK(&r, c,
	     {"a FETCH 1 BINARY.PEEK[1]\r\n",
	      "* 1 FETCH (BINARY[1] {13}\r\nCaf\303\251 au lait)\r\na OK FETCH completed\r\n"},
	     {"b FETCH 1 BINARY.PEEK[1]<3.4>\r\n",
	      "* 1 FETCH (BINARY[1]<3> {4}\r\n\303\251 a)\r\nb OK FETCH completed\r\n"},
	     {"c FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[5] BINARY.SIZE[4.1])\r\n",
	      "* 1 FETCH (BINARY.SIZE[1] 13 BINARY.SIZE[2] 5 BINARY.SIZE[5] 5 BINARY.SIZE[4.1] 2)\r\nc OK FETCH "
	      "completed\r\n"},
	     {"d FETCH 1 BINARY.PEEK[2]<1.2>\r\n",
	      "* 1 FETCH (BINARY[2]<1> {2}\r\n\x01\x02)\r\nd OK FETCH completed\r\n"},
	     {"e FETCH 1 BINARY.PEEK[3]\r\n",
	      "* 1 FETCH (BINARY[3] NIL)\r\ne NO [UNKNOWN-CTE] A part is encoded in a way that is not known\r\n"},
	     {"f FETCH 1 BINARY.SIZE[3]\r\n",
	      "* 1 FETCH (BINARY.SIZE[3] 0)\r\nf NO [UNKNOWN-CTE] A part is encoded in a way that is not known\r\n"},
	     {"g FETCH 1 BINARY.PEEK[9]\r\n", "* 1 FETCH (BINARY[9] NIL)\r\ng OK FETCH completed\r\n"},
	     {"h FETCH 1 BINARY.PEEK[4]\r\n",
	      "* 1 FETCH (BINARY[4] {54}\r\nSubject: in\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=)\r\n"
	      "h OK FETCH completed\r\n"},
	     {"i FETCH 1 BINARY.PEEK[1.MIME]\r\n", "i BAD Invalid section\r\n"},
	     {"j FETCH 1 BINARY.SIZE[1]<0.1>\r\n", "j BAD Invalid section\r\n"});
	/* NUL: only a literal8 can carry it. */
	wire_send(&r.wire, c, VIEW_LIT("k FETCH 1 BINARY.PEEK[2]\r\n"));
	(void)wire_hear(&r.wire, c);
	assert_true(view_eq(buf_view(&r.wire.heard),
			    view_from("* 1 FETCH (BINARY[2] ~{5}\r\n\0\1\2\3\4)\r\nk OK FETCH completed\r\n", 57)));
	m = &box_store_find(&r.store, "INBOX")->messages[0];
	assert_int_equal(m->flags, 0);
	TALK(&r, c,
	     {"l FETCH 1 BINARY[5]\r\n",
	      "* 1 FETCH (FLAGS (\\Seen) BINARY[5] {5}\r\nplain)\r\nl OK FETCH completed\r\n"});
	rig_close(&r);
}

/* What does not come with the row is read twice: for its size, then for itself. */
static void test_binary_in_pieces(void **state)
{
	enum { BYTES = 700000 };
	struct rig r;
	struct buf message = BUF_INIT(4 << 20), content = BUF_INIT(BYTES), heard = BUF_INIT(4 << 20);
	struct view body;
	size_t c;

	(void)state;
	rig_open(&r, "");
	for (size_t i = 0; i < BYTES; i++)
		buf_append_char(&content, (char)('a' + i % 23));
	content.p[600001] = '\0';
	buf_append_cstr(&message, "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	encode_base64(&message, buf_view(&content));
	(void)box_store_deliver(&r.store, "INBOX", buf_view(&message), 0);
	c = rig_select(&r);
	TALK(&r, c, {"a FETCH 1 BINARY.SIZE[1]\r\n", "* 1 FETCH (BINARY.SIZE[1] 700000)\r\na OK FETCH completed\r\n"},
	     {"b FETCH 1 BINARY.PEEK[1]<699999.10>\r\n",
	      "* 1 FETCH (BINARY[1]<699999> {1}\r\nr)\r\nb OK FETCH completed\r\n"},
	     {"c FETCH 1 BINARY.PEEK[1]<700000.1>\r\n",
	      "* 1 FETCH (BINARY[1]<700000> {0}\r\n)\r\nc OK FETCH completed\r\n"},
	     {"d FETCH 1 BINARY.PEEK[1]<400000.5>\r\n",
	      "* 1 FETCH (BINARY[1]<400000> {5}\r\nhijkl)\r\nd OK FETCH completed\r\n"});
	wire_send(&r.wire, c, VIEW_LIT("e FETCH 1 BINARY.PEEK[1]\r\n"));
	do {
		(void)wire_hear(&r.wire, c);
		buf_append_view(&heard, buf_view(&r.wire.heard));
	} while (r.wire.heard.n);
	body = buf_view(&heard);
	assert_true(view_starts_with(body, VIEW_LIT("* 1 FETCH (BINARY[1] ~{700000}\r\n")));
	assert_true(view_eq(view_sub(body, 32, BYTES), buf_view(&content)));
	assert_true(view_eq_lit(view_sub(body, 32 + BYTES, body.n), ")\r\ne OK FETCH completed\r\n"));
	buf_fini(&message);
	buf_fini(&content);
	buf_fini(&heard);
	rig_close(&r);
}

/* What takes long to find out and is little to say is done in turns, others being looked at in between. */
static void test_binary_in_turns(void **state)
{
	enum { MESSAGES = 4, SECTIONS = 256 };
	struct rig r;
	struct buf message = BUF_INIT(1 << 17), content = BUF_INIT(45000), command = BUF_INIT(1 << 16);
	const char *end = NULL;
	int turns = 0;
	size_t c;

	(void)state;
	rig_open(&r, "");
	r.store.page_rows = MESSAGES;
	for (size_t i = 0; i < 45000; i++)
		buf_append_char(&content, 'x');
	buf_append_cstr(&message, "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	encode_base64(&message, buf_view(&content));
	for (int i = 0; i < MESSAGES; i++)
		(void)box_store_deliver(&r.store, "INBOX", buf_view(&message), 0);
	c = rig_select(&r);
	buf_append_cstr(&command, "a FETCH 1:* (UID");
	for (int i = 0; i < SECTIONS; i++)
		buf_append_cstr(&command, " BINARY.SIZE[1]");
	buf_append_cstr(&command, ")\r\n");
	assert_int_equal(send(r.wire.clients[c], command.p, command.n, 0), command.n);
	for (const struct session *s = session_of(TAILQ_FIRST(&r.front->conns)); s->conn.commands < 3 || s->command;
	     turns++)
		(void)event_base_loop(r.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	end = wire_hear(&r.wire, c);
	for (int i = 0; i < MESSAGES; i++, end++)
		assert_non_null(end = strstr(end, " BINARY.SIZE[1] 45000)\r\n"));
	assert_non_null(strstr(end, "\r\na OK FETCH completed\r\n"));
	assert_true(turns > 10); /* at a stretch it takes six */
	buf_fini(&message);
	buf_fini(&content);
	buf_fini(&command);
	rig_close(&r);
}

static void test_preview(void **state)
{
	static const char html[] =
	    "Content-Type: text/html\r\n\r\n<html><head><title>T</title></head><body><p>Hi <b>the</b>re"
	    "<br>you &amp; me</body></html>";
	static const char image[] = "Content-Type: image/png\r\n\r\nPNG";
	struct buf large = BUF_INIT(1 << 20);
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: x\r\n\r\nPreview\r\n  text!\r\n"), 0);
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(html), 0);
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(image), 0);
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(encoded), 0);
	buf_append_cstr(&large, "Subject: x\r\n\r\nBig one\r\n-- \r\n");
	for (unsigned i = 0; i < 10000; i++)
		buf_append_cstr(&large, "0123456789");
	(void)box_store_deliver(&r.store, "INBOX", buf_view(&large), 0);
	c = rig_select(&r);
	TALK(&r, c, {"A1 FETCH 1 (PREVIEW)\r\n", "* 1 FETCH (PREVIEW \"Preview text!\")\r\nA1 OK FETCH completed\r\n"},
	     {"A2 FETCH 1:5 (UID PREVIEW (LAZY))\r\n",
	      "* 1 FETCH (UID 1 PREVIEW \"Preview text!\")\r\n* 2 FETCH (UID 2 PREVIEW \"Hi there you & me\")\r\n"
	      "* 3 FETCH (UID 3 PREVIEW \"\")\r\n* 4 FETCH (UID 4 PREVIEW {13}\r\nCaf\303\251 au lait)\r\n"
	      "* 5 FETCH (UID 5 PREVIEW NIL)\r\nA2 OK FETCH completed\r\n"},
	     {"A3 FETCH 5 (PREVIEW BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n",
	      "* 5 FETCH (PREVIEW \"Big one\" BODY[HEADER.FIELDS (SUBJECT)] {14}\r\nSubject: x\r\n\r\n)\r\n"
	      "A3 OK FETCH completed\r\n"},
	     {"A4 FETCH 1 PREVIEW (LAZY)\r\n", "* 1 FETCH (PREVIEW \"Preview text!\")\r\nA4 OK FETCH completed\r\n"},
	     {"A5 FETCH 1 PREVIEW (LAZY EAGER)\r\n", "A5 BAD Invalid PREVIEW modifier\r\n"},
	     {"A6 FETCH 1 (PREVIEW FAST)\r\n", "A6 BAD Unknown FETCH item\r\n"});
	buf_fini(&large);
	rig_close(&r);
}

/* The examples of RFC 8514 §4.2, §4.3 and RFC 8474 §5.3, §6. */
static void test_savedate_and_objectid(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(
	    &r.store, "INBOX",
	    VIEW_LIT("Subject: Message A\r\nMessage-ID: <fake.1521475657.54797@example.com>\r\n\r\n"), 0);
	(void)box_store_deliver(&r.store, "INBOX",
				VIEW_LIT("Subject: Re: Message A\r\nMessage-ID: <fake.1521475657.21213@example.org>\r\n"
					 "References: <fake.1521475657.54797@example.com>\r\n\r\n"),
				0);
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: Message C\r\n\r\n"), 0);
	c = rig_select(&r);
	TALK(&r, c,
	     {"A101 FETCH 3 (SAVEDATE)\r\n",
	      "* 3 FETCH (SAVEDATE \" 1-Jan-2015 17:50:53 +0000\")\r\nA101 OK FETCH completed\r\n"},
	     {"A102 SEARCH SAVEDON 1-Jan-2015\r\n", "* SEARCH 1 2 3\r\nA102 OK SEARCH completed\r\n"},
	     {"A103 SEARCH SAVEDSINCE 2-Jan-2015\r\n", "* SEARCH\r\nA103 OK SEARCH completed\r\n"},
	     {"A104 SEARCH SAVEDBEFORE 2-Jan-2015 NOT 2\r\n", "* SEARCH 1 3\r\nA104 OK SEARCH completed\r\n"},
	     {"A105 SEARCH SAVEDATESUPPORTED 2\r\n", "* SEARCH 2\r\nA105 OK SEARCH completed\r\n"},
	     {"22 fetch 1:* (emailid threadid)\r\n",
	      "* 1 FETCH (EMAILID (M1) THREADID (T8ed2566a130ca063))\r\n"
	      "* 2 FETCH (EMAILID (M2) THREADID (T8ed2566a130ca063))\r\n"
	      "* 3 FETCH (EMAILID (M3) THREADID (TM3))\r\n22 OK FETCH completed\r\n"},
	     {"27 search emailid M2\r\n", "* SEARCH 2\r\n27 OK SEARCH completed\r\n"},
	     {"28 search or emailid m2 emailid M02\r\n", "* SEARCH\r\n28 OK SEARCH completed\r\n"},
	     {"29 search threadid T64b478a75b7ea9\r\n", "* SEARCH\r\n29 OK SEARCH completed\r\n"},
	     {"30 search not threadid T64b478a75b7ea9\r\n", "* SEARCH 1 2 3\r\n30 OK SEARCH completed\r\n"},
	     {"32 search threadid T8ed2566a130ca063\r\n", "* SEARCH 1 2\r\n32 OK SEARCH completed\r\n"},
	     {"33 search or threadid TM3 threadid t8ed2566a130ca063\r\n", "* SEARCH 3\r\n33 OK SEARCH completed\r\n"},
	     {"31 search emailid \"a b\"\r\n", "31 BAD Invalid object identifier\r\n"},
	     {"23 move 2 Sent\r\n", "* OK [COPYUID 1002 2 1] Moved\r\n* 2 EXPUNGE\r\n23 OK MOVE completed\r\n"},
	     {"6 status Sent (mailboxid)\r\n", "* STATUS Sent (MAILBOXID (F2))\r\n6 OK STATUS completed\r\n"},
	     {"8 rename Sent renamed\r\n", "8 OK RENAME completed\r\n"},
	     {"9 status renamed (mailboxid messages size)\r\n",
	      "* STATUS renamed (MESSAGES 1 SIZE 124 MAILBOXID (F2))\r\n9 OK STATUS completed\r\n"},
	     {"11 list \"\" \"r*\" return (status (mailboxid))\r\n",
	      "* LIST (\\HasNoChildren \\Sent) \"/\" renamed\r\n* STATUS renamed (MAILBOXID (F2))\r\n11 OK LIST "
	      "completed\r\n"});
	rig_close(&r);
}

/* RFC 6154 §5.3, RFC 8474 §4.1 */
static void test_create(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"t2 CREATE MySpecial (USE (\\Drafts \\Sent))\r\n", "t2 OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"t3 CREATE Everything (USE (\\All))\r\n", "t3 NO [USEATTR] There is no such special use here\r\n"},
	     {"t4 CREATE a (USE (\\Nonsense))\r\n", "t4 NO [USEATTR] There is no such special use here\r\n"},
	     {"t5 CREATE a (USE ())\r\n", "t5 OK [MAILBOXID (F6)] CREATE completed\r\n"},
	     {"t6 CREATE b (USE)\r\n", "t6 BAD One mailbox name is needed\r\n"},
	     {"t7 CREATE b (USE (Drafts))\r\n", "t7 BAD One mailbox name is needed\r\n"},
	     {"t8 CREATE b (SIZE 3)\r\n", "t8 BAD One mailbox name is needed\r\n"},
	     {"t9 CREATE MySpecial\r\n", "t9 NO [ALREADYEXISTS] There is a mailbox of that name\r\n"},
	     {"u1 LIST (SPECIAL-USE) \"\" My*\r\n",
	      "* LIST (\\HasNoChildren \\Drafts \\Sent) \"/\" MySpecial\r\nu1 OK LIST completed\r\n"});
	rig_close(&r);
}

/* Names in UTF-8: as they are for who enabled it, and found in either form by everybody (RFC 9051 §5.1, 6.3.9.7). */
static void test_names(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a CREATE &ANw-ber\r\n", "a OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"b LIST \"\" \303\234*\r\n", "b BAD Invalid character\r\n"},
	     {"c LIST \"\" \"\303\234*\"\r\n", "* LIST (\\HasNoChildren) \"/\" &ANw-ber\r\nc OK LIST completed\r\n"},
	     {"d LIST \"\" \"U\314\210%\"\r\n", "* LIST (\\HasNoChildren) \"/\" &ANw-ber\r\nd OK LIST completed\r\n"},
	     {"e LIST \"\" &ANw-*\r\n", "* LIST (\\HasNoChildren) \"/\" &ANw-ber\r\ne OK LIST completed\r\n"},
	     {"f CREATE \"U\314\210ber/2\"\r\n", "f OK [MAILBOXID (F6)] CREATE completed\r\n"},
	     {"g CREATE &bad\r\n", "g NO [CANNOT] Not a valid mailbox name\r\n"},
	     {"h CREATE \"a%b\"\r\n", "h NO [CANNOT] Not a valid mailbox name\r\n"},
	     {"i CREATE a//b\r\n", "i NO [CANNOT] Not a valid mailbox name\r\n"},
	     {"j STATUS iNbOx (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\nj OK STATUS completed\r\n"},
	     {"k ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\nk OK ENABLE completed\r\n"},
	     {"l CREATE \"U\314\210ber/3\"\r\n", "* LIST () \"/\" \"\303\234"
						 "ber/3\" (\"OLDNAME\" (\"U\314\210ber/3\"))\r\n"
						 "l OK [MAILBOXID (F7)] CREATE completed\r\n"},
	     {"m CREATE \"U\314\210ber/3\"\r\n", "m NO [ALREADYEXISTS] There is a mailbox of that name\r\n"},
	     {"n LIST \"\" \"\303\234*\"\r\n", "* LIST (\\HasChildren) \"/\" \"\303\234"
					       "ber\"\r\n* LIST (\\HasNoChildren) \"/\" \"\303\234"
					       "ber/2\"\r\n"
					       "* LIST (\\HasNoChildren) \"/\" \"\303\234"
					       "ber/3\"\r\nn OK LIST completed\r\n"},
	     {"o STATUS inbox (MESSAGES)\r\n", "* STATUS INBOX (MESSAGES 0)\r\no OK STATUS completed\r\n"});
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_binary),
	    cmocka_unit_test(test_binary_in_pieces),
	    cmocka_unit_test(test_binary_in_turns),
	    cmocka_unit_test(test_preview),
	    cmocka_unit_test(test_savedate_and_objectid),
	    cmocka_unit_test(test_create),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
