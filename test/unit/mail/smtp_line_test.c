/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "mail/smtp_line.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Feeds `text` in steps of `step` bytes and writes what comes out: "[line]" or "!error" each. */
static void split(struct view text, size_t max_bytes, size_t step, struct buf *out)
{
	struct smtp_line s;
	size_t from = 0, to = 0;

	smtp_line_init(&s, max_bytes);
	for (;;) {
		struct view line = VIEW_EMPTY;
		size_t consumed = 999;
		enum parse r = smtp_line_next(&s, view_sub(text, from, to - from), &consumed, &line);

		assert_true(consumed <= to - from);
		from += consumed;
		if (r == PARSE_DONE)
			buf_printf(out, "[%.*s]", VIEW_FMT(line));
		else if (r == PARSE_BAD)
			buf_printf(out, "!%d", (int)s.error);
		else if (to == text.n)
			break;
		else
			to = to + step > text.n ? text.n : to + step;
	}
	buf_printf(out, "+%zu", text.n - from);
}

static void lines(void **state)
{
	static const struct {
		struct view in;
		const char *out;
	} cases[] = {
	    {VIEW_LIT(""), "+0"},
	    {VIEW_LIT("\r\n"), "[]+0"},
	    {VIEW_LIT("EHLO a\r\n"), "[EHLO a]+0"},
	    {VIEW_LIT("MAIL\r\nRCPT\r\nDATA\r\n"), "[MAIL][RCPT][DATA]+0"},
	    {VIEW_LIT("NOOP\r\nQUI"), "[NOOP]+3"},
	    {VIEW_LIT("NOOP\r\nQUIT\r"), "[NOOP]+5"},
	    /* 16 bytes with CRLF are the limit here */
	    {VIEW_LIT("01234567890123\r\nQUIT\r\n"), "[01234567890123][QUIT]+0"},
	    {VIEW_LIT("012345678901234\r\nQUIT\r\n"), "!1[QUIT]+0"},
	    {VIEW_LIT("0123456789012345\r\nQUIT\r\n"), "!1[QUIT]+0"},
	    {VIEW_LIT("01234567890123456789\nabc\rdef\r\nQUIT\r\n"), "!1[QUIT]+0"},
	    {VIEW_LIT("012345678901234567890123456789"), "!1+0"},
	    /* a bad line is reported once and ends at its CRLF only */
	    {VIEW_LIT("a\nb\nc\r\nQUIT\r\n"), "!3[QUIT]+0"},
	    {VIEW_LIT("\nQUIT\r\nNOOP\r\n"), "!3[NOOP]+0"},
	    {VIEW_LIT("a\rb\r\nQUIT\r\n"), "!2[QUIT]+0"},
	    {VIEW_LIT("a\r\r\nQUIT\r\n"), "!2[QUIT]+0"},
	    {VIEW_LIT("\r\r\r\n\r\n"), "!2[]+0"},
	    {VIEW_LIT("a\0b\r\nQUIT\r\n"), "!4[QUIT]+0"},
	    {VIEW_LIT("a\n\0\r\nQUIT\r\n"), "!3[QUIT]+0"},
	    {VIEW_LIT("a\nb\r\nc\nd\r\nQUIT\r\n"), "!3!3[QUIT]+0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step <= 40; step++) {
			struct buf out = BUF_INIT(4096);

			split(cases[i].in, 16, step, &out);
			assert_string_equal(buf_cstr(&out), cases[i].out);
			buf_fini(&out);
		}
	}
}

/* "Bad" is known at the offending byte, not only at the line's end: a peer that never sends CRLF gets its answer. */
static void bad_is_said_at_once(void **state)
{
	struct smtp_line s;
	struct view line;
	size_t consumed;

	(void)state;
	smtp_line_init(&s, 512);
	assert_int_equal(smtp_line_next(&s, VIEW_LIT("EHLO x\n"), &consumed, &line), PARSE_BAD);
	assert_int_equal(s.error, SMTP_LINE_BARE_LF);
	assert_int_equal(consumed, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(bad_is_said_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
