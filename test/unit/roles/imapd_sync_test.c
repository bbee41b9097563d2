/* SPDX-License-Identifier: ISC
 * What keeps a client in step: CONDSTORE and QRESYNC, "$", PARTIAL, UIDONLY, IMAP4rev2, with the examples of their RFCs. */
#include "talk.h"

#include "mail/imap_flags.h"

#include <time.h>

static const char message[] = "From: a@example.net\r\nSubject: x\r\n\r\ntext\r\n";

static void deliver(struct rig *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)box_store_deliver(&r->store, "INBOX", VIEW_LIT(message), 0);
}

/* Only these of UIDs 1 to `last` stay. */
static void keep_only(struct rig *r, uint32_t last, const uint32_t *keep, size_t n)
{
	for (uint32_t uid = 1, at = 0; uid <= last; uid++) {
		if (at < n && keep[at] == uid)
			at++;
		else
			box_store_expunge(&r->store, "INBOX", uid);
	}
}

static size_t enable(struct rig *r, const char *what)
{
	size_t c = rig_login(r);
	struct buf line = BUF_INIT(256);

	buf_printf(&line, "e ENABLE %s\r\n", what);
	assert_non_null(strstr(wire_say(&r->wire, c, buf_cstr(&line)), "e OK"));
	buf_fini(&line);
	return c;
}

/* ---- ENABLE (RFC 5161) ---- */

static void test_enable(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a ENABLE X-GOOD-IDEA\r\n", "* ENABLED\r\na OK ENABLE completed\r\n"},
	     {"b ENABLE QRESYNC CONDSTORE X-GOOD-IDEA\r\n", "* ENABLED CONDSTORE QRESYNC\r\nb OK ENABLE completed\r\n"},
	     {"c ENABLE\r\n", "c BAD What is to be enabled?\r\n"},
	     {"d ENABLE UTF8=ACCEPT imap4REV2\r\n", "* ENABLED IMAP4rev2 UTF8=ACCEPT\r\nd OK ENABLE completed\r\n"});
	rig_close(&r);
}

/* ---- QRESYNC (RFC 7162 §3.2) ---- */

static void test_qresync_must_be_enabled(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 2);
	c = rig_select(&r);
	TALK(&r, c, {"a SELECT INBOX (QRESYNC (1001 5))\r\n", "a BAD QRESYNC was not enabled\r\n"},
	     {"b UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)\r\n", "b BAD QRESYNC was not enabled\r\n"},
	     {"c UID FETCH 1:* FLAGS (VANISHED)\r\n", "c BAD VANISHED without CHANGEDSINCE\r\n"},
	     {"d FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)\r\n", "d BAD Not without UID\r\n"},
	     {"e NOOP\r\n", "e OK NOOP completed\r\n"});
	rig_close(&r);
}

/* §3.2.7, §3.2.10: VANISHED in the place of EXPUNGE, and where the mailbox stands in the OK. */
static void test_vanished(void **state)
{
	static const uint32_t uids[] = {501, 504, 505, 507, 508, 509, 510, 511, 512, 513, 625};
	static const uint32_t deleted[] = {505, 507, 510, 625};
	struct rig r;
	size_t c, old;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 625);
	keep_only(&r, 625, uids, ARRAY_LEN(uids));
	for (size_t i = 0; i < ARRAY_LEN(deleted); i++)
		box_store_flag(&r.store, "INBOX", deleted[i], IMAP_DELETED);
	r.store.page_rows = 64;
	c = enable(&r, "QRESYNC");
	old = rig_select(&r);
	(void)wire_say(&r.wire, c, "s SELECT INBOX\r\n");
	TALK(&r, c,
	     {"A202 EXPUNGE\r\n", "* VANISHED 505,507,510,625\r\nA202 OK [HIGHESTMODSEQ 1245] EXPUNGE completed\r\n"},
	     {"A203 EXPUNGE\r\n", "A203 OK EXPUNGE completed\r\n"});
	TALK(&r, old,
	     {"a NOOP\r\n", "* 11 EXPUNGE\r\n* 7 EXPUNGE\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\na OK NOOP completed\r\n"});
	box_store_flag(&r.store, "INBOX", 504, IMAP_DELETED);
	box_store_flag(&r.store, "INBOX", 508, IMAP_DELETED);
	TALK(&r, c,
	     {"A209 NOOP\r\n",
	      "* 2 FETCH (UID 504 FLAGS (\\Deleted) MODSEQ (1246))\r\n* 3 FETCH (UID 508 FLAGS (\\Deleted) MODSEQ "
	      "(1247))\r\nA209 OK NOOP completed\r\n"},
	     {"A210 UID EXPUNGE 504,508\r\n",
	      "* VANISHED 504,508\r\nA210 OK [HIGHESTMODSEQ 1248] UID EXPUNGE completed\r\n"},
	     {"A211 UID MOVE 511 Trash\r\n", "* OK [COPYUID 1003 511 1] Moved\r\n* VANISHED 511\r\n"
					     "A211 OK [HIGHESTMODSEQ 1249] UID MOVE completed\r\n"},
	     {"A212 CLOSE\r\n", "A212 OK CLOSE completed\r\n"});
	rig_close(&r);
}

/* §3.2, §6: flags may be told while an expunge may not: the client is told how far it can trust what it knows. */
static void test_delayed_vanished(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 3);
	c = enable(&r, "QRESYNC");
	(void)wire_say(&r.wire, c, "s SELECT INBOX\r\n");
	box_store_expunge(&r.store, "INBOX", 2);
	TALK(&r, c,
	     {"a STORE 1 (UNCHANGEDSINCE 96) +FLAGS.SILENT \\Seen\r\n",
	      "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (6))\r\n* OK [HIGHESTMODSEQ 4] Expunges are still to be told\r\n"
	      "a OK STORE completed\r\n"},
	     {"b FETCH 2 (UID)\r\n",
	      "* 2 FETCH (UID 2)\r\n* OK [HIGHESTMODSEQ 4] Expunges are still to be told\r\nb OK FETCH completed\r\n"},
	     {"c NOOP\r\n", "* VANISHED 2\r\n* OK [HIGHESTMODSEQ 6] All is told\r\nc OK NOOP completed\r\n"},
	     {"d FETCH 1:* (UID)\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 3)\r\nd OK FETCH completed\r\n"});
	rig_close(&r);
}

#define SELECTED_AFTER(exists, unseen, uidnext, modseq)                                                                \
	FLAGS "* " exists " EXISTS\r\n* 0 RECENT\r\n" unseen "* OK [UIDVALIDITY 1001] UIDs are valid\r\n"              \
	      "* OK [UIDNEXT " uidnext "] Predicted next UID\r\n* OK [HIGHESTMODSEQ " modseq "] Highest\r\n"           \
	      "* OK [MAILBOXID (F1)] The same whatever its name\r\n"

/* §3.2.5.1, with pages of one row and of many. */
static void test_select_qresync(void **state)
{
	static const uint32_t uids[] = {42, 117, 119, 541};

	(void)state;
	for (uint32_t rows = 1; rows <= 64; rows += 63) {
		struct rig r;
		size_t c;

		rig_open(&r, "");
		deliver(&r, 600);
		r.store.page_rows = rows;
		r.store.page_ranges = 8192;
		keep_only(&r, 600, uids, ARRAY_LEN(uids)); /* 601 to 1197 */
		box_store_flag(&r.store, "INBOX", 117, IMAP_SEEN | IMAP_ANSWERED);
		box_store_flag(&r.store, "INBOX", 541, IMAP_SEEN);
		c = enable(&r, "QRESYNC");
		if (rows > 1)
			TALK(&r, c,
			     {"A03 SELECT INBOX (QRESYNC (1001 601 41:211,214:541))\r\n",
			      SELECTED_AFTER("4", "* OK [UNSEEN 1] The first unseen message\r\n", "601",
					     "1199") "* VANISHED (EARLIER) 41,43:116,118,120:211,214:540\r\n"
						     "* 2 FETCH (UID 117 FLAGS (\\Answered \\Seen) MODSEQ (1198))\r\n"
						     "* 4 FETCH (UID 541 FLAGS (\\Seen) MODSEQ (1199))\r\n"
						     "A03 OK [READ-WRITE] SELECT completed\r\n"});
		/* Another UIDVALIDITY: as if nothing had been said. */
		(void)wire_say(&r.wire, c, "A04 UNSELECT\r\n");
		TALK(&r, c,
		     {"A02 EXAMINE INBOX (QRESYNC (67890007 601 41,43:211,214:541))\r\n",
		      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS ()] Read-only "
		      "mailbox\r\n* 4 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] The first unseen message\r\n"
		      "* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 601] Predicted next UID\r\n"
		      "* OK [HIGHESTMODSEQ 1199] Highest\r\n* OK [MAILBOXID (F1)] The same whatever its name\r\nA02 OK "
		      "[READ-ONLY] EXAMINE completed\r\n"},
		     {"A05 UID FETCH 100:118 (FLAGS) (CHANGEDSINCE 1100 VANISHED)\r\n",
		      "* 2 FETCH (UID 117 FLAGS (\\Answered \\Seen) MODSEQ (1198))\r\nA05 OK UID FETCH completed\r\n"});
		rig_close(&r);
	}
}

/* More than a page: all that vanished first, then the flags. */
static void test_select_qresync_by_pages(void **state)
{
	static const uint32_t uids[] = {2, 5, 8};
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 9);
	r.store.page_rows = 2;
	keep_only(&r, 9, uids, ARRAY_LEN(uids)); /* modseqs 11 to 16 */
	box_store_flag(&r.store, "INBOX", 2, IMAP_SEEN);
	box_store_flag(&r.store, "INBOX", 8, IMAP_SEEN);
	c = enable(&r, "QRESYNC");
	TALK(&r, c,
	     {"a SELECT INBOX (QRESYNC (1001 10))\r\n",
	      SELECTED_AFTER("3", "* OK [UNSEEN 2] The first unseen message\r\n", "10",
			     "18") "* VANISHED (EARLIER) 1\r\n* VANISHED (EARLIER) 3:4,6\r\n* VANISHED (EARLIER) 7\r\n"
				   "* VANISHED (EARLIER) 9\r\n"
				   "* 1 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (17))\r\n"
				   "* 3 FETCH (UID 8 FLAGS (\\Seen) MODSEQ (18))\r\n"
				   "a OK [READ-WRITE] SELECT completed\r\n"},
	     /* What came and went after the client's modseq: it may know of it all the same. */
	     {"b SELECT INBOX (QRESYNC (1001 3 6:9))\r\n",
	      "* OK [CLOSED] The mailbox selected before is closed\r\n" SELECTED_AFTER(
		  "3", "* OK [UNSEEN 2] The first unseen message\r\n", "10",
		  "18") "* VANISHED (EARLIER) 6:7\r\n* VANISHED (EARLIER) 9\r\n"
			"* 3 FETCH (UID 8 FLAGS (\\Seen) MODSEQ (18))\r\nb OK [READ-WRITE] SELECT completed\r\n"},
	     /* Nothing happened. */
	     {"c SELECT INBOX (QRESYNC (1001 18))\r\n",
	      "* OK [CLOSED] The mailbox selected before is closed\r\n" SELECTED_AFTER(
		  "3", "* OK [UNSEEN 2] The first unseen message\r\n", "10",
		  "18") "c OK [READ-WRITE] SELECT completed\r\n"});
	rig_close(&r);
}

/* §3.2.5.2: only UIDs divisible by three are there. */
static void test_match_data(void **state)
{
	struct rig r;
	uint32_t uids[10];
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 30);
	r.store.page_rows = 64;
	for (uint32_t i = 0; i < 10; i++)
		uids[i] = 3 * (i + 1);
	keep_only(&r, 30, uids, ARRAY_LEN(uids));
	c = enable(&r, "QRESYNC");
#define CLOSED "* OK [CLOSED] The mailbox selected before is closed\r\n"
#define HEAD SELECTED_AFTER("10", "* OK [UNSEEN 1] The first unseen message\r\n", "31", "51")
	TALK(&r, c,
	     {"A04 SELECT INBOX (QRESYNC (1001 31 1:29))\r\n",
	      HEAD "* VANISHED (EARLIER) 1:2,4:5,7:8,10:11,13:14,16:17,19:20,22:23,25:26,28:29\r\n"
		   "A04 OK [READ-WRITE] SELECT completed\r\n"},
	     {"B04 SELECT INBOX (QRESYNC (1001 31 1:29 (5,7,9 15,21,27)))\r\n",
	      CLOSED HEAD "* VANISHED (EARLIER) 28:29\r\nB04 OK [READ-WRITE] SELECT completed\r\n"},
	     /* The last pair is not so any more. */
	     {"C04 SELECT INBOX (QRESYNC (1001 31 1:29 (5,7,9 15,21,28)))\r\n",
	      CLOSED HEAD "* VANISHED (EARLIER) 22:23,25:26,28:29\r\nC04 OK [READ-WRITE] SELECT completed\r\n"},
	     {"D04 SELECT INBOX (QRESYNC (1001 31 1:29 (1:4 1:4)))\r\n",
	      CLOSED HEAD "* VANISHED (EARLIER) 1:2,4:5,7:8,10:11,13:14,16:17,19:20,22:23,25:26,28:29\r\n"
			  "D04 OK [READ-WRITE] SELECT completed\r\n"});
	rig_close(&r);
}

/* §3.2.6 */
static void test_fetch_vanished(void **state)
{
	static const uint32_t uids[] = {404, 406, 407, 408, 410, 412, 501};
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 501);
	r.store.page_rows = 64;
	keep_only(&r, 501, uids, ARRAY_LEN(uids));
	box_store_flag(&r.store, "INBOX", 404, IMAP_SEEN);
	box_store_flag(&r.store, "INBOX", 406, IMAP_DELETED);
	c = enable(&r, "QRESYNC");
	(void)wire_say(&r.wire, c, "s SELECT INBOX\r\n");
	TALK(
	    &r, c,
	    {"s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 502 VANISHED)\r\n",
	     "* VANISHED (EARLIER) 300:403,405,409,411,413:500\r\n"
	     "* 1 FETCH (UID 404 FLAGS (\\Seen) MODSEQ (997))\r\n* 2 FETCH (UID 406 FLAGS (\\Deleted) MODSEQ (998))\r\n"
	     "s100 OK UID FETCH completed\r\n"},
	    {"s101 UID SEARCH 300:500\r\n", "* SEARCH\r\ns101 OK UID SEARCH completed\r\n"},
	    {"s102 UID FETCH 409 (FLAGS) (VANISHED CHANGEDSINCE 502)\r\n",
	     "* VANISHED (EARLIER) 409\r\ns102 OK UID FETCH completed\r\n"});
	/* What goes under the client's eyes is not EARLIER. */
	box_store_expunge(&r.store, "INBOX", 407);
	TALK(&r, c,
	     {"s103 UID FETCH 405:407 (FLAGS) (CHANGEDSINCE 998 VANISHED)\r\n",
	      "* VANISHED 407\r\ns103 OK UID FETCH completed\r\n"});
	rig_close(&r);
}

/* ---- "$" (RFC 5182) ---- */

static void test_saved(void **state)
{
	static const uint32_t flagged[] = {2, 10, 11, 12, 13, 14, 15, 21};
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 21);
	r.store.page_rows = 64;
	for (size_t i = 0; i < ARRAY_LEN(flagged); i++)
		box_store_flag(&r.store, "INBOX", flagged[i], IMAP_FLAGGED);
	c = rig_select(&r);
#define DOLLAR(tag, set)                                                                                               \
	{tag " SEARCH RETURN (ALL) $\r\n", "* ESEARCH (TAG \"" tag "\")" set "\r\n" tag " OK SEARCH completed\r\n"}
	TALK(
	    &r, c, DOLLAR("a", ""), {"A282 SEARCH RETURN (SAVE) FLAGGED\r\n", "A282 OK SEARCH completed\r\n"},
	    {"A283 FETCH $ (UID FLAGS)\r\n",
	     "* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n* 10 FETCH (UID 10 FLAGS (\\Flagged))\r\n* 11 FETCH (UID 11 FLAGS "
	     "(\\Flagged))\r\n* 12 FETCH (UID 12 FLAGS (\\Flagged))\r\n* 13 FETCH (UID 13 FLAGS (\\Flagged))\r\n* 14 "
	     "FETCH (UID 14 FLAGS (\\Flagged))\r\n* 15 FETCH (UID 15 FLAGS (\\Flagged))\r\n* 21 FETCH (UID 21 FLAGS "
	     "(\\Flagged))\r\nA283 OK FETCH completed\r\n"},
	    {"C282 SEARCH RETURN (ALL) FLAGGED\r\n",
	     "* ESEARCH (TAG \"C282\") ALL 2,10:15,21\r\nC282 OK SEARCH completed\r\n"},
	    {"C283 SEARCH RETURN (ALL SAVE) FLAGGED\r\n",
	     "* ESEARCH (TAG \"C283\") ALL 2,10:15,21\r\nC283 OK SEARCH completed\r\n"},
	    DOLLAR("b", " ALL 2,10:15,21"),
	    {"C284 SEARCH RETURN (SAVE MIN) FLAGGED\r\n",
	     "* ESEARCH (TAG \"C284\") MIN 2\r\nC284 OK SEARCH completed\r\n"},
	    DOLLAR("c", " ALL 2"),
	    {"C285 SEARCH RETURN (MAX SAVE MIN) FLAGGED\r\n",
	     "* ESEARCH (TAG \"C285\") MIN 2 MAX 21\r\nC285 OK SEARCH completed\r\n"},
	    DOLLAR("d", " ALL 2,21"),
	    {"C286 SEARCH RETURN (MAX SAVE MIN COUNT) FLAGGED\r\n",
	     "* ESEARCH (TAG \"C286\") MIN 2 MAX 21 COUNT 8\r\nC286 OK SEARCH completed\r\n"},
	    DOLLAR("e", " ALL 2,10:15,21"),
	    {"A301 UID SEARCH UID $ 1:12\r\n", "* SEARCH 2 10 11 12\r\nA301 OK UID SEARCH completed\r\n"},
	    {"P283 SEARCH CHARSET UTF-8 (OR $ 1,3:5) TEXT {4}\r\n", "+ OK\r\n"},
	    {"text\r\n", "* SEARCH 1 2 3 4 5 10 11 12 13 14 15 21\r\nP283 OK SEARCH completed\r\n"},
	    {"E283 COPY $ Trash\r\n", "E283 OK [COPYUID 1003 2,10:15,21 1:8] COPY completed\r\n"});
	/* The messages, not their numbers, are kept: what is expunged drops out. */
	box_store_expunge(&r.store, "INBOX", 1);
	box_store_expunge(&r.store, "INBOX", 12);
	TALK(&r, c, {"f NOOP\r\n", "* 12 EXPUNGE\r\n* 1 EXPUNGE\r\nf OK NOOP completed\r\n"},
	     DOLLAR("g", " ALL 1,9:13,19"), {"h SEARCH RETURN (SAVE) (\r\n", "h BAD Missing )\r\n"},
	     DOLLAR("i", " ALL 1,9:13,19"),
	     {"B283 SEARCH RETURN (SAVE) CHARSET X-KOI (OR $ 1,3:5) TEXT {4+}\r\nXXXX\r\n",
	      "B283 NO [BADCHARSET (US-ASCII UTF-8)] The charset is not known\r\n"},
	     DOLLAR("j", ""), {"k UID STORE $ +FLAGS \\Seen\r\n", "k OK UID STORE completed\r\n"},
	     {"F282 SEARCH RETURN (SAVE) FLAGGED\r\nF283 COPY $ Sent\r\nF284 STORE $ +FLAGS.SILENT (\\Deleted)\r\n",
	      "F282 OK SEARCH completed\r\nF283 OK [COPYUID 1002 2,10:11,13:15,21 1:7] COPY completed\r\nF284 OK STORE "
	      "completed\r\n"},
	     {"l UID EXPUNGE $\r\n",
	      "* 19 EXPUNGE\r\n* 13 EXPUNGE\r\n* 12 EXPUNGE\r\n* 11 EXPUNGE\r\n* 10 EXPUNGE\r\n* 9 EXPUNGE\r\n* 1 "
	      "EXPUNGE\r\nl OK UID EXPUNGE completed\r\n"},
	     DOLLAR("m", ""), {"E284 COPY $ Trash\r\n", "E284 OK COPY completed\r\n"});
	rig_close(&r);
}

/* ---- PARTIAL (RFC 9394) ---- */

static void test_partial(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 12);
	box_store_expunge(&r.store, "INBOX", 3);
	r.store.page_rows = 64;
	c = rig_select(&r);
	TALK(&r, c,
	     {"A01 UID SEARCH RETURN (PARTIAL -1:-4) UNDELETED UNKEYWORD $Junk\r\n",
	      "* ESEARCH (TAG \"A01\") UID PARTIAL (-1:-4 9:12)\r\nA01 OK UID SEARCH completed\r\n"},
	     {"A02 UID SEARCH RETURN (PARTIAL 9:20) UNDELETED UNKEYWORD $Junk\r\n",
	      "* ESEARCH (TAG \"A02\") UID PARTIAL (9:20 10:12)\r\nA02 OK UID SEARCH completed\r\n"},
	     {"A03 UID SEARCH RETURN (PARTIAL 4:1) UNDELETED UNKEYWORD $Junk\r\n",
	      "* ESEARCH (TAG \"A03\") UID PARTIAL (4:1 1:2,4:5)\r\nA03 OK UID SEARCH completed\r\n"},
	     {"A04 UID SEARCH RETURN (PARTIAL 24000:24500) UNDELETED UNKEYWORD $Junk\r\n",
	      "* ESEARCH (TAG \"A04\") UID PARTIAL (24000:24500 NIL)\r\nA04 OK UID SEARCH completed\r\n"},
	     {"A05 SEARCH RETURN (PARTIAL 2:3 ALL) ALL\r\n", "A05 BAD PARTIAL and ALL exclude each other\r\n"},
	     {"A06 SEARCH RETURN (PARTIAL 1:-3) ALL\r\n", "A06 BAD Invalid PARTIAL\r\n"},
	     {"A07 SEARCH RETURN (PARTIAL 0:3) ALL\r\n", "A07 BAD Invalid PARTIAL\r\n"},
	     {"A08 SEARCH RETURN (PARTIAL 1:*) ALL\r\n", "A08 BAD Invalid PARTIAL\r\n"},
	     {"A09 SEARCH RETURN (SAVE PARTIAL 4:5 MIN MAX) ALL\r\n",
	      "* ESEARCH (TAG \"A09\") MIN 1 MAX 11 PARTIAL (4:5 4:5)\r\nA09 OK SEARCH completed\r\n"},
	     DOLLAR("b", " ALL 1,4:5,11"),
	     {"A10 SEARCH RETURN (SAVE PARTIAL 4:5 COUNT) ALL\r\n",
	      "* ESEARCH (TAG \"A10\") COUNT 11 PARTIAL (4:5 4:5)\r\nA10 OK SEARCH completed\r\n"},
	     DOLLAR("c", " ALL 1:11"),
	     {"10 UID FETCH 1:11 (UID FLAGS) (PARTIAL -1:-3)\r\n",
	      "* 8 FETCH (UID 9 FLAGS ())\r\n* 9 FETCH (UID 10 FLAGS ())\r\n* 10 FETCH (UID 11 FLAGS ())\r\n"
	      "10 OK UID FETCH completed\r\n"},
	     {"11 UID FETCH 2:5,7:8 (UID) (PARTIAL 2:4)\r\n",
	      "* 3 FETCH (UID 4)\r\n* 4 FETCH (UID 5)\r\n* 6 FETCH (UID 7)\r\n11 OK UID FETCH completed\r\n"},
	     {"12 FETCH 1:5 (UID) (PARTIAL 2:4)\r\n", "12 BAD Not without UID\r\n"},
	     {"13 UID FETCH 1:11 (UID) (PARTIAL 50:60)\r\n", "13 OK UID FETCH completed\r\n"});
	/* §3.4: the positions first, then what of them changed. */
	box_store_flag(&r.store, "INBOX", 2, IMAP_SEEN);
	box_store_flag(&r.store, "INBOX", 11, IMAP_SEEN);
	TALK(&r, c,
	     {"101 UID FETCH 1:12 (FLAGS) (PARTIAL -1:-3 CHANGEDSINCE 14)\r\n",
	      "* OK [HIGHESTMODSEQ 14] Highest\r\n* 10 FETCH (UID 11 FLAGS (\\Seen) MODSEQ (16))\r\n"
	      "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (15))\r\n* 10 FETCH (UID 11 FLAGS (\\Seen) MODSEQ (16))\r\n"
	      "101 OK UID FETCH completed\r\n"});
	rig_close(&r);
}

/* ---- UIDONLY (RFC 9586) ---- */

static void test_uidonly(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 5);
	box_store_expunge(&r.store, "INBOX", 1);
	r.store.page_rows = 64;
	c = enable(&r, "UIDONLY");
#define REFUSED(command) {"x " command "\r\n", "x BAD [UIDREQUIRED] Message numbers are not used in this session\r\n"}
	TALK(&r, c,
	     {"s SELECT INBOX\r\n",
	      FLAGS "* 4 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 6] Predicted "
		    "next UID\r\n* OK [HIGHESTMODSEQ 7] Highest\r\n* OK [MAILBOXID (F1)] The same whatever its "
		    "name\r\ns OK [READ-WRITE] SELECT completed\r\n"},
	     REFUSED("FETCH 1 FLAGS"), REFUSED("STORE 1 FLAGS ()"), REFUSED("COPY 1 Sent"), REFUSED("MOVE 1 Sent"),
	     REFUSED("SEARCH ALL"), REFUSED("UID SEARCH NOT 1:2"),
	     {"a UID FETCH 2:3 FLAGS\r\n",
	      "* 2 UIDFETCH (FLAGS ())\r\n* 3 UIDFETCH (FLAGS ())\r\na OK UID FETCH completed\r\n"},
	     {"b UID STORE 4 +FLAGS \\Deleted\r\n", "* 4 UIDFETCH (FLAGS (\\Deleted))\r\nb OK UID STORE completed\r\n"},
	     {"c UID SEARCH DELETED\r\n", "* SEARCH 4\r\nc OK UID SEARCH completed\r\n"},
	     {"d EXPUNGE\r\n", "* VANISHED 4\r\nd OK EXPUNGE completed\r\n"},
	     {"e UID MOVE 3 Sent\r\n", "* OK [COPYUID 1002 3 1] Moved\r\n* VANISHED 3\r\ne OK UID MOVE completed\r\n"},
	     {"f UID FETCH 2 (UID FLAGS)\r\n", "* 2 UIDFETCH (UID 2 FLAGS ())\r\nf OK UID FETCH completed\r\n"});
	deliver(&r, 1);
	box_store_flag(&r.store, "INBOX", 5, IMAP_SEEN);
	box_store_expunge(&r.store, "INBOX", 2);
	TALK(&r, c,
	     {"g NOOP\r\n", "* 5 UIDFETCH (FLAGS (\\Seen))\r\n* 3 EXISTS\r\n* VANISHED 2\r\ng OK NOOP completed\r\n"});
	rig_close(&r);
}

/* ---- IMAP4rev2 (RFC 9051) and UTF8=ACCEPT (RFC 6855) ---- */

static void test_rev2(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 3);
	box_store_flag(&r.store, "INBOX", 2, IMAP_FLAGGED);
	c = enable(&r, "IMAP4rev2");
	TALK(&r, c, {"a CREATE \"Entw\xc3\xbcrfe & mehr\"\r\n", "a OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"b LIST \"\" \"Entw\xc3\xbc*\"\r\n",
	      "* LIST (\\HasNoChildren) \"/\" \"Entw\xc3\xbcrfe & mehr\"\r\nb OK LIST completed\r\n"},
	     {"c SELECT inbox\r\n",
	      FLAGS "* 3 EXISTS\r\n* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 4] Predicted next UID\r\n"
		    "* OK [HIGHESTMODSEQ 5] Highest\r\n* OK [MAILBOXID (F1)] The same whatever its name\r\n* LIST () "
		    "\"/\" INBOX\r\nc OK [READ-WRITE] SELECT completed\r\n"},
	     {"d SELECT \"Entw\xc3\xbcrfe & mehr\"\r\n",
	      "* OK [CLOSED] The mailbox selected before is closed\r\n" FLAGS
	      "* 0 EXISTS\r\n* OK [UIDVALIDITY 1005] UIDs are valid\r\n* OK [UIDNEXT 1] Predicted next UID\r\n"
	      "* OK [HIGHESTMODSEQ 1] Highest\r\n* OK [MAILBOXID (F5)] The same whatever its name\r\n* LIST () \"/\" "
	      "\"Entw\xc3\xbcrfe & mehr\"\r\n"
	      "d OK [READ-WRITE] SELECT completed\r\n"},
	     {"e STATUS \"Entw\xc3\xbcrfe & mehr\" (MESSAGES DELETED SIZE)\r\n",
	      "* STATUS \"Entw\xc3\xbcrfe & mehr\" (MESSAGES 0 DELETED 0 SIZE 0)\r\ne OK STATUS completed\r\n"});
	(void)wire_say(&r.wire, c, "f SELECT INBOX\r\n");
	TALK(&r, c, {"g SEARCH FLAGGED\r\n", "* ESEARCH (TAG \"g\") ALL 2\r\ng OK SEARCH completed\r\n"},
	     {"h UID SEARCH SEEN\r\n", "* ESEARCH (TAG \"h\") UID\r\nh OK UID SEARCH completed\r\n"},
	     {"i UID SEARCH RETURN (COUNT) ALL\r\n",
	      "* ESEARCH (TAG \"i\") UID COUNT 3\r\ni OK UID SEARCH completed\r\n"});
	/* Another session, with neither: the same name in modified UTF-7. */
	c = rig_login(&r);
	TALK(&r, c,
	     {"a LIST \"\" \"Entw*\"\r\n",
	      "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe &- mehr\"\r\na OK LIST completed\r\n"});
	rig_close(&r);
}

static void test_utf8(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 1);
	c = enable(&r, "UTF8=ACCEPT");
	TALK(&r, c, {"a CREATE \"\xe2\x82\xac\"\r\n", "a OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"b LIST \"\" \"\xe2*\"\r\n", "b OK LIST completed\r\n"},
	     {"c LIST \"\" \"\xe2\x82\xac*\"\r\n",
	      "* LIST (\\HasNoChildren) \"/\" \"\xe2\x82\xac\"\r\nc OK LIST completed\r\n"});
	(void)wire_say(&r.wire, c, "s SELECT INBOX\r\n");
	TALK(&r, c, {"d SEARCH CHARSET UTF-8 SUBJECT \"x\"\r\n", "d BAD The charset is UTF-8 (RFC 6855)\r\n"},
	     {"e SEARCH SUBJECT \"\xe2\x82\xac\"\r\n", "* SEARCH\r\ne OK SEARCH completed\r\n"});
	rig_close(&r);
}

/* ---- UNAUTHENTICATE (RFC 8437) ---- */

static void test_unauthenticate(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 2);
	box_store_flag(&r.store, "INBOX", 1, IMAP_DELETED);
	c = enable(&r, "QRESYNC IMAP4rev2 UIDONLY");
	(void)wire_say(&r.wire, c, "s SELECT INBOX\r\n");
	TALK(&r, c, {"a UNAUTHENTICATE now\r\n", "a BAD UNAUTHENTICATE has no arguments\r\n"},
	     {"b UNAUTHENTICATE\r\n", "b OK UNAUTHENTICATE completed\r\n"},
	     {"c SELECT INBOX\r\n", "c BAD Log in first\r\n"});
	assert_int_equal(r.store.closed, 1);
	assert_int_equal(box_count(box_store_find(&r.store, "INBOX")), 2); /* nothing is expunged */
	/* In one go; nothing of the first login is left. */
	assert_non_null(strstr(wire_say(&r.wire, c, "d LOGIN me secret\r\ne UNAUTHENTICATE\r\nf LOGIN me secret\r\n"),
			       "e OK UNAUTHENTICATE completed\r\nf OK [CAPABILITY "));
	assert_non_null(strstr(wire_say(&r.wire, c, "s SELECT INBOX\r\n"), "* 0 RECENT\r\n"));
	TALK(&r, c, {"g SEARCH DELETED\r\n", "* SEARCH 1\r\ng OK SEARCH completed\r\n"},
	     {"h UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)\r\n", "h BAD QRESYNC was not enabled\r\n"},
	     {"i EXPUNGE\r\n", "* 1 EXPUNGE\r\ni OK EXPUNGE completed\r\n"});
	rig_close(&r);
	rig_open(&r, "imap-unauthenticate = no\n");
	c = rig_login(&r);
	assert_null(strstr(wire_say(&r.wire, c, "a CAPABILITY\r\n"), "UNAUTHENTICATE"));
	TALK(&r, c, {"b UNAUTHENTICATE\r\n", "b BAD Unknown command\r\n"});
	rig_close(&r);
}

/* ---- INPROGRESS (RFC 9585) ---- */

/* Nothing but this line comes, once or, where this process had to wait, several times. */
static void assert_progress(struct rig *r, size_t c, const char *line)
{
	const struct timespec a_moment = {0, 10 * 1000 * 1000};
	const char *heard = "";

	for (int i = 0; i < 2000 && !*heard; i++) {
		(void)nanosleep(&a_moment, NULL);
		heard = wire_hear(&r->wire, c);
	}
	do {
		assert_int_equal(strncmp(heard, line, strlen(line)), 0);
		heard += strlen(line);
	} while (*heard);
}

static void test_progress(void **state)
{
	struct rig r;
	size_t c;
	struct timespec a_moment = {0, 450 * 1000 * 1000};

	(void)state;
	rig_open(&r, "");
	rig_imapd(&r)->settings.progress_ms = 400; /* nobody waits for so long who is not to */
	deliver(&r, 2);
	c = rig_select(&r);
	r.store.mute = true;
	TALK(&r, c, {"a1 SEARCH TEXT x\r\n", ""});
	assert_progress(&r, c, "* OK [INPROGRESS (\"a1\" NIL NIL)] Still at it\r\n");
	assert_progress(&r, c, "* OK [INPROGRESS (\"a1\" NIL NIL)] Still at it\r\n");
	wire_hang_up(&r.wire, c);
	r.store.mute = false;
	c = rig_select(&r);
	r.store.mute = true;
	TALK(&r, c, {"a]1 SEARCH TEXT x\r\n", ""});
	assert_progress(&r, c, "* OK [INPROGRESS] Still at it\r\n");
	wire_hang_up(&r.wire, c);
	r.store.mute = false;
	c = rig_select(&r);
	TALK(&r, c, {"a2 NOOP\r\n", "a2 OK NOOP completed\r\n"});
	(void)nanosleep(&a_moment, NULL);
	assert_string_equal(wire_hear(&r.wire, c), "");
	rig_close(&r);
}

/* A mailbox that is renamed stays the same mailbox for those that have it open; a name that moves to another one does too. */
static void test_renamed_under_a_session(void **state)
{
	struct rig r;
	size_t c, d;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "Trash", VIEW_LIT(message), 0);
	c = rig_login(&r);
	d = rig_login(&r);
	(void)wire_say(&r.wire, c, "s SELECT Trash\r\n");
	TALK(&r, d, {"a RENAME Trash Bin\r\n", "a OK RENAME completed\r\n"},
	     {"b CREATE Trash\r\n", "b OK [MAILBOXID (F6)] CREATE completed\r\n"});
	(void)box_store_deliver(&r.store, "Bin", VIEW_LIT(message), 0);
	(void)box_store_deliver(&r.store, "Trash", VIEW_LIT(message), 0);
	TALK(&r, c, {"b NOOP\r\n", "* 2 EXISTS\r\nb OK NOOP completed\r\n"},
	     {"c UID FETCH 1:* UID\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nc OK UID FETCH completed\r\n"});
	rig_close(&r);
}

/* RFC 9051 §7.5.1: numbers in a UID command's criteria must stay what they are. */
static void test_numbers_hold_expunges_back(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 3);
	c = rig_select(&r);
	box_store_expunge(&r.store, "INBOX", 1);
	TALK(&r, c, {"a UID SEARCH 2:3\r\n", "* SEARCH 2 3\r\na OK UID SEARCH completed\r\n"},
	     {"b UID SEARCH ALL\r\n", "* SEARCH 2 3\r\n* 1 EXPUNGE\r\nb OK UID SEARCH completed\r\n"});
	rig_close(&r);
}

/* An answer of many frames: every part of it arrives. */
static void test_long_answers(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	deliver(&r, 20);
	for (uint32_t uid = 1; uid <= 20; uid += 2)
		box_store_expunge(&r.store, "INBOX", uid);
	r.store.answer_ranges = 1;
	c = rig_select(&r);
	TALK(&r, c, {"a COPY 1:10 Sent\r\n", "a OK [COPYUID 1002 2,4,6,8,10,12,14,16,18,20 1:10] COPY completed\r\n"},
	     {"b STORE 1:10 (UNCHANGEDSINCE 1) +FLAGS \\Seen\r\n",
	      "* OK [HIGHESTMODSEQ 31] Highest\r\nb OK [MODIFIED 1:10] Conditional STORE did not do all\r\n"},
	     {"c UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS \\Seen\r\n",
	      "c OK [MODIFIED 2,4,6,8,10,12,14,16,18,20] Conditional STORE did not do all\r\n"});
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_enable),
	    cmocka_unit_test(test_qresync_must_be_enabled),
	    cmocka_unit_test(test_vanished),
	    cmocka_unit_test(test_delayed_vanished),
	    cmocka_unit_test(test_select_qresync),
	    cmocka_unit_test(test_select_qresync_by_pages),
	    cmocka_unit_test(test_match_data),
	    cmocka_unit_test(test_fetch_vanished),
	    cmocka_unit_test(test_saved),
	    cmocka_unit_test(test_partial),
	    cmocka_unit_test(test_uidonly),
	    cmocka_unit_test(test_rev2),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_unauthenticate),
	    cmocka_unit_test(test_progress),
	    cmocka_unit_test(test_renamed_under_a_session),
	    cmocka_unit_test(test_numbers_hold_expunges_back),
	    cmocka_unit_test(test_long_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
