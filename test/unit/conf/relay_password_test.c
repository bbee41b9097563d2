/* SPDX-License-Identifier: ISC */
#include "conf/relay_password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "# comment that is no entry\n"
			   "\n"
			   "half\n"
			   "smtp.example.net  me  pass word \r\n"
			   "SMTP.example.net\tyou\tsecret\n"
			   "other.test me x";

static void found_by_host_and_user(void **state)
{
	static const struct {
		const char *host, *user, *found_user, *password;
	} cases[] = {
	    {"smtp.example.net", "", "me", "pass word"},
	    {"Smtp.Example.net", "me", "me", "pass word"},
	    {"smtp.example.net", "you", "you", "secret"},
	    {"other.test", "", "me", "x"},
	    {"smtp.example.net", "Me", NULL, NULL},
	    {"half", "", NULL, NULL},
	    {"#", "", NULL, NULL},
	    {"", "", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view user = view_from_cstr(cases[i].user), password;
		bool found = relay_password_find(VIEW_LIT(text), view_from_cstr(cases[i].host), &user, &password);

		assert_int_equal(found, cases[i].password != NULL);
		if (found)
			assert_true(view_eq_lit(user, cases[i].found_user) && view_eq_lit(password, cases[i].password));
	}
}

static void put_in_place_of_the_former(void **state)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(4096), again = BUF_INIT(4096), small = BUF_INIT(40);
	struct view user = VIEW_LIT("me"), password;

	(void)state;
	assert_true(
	    relay_password_put(VIEW_LIT(text), VIEW_LIT("smtp.example.net"), user, VIEW_LIT("n\xc3\xa9w  #1"), &out));
	assert_string_equal(buf_cstr(&out), "# comment that is no entry\n"
					    "\n"
					    "half\n"
					    "SMTP.example.net\tyou\tsecret\n"
					    "other.test me x\n"
					    "smtp.example.net me n\xc3\xa9w  #1\n");
	assert_true(relay_password_find(buf_view(&out), VIEW_LIT("smtp.example.net"), &user, &password));
	assert_true(view_eq_lit(password, "n\xc3\xa9w  #1"));
	assert_true(relay_password_put(VIEW_EMPTY, VIEW_LIT("a"), VIEW_LIT("b"), VIEW_LIT("c"), &again));
	assert_string_equal(buf_cstr(&again), "a b c\n");
	assert_false(relay_password_put(VIEW_LIT(text), VIEW_LIT("a"), VIEW_LIT("b"), VIEW_LIT("c"), &small));
}

static void what_cannot_stand_in_a_line(void **state)
{
	static const struct view bad[] = {VIEW_LIT(""),         VIEW_LIT(" x"),   VIEW_LIT("x "),
					  VIEW_LIT("a\nb c d"), VIEW_LIT("a\rb"), VIEW_LIT("a\0b")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(4096);

		assert_false(relay_password_put(VIEW_EMPTY, VIEW_LIT("a"), VIEW_LIT("b"), bad[i], &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(found_by_host_and_user),
	    cmocka_unit_test(put_in_place_of_the_former),
	    cmocka_unit_test(what_cannot_stand_in_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
