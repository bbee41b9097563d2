/* SPDX-License-Identifier: ISC */
#include "mail/imap_search.h"

#include "imap_command_fixture.h"

static const char *const kind_names[] = {
    [IMAP_SEARCH_ALL] = "all",         [IMAP_SEARCH_AND] = "and",
    [IMAP_SEARCH_OR] = "or",           [IMAP_SEARCH_NOT] = "not",
    [IMAP_SEARCH_NUMBERS] = "numbers", [IMAP_SEARCH_UID] = "uid",
    [IMAP_SEARCH_FLAG] = "flag",       [IMAP_SEARCH_KEYWORD] = "keyword",
    [IMAP_SEARCH_BEFORE] = "before",   [IMAP_SEARCH_ON] = "on",
    [IMAP_SEARCH_SINCE] = "since",     [IMAP_SEARCH_SENTBEFORE] = "sentbefore",
    [IMAP_SEARCH_SENTON] = "senton",   [IMAP_SEARCH_SENTSINCE] = "sentsince",
    [IMAP_SEARCH_OLDER] = "older",     [IMAP_SEARCH_YOUNGER] = "younger",
    [IMAP_SEARCH_LARGER] = "larger",   [IMAP_SEARCH_SMALLER] = "smaller",
    [IMAP_SEARCH_MODSEQ] = "modseq",   [IMAP_SEARCH_HEADER] = "header",
    [IMAP_SEARCH_BODY] = "body",       [IMAP_SEARCH_TEXT] = "text",
};

/* The tree as text: kind, then what it holds, children in brackets. */
static void show(const struct imap_search *node, struct buf *out)
{
	buf_append_cstr(out, kind_names[node->kind]);
	if (node->number)
		buf_printf(out, " %llu", (unsigned long long)node->number);
	if (node->days)
		buf_printf(out, " day %lld", (long long)node->days);
	if (node->name.n)
		buf_printf(out, " %.*s", VIEW_FMT(node->name));
	if (node->text.p)
		buf_printf(out, " '%.*s'", VIEW_FMT(node->text));
	if (node->set.saved)
		buf_append_cstr(out, " $");
	for (uint32_t i = 0; i < node->set.count; i++)
		buf_printf(out, " %u:%u", node->set.spans[i].first, node->set.spans[i].last);
	if (!node->first)
		return;
	buf_append_char(out, '[');
	for (const struct imap_search *child = node->first; child; child = child->next) {
		show(child, out);
		if (child->next)
			buf_append_cstr(out, ", ");
	}
	buf_append_char(out, ']');
}

static const struct {
	const char *arguments, *tree;
} good[] = {
    {"ALL", "and[all]"},
    {"seen DELETED", "and[flag 1, flag 8]"},
    {"UNSEEN UNANSWERED UNFLAGGED UNDRAFT UNDELETED",
     "and[not[flag 1], not[flag 2], not[flag 4], not[flag 16], not[flag 8]]"},
    {"NEW OLD RECENT", "and[and[flag 32, not[flag 1]], not[flag 32], flag 32]"},
    {"1:5,7 UID *:3", "and[numbers 1:5 7:7, uid 0:3]"},
    {"$ NOT UID $", "and[numbers $, not[uid $]]"},
    {"OR SEEN (DRAFT KEYWORD $Junk)", "and[or[flag 1, and[flag 16, keyword '$Junk']]]"},
    {"NOT NOT OR 1 OR 2 3", "and[not[not[or[numbers 1:1, or[numbers 2:2, numbers 3:3]]]]]"},
    {"FROM a TO \"b c\" CC {1}\r\nd BCC e SUBJECT f",
     "and[header From 'a', header To 'b c', header Cc 'd', header Bcc 'e', header Subject 'f']"},
    {"HEADER X-A \"\" BODY x TEXT \"\xc3\xa4\"", "and[header X-A '', body 'x', text '\xc3\xa4']"},
    {"BEFORE 2-Jan-1970 ON \"11-Jan-1970\" SINCE 1-Feb-1970", "and[before day 1, on day 10, since day 31]"},
    {"SENTBEFORE 2-Jan-1970 SENTON 2-Jan-1970 SENTSINCE 31-dec-1969",
     "and[sentbefore day 1, senton day 1, sentsince day -1]"},
    {"LARGER 5 SMALLER 9223372036854775807", "and[larger 5, smaller 9223372036854775807]"},
    {"OLDER 60 YOUNGER 120", "and[older 60, younger 120]"},
    {"MODSEQ 5 MODSEQ \"/flags/\\\\seen\" all 7", "and[modseq 5, modseq 7]"},
    {"UNKEYWORD x", "and[not[keyword 'x']]"},
    {"((((1))))", "and[and[and[and[and[numbers 1:1]]]]]"},
};

static const char *const bad[] = {
    "FOO",
    "()",
    "OR SEEN",
    "NOT",
    "FROM",
    "HEADER a",
    "HEADER (a) b",
    "BEFORE x",
    "BEFORE 32-Jan-2020",
    "BEFORE 30-Feb-2020",
    "LARGER x",
    "LARGER 9223372036854775808",
    "UID x",
    "UID",
    "0",
    "1:",
    "KEYWORD",
    "KEYWORD \\Seen",
    "RETURN",
    "RETURN (FOO) ALL",
    "RETURN (MIN)",
    "CHARSET",
    "CHARSET UTF-8",
    "CHARSET \"\" ALL",
    "\"ALL\"",
    "MODSEQ \"/flags/x\" some 5",
    "MODSEQ x",
    "SEEN (DELETED ())",
};

static bool parse(const char *arguments, struct arena *a, struct imap_reader *r, struct imap_search_program *ret)
{
	const char *error = NULL;
	bool ok = imap_search_parse(read_args(r, arguments), a, ret, &error);

	assert_int_equal(ok, error == NULL);
	return ok;
}

static void programs_become_trees(void **state)
{
	struct imap_search_program program;
	struct buf out = BUF_INIT(1000);
	struct imap_reader r;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(parse(good[i].arguments, &a, &r, &program));
		buf_reset(&out);
		show(program.root, &out);
		assert_string_equal(buf_cstr(&out), good[i].tree);
		assert_false(program.extended);
		imap_reader_fini(&r);
	}
	arena_fini(&a);
	buf_fini(&out);
}

static void what_is_no_program_is_bad(void **state)
{
	struct imap_search_program program;
	struct imap_reader r;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(parse(bad[i], &a, &r, &program));
		imap_reader_fini(&r);
	}
	arena_fini(&a);
}

static void options(void **state)
{
	struct imap_search_program program;
	struct imap_reader r;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	assert_true(parse("RETURN () CHARSET koi8-r ALL", &a, &r, &program));
	assert_true(program.extended && program.returns == IMAP_RETURN_ALL && view_eq_lit(program.charset, "koi8-r"));
	assert_false(program.uses_modseq || program.uses_saved);
	imap_reader_fini(&r);
	assert_true(parse("RETURN (min MAX count SAVE) UID $ MODSEQ 1", &a, &r, &program));
	assert_int_equal(program.returns, IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_COUNT | IMAP_RETURN_SAVE);
	assert_true(program.uses_modseq && program.uses_saved);
	imap_reader_fini(&r);
	arena_fini(&a);
}

static void depth_and_number_of_keys_are_bounded(void **state)
{
	struct imap_search_program program;
	struct buf text = BUF_INIT(100000);
	struct imap_reader r;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (int i = 0; i < IMAP_SEARCH_DEPTH_MAX - 1; i++)
		buf_append_cstr(&text, "NOT ");
	buf_append_cstr(&text, "SEEN");
	assert_true(parse(buf_cstr(&text), &a, &r, &program));
	imap_reader_fini(&r);
	buf_truncate(&text, text.n - 4);
	buf_append_cstr(&text, "NOT SEEN");
	assert_false(parse(buf_cstr(&text), &a, &r, &program));
	imap_reader_fini(&r);
	buf_reset(&text);
	for (int i = 0; i < IMAP_SEARCH_KEYS_MAX; i++)
		buf_append_cstr(&text, i ? " 1" : "1");
	assert_false(parse(buf_cstr(&text), &a, &r, &program)); /* and the AND around them */
	imap_reader_fini(&r);
	buf_truncate(&text, text.n - 2);
	assert_true(parse(buf_cstr(&text), &a, &r, &program));
	imap_reader_fini(&r);
	arena_fini(&a);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(programs_become_trees),
	    cmocka_unit_test(what_is_no_program_is_bad),
	    cmocka_unit_test(options),
	    cmocka_unit_test(depth_and_number_of_keys_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
