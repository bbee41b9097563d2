/* SPDX-License-Identifier: ISC
 * NOTIFY (RFC 5465): what is asked for is told unasked, and nothing else, with the examples of the RFC. */
#include "imapd_rig.h"
#include "mail/imap_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char message[] =
    "Subject: Re: good morning\r\nFrom: alice@example.org\r\nTo: bob@example.org\r\n\r\nHi.\r\n";

#define SAY(c, line, answer) assert_string_equal(wire_say(&r.wire, (c), line), answer)
#define HEAR(c, answer) assert_string_equal(wire_hear(&r.wire, (c)), answer)
#define DELIVER(box) ((void)box_store_deliver(&r.store, (box), VIEW_LIT(message), 0))

static size_t enable(struct rig *r, const char *line)
{
	size_t c = rig_login(r);

	assert_non_null(strstr(wire_say(&r->wire, c, line), "OK"));
	return c;
}

static void test_capability(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, "");
	assert_non_null(strstr(wire_say(&r.wire, rig_login(&r), "a CAPABILITY\r\n"), " NOTIFY"));
	rig_close(&r);
}

/* RFC 5465 §3.1, with the parentheses and events that its grammar wants. */
static void test_example(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	box_store_create(&r.store, "Lists");
	box_store_create(&r.store, "Lists/Lemonade");
	box_store_create(&r.store, "Lists/Im2000");
	box_store_create(&r.store, "misc");
	DELIVER("Lists/Lemonade");
	c = rig_login(&r);
	SAY(c,
	    "b notify set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) "
	    "MessageExpunge)) "
	    "(subtree Lists (MessageNew MessageExpunge))\r\n",
	    "* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1004)\r\n"
	    "* STATUS Lists/Im2000 (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1006)\r\n"
	    "* STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1005)\r\n"
	    "b OK NOTIFY completed\r\n");
	assert_non_null(strstr(wire_say(&r.wire, c, "c select inbox\r\n"), "c OK"));
	DELIVER("Lists/Lemonade");
	HEAR(c, "* STATUS Lists/Lemonade (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 1005)\r\n");
	DELIVER("INBOX");
	HEAR(c, "* 1 EXISTS\r\n* 1 FETCH (UID 1 BODY[HEADER.FIELDS (from to subject)] {75}\r\n"
		"Subject: Re: good morning\r\nFrom: alice@example.org\r\nTo: bob@example.org\r\n\r\n)\r\n");
	DELIVER("misc");
	HEAR(c, "");
	SAY(c,
	    "e notify set (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) "
	    "(subtree Lists (MessageNew MessageExpunge)) (mailboxes misc (MessageNew MessageExpunge))\r\n",
	    "e OK NOTIFY completed\r\n");
	box_store_expunge(&r.store, "misc", 1);
	HEAR(c, "* STATUS misc (MESSAGES 0 UIDNEXT 2 UIDVALIDITY 1007)\r\n");
	box_store_expunge(&r.store, "INBOX", 1);
	HEAR(c, "* 1 EXPUNGE\r\n");
	SAY(c, "f notify none\r\n", "f OK NOTIFY completed\r\n");
	DELIVER("misc");
	DELIVER("INBOX");
	HEAR(c, "");
	SAY(c, "g NOOP\r\n", "g OK NOOP completed\r\n");
	rig_close(&r);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {"",
					  " SET",
					  " NONE 1",
					  " FOO",
					  " SET STATUS",
					  " SET ()",
					  " SET (selected)",
					  " SET (selected ())",
					  " SET (other (MessageNew MessageExpunge))",
					  " SET (selected (MessageNew))",
					  " SET (selected (MessageExpunge))",
					  " SET (personal (FlagChange))",
					  " SET (selected (MessageNew MessageExpunge)) (selected-delayed NONE)",
					  " SET (selected (MailboxName))",
					  " SET (personal (MessageNew (UID) MessageExpunge))",
					  " SET (selected (MessageNew (FOO) MessageExpunge))",
					  " SET (subtree (MessageNew MessageExpunge))",
					  " SET (mailboxes () (MailboxName))",
					  " SET (personal NONE NONE)",
					  " SET (personal (MailboxName) 1)",
					  " SET (subtree Lists MessageNew)",
					  " SET personal (MailboxName)"};
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "max-command-errors = 100\n");
	c = rig_login(&r);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf line = BUF_INIT(512);

		buf_printf(&line, "a NOTIFY%s\r\n", bad[i]);
		if (strncmp(wire_say(&r.wire, c, buf_cstr(&line)), "a BAD ", 6) != 0)
			fail_msg("%s: %s", bad[i], buf_cstr(&r.wire.heard));
		buf_fini(&line);
	}
	SAY(c, "b NOTIFY SET (selected (MessageNew MessageExpunge AnnotationChange))\r\n",
	    "b NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
	    "ServerMetadataChange)] There are no such events here\r\n");
	SAY(c, "c NOTIFY SET (personal (X-Event))\r\n",
	    "c NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
	    "ServerMetadataChange)] There are no such events here\r\n");
	/* Names that do not exist, or cannot, are ignored. */
	SAY(c, "d NOTIFY SET STATUS (mailboxes (Nowhere a//b &&&) (MessageNew MessageExpunge))\r\n",
	    "d OK NOTIFY completed\r\n");
	rig_close(&r);
}

/* RFC 5465 §3.1, §6.1: SELECTED decides about the selected mailbox, whatever else names it. */
static void test_selected(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	DELIVER("INBOX");
	DELIVER("INBOX");
	c = rig_select(&r);
	SAY(c,
	    "a NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge FlagChange))\r\n",
	    "a OK NOTIFY completed\r\n");
	box_store_flag(&r.store, "INBOX", 1, IMAP_SEEN);
	HEAR(c, "");
	DELIVER("INBOX");
	HEAR(c, "* 3 EXISTS\r\n");
	SAY(c, "b NOOP\r\n", "b OK NOOP completed\r\n");
	/* What the client itself changes it is told all the same. */
	SAY(c, "c UID STORE 2 +FLAGS (\\Deleted)\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\nc OK UID STORE completed\r\n");
	SAY(c, "d NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))\r\n", "d OK NOTIFY completed\r\n");
	box_store_flag(&r.store, "INBOX", 3, IMAP_SEEN);
	HEAR(c, "* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n");
	SAY(c, "e NOTIFY SET (selected NONE) (personal (MessageNew MessageExpunge))\r\n", "e OK NOTIFY completed\r\n");
	DELIVER("INBOX");
	box_store_expunge(&r.store, "INBOX", 1);
	SAY(c, "f NOOP\r\n", "f OK NOOP completed\r\n");
	SAY(c, "g EXPUNGE\r\n", "* 4 EXISTS\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\ng OK EXPUNGE completed\r\n");
	DELIVER("INBOX");
	HEAR(c, "");
	/* Once it is not selected any more it is like the others; what happened before is the client's to find out. */
	SAY(c, "h UNSELECT\r\n", "h OK UNSELECT completed\r\n");
	HEAR(c, "");
	DELIVER("INBOX");
	HEAR(c, "* STATUS INBOX (MESSAGES 4 UIDNEXT 7 UIDVALIDITY 1001)\r\n");
	/* NOTIFY SET is a NOOP too. */
	assert_non_null(strstr(wire_say(&r.wire, c, "i SELECT INBOX\r\n"), "i OK"));
	DELIVER("INBOX");
	SAY(c, "j NOTIFY SET (personal NONE)\r\n", "* 5 EXISTS\r\nj OK NOTIFY completed\r\n");
	rig_close(&r);
}

/* §6.1.2: expunges wait for a command in which they may be told. */
static void test_selected_delayed(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	for (int i = 0; i < 4; i++)
		DELIVER("INBOX");
	c = enable(&r, "a ENABLE CONDSTORE\r\n");
	(void)wire_say(&r.wire, c, "a SELECT INBOX\r\n");
	SAY(c, "b NOTIFY SET (selected-delayed (MessageNew (FLAGS) MessageExpunge FlagChange))\r\n",
	    "b OK NOTIFY completed\r\n");
	box_store_expunge(&r.store, "INBOX", 1);
	HEAR(c, "* OK [HIGHESTMODSEQ 5] Expunges are still to be told\r\n");
	DELIVER("INBOX");
	HEAR(c, "* 5 EXISTS\r\n* 5 FETCH (UID 5 FLAGS () MODSEQ (7))\r\n"
		"* OK [HIGHESTMODSEQ 5] Expunges are still to be told\r\n");
	SAY(c, "c FETCH 2 UID\r\n",
	    "* 2 FETCH (UID 2)\r\n* OK [HIGHESTMODSEQ 5] Expunges are still to be told\r\n"
	    "c OK FETCH completed\r\n");
	SAY(c, "d IDLE\r\n", "+ idling\r\n* 1 EXPUNGE\r\n");
	box_store_expunge(&r.store, "INBOX", 2);
	HEAR(c, "* 1 EXPUNGE\r\n");
	SAY(c, "DONE\r\n", "d OK IDLE completed\r\n");
	box_store_expunge(&r.store, "INBOX", 3);
	HEAR(c, "* OK [HIGHESTMODSEQ 8] Expunges are still to be told\r\n");
	SAY(c, "e NOOP\r\n", "* 1 EXPUNGE\r\ne OK NOOP completed\r\n");
	rig_close(&r);
}

/* §5.1 to §5.3 in the selected mailbox, with QRESYNC and with UIDONLY. */
static void test_vanished(void **state)
{
	struct rig r;
	size_t q, u;

	(void)state;
	rig_open(&r, "");
	DELIVER("INBOX");
	q = enable(&r, "a ENABLE QRESYNC\r\n");
	u = enable(&r, "a ENABLE UIDONLY\r\n");
	(void)wire_say(&r.wire, q, "b SELECT INBOX\r\n");
	(void)wire_say(&r.wire, u, "b SELECT INBOX\r\n");
	SAY(q, "c NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange))\r\n",
	    "c OK NOTIFY completed\r\n");
	SAY(u, "c NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange))\r\n",
	    "c OK NOTIFY completed\r\n");
	DELIVER("INBOX");
	HEAR(q, "* 2 EXISTS\r\n* 2 FETCH (UID 2 FLAGS () MODSEQ (3))\r\n");
	HEAR(u, "* 2 EXISTS\r\n* 2 UIDFETCH (FLAGS ())\r\n");
	box_store_flag(&r.store, "INBOX", 2, IMAP_FLAGGED);
	HEAR(q, "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (4))\r\n");
	HEAR(u, "* 2 UIDFETCH (FLAGS (\\Flagged))\r\n");
	box_store_expunge(&r.store, "INBOX", 1);
	HEAR(q, "* VANISHED 1\r\n");
	HEAR(u, "* VANISHED 1\r\n");
	rig_close(&r);
}

/* §5.1: flags in other mailboxes. */
static void test_other_flags(void **state)
{
	struct rig r;
	size_t c, q;

	(void)state;
	rig_open(&r, "");
	DELIVER("Sent");
	c = rig_login(&r);
	q = enable(&r, "a ENABLE CONDSTORE\r\n");
	SAY(c, "b NOTIFY SET STATUS (subscribed (MessageNew MessageExpunge FlagChange))\r\n",
	    "* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1001 HIGHESTMODSEQ 1)\r\n"
	    "* STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1002 HIGHESTMODSEQ 2)\r\nb OK NOTIFY completed\r\n");
	SAY(q, "b NOTIFY SET (inboxes (MessageNew MessageExpunge FlagChange))\r\n", "b OK NOTIFY completed\r\n");
	box_store_flag(&r.store, "Sent", 1, IMAP_FLAGGED);
	HEAR(c, "");
	HEAR(q, "* STATUS Sent (UIDVALIDITY 1002 HIGHESTMODSEQ 3)\r\n");
	box_store_flag(&r.store, "Sent", 1, IMAP_SEEN);
	HEAR(c, "* STATUS Sent (UIDVALIDITY 1002 UNSEEN 0)\r\n");
	HEAR(q, "* STATUS Sent (UIDVALIDITY 1002 UNSEEN 0 HIGHESTMODSEQ 4)\r\n");
	box_store_find(&r.store, "Sent")->uidvalidity = 2000;
	box_store_flag(&r.store, "Sent", 1, IMAP_SEEN);
	HEAR(c, "* STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 2000)\r\n");
	/* SUBSCRIBED is looked at anew. */
	DELIVER("Trash");
	HEAR(c, "");
	box_store_subscribe(&r.store, "Trash", true);
	DELIVER("Trash");
	HEAR(c, "* STATUS Trash (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 1003 UNSEEN 2)\r\n");
	rig_close(&r);
}

/* Many commits are told as one. */
static void test_together(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	SAY(c, "b NOTIFY SET (personal (MessageNew MessageExpunge))\r\n", "b OK NOTIFY completed\r\n");
	for (int i = 0; i < 50; i++)
		DELIVER("Trash");
	HEAR(c, "* STATUS Trash (MESSAGES 50 UIDNEXT 51 UIDVALIDITY 1003)\r\n");
	rig_close(&r);
}

/* §5.4, §5.5 */
static void test_names(void **state)
{
	struct rig r;
	size_t c, other;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	other = rig_login(&r);
	SAY(c, "a NOTIFY SET (personal (MailboxName SubscriptionChange))\r\n", "a OK NOTIFY completed\r\n");
	SAY(other, "b CREATE NewMailbox\r\n", "b OK [MAILBOXID (F6)] CREATE completed\r\n");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" NewMailbox\r\n");
	box_store_create(&r.store, "NewMailbox/below");
	HEAR(c, "* LIST (\\HasChildren) \"/\" NewMailbox\r\n* LIST (\\HasNoChildren) \"/\" NewMailbox/below\r\n");
	box_store_rename(&r.store, "NewMailbox", "Old Mailbox");
	HEAR(c, "* LIST (\\HasChildren) \"/\" \"Old Mailbox\" (\"OLDNAME\" (NewMailbox))\r\n");
	box_store_subscribe(&r.store, "Old Mailbox", true);
	HEAR(c, "* LIST (\\HasChildren \\Subscribed) \"/\" \"Old Mailbox\"\r\n");
	box_store_subscribe(&r.store, "Old Mailbox", false);
	HEAR(c, "* LIST (\\HasChildren) \"/\" \"Old Mailbox\"\r\n");
	box_store_delete(&r.store, "Old Mailbox/below");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" \"Old Mailbox\"\r\n"
		"* LIST (\\NonExistent \\Noselect \\HasNoChildren) \"/\" \"Old Mailbox/below\"\r\n");
	DELIVER("Old Mailbox");
	HEAR(c, "");
	/* Its own changes are not told (§5). */
	SAY(c, "c CREATE Mine\r\n", "c OK [MAILBOXID (F8)] CREATE completed\r\n");
	SAY(c, "d SUBSCRIBE Mine\r\n", "d OK SUBSCRIBE completed\r\n");
	SAY(c, "e RENAME Mine Yours\r\n", "e OK RENAME completed\r\n");
	SAY(c, "f DELETE Yours\r\n", "f OK DELETE completed\r\n");
	HEAR(c, "");
	/* Only those asked for; also by a name it had. */
	SAY(c, "g NOTIFY SET (mailboxes (\"Old Mailbox\" Later) (MailboxName))\r\n", "g OK NOTIFY completed\r\n");
	box_store_create(&r.store, "Nothing");
	box_store_subscribe(&r.store, "Old Mailbox", true);
	HEAR(c, "");
	box_store_create(&r.store, "Later");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" Later\r\n");
	box_store_rename(&r.store, "Old Mailbox", "Else");
	HEAR(c, "* LIST (\\HasNoChildren \\Subscribed) \"/\" Else (\"OLDNAME\" (\"Old Mailbox\"))\r\n");
	rig_close(&r);
}

/* §5.6, §5.7 */
static void test_metadata(void **state)
{
	struct rig r;
	size_t c, other;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	other = rig_login(&r);
	SAY(c,
	    "a NOTIFY SET (mailboxes INBOX (MailboxMetadataChange ServerMetadataChange)) (subtree Sent "
	    "(MailboxMetadataChange))\r\n",
	    "a OK NOTIFY completed\r\n");
	SAY(other, "b SETMETADATA INBOX (/shared/comment \"x\" /private/comment NIL)\r\n",
	    "b OK SETMETADATA completed\r\n");
	HEAR(c, "* METADATA INBOX /shared/comment /private/comment\r\n");
	SAY(other, "c SETMETADATA \"\" (/shared/comment \"x\")\r\n", "c OK SETMETADATA completed\r\n");
	HEAR(c, "* METADATA \"\" /shared/comment\r\n");
	SAY(other, "d SETMETADATA Trash (/shared/comment \"x\")\r\n", "d OK SETMETADATA completed\r\n");
	HEAR(c, "");
	SAY(other, "e SETMETADATA Sent (/private/specialuse \"\\\\Archive\")\r\n", "e OK SETMETADATA completed\r\n");
	HEAR(c, "* METADATA Sent /private/specialuse\r\n");
	SAY(c, "f SETMETADATA INBOX (/shared/comment \"y\")\r\n", "f OK SETMETADATA completed\r\n");
	HEAR(c, "");
	rig_close(&r);
}

/* §4: in IDLE the same, and nothing else. */
static void test_idle(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	DELIVER("INBOX");
	c = rig_select(&r);
	SAY(c,
	    "a NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (personal (MessageNew MessageExpunge "
	    "MailboxName))\r\n",
	    "a OK NOTIFY completed\r\n");
	SAY(c, "b IDLE\r\n", "+ idling\r\n");
	box_store_flag(&r.store, "INBOX", 1, IMAP_SEEN);
	HEAR(c, "");
	DELIVER("INBOX");
	HEAR(c, "* 2 EXISTS\r\n* 2 FETCH (UID 2)\r\n");
	DELIVER("Sent");
	HEAR(c, "* STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1002)\r\n");
	box_store_create(&r.store, "x");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" x\r\n");
	SAY(c, "DONE\r\n", "b OK IDLE completed\r\n");
	SAY(c, "c NOTIFY NONE\r\n", "c OK NOTIFY completed\r\n");
	SAY(c, "d IDLE\r\n", "+ idling\r\n");
	DELIVER("INBOX");
	DELIVER("Sent");
	HEAR(c, "");
	SAY(c, "DONE\r\n", "d OK IDLE completed\r\n");
	rig_close(&r);
}

/* §5.2: no FETCH for what the client itself put there; nor a STATUS for another mailbox. */
static void test_own_messages(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_select(&r);
	SAY(c, "a NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (personal (MessageNew MessageExpunge))\r\n",
	    "a OK NOTIFY completed\r\n");
	SAY(c, "b APPEND INBOX {6+}\r\na: b\r\n\r\n", "* 1 EXISTS\r\nb OK [APPENDUID 1001 1] APPEND completed\r\n");
	HEAR(c, "");
	SAY(c, "c UID COPY 1 Sent\r\n", "c OK [COPYUID 1002 1 1] UID COPY completed\r\n");
	HEAR(c, "");
	DELIVER("Sent");
	HEAR(c, "* STATUS Sent (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 1002)\r\n");
	rig_close(&r);
}

/* §5.8 */
static void test_overflow(void **state)
{
	struct buf names = BUF_INIT(65536);
	struct rig r;
	size_t c, other;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	other = rig_login(&r);
	buf_append_cstr(&names, "a NOTIFY SET (mailboxes (");
	for (int i = 0; i < 2100; i++)
		buf_append_cstr(&names, "x ");
	buf_append_cstr(&names, "x) (MailboxName))\r\n");
	SAY(c, buf_cstr(&names), "a NO [NOTIFICATIONOVERFLOW] Too much to watch\r\n");
	buf_fini(&names);
	SAY(c, "b NOTIFY SET (personal (MailboxName)) (personal (ServerMetadataChange))\r\n",
	    "b OK NOTIFY completed\r\n");
	/* stored cannot say how things stand. */
	r.store.fail_states = true;
	DELIVER("INBOX");
	HEAR(c, "* OK [NOTIFICATIONOVERFLOW] Too much to tell: notifications are off\r\n");
	SAY(c, "c NOTIFY SET (personal (MailboxName))\r\n", "c NO [NOTIFICATIONOVERFLOW] Too much to watch\r\n");
	r.store.fail_states = false;
	box_store_create(&r.store, "x");
	HEAR(c, "");
	SAY(other, "d SETMETADATA \"\" (/shared/comment \"x\")\r\n", "d OK SETMETADATA completed\r\n");
	HEAR(c, "");
	SAY(c, "e NOTIFY SET (personal (MailboxName))\r\n", "e OK NOTIFY completed\r\n");
	box_store_create(&r.store, "y");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" y\r\n");
	rig_close(&r);
}

/* In IMAP4rev2 names are UTF-8; and what the mailbox is deleted under ends the session at once. */
static void test_rev2_and_gone(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = enable(&r, "a ENABLE IMAP4rev2\r\n");
	SAY(c, "b NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MailboxName))\r\n",
	    "b OK NOTIFY completed\r\n");
	box_store_create(&r.store, "\xc3\xa4");
	HEAR(c, "* LIST (\\HasNoChildren) \"/\" \"\xc3\xa4\"\r\n");
	assert_non_null(strstr(wire_say(&r.wire, c, "c SELECT Trash\r\n"), "c OK"));
	box_store_delete(&r.store, "Trash");
	assert_non_null(strstr(wire_hear(&r.wire, c), "* BYE [CLOSED] The mailbox was deleted\r\n"));
	rig_close(&r);
}

/* UNAUTHENTICATE forgets it. */
static void test_unauthenticate(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	SAY(c, "a NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))\r\n", "a OK NOTIFY completed\r\n");
	assert_non_null(strstr(wire_say(&r.wire, c, "b UNAUTHENTICATE\r\n"), "b OK"));
	box_store_create(&r.store, "x");
	assert_non_null(strstr(wire_say(&r.wire, c, "l LOGIN me secret\r\n"), "l OK"));
	box_store_create(&r.store, "y");
	HEAR(c, "");
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_capability),
	    cmocka_unit_test(test_example),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_selected),
	    cmocka_unit_test(test_selected_delayed),
	    cmocka_unit_test(test_vanished),
	    cmocka_unit_test(test_other_flags),
	    cmocka_unit_test(test_together),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_metadata),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_own_messages),
	    cmocka_unit_test(test_overflow),
	    cmocka_unit_test(test_rev2_and_gone),
	    cmocka_unit_test(test_unauthenticate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
