/* SPDX-License-Identifier: ISC */
#include "mail/message_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Ids with a blank behind each. */
static const struct {
	const char *value, *ids;
} cases[] = {
    {"", ""},
    {"<a@b>", "a@b "},
    {" <a@b>\r\n <c@d>", "a@b c@d "},
    {"<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com> <01KF8JCEOCBS0045PS@xxx.yyy.com>", /* RFC 5256 §3 */
     "01KF8JCEOCBS0045PS@xxx.yyy.com 01KF8JCEOCBS0045PS@xxx.yyy.com "},
    {"<\"a\\\"b>\"@c>", "a\"b>@c "},
    {"Your message of Monday <a@b> (was: <x@y>)", "a@b x@y "},
    {"<no-at> <@b> <a@> <a@b", ""},
    {"<a <b@c>", "b@c "},
    {"<a@\r\n\tb>", "a@b "},
    {"<a@b@c>", "a@b@c "},
    {"a@b", ""},
    {"<<<>>>", ""},
    {"<\"@b>", ""},
    {"<A@b>", "A@b "},
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf id = BUF_INIT(100), all = BUF_INIT(1000);
		struct view rest = view_from_cstr(cases[i].value);

		while (message_id_next(&rest, &id)) {
			buf_append_view(&all, buf_view(&id));
			buf_append_char(&all, ' ');
		}
		assert_string_equal(buf_cstr(&all), cases[i].ids);
		buf_fini(&id);
		buf_fini(&all);
	}
}

static void too_long(void **state)
{
	struct view rest = VIEW_LIT("<aaaaaaaaaaaa@b> <c@d>");
	struct buf id = BUF_INIT(8);

	(void)state;
	assert_true(message_id_next(&rest, &id));
	assert_string_equal(buf_cstr(&id), "c@d");
	assert_false(message_id_next(&rest, &id));
	buf_fini(&id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(too_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
