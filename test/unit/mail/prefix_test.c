/* SPDX-License-Identifier: ISC */
#include "mail/header.h"
#include "mail/prefix.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct received received = {
    .by = {"mail.example.org", 16},
    .id = {"01hq3v9k2m5xa", 13},
    .date = {.utc_s = 0, .zone_min = 0, .zone_known = true},
};

#define RECEIVED "Received: by mail.example.org id 01hq3v9k2m5xa;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n"

static void expect(struct prefix p, const char *want)
{
	struct buf out = BUF_INIT(4096);

	p.received = &received;
	prefix_format(&out, &p);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void fields(void **state)
{
	(void)state;
	expect((struct prefix){.sender = VIEW_LIT("a@b"), .delivered_to = VIEW_LIT("c@d")},
	       "Return-Path: <a@b>\r\nDelivered-To: c@d\r\n" RECEIVED);
	expect((struct prefix){.sender = VIEW_EMPTY, .delivered_to = VIEW_LIT("\"c d\"@e")},
	       "Return-Path: <>\r\nDelivered-To: \"c d\"@e\r\n" RECEIVED);
	expect((struct prefix){.sender = VIEW_LIT("a@b"), .delivered_to = VIEW_EMPTY}, RECEIVED);
	expect((struct prefix){.sender = VIEW_LIT("a\r\nX: y"), .delivered_to = VIEW_LIT("c\n@d")},
	       "Return-Path: <a??X: y>\r\nDelivered-To: c?@d\r\n" RECEIVED);
}

/* Behind our three fields (and the guard) the message reads as it does alone. */
static void messages_stay_apart(void **state)
{
	static const struct {
		const char *message, *guard, *fourth; /* name of the fourth field, NULL: there is none */
	} cases[] = {
	    {"A: b\r\n\r\nbody", "", "A"},
	    {"\r\nbody", "", NULL},
	    {"", "\r\n", NULL},
	    {"hello\r\nA: b\r\n\r\nbody", "", "A"},
	    {"hello world: x\r\n", "", NULL},
	    {": x\r\n", "", NULL},
	    {" x\r\nA: b\r\n\r\nbody", "X-Unnamed-Field:\r\n", "X-Unnamed-Field"},
	    {"\t\r\nA: b\r\n\r\nbody", "X-Unnamed-Field:\r\n", "X-Unnamed-Field"},
	    {" ", "X-Unnamed-Field:\r\n", "X-Unnamed-Field"},
	    {"From a@b Tue Jan  1 10:00:00 2019\r\nA: b\r\n\r\nbody", "", "A"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct prefix p = {.sender = VIEW_LIT("a@b"), .delivered_to = VIEW_LIT("c@d"), .received = &received};
		struct view message = view_from_cstr(cases[i].message), guard = prefix_guard(message);
		struct buf out = BUF_INIT(4096);
		struct header_field field;
		struct header h;

		assert_true(view_eq_lit(guard, cases[i].guard));
		prefix_format(&out, &p);
		buf_append_view(&out, guard);
		buf_append_view(&out, message);
		header_init(&h, buf_view(&out));
		for (int n = 0; n < 3; n++)
			assert_int_equal(header_next(&h, &field), PARSE_DONE);
		assert_true(view_eq_lit(field.whole, RECEIVED));
		assert_int_equal(header_next(&h, &field), cases[i].fourth ? PARSE_DONE : PARSE_MORE);
		if (cases[i].fourth)
			assert_true(view_eq_lit(field.name, cases[i].fourth));
		assert_true(view_eq(view_sub(buf_view(&out), header_length(buf_view(&out)), out.n),
				    view_sub(message, header_length(message), message.n)));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fields), cmocka_unit_test(messages_stay_apart)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
