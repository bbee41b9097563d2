/* SPDX-License-Identifier: ISC */
#include "mail/imap_section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char prefix[] = "Received: by us\r\n";
static const char message[] = "Subject: s\r\n"
			      "Content-Type: multipart/mixed; boundary=b\r\n"
			      "\r\n"
			      "--b\r\n"
			      "\r\n"
			      "one\r\n"
			      "--b\r\n"
			      "Content-Type: message/rfc822\r\n"
			      "X: m\r\n"
			      "\r\n"
			      "Subject: in\r\n"
			      "Content-Type: multipart/alternative; boundary=c\r\n"
			      "\r\n"
			      "--c\r\n"
			      "\r\n"
			      "two\r\n"
			      "--c\r\n"
			      "Content-Type: text/html\r\n"
			      "\r\n"
			      "three\r\n"
			      "--c--\r\n"
			      "--b\r\n"
			      "Content-Type: message/rfc822\r\n"
			      "\r\n"
			      "A: b\r\n"
			      "\r\n"
			      "four\r\n"
			      "--b--\r\n";

#define ROOT_HEADER "Received: by us\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define INNER_HEADER "Subject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
#define INNER_BODY "--c\r\n\r\ntwo\r\n--c\r\nContent-Type: text/html\r\n\r\nthree\r\n--c--"

static const struct {
	const char *section, *bytes; /* NULL: no such part */
} cases[] = {
    {"HEADER", ROOT_HEADER},
    {"1", "one"},
    {"1.MIME", "\r\n"},
    {"1.1", NULL},
    {"1.HEADER", NULL},
    {"1.TEXT", NULL},
    {"2", INNER_HEADER INNER_BODY},
    {"2.MIME", "Content-Type: message/rfc822\r\nX: m\r\n\r\n"},
    {"2.HEADER", INNER_HEADER},
    {"2.TEXT", INNER_BODY},
    {"2.1", "two"},
    {"2.2", "three"},
    {"2.2.MIME", "Content-Type: text/html\r\n\r\n"},
    {"2.2.1", NULL},
    {"2.3", NULL},
    {"2.0x", NULL},
    {"3", "A: b\r\n\r\nfour"},
    {"3.1", "four"},
    {"3.1.MIME", "A: b\r\n\r\n"},
    {"3.1.1", NULL},
    {"3.2", NULL},
    {"3.HEADER", "A: b\r\n\r\n"},
    {"4", NULL},
};

struct fixture {
	struct arena arena;
	struct mime_index index;
	struct buf encoded, whole;
};

/* The index is a decoded one: that is what there is when a client asks. */
static void set_up(struct fixture *f, const char *in_front, const char *text)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);

	arena_init(&f->arena, 100000);
	buf_init(&f->encoded, 100000);
	buf_init(&f->whole, 100000);
	buf_append_cstr(&f->whole, in_front);
	buf_append_cstr(&f->whole, text);
	mime_index_encode(mime_index_parse(p, view_from_cstr(text)), &f->encoded);
	assert_true(mime_index_decode(buf_view(&f->encoded), &f->arena, &f->index));
	mime_parser_free(&p);
}

static void tear_down(struct fixture *f)
{
	arena_fini(&f->arena);
	buf_fini(&f->encoded);
	buf_fini(&f->whole);
}

static bool find(struct fixture *f, const char *text, uint64_t prefix_bytes, struct view *ret)
{
	struct imap_section s = {0};
	struct imap_range range;

	if (!imap_section_parse(view_from_cstr(text), &f->arena, &s) ||
	    !imap_section_find(&s, &f->index, prefix_bytes, &range, NULL))
		return false;
	assert_true(range.off + range.bytes <= f->whole.n);
	*ret = view_sub(buf_view(&f->whole), (size_t)range.off, (size_t)range.bytes);
	return true;
}

static void sections_are_found(void **state)
{
	struct fixture f;
	struct view v;

	(void)state;
	set_up(&f, prefix, message);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool ok = find(&f, cases[i].section, strlen(prefix), &v);

		if (ok != (cases[i].bytes != NULL) || (ok && !view_eq_lit(v, cases[i].bytes)))
			fail_msg("section %s", cases[i].section);
	}
	assert_true(find(&f, "", strlen(prefix), &v) && view_eq(v, buf_view(&f.whole)));
	assert_true(find(&f, "TEXT", strlen(prefix), &v) && view_starts_with(v, VIEW_LIT("--b\r\n\r\none\r\n")) &&
		    view_ends_with_nocase(v, VIEW_LIT("--b--\r\n")));
	tear_down(&f);
}

static void a_message_of_one_part(void **state)
{
	static const struct {
		const char *section, *bytes;
	} one[] = {
	    {"1", "body"},
	    {"1.1", NULL},
	    {"2", NULL},
	    {"1.MIME", "P: p\r\nA: b\r\n\r\n"},
	    {"HEADER", "P: p\r\nA: b\r\n\r\n"},
	    {"TEXT", "body"},
	    {"1.TEXT", NULL},
	    {"", "P: p\r\nA: b\r\n\r\nbody"},
	};
	struct fixture f;
	struct view v;

	(void)state;
	set_up(&f, "P: p\r\n", "A: b\r\n\r\nbody");
	for (size_t i = 0; i < ARRAY_LEN(one); i++) {
		bool ok = find(&f, one[i].section, 6, &v);

		assert_int_equal(ok, one[i].bytes != NULL);
		assert_true(!ok || view_eq_lit(v, one[i].bytes));
	}
	tear_down(&f);
	/* the whole message is a message/rfc822 */
	set_up(&f, "", "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nbody");
	assert_true(find(&f, "1", 0, &v) && view_eq_lit(v, "A: b\r\n\r\nbody"));
	assert_true(find(&f, "1.1", 0, &v) && view_eq_lit(v, "body"));
	assert_true(find(&f, "1.HEADER", 0, &v) && view_eq_lit(v, "A: b\r\n\r\n"));
	assert_true(find(&f, "1.MIME", 0, &v) && view_eq_lit(v, "Content-Type: message/rfc822\r\n\r\n"));
	tear_down(&f);
	/* nothing at all */
	set_up(&f, "P: p\r\n", "");
	assert_true(find(&f, "", 6, &v) && view_eq_lit(v, "P: p\r\n"));
	assert_true(find(&f, "HEADER", 6, &v) && view_eq_lit(v, "P: p\r\n"));
	assert_true(find(&f, "TEXT", 6, &v) && v.n == 0);
	tear_down(&f);
}

static void the_part_comes_along(void **state)
{
	struct imap_section s = {0};
	const struct mime_part *part;
	struct imap_range range;
	struct fixture f;

	(void)state;
	set_up(&f, "",
	       "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: "
	       "base64\r\n\r\nAA==\r\n--b--");
	assert_true(imap_section_parse(VIEW_LIT("1"), &f.arena, &s));
	assert_true(imap_section_find(&s, &f.index, 0, &range, &part));
	assert_int_equal(part->encoding, MIME_BASE64);
	tear_down(&f);
}

static void partials_are_clipped(void **state)
{
	static const struct {
		uint64_t off, bytes, clipped_off, clipped_bytes;
	} partials[] = {
	    {0, 10, 100, 10},
	    {0, 5, 100, 5},
	    {3, 5, 103, 5},
	    {8, 5, 108, 2},
	    {10, 5, 110, 0},
	    {99, 5, 110, 0},
	    {INT64_MAX, INT64_MAX, 110, 0},
	    {1, INT64_MAX, 101, 9},
	};
	struct imap_range whole = {100, 10}, clipped;
	struct imap_section s = {0};

	(void)state;
	clipped = imap_section_clip(&s, whole);
	assert_true(clipped.off == 100 && clipped.bytes == 10);
	s.partial = true;
	for (size_t i = 0; i < ARRAY_LEN(partials); i++) {
		s.partial_off = partials[i].off;
		s.partial_bytes = partials[i].bytes;
		clipped = imap_section_clip(&s, whole);
		assert_int_equal(clipped.off, partials[i].clipped_off);
		assert_int_equal(clipped.bytes, partials[i].clipped_bytes);
	}
}

static void fields_are_filtered(void **state)
{
	static const struct view names[] = {{"subject", 7}, {"X-Y", 3}};
	static const char header[] = "Subject: a\r\n b\r\nTo: t\r\nX-Y : 1\r\nX-YZ: 2\r\nSUBJECT: c\r\n\r\n";
	struct imap_section s = {.text = IMAP_SECTION_FIELDS, .fields = names, .field_count = 2};
	struct buf out = BUF_INIT(1000);

	(void)state;
	imap_section_filter(&s, VIEW_LIT(header), &out);
	assert_string_equal(buf_cstr(&out), "Subject: a\r\n b\r\nX-Y : 1\r\nSUBJECT: c\r\n\r\n");
	buf_reset(&out);
	s.text = IMAP_SECTION_FIELDS_NOT;
	imap_section_filter(&s, VIEW_LIT(header), &out);
	assert_string_equal(buf_cstr(&out), "To: t\r\nX-YZ: 2\r\n\r\n");
	buf_reset(&out);
	/* a message without a blank line has none here either (RFC 9051 §7.5.2) */
	imap_section_filter(&s, VIEW_LIT("To: t\r\n"), &out);
	assert_string_equal(buf_cstr(&out), "To: t\r\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sections_are_found),   cmocka_unit_test(a_message_of_one_part),
	    cmocka_unit_test(the_part_comes_along), cmocka_unit_test(partials_are_clipped),
	    cmocka_unit_test(fields_are_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
