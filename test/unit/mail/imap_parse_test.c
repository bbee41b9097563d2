/* SPDX-License-Identifier: ISC */
#include "mail/imap_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The tree as text: atoms as they are, 'quoted', <literal>, (lists), ~ in front of literal8, ^ in front of glued. */
static void show(const struct imap_arg *arg, struct buf *out)
{
	for (; arg; arg = arg->next) {
		if (arg->glued)
			buf_append_char(out, '^');
		if (arg->binary)
			buf_append_char(out, '~');
		if (arg->streamed) {
			buf_append_cstr(out, "<streamed>");
		} else if (arg->kind == IMAP_LIST) {
			buf_append_char(out, '(');
			show(arg->first, out);
			buf_append_char(out, ')');
		} else {
			const char *marks = arg->kind == IMAP_QUOTED ? "''" : arg->kind == IMAP_LITERAL ? "<>" : NULL;

			if (marks)
				buf_append_char(out, marks[0]);
			buf_append_view(out, arg->text);
			if (marks)
				buf_append_char(out, marks[1]);
		}
		if (arg->next)
			buf_append_char(out, ' ');
	}
}

/* All commands of `in`, fed `step` bytes at a time, as "tag|name|args;" or "BAD tag|error;"; "+" for each wait. */
static void run(struct view in, size_t step, const struct imap_reader_limits *limits, bool stream, struct buf *out)
{
	struct imap_reader r;
	size_t at = 0, have = 0;

	imap_reader_init(&r, limits);
	for (;;) {
		size_t used = 0;
		enum imap_read answer = imap_reader_next(&r, view_sub(in, at, have - at), &used);

		at += used;
		if (answer == IMAP_READ_MORE) {
			assert_int_equal(at, have);
			if (have == in.n)
				break;
			have = in.n - have < step ? in.n : have + step;
		} else if (answer == IMAP_READ_LITERAL) {
			if (stream && r.literal.bytes >= 10) {
				imap_reader_stream(&r);
			} else if (!imap_reader_keep(&r)) {
				imap_reader_refuse(&r);
				buf_append_cstr(out, "refused;");
				imap_reader_reset(&r);
				continue;
			}
			if (r.literal.sync)
				buf_append_char(out, '+');
		} else if (answer == IMAP_READ_DATA) {
			buf_append_view(out, r.data);
		} else if (answer == IMAP_READ_CLOSE) {
			buf_append_cstr(out, "CLOSE");
			break;
		} else {
			if (answer == IMAP_READ_COMMAND) {
				buf_printf(out, "%.*s|%.*s|", VIEW_FMT(r.command.tag), VIEW_FMT(r.command.name));
				show(r.command.args, out);
			} else {
				buf_printf(out, "BAD %.*s|%s", VIEW_FMT(r.command.tag), r.error);
			}
			buf_append_char(out, ';');
			imap_reader_reset(&r);
		}
	}
	imap_reader_fini(&r);
}

struct expected {
	const char *in, *out;
};

static void check(const struct expected *cases, size_t count, const struct imap_reader_limits *limits, bool stream)
{
	struct buf out = BUF_INIT(1 << 20);

	for (size_t i = 0; i < count; i++) {
		struct view in = view_from_cstr(cases[i].in);

		for (size_t step = 1; step <= in.n + 1; step = step < 8 ? step + 1 : step * 3) {
			buf_reset(&out);
			run(in, step, limits, stream, &out);
			assert_string_equal(buf_cstr(&out), cases[i].out);
		}
	}
	buf_fini(&out);
}

static void commands_become_trees(void **state)
{
	static const struct expected cases[] = {
	    {"a1 NOOP\r\n", "a1|NOOP|;"},
	    {"a1 NOOP \r\nA.2 logout\r\n", "a1|NOOP|;A.2|logout|;"},
	    {"\r\n\r\na1 NOOP\r\n", "a1|NOOP|;"},
	    {"a LOGIN \"us\\\"er\" \"pa\\\\ss\"\r\n", "a|LOGIN|'us\"er' 'pa\\ss';"},
	    {"a LOGIN {4}\r\nuser {4+}\r\npass\r\n", "+a|LOGIN|<user> <pass>;"},
	    {"a LOGIN {0}\r\n {0+}\r\n\r\n", "+a|LOGIN|<> <>;"},
	    {"a APPEND x (\\Seen $J) {3}\r\nabc\r\n", "+a|APPEND|x (\\Seen $J) <abc>;"},
	    {"a APPEND x ~{3+}\r\nabc\r\nb NOOP\r\n", "a|APPEND|x ~<abc>;b|NOOP|;"},
	    {"a UID FETCH 1:*,5 (FLAGS BODY.PEEK[HEADER.FIELDS (DATE \"From\" {2}\r\nTo)]<0.10>)\r\n",
	     "+a|UID|FETCH 1:*,5 (FLAGS BODY.PEEK[HEADER.FIELDS (DATE 'From' <To>) ^]<0.10>);"},
	    {"a FETCH 1 BODY[]\r\n", "a|FETCH|1 BODY[];"},
	    {"a LIST \"\" %/*x\r\n", "a|LIST|'' %/*x;"},
	    {"a SEARCH (OR (SEEN) NOT (DELETED ())) \r\n", "a|SEARCH|(OR (SEEN) NOT (DELETED ()));"},
	    {"a  STATUS   x ( MESSAGES  UNSEEN )\r\n", "a|STATUS|x (MESSAGES UNSEEN);"},
	    {"a STORE 1 FLAGS \\*\r\n", "a|STORE|1 FLAGS \\*;"},
	    {"a x \"\xc3\xa4\xff\t\"\r\n", "a|x|'\xc3\xa4\xff\t';"},
	    {"a x \"{3}\"\r\n", "a|x|'{3}';"},
	};

	(void)state;
	check(cases, ARRAY_LEN(cases), &imap_reader_limits_default, false);
}

static void what_is_wrong_is_bad_and_only_that(void **state)
{
	static const struct expected cases[] = {
	    {"\001\r\na NOOP\r\n", "BAD |Invalid tag;a|NOOP|;"},
	    {"+ NOOP\r\n", "BAD |Invalid tag;"},
	    {"a\r\n", "BAD a|Missing or invalid command;"},
	    {"a \r\n", "BAD a|Missing or invalid command;"},
	    {"a (NOOP)\r\n", "BAD a|Missing or invalid command;"},
	    {"a NOOP\nb NOOP\r\n", "BAD |Line does not end in CRLF;b|NOOP|;"},
	    {"a NO\rOP\r\n", "BAD a|Missing or invalid command;"},
	    {"a NOOP x\ry\r\n", "BAD a|Missing space;"},
	    {"a x \"abc\r\nb NOOP\r\n", "BAD a|Missing \";b|NOOP|;"},
	    {"a x \"a\\bc\"\r\n", "BAD a|Invalid \\ in quoted string;"},
	    {"a x \"a\rb\"\r\n", "BAD a|Invalid character;"},
	    {"a x \"a\\\r\n", "BAD a|Invalid \\ in quoted string;"},
	    {"a x (y\r\n", "BAD a|Missing );"},
	    {"a x y)\r\n", "BAD a|Unexpected );"},
	    {"a x (y)(z)\r\n", "BAD a|Missing space;"},
	    {"a x y\"z\"\r\n", "BAD a|Missing space;"},
	    {"a x \\\r\n", "BAD a|Invalid character;"},
	    {"a x y\\z\r\n", "BAD a|Missing space;"},
	    {"a x \xc3\xa4\r\n", "BAD a|Invalid character;"},
	    {"a x {5\r\n", "BAD a|Invalid character;"},
	    {"a x {99999999999999999999}\r\n", "BAD a|Invalid character;"},
	    {"a x y{5}\r\nb NOOP\r\n", "BAD a|Missing space;b|NOOP|;"},
	    {"a x {2}\r\nabc\r\nb NOOP\r\n", "+BAD a|Missing space;b|NOOP|;"},
	    /* the bytes of a non-synchronising literal are not read as commands */
	    {"a x ) {12+}\r\nb DELETE x\r\n y {3+}\r\nc d\r\ne NOOP\r\n", "BAD a|Unexpected );e|NOOP|;"},
	    {"a x ) {12+}\r\nb DELETE x\r\n y {3}\r\nc NOOP\r\n", "BAD a|Unexpected );c|NOOP|;"},
	    {"( {0+}\r\n\r\nc NOOP\r\n", "BAD |Invalid tag;c|NOOP|;"},
	};

	(void)state;
	check(cases, ARRAY_LEN(cases), &imap_reader_limits_default, false);
}

static void limits_hold(void **state)
{
	static const struct imap_reader_limits small = {
	    .line_bytes = 60, .command_bytes = 1024, .literal_bytes = 20, .skip_bytes = 100, .args = 6, .depth = 2};
	static const struct expected cases[] = {
	    {"a x 1 2 3 4 5 6\r\n", "a|x|1 2 3 4 5 6;"},
	    {"a x 1 2 3 4 5 6 7\r\n", "BAD a|Too many arguments;"},
	    {"a x ((y))\r\n", "a|x|((y));"},
	    {"a x (((y)))\r\n", "BAD a|Lists are nested too deep;"},
	    {"a x 0123456789012345678901234567890123456789012345678901234\r\nb NOOP\r\n",
	     "a|x|0123456789012345678901234567890123456789012345678901234;b|NOOP|;"},
	    {"a xy 01234567890123456789012345678901234567890123456789012345\r\nb NOOP\r\n",
	     "BAD a|Line too long;b|NOOP|;"},
	    {"a xy 01234567890123456789012345678901234567890123456789012345 {8+}\r\nc DELETE\r\nb NOOP\r\n",
	     "BAD a|Line too long;b|NOOP|;"},
	    {"a x {20}\r\n01234567890123456789\r\n", "+a|x|<01234567890123456789>;"},
	    {"a x {21}\r\nb NOOP\r\n", "refused;b|NOOP|;"},
	    {"a x {21+}\r\n0123456789012345678\r\n y\r\nb NOOP\r\n", "refused;b|NOOP|;"},
	    {"a x {101+}\r\n012345678901234567\r\n y\r\nb NOOP\r\n", "refused;CLOSE"},
	    {"a x {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789 {20+}\r\n"
	     "01234567890123456789 {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789\r\nb NOOP\r\n",
	     "a|x|<01234567890123456789> <01234567890123456789> <01234567890123456789> <01234567890123456789> "
	     "<01234567890123456789> <01234567890123456789>;b|NOOP|;"},
	};
	struct imap_reader_limits tiny = small;

	(void)state;
	check(cases, ARRAY_LEN(cases), &small, false);
	tiny.command_bytes = 256;
	check((const struct expected[]){{"a x 1 2 3\r\nb x 1 2 3 4 5\r\nc NOOP\r\n",
					 "a|x|1 2 3;BAD b|Too many arguments;c|NOOP|;"}},
	      1, &tiny, false);
	tiny.command_bytes = 32;
	check((const struct expected[]){{"b x 123456789012345678901234567890123456789 {3+}\r\nabc\r\n"
					 "c NOOP\r\n",
					 "BAD |Command too large;BAD c|Command too large;"}},
	      1, &tiny, false);
}

static void a_literal_can_be_streamed(void **state)
{
	static const struct expected cases[] = {
	    {"a APPEND x {12}\r\nHello world!\r\nb NOOP\r\n", "+Hello world!a|APPEND|x <streamed>;b|NOOP|;"},
	    {"a APPEND x {12+}\r\nHello world! {3+}\r\nabc\r\n", "Hello world!a|APPEND|x <streamed> <abc>;"},
	    {"a APPEND x {12+}\r\nHello world!)\r\nb NOOP\r\n", "Hello world!BAD a|Unexpected );b|NOOP|;"},
	};

	(void)state;
	check(cases, ARRAY_LEN(cases), &imap_reader_limits_default, true);
}

static void nul_is_refused_outside_literal8(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	run(VIEW_LIT("a x {3+}\r\na\0b\r\nb x ~{3+}\r\na\0b\r\n"), 1, &imap_reader_limits_default, false, &out);
	assert_true(view_eq(buf_view(&out), VIEW_LIT("BAD a|NUL in literal;b|x|~<a\0b>;")));
	buf_reset(&out);
	run(VIEW_LIT("a x \"a\0b\"\r\na x a\0b\r\n"), 1, &imap_reader_limits_default, false, &out);
	assert_string_equal(buf_cstr(&out), "BAD a|Invalid character;BAD a|Missing space;");
	buf_fini(&out);
}

static void lines_between_commands(void **state)
{
	struct imap_reader r;
	struct view line;
	size_t used = 0;

	(void)state;
	imap_reader_init(&r, &imap_reader_limits_default);
	assert_int_equal(imap_reader_next(&r, VIEW_LIT("a IDLE\r\nDO"), &used), IMAP_READ_COMMAND);
	assert_int_equal(used, 8);
	assert_int_equal(imap_reader_line(&r, VIEW_LIT("DO"), 10, &used, &line), PARSE_MORE);
	assert_int_equal(used, 2);
	assert_int_equal(imap_reader_line(&r, VIEW_LIT("NE\r\nb NOOP\r\n"), 10, &used, &line), PARSE_DONE);
	assert_int_equal(used, 4);
	assert_true(view_eq_lit(line, "DONE"));
	assert_true(view_eq_lit(r.command.tag, "a"));
	assert_int_equal(imap_reader_line(&r, VIEW_LIT("DONE and more\r\n"), 10, &used, &line), PARSE_BAD);
	assert_int_equal(imap_reader_line(&r, VIEW_LIT("DONE\n"), 10, &used, &line), PARSE_BAD);
	imap_reader_reset(&r);
	assert_int_equal(imap_reader_next(&r, VIEW_LIT("b NOOP\r\n"), &used), IMAP_READ_COMMAND);
	imap_reader_fini(&r);
}

static void arguments_are_what_they_may_be_read_as(void **state)
{
	struct imap_reader r;
	struct view v;
	uint64_t n;
	size_t used;
	const struct imap_arg *arg, *first;

	(void)state;
	imap_reader_init(&r, &imap_reader_limits_default);
	assert_int_equal(imap_reader_next(&r, VIEW_LIT("a x nil 42 a]b \"q\" (c) \\Seen 1:*\r\n"), &used),
			 IMAP_READ_COMMAND);
	arg = r.command.args;
	assert_true(imap_arg_is_nil(arg) && imap_arg_astring(arg, &v) && view_eq_lit(v, "nil"));
	assert_true(imap_arg_nstring(arg, &v) && v.p == NULL);
	assert_false(imap_arg_string(arg, &v));
	arg = arg->next;
	assert_true(imap_arg_number(arg, 42, &n) && n == 42);
	assert_false(imap_arg_number(arg, 41, &n));
	arg = arg->next;
	assert_true(imap_arg_astring(arg, &v) && view_eq_lit(v, "a]b"));
	assert_false(imap_arg_atom(arg, &v));
	arg = arg->next;
	assert_true(imap_arg_string(arg, &v) && imap_arg_nstring(arg, &v) && imap_arg_astring(arg, &v));
	assert_false(imap_arg_atom(arg, &v) || imap_arg_is(arg, "q") || imap_arg_list(arg, &first));
	arg = arg->next;
	assert_true(imap_arg_list(arg, &first) && imap_arg_atom(first, &v));
	arg = arg->next;
	assert_false(imap_arg_atom(arg, &v) || imap_arg_astring(arg, &v));
	arg = arg->next;
	assert_false(imap_arg_atom(arg, &v) || imap_arg_astring(arg, &v) || imap_arg_number(arg, 9, &n));
	assert_false(imap_arg_atom(NULL, &v) || imap_arg_string(NULL, &v) || imap_arg_is_nil(NULL));
	imap_reader_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_become_trees),
	    cmocka_unit_test(what_is_wrong_is_bad_and_only_that),
	    cmocka_unit_test(limits_hold),
	    cmocka_unit_test(a_literal_can_be_streamed),
	    cmocka_unit_test(nul_is_refused_outside_literal8),
	    cmocka_unit_test(lines_between_commands),
	    cmocka_unit_test(arguments_are_what_they_may_be_read_as),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
