/* SPDX-License-Identifier: ISC
 * Replies of servers, good and bad, whole and byte by byte. */
#include "mail/smtp_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
	const char *in;
	enum parse want;
	unsigned code;
	const char *text;
	unsigned status; /* 511 for 5.1.1 */
} cases[] = {
    {"250 ok\r\n", PARSE_DONE, 250, "ok", 200},
    {"250\r\n", PARSE_DONE, 250, "", 200},
    {"250 ok\n", PARSE_DONE, 250, "ok", 200},
    {"250-a\r\n250-b\r\n250 c\r\n", PARSE_DONE, 250, "a\nb\nc", 200},
    {"550 5.1.1 no such user\r\n", PARSE_DONE, 550, "no such user", 511},
    {"550-5.1.1 no\r\n550 5.1.1 user\r\n", PARSE_DONE, 550, "no\nuser", 511},
    {"450 5.1.1 classes differ\r\n", PARSE_DONE, 450, "5.1.1 classes differ", 400},
    {"250 a\x01\x7f\r\n", PARSE_DONE, 250, "a??", 200},
    {"250-a\r\n", PARSE_MORE, 0, NULL, 0},
    {"25", PARSE_MORE, 0, NULL, 0},
    {"250-a\r\n251 b\r\n", PARSE_BAD, 0, NULL, 0},
    {"150 no\r\n", PARSE_BAD, 0, NULL, 0},
    {"600 no\r\n", PARSE_BAD, 0, NULL, 0},
    {"2500 no\r\n", PARSE_BAD, 0, NULL, 0},
    {"hello\r\n", PARSE_BAD, 0, NULL, 0},
    {"\r\n", PARSE_BAD, 0, NULL, 0},
};

static enum parse feed(struct smtp_reply *r, struct view all, size_t step)
{
	size_t at = 0;
	enum parse p = PARSE_MORE;

	for (size_t upto = step; p == PARSE_MORE && at < all.n; upto += step) {
		size_t n;

		p = smtp_reply_next(r, view_sub(all, at, (upto < all.n ? upto : all.n) - at), &n);
		at += n;
		if (upto >= all.n)
			break;
	}
	return p;
}

static void replies(void **state)
{
	static const size_t steps[] = {1, 3, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			struct smtp_reply r;

			smtp_reply_init(&r);
			assert_int_equal(feed(&r, view_from_cstr(cases[i].in), steps[k]), cases[i].want);
			if (cases[i].want == PARSE_DONE) {
				assert_int_equal(r.code, cases[i].code);
				assert_string_equal(buf_cstr(&r.text), cases[i].text);
				assert_int_equal(r.enhanced.class * 100 + r.enhanced.subject * 10 + r.enhanced.detail,
						 cases[i].status);
			}
			smtp_reply_fini(&r);
		}
}

static void no_end(void **state)
{
	static char line[SMTP_REPLY_LINE_MAX + 10];
	struct smtp_reply r;
	size_t n;
	enum parse p = PARSE_MORE;

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "250 ", 4);
	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_next(&r, view_from(line, SMTP_REPLY_LINE_MAX), &n), PARSE_MORE);
	assert_int_equal(smtp_reply_next(&r, view_from(line, sizeof line), &n), PARSE_BAD);
	smtp_reply_reset(&r);
	for (size_t i = 0; i < 2 * SMTP_REPLY_LINES_MAX && p == PARSE_MORE; i++)
		p = smtp_reply_next(&r, VIEW_LIT("250-x\r\n"), &n);
	assert_int_equal(p, PARSE_BAD);
	smtp_reply_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(replies), cmocka_unit_test(no_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
