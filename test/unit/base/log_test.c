/* SPDX-License-Identifier: ISC */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Logs one line into a pipe and returns it, NUL-terminated. */
static const char *logged(enum log_format format, struct view value)
{
	static char got[2 * LOG_LINE_MAX];
	int fds[2], saved = dup(STDERR_FILENO);
	struct log_line l;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	log_init("test", LOG_LEVEL_INFO, format);
	log_begin(&l, LOG_LEVEL_INFO, "event");
	log_str(&l, "key", value);
	log_u64(&l, "n", 7);
	log_end(&l);
	n = read(fds[0], got, sizeof got - 1);
	assert_true(n > 0);
	got[n] = '\0';
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return got;
}

static void a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	assert_non_null(
	    strstr(logged(LOG_FORMAT_LOGFMT, VIEW_LIT("a\nevent=x \"")), "key=\"a\\u000aevent=x \\\"\" n=7\n"));
	assert_non_null(strstr(logged(LOG_FORMAT_LOGFMT, VIEW_LIT("plain")), " key=plain n=7\n"));
	/* nor tell a terminal what to do: U+009B begins a command there as ESC [ does */
	assert_non_null(strstr(logged(LOG_FORMAT_LOGFMT, VIEW_LIT("\xc3\xa4\xc2\x9b"
								  "2J\xc2\xa0")),
			       "key=\"\xc3\xa4\\u009b2J\xc2\xa0\" n=7\n"));
	assert_non_null(strstr(logged(LOG_FORMAT_JSON, VIEW_LIT("a\n\xff")), "\"key\":\"a\\u000a\\u00ff\",\"n\":7}\n"));
}

static void a_long_value_is_cut_and_the_line_still_ends(void **state)
{
	static char big[3 * LOG_LINE_MAX];
	const char *line;

	(void)state;
	memset(big, 'x', sizeof big);
	line = logged(LOG_FORMAT_JSON, view_from(big, sizeof big));
	assert_true(strlen(line) <= LOG_LINE_MAX);
	assert_string_equal(line + strlen(line) - 3, "\"}\n");
}

static void a_line_is_not_cut_within_a_character(void **state)
{
	static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	static char big[2 * LOG_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t shift = 0; shift < 4; shift++) {
			size_t n = shift;

			memset(big, 'x', shift);
			for (; n + 4 < sizeof big; n += strlen(characters[i]))
				memcpy(big + n, characters[i], strlen(characters[i]));
			assert_true(view_is_utf8(view_from_cstr(logged(LOG_FORMAT_JSON, view_from(big, n)))));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_peer_cannot_forge_a_line),
	    cmocka_unit_test(a_long_value_is_cut_and_the_line_still_ends),
	    cmocka_unit_test(a_line_is_not_cut_within_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
