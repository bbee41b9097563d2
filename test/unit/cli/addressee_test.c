/* SPDX-License-Identifier: ISC */
#include "cli/addressee.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* "name|address, ..." of what came out. */
static void describe(const struct addressees *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++)
		buf_printf(out, "%s%.*s|%.*s", i ? ", " : "", VIEW_FMT(list->items[i].name),
			   VIEW_FMT(list->items[i].address));
}

static void reads(void **state)
{
	static const struct {
		const char *text, *domain, *want;
	} cases[] = {
	    {"a@example.org", "", "|a@example.org"},
	    {"A.B@EXAMPLE.org", "", "|A.B@example.org"},
	    {"Alice <a@example.org>", "", "Alice|a@example.org"},
	    {"\"Lee, Bruce\" <b@example.org>", "", "Lee, Bruce|b@example.org"},
	    {"a@example.org, Bob <b@example.org>", "", "|a@example.org, Bob|b@example.org"},
	    {"Friends: a@x.example, b@x.example;", "", "|a@x.example, |b@x.example"},
	    {"undisclosed-recipients:;", "", ""},
	    {"", "", ""},
	    {"=?UTF-8?Q?J=C3=BCrgen?= <j@example.org>", "", "J\xc3\xbcrgen|j@example.org"},
	    {"a@m\xc3\xbcnchen.example", "", "|a@xn--mnchen-3ya.example"},
	    {"\xc3\xbc@example.org", "", "|\xc3\xbc@example.org"},
	    {"\"a b\"@example.org", "", "|\"a b\"@example.org"},
	    {"a@[192.0.2.1]", "", "|a@[192.0.2.1]"},
	    {"root", "example.org", "|root@example.org"},
	    {"root (Cron Daemon)", "example.org", "Cron Daemon|root@example.org"},
	    {"Root <root>, bob", "example.org", "Root|root@example.org, |bob@example.org"},
	    {"a@example.org, A <a@example.org>", "", "|a@example.org"}, /* once */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf got = BUF_INIT(4096);
		_cleanup_(addressees_fini) struct addressees list;
		struct view bad;

		addressees_init(&list);
		if (addressees_add(&list, view_from_cstr(cases[i].text), view_from_cstr(cases[i].domain), &bad) !=
		    ADDRESSEE_FINE)
			fail_msg("not taken: %s", cases[i].text);
		describe(&list, &got);
		assert_string_equal(buf_cstr(&got), cases[i].want);
	}
}

static void refuses(void **state)
{
	static const char *const cases[] = {
	    "root",
	    "a@",
	    "@example.org",
	    "a@b@c.example",
	    "Alice Bob",
	    "a b@example.org",
	    "<a@example.org",
	    "a@exa_mple..org",
	    "a@example.org b@example.org",
	    "\xff@example.org",
	    "a@-.example",
	    "a\r\n@example.org>",
	    "Name <root>",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(addressees_fini) struct addressees list;
		struct view bad = VIEW_EMPTY;

		addressees_init(&list);
		if (addressees_add(&list, view_from_cstr(cases[i]), VIEW_EMPTY, &bad) != ADDRESSEE_BAD)
			fail_msg("taken: %s", cases[i]);
		assert_true(bad.n > 0);
	}
}

static void the_bad_one_is_named(void **state)
{
	_cleanup_(addressees_fini) struct addressees list;
	struct view bad;

	(void)state;
	addressees_init(&list);
	assert_int_equal(addressees_add(&list, VIEW_LIT("a@x.example, b@, c@x.example"), VIEW_LIT("d.example"), &bad),
			 ADDRESSEE_BAD);
	assert_int_equal(view_find(bad, VIEW_LIT("b@")), bad.n - 2);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.completed, 0);
	assert_int_equal(addressees_add(&list, VIEW_LIT("root"), VIEW_LIT("d.example"), &bad), ADDRESSEE_FINE);
	assert_int_equal(list.completed, 1);
}

static void a_thousand_and_no_more(void **state)
{
	_cleanup_(addressees_fini) struct addressees list;
	_cleanup_(buf_fini) struct buf text = BUF_INIT(100000);
	struct view bad;

	(void)state;
	addressees_init(&list);
	for (int i = 0; i < ADDRESSEES_MAX; i++)
		buf_printf(&text, "%su%d@example.org", i ? "," : "", i);
	assert_int_equal(addressees_add(&list, buf_view(&text), VIEW_EMPTY, &bad), ADDRESSEE_FINE);
	assert_int_equal(list.n, ADDRESSEES_MAX);
	assert_int_equal(addressees_add(&list, VIEW_LIT("u7@example.org"), VIEW_EMPTY, &bad), ADDRESSEE_FINE);
	assert_int_equal(addressees_add(&list, VIEW_LIT("one@more.example"), VIEW_EMPTY, &bad), ADDRESSEE_TOO_MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(refuses),
					   cmocka_unit_test(the_bad_one_is_named),
					   cmocka_unit_test(a_thousand_and_no_more)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
