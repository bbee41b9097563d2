/* SPDX-License-Identifier: ISC */
#include "cli/smtp_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void names(void **state)
{
	static const struct {
		const char *text, *want;
		bool loopback;
	} cases[] = {
	    {"smtps://mail.example.org", "smtps://mail.example.org:465", false},
	    {"smtp://mail.example.org", "smtp://mail.example.org:587", false},
	    {"SMTPS://mail.example.org:10465/", "smtps://mail.example.org:10465", false},
	    {"mail.example.org", "smtps://mail.example.org:465", false},
	    {"localhost:25", "smtps://localhost:25", true},
	    {"smtp://127.0.0.1:25", "smtp://127.0.0.1:25", true},
	    {"smtps://[::1]", "smtps://[::1]:465", true},
	    {"smtps://[2001:db8::1]:1465", "smtps://[2001:db8::1]:1465", false},
	    {"smtps://m\xc3\xbcnchen.example", "smtps://m\xc3\xbcnchen.example:465", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf url = BUF_INIT(1000);
		struct smtp_server server;

		if (!smtp_server_parse(view_from_cstr(cases[i].text), &server))
			fail_msg("not taken: %s", cases[i].text);
		smtp_server_format(&server, &url);
		assert_string_equal(buf_cstr(&url), cases[i].want);
		assert_int_equal(smtp_server_is_loopback(&server), cases[i].loopback);
	}
}

static void no_names(void **state)
{
	static const char *const cases[] = {"",
					    "smtps://",
					    "smtps:///",
					    "http://mail.example.org",
					    "mail.example.org:0",
					    "mail.example.org:65536",
					    "mail.example.org:x",
					    "mail.example.org:",
					    "user@mail.example.org",
					    "mail.example.org/path",
					    "mail example.org",
					    "mail.example.org\r\n",
					    "[::1",
					    "[::1]x",
					    "[]",
					    "::1",
					    "smtps://user:pass@host"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_server server;

		if (smtp_server_parse(view_from_cstr(cases[i]), &server))
			fail_msg("taken: %s", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(no_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
