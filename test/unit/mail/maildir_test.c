/* SPDX-License-Identifier: ISC
 * Names in a Maildir, and the small files beside the mail. */
#include "mail/maildir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_name(void **state)
{
	struct buf out = BUF_INIT(256);
	struct maildir_name n;

	(void)state;
	maildir_name_parse(VIEW_LIT("12.M1.host,S=5,W=6:2,FRSabz"), &n);
	assert_true(view_eq_lit(n.unique, "12.M1.host,S=5,W=6"));
	assert_true(n.flagged && n.answered && n.seen && !n.deleted && !n.draft && !n.passed);
	assert_int_equal(n.letters, 1U | 2U | 1U << 25);
	maildir_flags_format(&out, &n);
	assert_string_equal(buf_cstr(&out), ":2,FRSabz");
	maildir_name_parse(VIEW_LIT("12;2,DTP"), &n);
	assert_true(n.draft && n.deleted && n.passed && view_eq_lit(n.unique, "12"));
	maildir_name_parse(VIEW_LIT("plain"), &n);
	assert_true(view_eq_lit(n.unique, "plain") && !n.seen);
	maildir_name_parse(VIEW_LIT("x:1,S"), &n);
	assert_true(view_eq_lit(n.unique, "x:1,S") && !n.seen);
	maildir_name_parse(VIEW_EMPTY, &n);
	assert_int_equal(n.unique.n, 0);
	buf_fini(&out);
}

static void test_folder(void **state)
{
	static const struct {
		const char *name, *folder;
	} cases[] = {
	    {".Sent", "Sent"},   {".A.b.c", "A/b/c"}, {".R&AOk-sum&AOk-", "R\xc3\xa9sum\xc3\xa9"},
	    {".R&D", "R&D"},     {".", NULL},         {"..", NULL},
	    {"Sent", NULL},      {".a..b", NULL},     {".a.", NULL},
	    {".inbox", "INBOX"},
	};

	struct buf none = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(1024);
		bool ok = maildir_folder_parse(view_from_cstr(cases[i].name), &out);

		if (ok != (cases[i].folder != NULL))
			fail_msg("%s", cases[i].name);
		if (ok)
			assert_string_equal(buf_cstr(&out), cases[i].folder);
		buf_fini(&out);
	}
	for (size_t i = 0; i < 3; i++) {
		struct buf out = BUF_INIT(1024);

		assert_true(maildir_folder_format(view_from_cstr(cases[i].folder), &out));
		assert_string_equal(buf_cstr(&out), cases[i].name);
		buf_fini(&out);
	}
	assert_false(maildir_folder_format(VIEW_LIT("a.b"), &none));
	buf_fini(&none);
}

static void test_files(void **state)
{
	struct view file = VIEW_LIT("0 $Forwarded\r\nx\n27 no\n3 Work\n\n1 \n25 last");
	struct maildir_uidlist l;
	struct maildir_uid u;
	struct view word;
	uint32_t letter;

	(void)state;
	assert_true(maildir_keyword_next(&file, &letter, &word) && letter == 0 && view_eq_lit(word, "$Forwarded"));
	assert_true(maildir_keyword_next(&file, &letter, &word) && letter == 3 && view_eq_lit(word, "Work"));
	assert_true(maildir_keyword_next(&file, &letter, &word) && letter == 25 && view_eq_lit(word, "last"));
	assert_false(maildir_keyword_next(&file, &letter, &word));

	assert_true(maildir_uidlist_init(
	    &l, VIEW_LIT("3 V123 N9 Gabc\n1 :a,S=1\n\nx y\n5 W10 Pabc.1 Ofoo :b:2,S\n7 W1\n8 :\n")));
	assert_int_equal(l.uidvalidity, 123);
	assert_int_equal(l.uidnext, 9);
	assert_true(maildir_uidlist_next(&l, &u) && u.uid == 1 && view_eq_lit(u.name, "a,S=1") && u.uidl.n == 0);
	assert_true(maildir_uidlist_next(&l, &u) && u.uid == 5 && view_eq_lit(u.name, "b") &&
		    view_eq_lit(u.uidl, "abc.1"));
	assert_true(maildir_uidlist_next(&l, &u) && u.uid == 7); /* as version 1 would write it */
	assert_false(maildir_uidlist_next(&l, &u));
	assert_true(maildir_uidlist_init(&l, VIEW_LIT("1 77 5\n4 name:2,\n")));
	assert_true(l.uidvalidity == 77 && l.uidnext == 5);
	assert_true(maildir_uidlist_next(&l, &u) && u.uid == 4 && view_eq_lit(u.name, "name"));
	assert_false(maildir_uidlist_init(&l, VIEW_LIT("2 V1 N1\n")));
	assert_false(maildir_uidlist_init(&l, VIEW_EMPTY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_folder),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
