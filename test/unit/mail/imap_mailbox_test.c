/* SPDX-License-Identifier: ISC */
#include "mail/imap_mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *wire, *utf8;
} names[] = {
    {"INBOX", "INBOX"},
    {"a&-b", "a&b"},
    {"&-", "&"},
    {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
    {"&U,BTFw-", "\xe5\x8f\xb0\xe5\x8c\x97"},
    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
    {"&2D3eAA-", "\xf0\x9f\x98\x80"},
    {"&AOQ-&-&AOQ-", "\xc3\xa4&\xc3\xa4"},
    {"&AOQA,A-x", "\xc3\xa4\xc3\xbcx"},
};

static void names_go_both_ways(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_reset(&out);
		assert_true(imap_mailbox_from_utf7(view_from_cstr(names[i].wire), &out));
		assert_string_equal(buf_cstr(&out), names[i].utf8);
		buf_reset(&out);
		assert_true(imap_mailbox_to_utf7(view_from_cstr(names[i].utf8), &out));
		assert_string_equal(buf_cstr(&out), names[i].wire);
	}
	buf_fini(&out);
}

static void every_character_goes_both_ways(void **state)
{
	struct buf utf8 = BUF_INIT(16), wire = BUF_INIT(64), back = BUF_INIT(16);

	(void)state;
	for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
		if (c >= 0xd800 && c < 0xe000)
			continue;
		buf_reset(&utf8);
		buf_reset(&wire);
		buf_reset(&back);
		if (c < 0x80) {
			buf_append_char(&utf8, (char)c);
		} else if (c < 0x800) {
			buf_append(&utf8, (char[]){(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))}, 2);
		} else if (c < 0x10000) {
			buf_append(
			    &utf8,
			    (char[]){(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))}, 3);
		} else {
			buf_append(&utf8,
				   (char[]){(char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 63)),
					    (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))},
				   4);
		}
		assert_true(imap_mailbox_to_utf7(buf_view(&utf8), &wire));
		assert_true(view_is_ascii(buf_view(&wire)));
		assert_true(imap_mailbox_from_utf7(buf_view(&wire), &back));
		assert_true(view_eq(buf_view(&back), buf_view(&utf8)));
	}
	buf_fini(&utf8);
	buf_fini(&wire);
	buf_fini(&back);
}

static void what_has_another_spelling_is_refused(void **state)
{
	static const char *const bad[] = {
	    "&",    "a&b",   "&AOQ",  "&AGE-",    "&AOQ-&AOQ-", "&AOR-", "&A-",        "&AOQA-",    "\xc3\xa4",
	    "a\tb", "&2D0-", "&3gA-", "&3gDYPQ-", "&AOQ=-",     "&AO/-", "&A+A-x\x7f", "&AAAAAAAA", "&AOQA/A-",
	};
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(imap_mailbox_from_utf7(view_from_cstr(bad[i]), &out));
	assert_false(imap_mailbox_to_utf7(VIEW_LIT("\xff"), &out));
	buf_fini(&out);
}

static void client_names_become_ours(void **state)
{
	static const struct {
		const char *wire;
		bool utf8;
		const char *name; /* NULL: refused */
	} cases[] = {
	    {"inbox", false, "INBOX"},
	    {"InBox/Sub", false, "INBOX/Sub"},
	    {"Inboxes", false, "Inboxes"},
	    {"Entw&APw-rfe", false, "Entw\xc3\xbcrfe"},
	    {"Entw&APw-rfe", true, "Entw&APw-rfe"},
	    {"Entw\xc3\xbcrfe", true, "Entw\xc3\xbcrfe"},
	    {"Entw\xc3\xbcrfe", false, "Entw\xc3\xbcrfe"},
	    {"Entwu\xcc\x88rfe", true, "Entw\xc3\xbcrfe"}, /* NFC */
	    {"a&b", true, "a&b"},
	    {"a&b", false, NULL},
	    {"", false, NULL},
	    {"/a", false, NULL},
	    {"a/", false, NULL},
	    {"a//b", false, NULL},
	    {"a*", false, NULL},
	    {"a%b", false, NULL},
	    {"&AAA-", false, NULL},
	    {"&AIA-", false, NULL},
	    {"\xff", false, NULL},
	    {"1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2", false,
	     "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2"},
	    {"1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3", false, NULL},
	};
	struct buf out = BUF_INIT(4000), longest = BUF_INIT(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool ok;

		buf_reset(&out);
		ok = imap_mailbox_parse(view_from_cstr(cases[i].wire), cases[i].utf8, &out);
		assert_int_equal(ok, cases[i].name != NULL);
		if (ok)
			assert_string_equal(buf_cstr(&out), cases[i].name);
	}
	for (int i = 0; i < IMAP_MAILBOX_BYTES_MAX; i++)
		buf_append_char(&longest, 'x');
	assert_true(imap_mailbox_is_valid(buf_view(&longest)));
	buf_append_char(&longest, 'x');
	assert_false(imap_mailbox_is_valid(buf_view(&longest)));
	buf_fini(&longest);
	buf_fini(&out);
}

static void names_are_written_as_astrings(void **state)
{
	static const struct {
		const char *name;
		bool utf8;
		const char *written;
	} cases[] = {
	    {"INBOX", false, "INBOX"},
	    {"a b", false, "\"a b\""},
	    {"\xc3\xa4 b", false, "\"&AOQ- b\""},
	    {"\xc3\xa4", false, "&AOQ-"},
	    {"\xc3\xa4", true, "\"\xc3\xa4\""},
	    {"nil", false, "\"nil\""},
	    {"q\"b\\", false, "\"q\\\"b\\\\\""},
	};
	struct buf out = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&out);
		imap_mailbox_format(&out, view_from_cstr(cases[i].name), cases[i].utf8);
		assert_string_equal(buf_cstr(&out), cases[i].written);
	}
	buf_fini(&out);
}

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match, below;
	} cases[] = {
	    {"*", "a/b", true, true},
	    {"%", "a", true, false},
	    {"%", "a/b", false, false},
	    {"%/%", "a/b", true, false},
	    {"%/%", "a", false, true},
	    {"a/*", "a", false, true},
	    {"a/*", "a/b/c", true, true},
	    {"a*", "a/b/c", true, true},
	    {"*c", "a/b/c", true, true},
	    {"a", "a", true, false},
	    {"a", "A", false, false},
	    {"", "a", false, false},
	    {"", "", true, false},
	    {"inbox", "INBOX", true, false},
	    {"iNb%", "INBOX", true, false},
	    {"inbox/%", "INBOX/x", true, false},
	    {"inbox/%", "INBOX", false, true},
	    {"inboxes", "INBOXES", false, false},
	    {"inbox/X", "INBOX/x", false, false},
	    {"%b%d", "abcd", true, false},
	    {"%*%", "a/b", true, true},
	    {"a/b", "a", false, true},
	    {"a/b/%", "a", false, true},
	    {"b/%", "a", false, false},
	};
	struct buf many = BUF_INIT(4000), name = BUF_INIT(4000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view pattern = view_from_cstr(cases[i].pattern), v = view_from_cstr(cases[i].name);

		assert_int_equal(imap_mailbox_match(pattern, v), cases[i].match);
		assert_int_equal(imap_mailbox_match_below(pattern, v), cases[i].below);
	}
	/* what makes a backtracking matcher slow */
	for (int i = 0; i < 900; i++) {
		buf_append_cstr(&many, "*a");
		buf_append_char(&name, 'a');
	}
	assert_true(imap_mailbox_match(buf_view(&many), buf_view(&name)));
	buf_append_char(&many, 'b');
	assert_false(imap_mailbox_match(buf_view(&many), buf_view(&name)));
	while (many.n <= 2000)
		buf_append_char(&many, '*');
	assert_false(imap_mailbox_match(buf_view(&many), buf_view(&name)));
	buf_fini(&many);
	buf_fini(&name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_go_both_ways),
	    cmocka_unit_test(every_character_goes_both_ways),
	    cmocka_unit_test(what_has_another_spelling_is_refused),
	    cmocka_unit_test(client_names_become_ours),
	    cmocka_unit_test(names_are_written_as_astrings),
	    cmocka_unit_test(patterns_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
