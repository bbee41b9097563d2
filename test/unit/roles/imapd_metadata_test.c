/* SPDX-License-Identifier: ISC
 * Annotations (RFC 5464, its examples) with the special uses among them (6154 §5.4), and quota (9208). */
#include "talk.h"

static void test_metadata(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a SETMETADATA INBOX (/private/comment {35}\r\n", "+ OK\r\n"},
	     {"My new comment across\r\ntwo lines.\r\n)\r\n", "a OK SETMETADATA completed\r\n"},
	     {"b GETMETADATA INBOX /private/comment\r\n",
	      "* METADATA INBOX (/private/comment {35}\r\nMy new comment "
	      "across\r\ntwo lines.\r\n)\r\nb OK GETMETADATA completed\r\n"},
	     {"c SETMETADATA INBOX (/private/comment NIL)\r\n", "c OK SETMETADATA completed\r\n"},
	     {"d GETMETADATA INBOX /private/comment\r\n",
	      "* METADATA INBOX (/private/comment NIL)\r\nd OK GETMETADATA completed\r\n"},
	     {"e SETMETADATA INBOX (/private/Comment \"My own comment\" /shared/comment \"Shared comment\")\r\n",
	      "e OK SETMETADATA completed\r\n"},
	     {"f GETMETADATA \"INBOX\" (/shared/comment /PRIVATE/comment)\r\n",
	      "* METADATA INBOX (/private/comment \"My own comment\" /shared/comment \"Shared comment\")\r\n"
	      "f OK GETMETADATA completed\r\n"},
	     {"g SETMETADATA \"\" (/shared/comment \"Shared comment\")\r\n", "g OK SETMETADATA completed\r\n"},
	     {"h GETMETADATA \"\" /shared/comment\r\n",
	      "* METADATA \"\" (/shared/comment \"Shared comment\")\r\nh OK GETMETADATA completed\r\n"},
	     {"i GETMETADATA \"INBOX\" (MAXSIZE 14) (/shared/comment /private/comment)\r\n",
	      "* METADATA INBOX (/private/comment \"My own comment\" /shared/comment \"Shared comment\")\r\n"
	      "i OK GETMETADATA completed\r\n"},
	     {"j GETMETADATA (MAXSIZE 13) INBOX (/shared/comment /private/comment)\r\n",
	      "j OK [METADATA LONGENTRIES 14] GETMETADATA completed\r\n"});
	rig_close(&r);
}

static void test_depth(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(
	    &r, c,
	    {"a SETMETADATA INBOX (/private/filters/values/small SMALLER)\r\n", "a BAD Not what SETMETADATA takes\r\n"},
	    {"b SETMETADATA INBOX (/private/filters/values/small \"SMALLER 5000\" /private/filters/values/boss "
	     "\"FROM \\\"boss@example.com\\\"\" /private/filters/values/a/b \"x\" /private/filters/valuesx \"y\")\r\n",
	     "b OK SETMETADATA completed\r\n"},
	    {"c GETMETADATA \"INBOX\" (DEPTH 1) (/private/filters/values)\r\n",
	     "* METADATA INBOX (/private/filters/values/boss \"FROM \\\"boss@example.com\\\"\")\r\n"
	     "* METADATA INBOX (/private/filters/values/small \"SMALLER 5000\")\r\nc OK GETMETADATA completed\r\n"},
	    {"d GETMETADATA (DEPTH infinity) INBOX /private/filters/values/a\r\n",
	     "* METADATA INBOX (/private/filters/values/a/b \"x\")\r\nd OK GETMETADATA completed\r\n"},
	    {"e GETMETADATA (DEPTH 0) INBOX /private/filters/values/a\r\n",
	     "* METADATA INBOX (/private/filters/values/a NIL)\r\ne OK GETMETADATA completed\r\n"},
	    {"f GETMETADATA (DEPTH 2) INBOX /private/a\r\n", "f BAD Not what GETMETADATA takes\r\n"});
	rig_close(&r);
}

static void test_refusals(void **state)
{
	static const char with_nul[] = "k SETMETADATA INBOX (/private/a ~{3+}\r\na\0b)\r\n";
	static const char nul[] = "* METADATA INBOX (/private/a ~{3}\r\na\0b)\r\n";
	static char big[65537];
	struct rig r;
	struct buf line = BUF_INIT(100000);
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"a GETMETADATA Nowhere /private/comment\r\n", "a NO [NONEXISTENT] No such mailbox\r\n"},
	     {"b SETMETADATA Nowhere (/private/comment NIL)\r\n", "b NO [NONEXISTENT] No such mailbox\r\n"},
	     {"c GETMETADATA INBOX /comment\r\n", "c BAD Not what GETMETADATA takes\r\n"},
	     {"d GETMETADATA INBOX \"/private/a*\"\r\n", "d BAD Not what GETMETADATA takes\r\n"},
	     {"e GETMETADATA INBOX /private//a\r\n", "e BAD Not what GETMETADATA takes\r\n"},
	     {"f GETMETADATA INBOX ()\r\n", "f BAD Not what GETMETADATA takes\r\n"},
	     {"g SETMETADATA INBOX (/private/a)\r\n", "g BAD Not what SETMETADATA takes\r\n"},
	     {"h GETMETADATA\r\n", "h BAD Not what GETMETADATA takes\r\n"},
	     /* §3.2.1.1; §4.3: then nothing else is changed either */
	     {"m SETMETADATA \"\" (/shared/comment \"x\" /Shared/Admin \"mailto:a@b\")\r\n",
	      "m NO [NOPERM] That is not for clients to set\r\n"},
	     {"n GETMETADATA \"\" (/shared/comment /shared/admin)\r\n",
	      "* METADATA \"\" (/shared/comment NIL /shared/admin NIL)\r\nn OK GETMETADATA completed\r\n"});
	memset(big, 'x', sizeof big);
	buf_append_cstr(&line, "i SETMETADATA INBOX (/private/a {65537+}\r\n");
	buf_append(&line, big, sizeof big);
	buf_append_cstr(&line, ")\r\n");
	wire_send(&r.wire, c, buf_view(&line));
	assert_string_equal(wire_hear(&r.wire, c), "i NO [METADATA MAXSIZE 65536] A value is too big\r\n");
	r.store.fail_code = 12;
	TALK(&r, c,
	     {"j SETMETADATA INBOX (/private/a \"x\")\r\n",
	      "j NO [METADATA TOOMANY] There are too many annotations\r\n"});
	wire_send(&r.wire, c, view_from(with_nul, sizeof with_nul - 1));
	assert_string_equal(wire_hear(&r.wire, c), "k OK SETMETADATA completed\r\n");
	wire_send(&r.wire, c, VIEW_LIT("l GETMETADATA INBOX /private/a\r\n"));
	(void)wire_hear(&r.wire, c);
	assert_true(view_starts_with(buf_view(&r.wire.heard), view_from(nul, sizeof nul - 1)));
	buf_fini(&line);
	rig_close(&r);
}

/* RFC 6154 §5.4 */
static void test_special_use(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	c = rig_login(&r);
	TALK(&r, c, {"t0 CREATE MyDrafts (USE (\\Drafts))\r\n", "t0 OK [MAILBOXID (F5)] CREATE completed\r\n"},
	     {"t1 CREATE SavedDrafts\r\n", "t1 OK [MAILBOXID (F6)] CREATE completed\r\n"},
	     {"t2 GETMETADATA \"MyDrafts\" /private/specialuse\r\n",
	      "* METADATA MyDrafts (/private/specialuse \"\\\\Drafts\")\r\nt2 OK GETMETADATA completed\r\n"},
	     {"t3 SETMETADATA \"SavedDrafts\" (/private/specialuse \"\\\\Drafts\")\r\n",
	      "t3 OK SETMETADATA completed\r\n"},
	     {"t4 SETMETADATA \"Sent\" (/private/specialuse NIL)\r\n", "t4 OK SETMETADATA completed\r\n"},
	     {"t5 LIST \"\" \"%\" RETURN (SPECIAL-USE)\r\n",
	      "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasNoChildren) \"/\" MyDrafts\r\n"
	      "* LIST (\\HasNoChildren \\Drafts) \"/\" SavedDrafts\r\n* LIST (\\HasNoChildren) \"/\" Sent\r\n"
	      "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\nt5 OK LIST completed\r\n"},
	     {"t6 SETMETADATA Sent (/private/specialuse \"\\\\All\")\r\n",
	      "t6 NO [USEATTR] There is no such special use here\r\n"},
	     {"t7 GETMETADATA Sent /private/specialuse\r\n",
	      "* METADATA Sent (/private/specialuse NIL)\r\nt7 OK GETMETADATA completed\r\n"});
	rig_close(&r);
}

static void test_quota(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT("Subject: x\r\n\r\n"), 1 << 3);
	c = rig_login(&r);
	TALK(&r, c, {"a GETQUOTA \"\"\r\n", "* QUOTA \"\" ()\r\na OK GETQUOTA completed\r\n"});
	r.store.quota_used = 10 * 1024 - 1;
	r.store.quota_limit = 512 << 10;
	TALK(&r, c, {"b GETQUOTA \"\"\r\n", "* QUOTA \"\" (STORAGE 10 512)\r\nb OK GETQUOTA completed\r\n"},
	     {"c GETQUOTA \"#user/alice\"\r\n", "c NO [NONEXISTENT] There is no such quota root\r\n"},
	     {"d GETQUOTAROOT inbox\r\n",
	      "* QUOTAROOT INBOX \"\"\r\n* QUOTA \"\" (STORAGE 10 512)\r\nd OK GETQUOTAROOT completed\r\n"},
	     {"e GETQUOTAROOT \"not there\"\r\n",
	      "* QUOTAROOT \"not there\" \"\"\r\n* QUOTA \"\" (STORAGE 10 512)\r\ne OK GETQUOTAROOT completed\r\n"},
	     {"f SETQUOTA \"\" (STORAGE 510)\r\n", "f NO [NOPERM] Only the operator sets limits\r\n"},
	     {"g SETQUOTA \"\"\r\n", "g BAD A quota root and limits are needed\r\n"},
	     {"h GETQUOTA\r\n", "h BAD One quota root is needed\r\n"},
	     {"i STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)\r\n",
	      "* STATUS INBOX (MESSAGES 1 DELETED 1 DELETED-STORAGE 1)\r\ni OK STATUS completed\r\n"},
	     {"j LIST \"\" INBOX RETURN (STATUS (DELETED-STORAGE))\r\n",
	      "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (DELETED-STORAGE 1)\r\nj OK LIST completed\r\n"});
	/* RFC 9208 §4.1.2 and §4.1.3, the examples' figures */
	r.store.quota_messages = 1000;
	TALK(&r, c,
	     {"k GETQUOTA \"\"\r\n", "* QUOTA \"\" (STORAGE 10 512 MESSAGE 3 1000)\r\nk OK GETQUOTA completed\r\n"});
	r.store.quota_limit = 0;
	TALK(&r, c, {"l GETQUOTA \"\"\r\n", "* QUOTA \"\" (MESSAGE 3 1000)\r\nl OK GETQUOTA completed\r\n"});
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metadata),    cmocka_unit_test(test_depth), cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_special_use), cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
