/* SPDX-License-Identifier: ISC */
#include "mail/mime_index.h"

#include "base/clock.h"
#include "mail/bodystructure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The index as text, a part a line: depth kind type/subtype header-off+bytes body-off+bytes/lines charset */
static void show(const struct mime_index *x, struct buf *out)
{
	for (uint32_t i = 0; i < x->part_count; i++) {
		const struct mime_part *p = &x->parts[i];

		buf_printf(out, "%u%c %.*s/%.*s %llu+%llu %llu+%llu/%llu %.*s\n", p->depth, "LMR"[p->kind],
			   VIEW_FMT(p->type), VIEW_FMT(p->subtype), (unsigned long long)p -> header_off,
			   (unsigned long long)p -> header_bytes, (unsigned long long)p -> body_off,
			   (unsigned long long)p -> body_bytes, (unsigned long long)p -> body_lines,
			   VIEW_FMT(p->charset));
	}
}

static void show_all(const struct mime_index *x, struct buf *out)
{
	buf_printf(out, "%llu %llu %d\n%.*s\n%.*s\n", (unsigned long long)x->bytes, (unsigned long long)x->lines,
		   x->limited, VIEW_FMT(x->envelope), VIEW_FMT(x->bodystructure));
	show(x, out);
}

/* Cut anywhere, encoded and decoded, it is the same. */
static void check_same(struct mime_parser *p, struct view message, const struct buf *expected)
{
	static const size_t steps[] = {1, 2, 3, 7, 64, 255, 256, 257, 1000};
	struct buf out = BUF_INIT(1 << 20), encoded = BUF_INIT(1 << 20);
	const struct mime_index *x;
	struct mime_index decoded;
	struct arena a;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		mime_parser_reset(p);
		for (size_t at = 0; at < message.n; at += steps[i])
			mime_parser_feed(p, view_sub(message, at, steps[i]));
		x = mime_parser_finish(p);
		buf_reset(&out);
		show_all(x, &out);
		assert_string_equal(buf_cstr(&out), buf_view(expected).p);
	}
	x = mime_index_parse(p, message);
	mime_index_encode(x, &encoded);
	arena_init(&a, 1 << 20);
	assert_true(mime_index_decode(buf_view(&encoded), &a, &decoded));
	buf_reset(&out);
	show_all(&decoded, &out);
	assert_string_equal(buf_cstr(&out), buf_view(expected).p);
	arena_fini(&a);
	buf_fini(&encoded);
	buf_fini(&out);
}

static void check(const char *message, const char *parts)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf out = BUF_INIT(1 << 20);

	show(mime_index_parse(p, view_from_cstr(message)), &out);
	assert_string_equal(buf_cstr(&out), parts);
	buf_reset(&out);
	show_all(mime_index_parse(p, view_from_cstr(message)), &out);
	(void)buf_cstr(&out);
	check_same(p, view_from_cstr(message), &out);
	buf_fini(&out);
	mime_parser_free(&p);
}

static void messages_without_parts(void **state)
{
	(void)state;
	check("", "0L text/plain 0+0 0+0/0 \n");
	check("\r\n", "0L text/plain 0+2 2+0/0 \n");
	check("a: b", "0L text/plain 0+4 4+0/0 \n");
	check("a: b\r\n", "0L text/plain 0+6 6+0/0 \n");
	check("a: b\r\n\r\n", "0L text/plain 0+8 8+0/0 \n");
	check("a: b\r\n\r\nc", "0L text/plain 0+8 8+1/0 \n");
	check("a: b\r\n\r\nc\r\n", "0L text/plain 0+8 8+3/1 \n");
	check("\r\n\r\nc\r\n\r\n", "0L text/plain 0+2 2+7/3 \n");
	check("Content-Type: text/html;\r\n charset=utf-8\r\n\r\nx\r\n--\r\n--y\r\n",
	      "0L text/html 0+44 44+12/3 utf-8\n");
	check("Content-Type: broken\r\n\r\nx", "0L text/plain 0+24 24+1/0 \n");
	check("content-TYPE : image/png\r\nContent-Type: text/html\r\n\r\nx", "0L image/png 0+53 53+1/0 \n");
}

#define MULTI(b) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n" /* 44 + strlen(b) */

static void boundaries_divide(void **state)
{
	(void)state;
	check(MULTI("b") "--b\r\n\r\none\r\n--b\r\nA: b\r\n\r\ntwo\r\n\r\n--b--\r\nend\r\n",
	      "0M multipart/mixed 0+45 45+44/10 \n"
	      "1L text/plain 50+2 52+3/0 \n"
	      "1L text/plain 62+8 70+5/1 \n");
	/* preamble, blanks behind the boundary, what only looks like one */
	check(MULTI("\"b c\"") "pre\r\n--b c \t \r\n\r\n--b d\r\n --b c\r\n-\r\n--b\r\n--b c--  \r\n",
	      "0M multipart/mixed 0+49 49+51/8 \n"
	      "1L text/plain 64+2 66+21/3 \n");
	/* an empty part, a part without blank line, one that is only a header */
	check(MULTI("b") "--b\r\n--b\r\nA: b\r\n--b\r\nA: b\r\n\r\n--b--", "0M multipart/mixed 0+45 45+34/6 \n"
									   "1L text/plain 50+0 50+0/0 \n"
									   "1L text/plain 55+6 61+0/0 \n"
									   "1L text/plain 66+8 74+0/0 \n");
	/* the closing boundary is missing */
	check(MULTI("b") "--b\r\n\r\none\r\n", "0M multipart/mixed 0+45 45+12/3 \n1L text/plain 50+2 52+5/1 \n");
	check(MULTI("b") "--b", "0M multipart/mixed 0+45 45+3/0 \n1L text/plain 48+0 48+0/0 \n");
	check(MULTI("b") "--b\r\n", "0M multipart/mixed 0+45 45+5/1 \n1L text/plain 50+0 50+0/0 \n");
	/* nothing after the close counts */
	check(MULTI("b") "--b--\r\n--b\r\n\r\nx\r\n", "0M multipart/mixed 0+45 45+17/4 \n");
	/* a multipart without a boundary, or that never meets it */
	check("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n",
	      "0L text/plain 0+33 33+10/3 \n"); /* no boundary is said */
	check(MULTI("b") "--c\r\n", "0M multipart/mixed 0+45 45+5/1 \n");
	/* the body starts with the boundary; line ends without CR */
	check("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n\n--b--\n",
	      "0M multipart/mixed 0+43 43+25/8 \n"
	      "1L text/plain 47+1 48+3/0 \n"
	      "1L text/plain 56+1 57+4/1 \n");
}

static void nested_multiparts(void **state)
{
	(void)state;
	/* the outer boundary is the front of the inner one, and the inner has no close */
	check(MULTI("a") "--a\r\n" MULTI("ab") "--ab\r\n\r\n1\r\n--ab\r\n\r\n2\r\n--a\r\n\r\n3\r\n--a--\r\n",
	      "0M multipart/mixed 0+45 45+90/13 \n"
	      "1M multipart/mixed 50+46 96+20/5 \n"
	      "2L text/plain 102+2 104+1/0 \n"
	      "2L text/plain 113+2 115+1/0 \n"
	      "1L text/plain 123+2 125+1/0 \n");
	/* what is cut short by the outer boundary keeps its last line end, and so does what is around it */
	check(MULTI("a") "--a\r\n" MULTI("b") "--b\r\nA: b\r\n\r\n--a\r\n" MULTI("b") "--b\r\n--a--",
	      "0M multipart/mixed 0+45 45+123/10 \n"
	      "1M multipart/mixed 50+45 95+13/3 \n"
	      "2L text/plain 100+8 108+0/0 \n"
	      "1M multipart/mixed 113+45 158+5/1 \n"
	      "2L text/plain 163+0 163+0/0 \n");
	/* equal boundaries: the innermost counts */
	check(MULTI("a") "--a\r\n" MULTI("a") "--a\r\n\r\n1\r\n--a--\r\n--a\r\n\r\n2\r\n--a--\r\n",
	      "0M multipart/mixed 0+45 45+84/11 \n"
	      "1M multipart/mixed 50+45 95+15/3 \n"
	      "2L text/plain 100+2 102+1/0 \n"
	      "1L text/plain 117+2 119+1/0 \n");
}

static void messages_inside(void **state)
{
	(void)state;
	check("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody\r\n",
	      "0R message/rfc822 0+32 32+20/3 \n1L text/plain 32+14 46+6/1 \n");
	/* its end is the outer boundary, even within its header */
	check(MULTI("b") "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n--b\r\n\r\nx\r\n--b--\r\n",
	      "0M multipart/mixed 0+45 45+66/8 \n"
	      "1R message/rfc822 50+32 82+12/1 \n"
	      "2L text/plain 82+12 94+0/0 \n"
	      "1L text/plain 99+2 101+1/0 \n");
	check("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nc\r\n--b\r\n"
	      "Content-Type: text/plain\r\n\r\nd\r\n--b--\r\n",
	      "0M multipart/digest 0+46 46+61/10 \n"
	      "1R message/rfc822 51+2 53+9/2 \n"
	      "2L text/plain 53+8 61+1/0 \n"
	      "1L text/plain 69+28 97+1/0 \n");
	check("Content-Type: message/global\r\n\r\n", "0R message/global 0+32 32+0/0 \n1L text/plain 32+0 32+0/0 \n");
}

static void limits_make_leaves(void **state)
{
	struct mime_limits limits = {.depth = 2, .parts = 4, .kept_header_bytes = 200, .index_bytes = 1 << 20};
	struct mime_parser *p = mime_parser_new(&limits);
	struct buf out = BUF_INIT(1 << 16);
	const struct mime_index *x;

	(void)state;
	x = mime_index_parse(p,
			     VIEW_LIT(MULTI("a") "--a\r\n" MULTI("b") "--b\r\n" MULTI("c") "--c\r\n\r\nx\r\n--b\r\n"));
	show(x, &out);
	assert_string_equal(buf_cstr(&out), "0M multipart/mixed 0+45 45+115/10 \n"
					    "1M multipart/mixed 50+45 95+65/7 \n"
					    "2L multipart/mixed 100+45 145+8/2 \n"
					    "2L text/plain 160+0 160+0/0 \n");
	assert_true(x->limited);
	buf_reset(&out);
	x = mime_index_parse(
	    p, VIEW_LIT(MULTI("a") "--a\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a\r\n\r\n3\r\n--a\r\n\r\n4\r\n--a--\r\n"));
	show(x, &out);
	assert_string_equal(buf_cstr(&out), "0M multipart/mixed 0+45 45+47/13 \n"
					    "1L text/plain 50+2 52+1/0 \n"
					    "1L text/plain 60+2 62+1/0 \n"
					    "1L text/plain 70+2 72+1/0 \n");
	assert_true(x->limited);
	/* a header that is too long to keep does no harm */
	buf_reset(&out);
	x = mime_index_parse(
	    p,
	    VIEW_LIT(
		"Content-Type: text/html\r\nContent-Description: "
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"\r\nContent-Transfer-Encoding: base64\r\n\r\nx"));
	show(x, &out);
	assert_string_equal(buf_cstr(&out), "0L text/html 0+285 285+1/0 \n");
	assert_true(x->limited);
	buf_fini(&out);
	mime_parser_free(&p);
}

static void memory_stays_bounded(void **state)
{
	struct mime_limits limits = mime_limits_default;
	struct mime_parser *p;
	const struct mime_index *x;
	struct view head = VIEW_LIT(MULTI("a"));
	struct view part =
	    VIEW_LIT("--a\r\nContent-Type: text/plain; charset=utf-8; name=\"some name that takes room\"\r\n"
		     "Content-Description: what it is, at some length too, so that it takes memory\r\n\r\nx\r\n");

	(void)state;
	limits.index_bytes = 256 << 10;
	p = mime_parser_new(&limits);
	mime_parser_feed(p, head);
	for (int i = 0; i < 20000; i++)
		mime_parser_feed(p, part);
	x = mime_parser_finish(p);
	assert_true(x->limited);
	assert_true(x->part_count > 100 && x->part_count < 2000);
	assert_int_equal(x->bytes, head.n + 20000 * part.n);
	assert_true(x->bodystructure.n > 1000);
	mime_parser_free(&p);
}

static const char *const broken_indexes[] = {"", "\1", "\2", "\1\0\0\0\0\0\0", "\1\0\0\0\1\0\0"};

static void what_is_no_index_is_not_decoded(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf encoded = BUF_INIT(1 << 16);
	struct mime_index x;
	struct mime_index_head head;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(broken_indexes); i++)
		assert_false(mime_index_decode(view_from_cstr(broken_indexes[i]), &a, &x));
	mime_index_encode(
	    mime_index_parse(p, VIEW_LIT(MULTI("a") "--a\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx")),
	    &encoded);
	assert_true(mime_index_peek(buf_view(&encoded), &head));
	assert_true(view_starts_with(head.bodystructure, VIEW_LIT("((\"message\"")));
	assert_int_equal(head.bytes, 91);
	for (size_t n = 0; n < encoded.n; n++)
		assert_false(mime_index_decode(view_sub(buf_view(&encoded), 0, n), &a, &x));
	assert_true(mime_index_decode(buf_view(&encoded), &a, &x));
	buf_append_char(&encoded, 0);
	assert_false(mime_index_decode(buf_view(&encoded), &a, &x));
	arena_fini(&a);
	buf_fini(&encoded);
	mime_parser_free(&p);
}

static void one_text_alone(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf encoded = BUF_INIT(1 << 16), trimmed = BUF_INIT(1 << 16), full = BUF_INIT(8);
	struct mime_index_head whole, head;

	(void)state;
	mime_index_encode(mime_index_parse(p, VIEW_LIT("Subject: x\r\n\r\nbody\r\n")), &encoded);
	assert_true(mime_index_peek(buf_view(&encoded), &whole));
	assert_true(mime_index_trim(buf_view(&encoded), true, false, &trimmed));
	assert_true(mime_index_peek(buf_view(&trimmed), &head));
	assert_true(view_eq(head.envelope, whole.envelope) && head.bodystructure.n == 0 && head.bytes == whole.bytes);
	buf_reset(&trimmed);
	assert_true(mime_index_trim(buf_view(&encoded), false, true, &trimmed));
	assert_true(mime_index_peek(buf_view(&trimmed), &head));
	assert_true(view_eq(head.bodystructure, whole.bodystructure) && head.envelope.n == 0);
	assert_true(trimmed.n < encoded.n);
	assert_false(mime_index_trim(buf_view(&encoded), true, true, &full));
	assert_false(mime_index_trim(VIEW_LIT("\2"), true, true, &trimmed));
	buf_fini(&encoded);
	buf_fini(&trimmed);
	buf_fini(&full);
	mime_parser_free(&p);
}

/* How long it takes to read many lines that look like boundaries of so many open multiparts. */
static uint64_t reading_us(unsigned depth, uint32_t parts)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf message = BUF_INIT(8 << 20);
	const struct mime_index *x;
	uint64_t us;

	for (unsigned i = 0; i < depth; i++)
		buf_printf(&message, "Content-Type: multipart/mixed; boundary=%02u\r\n\r\n--%02u\r\n", i, i);
	buf_append_cstr(&message, "\r\n");
	for (unsigned i = 0; i < 500000; i++)
		buf_append_cstr(&message, "--XX\r\n");
	buf_append_cstr(&message, "--00--\r\n");
	us = clock_cpu_us();
	x = mime_index_parse(p, buf_view(&message));
	us = clock_cpu_us() - us;
	assert_false(message.overflow);
	assert_int_equal(x->part_count, parts);
	assert_int_equal(x->parts[parts - 1].body_lines, 499999);
	buf_fini(&message);
	mime_parser_free(&p);
	return us;
}

/* A line is not held against one open boundary after the other: that would take sixty times as long, at every try. */
static void lines_like_boundaries(void **state)
{
	bool cheap = false;

	(void)state;
	for (int tries = 0; !cheap && tries < 20; tries++) {
		uint64_t few = reading_us(1, 2);

		cheap = reading_us(99, 100) < 10 * few;
	}
	assert_true(cheap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_text_alone),
	    cmocka_unit_test(messages_without_parts),
	    cmocka_unit_test(boundaries_divide),
	    cmocka_unit_test(nested_multiparts),
	    cmocka_unit_test(messages_inside),
	    cmocka_unit_test(limits_make_leaves),
	    cmocka_unit_test(memory_stays_bounded),
	    cmocka_unit_test(lines_like_boundaries),
	    cmocka_unit_test(what_is_no_index_is_not_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
