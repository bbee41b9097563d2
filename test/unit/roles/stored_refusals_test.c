/* SPDX-License-Identifier: ISC
 * What a front end says of a refusal, however odd: cut, cleaned, or not taken; and the bucket that limits how much of it. */
#include "stored/refusal_row.h"

#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_MS = 2000000000 };

static struct smtp_refusal said(void)
{
	return (struct smtp_refusal){.session = 7,
				     .age_ms = 1000,
				     .sender = VIEW_LIT("a@far.example"),
				     .recipient = VIEW_LIT("no@example.org"),
				     .client_ip = VIEW_LIT("192.0.2.1"),
				     .helo = VIEW_LIT("far.example"),
				     .account = VIEW_LIT(""),
				     .tls = VIEW_LIT("TLSv1.3 X"),
				     .listener = VIEW_LIT("smtp"),
				     .code = 550,
				     .enhanced = VIEW_LIT("5.1.1"),
				     .text = VIEW_LIT("no such user here"),
				     .message_id = VIEW_LIT("x@far.example")};
}

static struct refusal row_of(struct smtp_refusal m, struct arena *a)
{
	struct refusal r;

	assert_true(refusal_row(&m, NOW_MS, a, &r));
	return r;
}

static void an_honest_one(void **state)
{
	struct arena a;
	struct refusal r;

	(void)state;
	arena_init(&a, 65536);
	r = row_of(said(), &a);
	assert_int_equal(r.first_ms, NOW_MS - 1000);
	assert_int_equal(r.last_ms, NOW_MS - 1000);
	assert_int_equal(r.times, 1);
	assert_int_equal(r.session, 7);
	assert_true(view_eq_lit(r.sender, "a@far.example") && view_eq_lit(r.recipient, "no@example.org"));
	assert_true(view_eq_lit(r.status, "5.1.1") && view_eq_lit(r.words, "no such user here"));
	assert_true(view_eq_lit(r.client_ip, "192.0.2.1") && view_eq_lit(r.message_id, "x@far.example"));
	arena_fini(&a);
}

static void odd_fields(void **state)
{
	static const struct {
		struct view said, kept;
	} texts[] = {
	    {VIEW_LIT("a\nb\tc"), VIEW_LIT("a b c")},
	    {VIEW_LIT("\x1b[2J\r\x7f\0"), VIEW_LIT("?[2J???")},
	    {VIEW_LIT("gr\xc3\xbc\xc3\x9f"), VIEW_LIT("gr\xc3\xbc\xc3\x9f")},
	    {VIEW_LIT("\xc2\x9b"
		      "1m\xc2\xa0"),
	     VIEW_LIT("??1m\xc2\xa0")},
	    {VIEW_LIT("a\xff\xc3\xbc"), VIEW_LIT("a???")},
	    {VIEW_LIT("\xc0\xae"), VIEW_LIT("??")},
	};
	struct smtp_refusal m;
	struct arena a;
	struct refusal r;

	(void)state;
	arena_init(&a, 65536);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		m = said();
		m.sender = m.recipient = m.helo = m.account = m.tls = m.text = m.message_id = texts[i].said;
		m.listener = m.enhanced = m.client_ip = texts[i].said;
		r = row_of(m, &a);
		assert_true(view_eq(r.sender, texts[i].kept) && view_eq(r.recipient, texts[i].kept));
		assert_true(view_eq(r.helo, texts[i].kept) && view_eq(r.account, texts[i].kept));
		assert_true(view_eq(r.tls, texts[i].kept) && view_eq(r.words, texts[i].kept));
		assert_true(view_eq(r.message_id, texts[i].kept) && view_eq(r.listener, texts[i].kept));
		assert_true(r.status.n == 0 && r.client_ip.n == 0);
	}
	/* Older than it can be, or from a session that no id source gives. */
	m = said();
	m.age_ms = UINT32_MAX;
	m.session = UINT64_MAX;
	r = row_of(m, &a);
	assert_true(r.first_ms >= NOW_MS - 600000 && r.session <= INT64_MAX);
	arena_fini(&a);
}

static void long_texts_are_cut_between_characters(void **state)
{
	static char text[512];
	struct smtp_refusal m = said();
	struct arena a;
	struct refusal r;

	(void)state;
	arena_init(&a, 65536);
	text[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof text; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	m.text = view_from(text, sizeof text - 1);
	m.helo = view_from(text, 255);
	r = row_of(m, &a);
	assert_true(r.words.n < 301 && r.words.n > 290 && view_is_utf8(r.words) && view_starts_with(m.text, r.words));
	assert_true(r.helo.n < 129 && r.helo.n > 120 && view_is_utf8(r.helo));
	arena_fini(&a);
}

static void not_taken(void **state)
{
	static const uint16_t codes[] = {0, 250, 399, 600, 65535};
	struct smtp_refusal m;
	struct refusal r;
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		m = said();
		m.code = codes[i];
		assert_false(refusal_row(&m, NOW_MS, &a, &r));
	}
	m = said();
	m.sender = m.recipient = VIEW_EMPTY;
	assert_false(refusal_row(&m, NOW_MS, &a, &r));
	m.recipient = VIEW_LIT("x@example.org");
	assert_true(refusal_row(&m, NOW_MS, &a, &r));
	arena_fini(&a);
	arena_init(&a, 64); /* full */
	assert_false(refusal_row(&m, NOW_MS, &a, &r));
	arena_fini(&a);
}

static size_t take_all(struct bucket *b, uint64_t now_ms)
{
	size_t n = 0;

	while (n < 10000 && bucket_take(b, now_ms, 50, 200))
		n++;
	return n;
}

static void a_bucket(void **state)
{
	struct bucket b = {0};

	(void)state;
	assert_int_equal(take_all(&b, 5), 200);
	assert_int_equal(take_all(&b, 5), 0);
	assert_int_equal(take_all(&b, 54), 0);
	assert_int_equal(take_all(&b, 55), 1);
	assert_int_equal(take_all(&b, 1055), 20);
	assert_int_equal(take_all(&b, 1000000), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_honest_one),
	    cmocka_unit_test(odd_fields),
	    cmocka_unit_test(long_texts_are_cut_between_characters),
	    cmocka_unit_test(not_taken),
	    cmocka_unit_test(a_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
