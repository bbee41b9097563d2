/* SPDX-License-Identifier: ISC */
#include "mail/imap_args.h"

#include "imap_command_fixture.h"

#include <string.h>

/* Whether `what` takes the arguments; flags as text in `out`. */
static bool takes(const char *what, const char *arguments, struct buf *out)
{
	struct imap_reader r;
	struct arena a;
	const struct imap_arg *arg = read_args(&r, arguments);
	bool ok = false;

	arena_init(&a, 100000);
	buf_reset(out);
	if (what[0] == 's') {
		struct imap_store store;

		ok = imap_args_store(arg, &a, &store);
		if (ok) {
			buf_printf(out, "%c%s%s", "=+-"[store.how], store.silent ? "silent" : "",
				   store.unchangedsince ? "unchanged" : "");
			imap_flags_format(out, &store.flags);
		}
	} else if (what[0] == 'f') {
		struct imap_flags flags;

		ok = imap_flags_parse(arg, &a, &flags);
		if (ok)
			imap_flags_format(out, &flags);
	} else if (what[0] == 'a') {
		struct imap_append append;

		ok = imap_args_append(arg, &a, &append);
		if (ok) {
			imap_flags_format(out, &append.flags);
			buf_printf(out, " %d %lld %d '%.*s'", append.has_date, (long long)append.wall_s,
				   append.zone_minutes, VIEW_FMT(append.message->text));
		}
	} else if (what[0] == 'q') {
		struct imap_select select;

		ok = imap_args_select(arg, &a, &select);
		if (ok)
			buf_printf(out, "%d%d %u %llu %u %u %u", select.condstore, select.qresync, select.uidvalidity,
				   (unsigned long long)select.modseq, select.known_uids.count,
				   select.match_numbers.count, select.match_uids.count);
	} else if (what[0] == 'l') {
		struct imap_list list;

		ok = imap_args_list(arg, &a, &list);
		if (ok) {
			buf_printf(out, "%d %u %u %u '%.*s'", list.extended, list.select, list.returns,
				   list.status_items, VIEW_FMT(list.reference));
			for (uint32_t i = 0; i < list.pattern_count; i++)
				buf_printf(out, " '%.*s'", VIEW_FMT(list.patterns[i]));
		}
	} else {
		uint32_t items;

		ok = imap_args_status_items(arg, &items);
		if (ok)
			buf_printf(out, "%u", items);
	}
	arena_fini(&a);
	imap_reader_fini(&r);
	return ok;
}

static const struct {
	const char *what, *arguments, *result; /* NULL: refused */
} cases[] = {
    {"store", "FLAGS (\\Seen $A)", "=(\\Seen $A)"},
    {"store", "+flags.SILENT \\Deleted", "+silent(\\Deleted)"},
    {"store", "-FLAGS \\Draft x \\Flagged X", "-(\\Flagged \\Draft x)"},
    {"store", "(UNCHANGEDSINCE 5) FLAGS ()", "=unchanged()"},
    {"store", "FLAGS", NULL},
    {"store", "", NULL},
    {"store", "FLAGS (\\Seen) x", NULL},
    {"store", "FLAGS \\Seen (x)", NULL},
    {"store", "FLAGS (\\Recent)", NULL},
    {"store", "FLAGS (\\Foo)", NULL},
    {"store", "FLAGS (\"x\")", NULL},
    {"store", "*FLAGS (x)", NULL},
    {"store", "(FOO 5) FLAGS x", NULL},
    {"store", "(UNCHANGEDSINCE) FLAGS x", NULL},
    {"store", "(UNCHANGEDSINCE 1 2) FLAGS x", NULL},
    {"flags", "(\\answered \\FLAGGED)", "(\\Answered \\Flagged)"},
    {"flags", "(a]b)", NULL},
    {"flags", "(\\*)", NULL},
    {"flags", "(0123456789012345678901234567890123456789012345678901234567890123)",
     "(0123456789012345678901234567890123456789012345678901234567890123)"},
    {"append", "{3}\r\nabc", "() 0 0 0 'abc'"},
    {"append", "(\\Seen) \" 2-Jan-1970 01:00:00 +0100\" {0}\r\n", "(\\Seen) 1 86400 60 ''"},
    {"append", "\"31-Dec-1969 23:59:59 -0030\" ~{3}\r\nabc", "() 1 1799 -30 'abc'"},
    {"append", "(\\Seen)", NULL},
    {"append", "\"2 Jan 1970\" {1}\r\na", NULL},
    {"append", "\"x\"", NULL},
    {"append", "{1}\r\na {1}\r\nb", NULL},
    {"append", "\" 2-Jan-1970 01:00:00 +0100\" (\\Seen) {1}\r\na", NULL},
    {"qresync", "", "00 0 0 0 0 0"},
    {"qresync", "(CONDSTORE)", "10 0 0 0 0 0"},
    {"qresync", "(QRESYNC (1 2))", "01 1 2 0 0 0"},
    {"qresync", "(QRESYNC (67890007 20050715194045000 41:211,5 (1,2 3,4)))", "01 67890007 20050715194045000 2 2 2"},
    {"qresync", "(QRESYNC (1 2 (1 2)) CONDSTORE)", "11 1 2 0 1 1"},
    {"qresync", "()", NULL},
    {"qresync", "CONDSTORE", NULL},
    {"qresync", "(FOO)", NULL},
    {"qresync", "(QRESYNC)", NULL},
    {"qresync", "(QRESYNC (0 2))", NULL},
    {"qresync", "(QRESYNC (1 0))", NULL},
    {"qresync", "(QRESYNC (1 2 1:*))", NULL},
    {"qresync", "(QRESYNC (1 2 1 (1)))", NULL},
    {"qresync", "(QRESYNC (1 2 1 (1 2 3)))", NULL},
    {"qresync", "(QRESYNC (1 2 1 (1 2) 3))", NULL},
    {"list", "\"\" *", "0 0 0 0 '' '*'"},
    {"list", "ref/ \"%\"", "0 0 0 0 'ref/' '%'"},
    {"list", "\"\" (a %/b \"c\")", "1 0 0 0 '' 'a' '%/b' 'c'"},
    {"list", "(SUBSCRIBED recursivematch) \"\" a]%", "1 5 0 0 '' 'a]%'"},
    {"list", "() \"\" x RETURN (CHILDREN STATUS (MESSAGES UNSEEN) SPECIAL-USE)", "1 0 14 17 '' 'x'"},
    {"list", "\"\" x RETURN ()", "1 0 0 0 '' 'x'"},
    {"list", "\"\"", NULL},
    {"list", "", NULL},
    {"list", "\"\" ()", NULL},
    {"list", "(RECURSIVEMATCH) \"\" x", NULL},
    {"list", "(REMOTE RECURSIVEMATCH) \"\" x", NULL},
    {"list", "(FOO) \"\" x", NULL},
    {"list", "\"\" x RETURN", NULL},
    {"list", "\"\" x RETURN (FOO)", NULL},
    {"list", "\"\" x RETURN (STATUS)", NULL},
    {"list", "\"\" x RETURN (STATUS (FOO))", NULL},
    {"list", "\"\" x y", NULL},
    {"list", "\"\" \\x", NULL},
    {"list", "* x", NULL},
    {"items", "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID)", "1023"},
    {"items", "()", NULL},
    {"items", "MESSAGES", NULL},
    {"items", "(MESSAGES FOO)", NULL},
};

static void arguments_are_understood_or_bad(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool ok = takes(cases[i].what, cases[i].arguments, &out);

		if (ok != (cases[i].result != NULL))
			fail_msg("%s %s", cases[i].what, cases[i].arguments);
		if (ok)
			assert_string_equal(buf_cstr(&out), cases[i].result);
	}
	buf_fini(&out);
}

static void append_is_known_before_its_literal(void **state)
{
	struct imap_append append;
	struct imap_reader r;
	struct arena a;
	size_t used;

	(void)state;
	arena_init(&a, 10000);
	imap_reader_init(&r, &imap_reader_limits_default);
	assert_int_equal(imap_reader_next(&r, VIEW_LIT("a APPEND x (\\Seen) {100}\r\n"), &used), IMAP_READ_LITERAL);
	assert_true(imap_args_append(r.command.args->next, &a, &append));
	assert_int_equal(append.message->literal_bytes, 100);
	assert_int_equal(append.flags.system, IMAP_SEEN);
	imap_reader_fini(&r);
	arena_fini(&a);
}

static void keywords_are_bounded(void **state)
{
	struct buf text = BUF_INIT(10000), out = BUF_INIT(10000);

	(void)state;
	buf_append_char(&text, '(');
	for (int i = 0; i < IMAP_KEYWORDS_MAX; i++)
		buf_printf(&text, "k%d ", i);
	buf_append_cstr(&text, "K0)");
	assert_true(takes("flags", buf_cstr(&text), &out));
	buf_truncate(&text, text.n - 1);
	buf_append_cstr(&text, "1x)");
	buf_reset(&out);
	assert_true(takes("flags", buf_cstr(&text), &out));
	assert_null(strstr(buf_cstr(&out), "K01x"));
	buf_fini(&text);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arguments_are_understood_or_bad),
	    cmocka_unit_test(append_is_known_before_its_literal),
	    cmocka_unit_test(keywords_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
