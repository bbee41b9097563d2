/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "mail/smtp_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Feeds `in` in steps; writes the text, "!n" for an error (what came before it is forgotten), "|rest" at the end. */
static void decode(struct view in, size_t max_line, size_t step, struct buf *out)
{
	struct smtp_data d;
	size_t from = 0, to = 0;

	smtp_data_init(&d, max_line);
	for (;;) {
		struct view run;
		size_t consumed;
		enum parse r = smtp_data_next(&d, view_sub(in, from, to - from), &consumed, &run);

		assert_true(consumed <= to - from);
		from += consumed;
		buf_append_view(out, run);
		if (r == PARSE_DONE)
			break;
		if (r == PARSE_BAD) {
			buf_reset(out);
			buf_printf(out, "!%d", (int)d.error);
		} else if (from == to) {
			if (to == in.n) {
				buf_append_cstr(out, "...");
				return;
			}
			to = to + step > in.n ? in.n : to + step;
		}
	}
	if (d.error == SMTP_DATA_OK)
		assert_int_equal(d.size_bytes, out->n);
	buf_printf(out, "|%.*s", VIEW_FMT(view_sub(in, from, in.n)));
}

static void decoding(void **state)
{
	static const struct {
		struct view in;
		const char *out;
	} cases[] = {
	    {VIEW_LIT(".\r\n"), "|"},
	    {VIEW_LIT("\r\n.\r\nQUIT\r\n"), "\r\n|QUIT\r\n"},
	    {VIEW_LIT("a\r\n.\r\nRSET\r\n"), "a\r\n|RSET\r\n"},
	    {VIEW_LIT("a\r\n\r\nb\r\n.\r\n"), "a\r\n\r\nb\r\n|"},
	    {VIEW_LIT("..\r\n.\r\n"), ".\r\n|"},
	    {VIEW_LIT("...\r\n.\r\n"), "..\r\n|"},
	    {VIEW_LIT(".a\r\n..b\r\n.\r\n"), "a\r\n.b\r\n|"},
	    {VIEW_LIT("a.\r\n.\r\n"), "a.\r\n|"},
	    {VIEW_LIT("a\r\n"), "a\r\n..."},
	    {VIEW_LIT("a\r\n."), "a\r\n..."},
	    {VIEW_LIT("a\r\n.\r"), "a\r\n..."},
	    {VIEW_LIT("a\r"), "a\r..."},
	    /* 12 octets a line; a dot that is removed does not count */
	    {VIEW_LIT("0123456789\r\n.\r\n"), "0123456789\r\n|"},
	    {VIEW_LIT(".0123456789\r\n.\r\n"), "0123456789\r\n|"},
	    {VIEW_LIT("01234567890\r\n.\r\nQUIT\r\n"), "!4|QUIT\r\n"},
	    {VIEW_LIT("0123456789012345678901234567890\r\n.\r\nQUIT\r\n"), "!4|QUIT\r\n"},
	    /* the ways to smuggle an end of data: all refused, and only CRLF "." CRLF is the end */
	    {VIEW_LIT("a\n.\nb\r\n.\r\nQUIT\r\n"), "!2|QUIT\r\n"},
	    {VIEW_LIT("a\n.\r\nb\r\n.\r\nQUIT\r\n"), "!2|QUIT\r\n"},
	    {VIEW_LIT("a\r\n.\nb\r\n.\r\nQUIT\r\n"), "!2|QUIT\r\n"},
	    {VIEW_LIT("a\r.\rb\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("a\r\n.\rb\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("a\r\n.\r\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("a\r.\r\nb\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("a\r\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("\n.\r\nb\r\n.\r\nQUIT\r\n"), "!2|QUIT\r\n"},
	    {VIEW_LIT(".\nb\r\n.\r\nQUIT\r\n"), "!2|QUIT\r\n"},
	    {VIEW_LIT("a\0b\r\n.\r\nQUIT\r\n"), "!3|QUIT\r\n"},
	    {VIEW_LIT(".\0\r\n.\r\nQUIT\r\n"), "!3|QUIT\r\n"},
	    {VIEW_LIT("a\r\0\n.\r\nb\r\n.\r\nQUIT\r\n"), "!1|QUIT\r\n"},
	    {VIEW_LIT("a\nb"), "!2..."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step <= 40; step++) {
			struct buf out = BUF_INIT(4096);

			decode(cases[i].in, 12, step, &out);
			if (strcmp(buf_cstr(&out), cases[i].out) != 0)
				fail_msg("case %zu step %zu: %s", i, step, buf_cstr(&out));
			buf_fini(&out);
		}
	}
}

static void no_line_limit(void **state)
{
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);

	(void)state;
	buf_printf(&in, "%0100000d\r\n.\r\n", 7);
	decode(buf_view(&in), 0, 4096, &out);
	assert_int_equal(out.n, 100002 + 1);
	buf_fini(&in);
	buf_fini(&out);
}

/* Ordinary text comes out in one run, not line by line. */
static void runs_are_whole(void **state)
{
	struct smtp_data d;
	struct view run;
	size_t consumed;

	(void)state;
	smtp_data_init(&d, 1000);
	assert_int_equal(smtp_data_next(&d, VIEW_LIT("a\r\nb\r\n\r\nc.\r\nd"), &consumed, &run), PARSE_MORE);
	assert_int_equal(consumed, 13);
	assert_int_equal(run.n, 13);
}

static enum smtp_data_error check(struct view in, size_t step)
{
	struct smtp_strict s;
	enum smtp_data_error error = SMTP_DATA_OK;

	smtp_strict_init(&s, 6);
	for (size_t at = 0; at < in.n && !error; at += step)
		error = smtp_strict_check(&s, view_sub(in, at, step));
	return error ? error : smtp_strict_end(&s);
}

static void chunks(void **state)
{
	static const struct {
		struct view in;
		enum smtp_data_error error;
	} cases[] = {
	    {VIEW_LIT(""), SMTP_DATA_OK},
	    {VIEW_LIT("a\r\n.\r\n..b\r\n"), SMTP_DATA_OK},
	    {VIEW_LIT("no end"), SMTP_DATA_OK},
	    {VIEW_LIT("abcd\r\nabcd\r\n"), SMTP_DATA_OK},
	    {VIEW_LIT("abcde\r\n"), SMTP_DATA_LINE_TOO_LONG},
	    {VIEW_LIT("abcdefg"), SMTP_DATA_LINE_TOO_LONG},
	    {VIEW_LIT("a\rb"), SMTP_DATA_BARE_CR},
	    {VIEW_LIT("a\r"), SMTP_DATA_BARE_CR},
	    {VIEW_LIT("a\r\r\n"), SMTP_DATA_BARE_CR},
	    {VIEW_LIT("a\nb"), SMTP_DATA_BARE_LF},
	    {VIEW_LIT("\r\n\n"), SMTP_DATA_BARE_LF},
	    {VIEW_LIT("a\0b"), SMTP_DATA_NUL},
	    {VIEW_LIT("a\0b\nc"), SMTP_DATA_NUL}, /* what is wrong first */
	    {VIEW_LIT("a\r\0\n"), SMTP_DATA_BARE_CR},
	    {VIEW_LIT("a\nb\0c"), SMTP_DATA_BARE_LF},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t step = 1; step < 20; step++)
			if (check(cases[i].in, step) != cases[i].error)
				fail_msg("case %zu step %zu", i, step);
}

static void stuffing(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", ".\r\n"},
	    {"a\r\n", "a\r\n.\r\n"},
	    {"a", "a\r\n.\r\n"},
	    {".", "..\r\n.\r\n"},
	    {".\r\n", "..\r\n.\r\n"},
	    {"a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"},
	    {"a.b\r\n.", "a.b\r\n..\r\n.\r\n"},
	    {"a\n.\r\nb\r\n", "a\n..\r\nb\r\n.\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 20; step++) {
			struct view text = view_from_cstr(cases[i].in);
			struct buf out = BUF_INIT(256);
			struct smtp_stuff s;

			smtp_stuff_init(&s);
			for (size_t at = 0; at < text.n; at += step)
				for (struct view in = view_sub(text, at, step); in.n;)
					buf_append_view(&out, smtp_stuff_next(&s, &in));
			buf_append_view(&out, smtp_stuff_end(&s));
			assert_string_equal(buf_cstr(&out), cases[i].out);
			buf_fini(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decoding), cmocka_unit_test(no_line_limit), cmocka_unit_test(runs_are_whole),
	    cmocka_unit_test(chunks),   cmocka_unit_test(stuffing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
