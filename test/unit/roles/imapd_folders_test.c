/* SPDX-License-Identifier: ISC
 * LIST and LSUB on trees of names: the examples of RFC 5258 §5 and of RFC 3501 §6.3.9. */
#include "imapd/folders.h"
#include "mail/imap_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct name {
	const char *name;
	uint32_t attributes;
};

/* RFC 5258 §5, examples 1 and 2. */
static const struct name kitchen[] = {
    {"Fruit/Banana", FOLDER_SUBSCRIBED},
    {"Fruit/Peach", FOLDER_SUBSCRIBED | FOLDER_MISSING},
    {"INBOX", FOLDER_SUBSCRIBED},
    {"Tofu", 0},
    {"Vegetable", FOLDER_SUBSCRIBED},
    {"Vegetable/Broccoli", FOLDER_SUBSCRIBED},
    {"Vegetable/Corn", 0},
    {"Fruit", 0},
    {"Fruit/Apple", 0},
};

/* Example 9. */
static const struct name twos[] = {
    {"INBOX", 0},
    {"baz2", 0},
    {"baz2/bar2", FOLDER_SUBSCRIBED},
    {"baz2/bar22", FOLDER_SUBSCRIBED},
    {"baz2/bar222", FOLDER_SUBSCRIBED},
    {"eps2", FOLDER_SUBSCRIBED},
    {"eps2/mamba", FOLDER_SUBSCRIBED},
    {"foo2", 0},
    {"foo2/bar1", FOLDER_SUBSCRIBED},
    {"foo2/bar2", FOLDER_SUBSCRIBED},
    {"qux2/bar2", FOLDER_SUBSCRIBED},
};

static void check(const struct name *names, size_t n, struct folder_query q, const char *pattern, const char *expected)
{
	struct arena arena;
	struct folders f;
	struct buf out = BUF_INIT(65536);
	struct view p = view_from_cstr(pattern);

	arena_init(&arena, 65536);
	folders_init(&f, &arena);
	for (size_t i = 0; i < n; i++)
		assert_true(folders_add(&f, view_from_cstr(names[i].name), names[i].attributes));
	folders_arrange(&f);
	q.patterns = &p;
	q.pattern_count = 1;
	for (uint32_t i = 0; i < f.n; i++)
		(void)folders_answer(&f, i, &q, &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
	folders_fini(&f);
	arena_fini(&arena);
}

#define EXTENDED(sel, ret) ((struct folder_query){.extended = true, .select = (sel), .returns = (ret)})
#define CHECK(names, q, pattern, expected) check(names, ARRAY_LEN(names), q, pattern, expected)

static void test_plain(void **state)
{
	(void)state;
	CHECK(kitchen, (struct folder_query){0}, "*",
	      "* LIST (\\HasChildren) \"/\" Fruit\r\n* LIST (\\HasNoChildren) \"/\" Fruit/Apple\r\n"
	      "* LIST (\\HasNoChildren) \"/\" Fruit/Banana\r\n* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
	      "* LIST (\\HasNoChildren) \"/\" Tofu\r\n* LIST (\\HasChildren) \"/\" Vegetable\r\n"
	      "* LIST (\\HasNoChildren) \"/\" Vegetable/Broccoli\r\n* LIST (\\HasNoChildren) \"/\" Vegetable/Corn\r\n");
	CHECK(kitchen, (struct folder_query){0}, "inbox", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
	CHECK(kitchen, (struct folder_query){0}, "%/C*", "* LIST (\\HasNoChildren) \"/\" Vegetable/Corn\r\n");
}

static void test_percent_shows_parents(void **state)
{
	static const struct name deep[] = {{"a/b/c", 0}, {"a!", 0}, {"a/b-", 0}};

	(void)state;
	CHECK(deep, (struct folder_query){0}, "%",
	      "* LIST (\\Noselect \\HasChildren) \"/\" a\r\n* LIST (\\HasNoChildren) \"/\" a!\r\n");
	CHECK(deep, (struct folder_query){0}, "a/%",
	      "* LIST (\\Noselect \\HasChildren) \"/\" a/b\r\n* LIST (\\HasNoChildren) \"/\" a/b-\r\n");
	CHECK(deep, (struct folder_query){0}, "*",
	      "* LIST (\\HasNoChildren) \"/\" a/b/c\r\n* LIST (\\HasNoChildren) \"/\" a/b-\r\n"
	      "* LIST (\\HasNoChildren) \"/\" a!\r\n");
	CHECK(deep, EXTENDED(0, 0), "%",
	      "* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" a\r\n* LIST (\\HasNoChildren) \"/\" a!\r\n");
}

static void test_subscribed(void **state)
{
	(void)state;
	CHECK(kitchen, EXTENDED(IMAP_LIST_SUBSCRIBED, 0), "*",
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\r\n"
	      "* LIST (\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\r\n* LIST (\\HasChildren \\Subscribed) \"/\" "
	      "Vegetable\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\r\n");
	CHECK(kitchen, EXTENDED(0, IMAP_LIST_RETURN_SUBSCRIBED), "F*",
	      "* LIST (\\HasChildren) \"/\" Fruit\r\n* LIST (\\HasNoChildren) \"/\" Fruit/Apple\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\r\n");
}

static void test_recursivematch(void **state)
{
	const uint32_t both = IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVEMATCH;
	static const struct name example8[] = {
	    {"INBOX", 0}, {"Foo", 0}, {"Foo/Bar", 0}, {"Foo/Baz", FOLDER_SUBSCRIBED}, {"Moo", 0}};
	static const struct name a2[] = {{"INBOX", 0}, {"Foo/Baz", FOLDER_SUBSCRIBED}, {"Moo", 0}};
	static const struct name c[] = {
	    {"Foo", FOLDER_SUBSCRIBED}, {"Foo/Bar", 0}, {"Foo/Baz", 0}, {"Moo", FOLDER_SUBSCRIBED}};
	static const struct name example10[] = {{"foo", 0}, {"foo/bar", FOLDER_SUBSCRIBED | FOLDER_MISSING}};

	(void)state;
	CHECK(example8, EXTENDED(IMAP_LIST_SUBSCRIBED, 0), "%", "");
	CHECK(example8, EXTENDED(both, 0), "%",
	      "* LIST (\\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
	CHECK(a2, EXTENDED(both, 0), "%",
	      "* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
	CHECK(c, EXTENDED(both, 0), "%",
	      "* LIST (\\HasChildren \\Subscribed) \"/\" Foo\r\n* LIST (\\HasNoChildren \\Subscribed) \"/\" Moo\r\n");
	CHECK(twos, EXTENDED(both, 0), "*2",
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar2\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar22\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar222\r\n"
	      "* LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
	      "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar2\r\n"
	      "* LIST (\\HasNoChildren \\Subscribed) \"/\" qux2/bar2\r\n");
	CHECK(example10, EXTENDED(both, IMAP_LIST_RETURN_CHILDREN), "foo",
	      "* LIST (\\HasNoChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
}

/* RFC 3501 §6.3.9: a parent that is not subscribed shows for "%" only. */
static void test_lsub(void **state)
{
	static const struct name news[] = {{"news/comp/mail/mime", FOLDER_SUBSCRIBED},
					   {"news/comp/mail/misc", FOLDER_SUBSCRIBED}};
	struct folder_query q = {.lsub = true, .select = IMAP_LIST_SUBSCRIBED};

	(void)state;
	CHECK(news, q, "news/comp/mail/*",
	      "* LSUB (\\HasNoChildren) \"/\" news/comp/mail/mime\r\n* LSUB (\\HasNoChildren) \"/\" "
	      "news/comp/mail/misc\r\n");
	CHECK(news, q, "news/comp/%", "* LSUB (\\Noselect \\HasChildren) \"/\" news/comp/mail\r\n");
	CHECK(news, q, "*",
	      "* LSUB (\\HasNoChildren) \"/\" news/comp/mail/mime\r\n* LSUB (\\HasNoChildren) \"/\" "
	      "news/comp/mail/misc\r\n");
}

/* RFC 6154 §5.3 */
static void test_special_use(void **state)
{
	static const struct name special[] = {{"INBOX", 0},
					      {"Sent", FOLDER_SENT},
					      {"ToDo", 0},
					      {"Old", FOLDER_NOSELECT},
					      {"Old/All", FOLDER_ALL | FOLDER_SUBSCRIBED}};

	(void)state;
	CHECK(special, EXTENDED(IMAP_LIST_SPECIAL_USE, 0), "*",
	      "* LIST (\\HasNoChildren \\All) \"/\" Old/All\r\n* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n");
	CHECK(special, (struct folder_query){0}, "%",
	      "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Noselect \\HasChildren) \"/\" Old\r\n"
	      "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\HasNoChildren) \"/\" ToDo\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),      cmocka_unit_test(test_percent_shows_parents),
	    cmocka_unit_test(test_subscribed), cmocka_unit_test(test_recursivematch),
	    cmocka_unit_test(test_lsub),       cmocka_unit_test(test_special_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
