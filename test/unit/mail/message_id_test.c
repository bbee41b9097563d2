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

/* Of a whole message, or of its beginning. */
static void of_a_header(void **state)
{
	static const struct {
		const char *block, *id;
	} headers[] = {
	    {"Subject: x\r\nmessage-id: <a@b>\r\nMessage-ID: <c@d>\r\n\r\nbody", "a@b"},
	    {"Message-ID:\r\n <a@b>", "a@b"},
	    {"Message-ID: <a@", ""},
	    {"Message-ID: none\r\nMessage-ID: <c@d>\r\n\r\n", ""},
	    {"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", ""},
	    {"Message-ID: <aaaaaaaaaaaaaaaaaaa@b>\r\n\r\n", ""},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		struct buf id = BUF_INIT(16);

		buf_append_cstr(&id, "before");
		assert_true(message_id_of(view_from_cstr(headers[i].block), &id) == (*headers[i].id != 0));
		if (*headers[i].id)
			assert_string_equal(buf_cstr(&id), headers[i].id);
		buf_fini(&id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(too_long),
					   cmocka_unit_test(of_a_header)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
