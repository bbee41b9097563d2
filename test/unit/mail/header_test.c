/* SPDX-License-Identifier: ISC */
#include "mail/header.h"
#include "mail/header_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "[name|value]" a field, then how the header ended, where the content starts, what was passed over. */
static const struct {
	struct view in;
	const char *out;
} cases[] = {
    {VIEW_LIT(""), "input 0"},
    {VIEW_LIT("\r\nbody"), "blank 2"},
    {VIEW_LIT("\nbody"), "blank 1"},
    {VIEW_LIT("A: b\r\n\r\nbody"), "[A| b]blank 8"},
    {VIEW_LIT("A: b\r\nC:d\r\n\r\n"), "[A| b][C|d]blank 13"},
    {VIEW_LIT("A: b\nC:d\n\nbody"), "[A| b][C|d]blank 10"},
    {VIEW_LIT("A:\r\n\r\n"), "[A|]blank 6"},
    {VIEW_LIT("A: b\r\n c\r\n\td\r\nE: f\r\n\r\n"), "[A| b\r\n c\r\n\td][E| f]blank 22"},
    {VIEW_LIT("A: b\r\n \r\n\r\nbody"), "[A| b\r\n ]blank 11"},
    {VIEW_LIT("A: b"), "[A| b]input 4"},
    {VIEW_LIT("A: b\r\n"), "[A| b]input 6"},
    {VIEW_LIT("A: b\r"), "[A| b]input 5"},
    {VIEW_LIT("A: b\r\n c"), "[A| b\r\n c]input 8"},
    {VIEW_LIT("A : b\r\nC\t \t: d\r\n\r\n"), "[A| b][C| d]blank 18"},
    {VIEW_LIT("A: b: c\r\n\r\n"), "[A| b: c]blank 11"},
    {VIEW_LIT("A: b\rc\r\n\r\n"), "[A| b\rc]blank 10"},
    {VIEW_LIT("A: b\0c\r\n\r\n"), "[A| b\0c]blank 10"},
    /* junk ends the header */
    {VIEW_LIT("A: b\r\nhello\r\nC: d\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("hello world\r\n"), "junk 0"},
    {VIEW_LIT("hello"), "junk 0"},
    {VIEW_LIT("A: b\r\nhello"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nhello world: x\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n: c\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\ngr\xc3\xbc\xc3\x9f: c\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\rC: d\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\r"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nC\r: d\r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nC \r\n\r\n"), "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\0"), "[A| b]junk 6"},
    /* what is passed over */
    {VIEW_LIT(" a\r\n\tb\r\nC: d\r\n\r\n"), "[C| d]blank 16 +8"},
    {VIEW_LIT(" a\r\n\r\nbody"), "blank 6 +4"},
    {VIEW_LIT(" a"), "input 2 +2"},
    {VIEW_LIT("From a@b Tue Jan  1 10:00:00 2019\r\nA: b\r\n\r\n"), "[A| b]blank 43 +35"},
    {VIEW_LIT("A: b\r\n>From a@b\r\n more\r\nC: d\r\n\r\n"), "[A| b][C| d]blank 32 +18"},
    {VIEW_LIT("From : a@b\r\n\r\n"), "[From| a@b]blank 14"},
    {VIEW_LIT("From: a@b\r\n\r\n"), "[From| a@b]blank 13"},
    {VIEW_LIT("From \r\nA: b\r\n"), "junk 0"},
    {VIEW_LIT("From "), "junk 0"},
    {VIEW_LIT("From\tx\r\n"), "junk 0"},
    {VIEW_LIT(">>From x\r\n"), "junk 0"},
    {VIEW_LIT("from x\r\n"), "junk 0"},
};

static void fields(void **state)
{
	static const char *const ends[] = {
	    [HEADER_END_BLANK] = "blank", [HEADER_END_JUNK] = "junk", [HEADER_END_INPUT] = "input"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(4096);
		struct header_field field;
		struct header h;

		header_init(&h, cases[i].in);
		while (header_next(&h, &field) == PARSE_DONE) {
			buf_append_char(&out, '[');
			buf_append_view(&out, field.name);
			buf_append_char(&out, '|');
			buf_append_view(&out, field.value);
			buf_append_char(&out, ']');
			assert_true(field.whole.p >= cases[i].in.p && view_starts_with(field.whole, field.name));
		}
		buf_printf(&out, "%s %zu", ends[h.end], h.content);
		if (h.passed_over_bytes)
			buf_printf(&out, " +%zu", h.passed_over_bytes);
		if (strcmp(buf_cstr(&out), cases[i].out) != 0)
			fail_msg("case %zu: %s, not %s", i, buf_cstr(&out), cases[i].out);
		assert_int_equal(header_length(cases[i].in), h.content);
		assert_int_equal(header_next(&h, &field), PARSE_MORE);
		buf_fini(&out);
	}
}

static size_t scan(struct view in, size_t step)
{
	struct header_scan s;

	header_scan_init(&s, 4096);
	for (size_t at = 0; at < in.n; at += step)
		if (header_scan_next(&s, view_sub(in, at, step)) == PARSE_DONE)
			return s.content;
	header_scan_end(&s);
	return s.content;
}

static void scanning_finds_the_same_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 50; step++)
			if (scan(cases[i].in, step) != header_length(cases[i].in))
				fail_msg("case %zu step %zu", i, step);
}

static void scanning_is_limited(void **state)
{
	static const char block[] = "A: b\r\nC: d\r\n\r\nbody";

	(void)state;
	for (size_t max = 0; max < 20; max++) {
		for (size_t step = 1; step < 20; step++) {
			enum parse r = PARSE_MORE;
			struct header_scan s;

			header_scan_init(&s, max);
			for (size_t at = 0; at < sizeof block - 1 && r == PARSE_MORE; at += step)
				r = header_scan_next(&s, view_sub(view_from_cstr(block), at, step));
			assert_int_equal(r, max < 14 ? PARSE_BAD : PARSE_DONE);
		}
	}
}

static void find(void **state)
{
	static const char block[] = "To: a\r\nX-To: b\r\nTO : c\r\n d\r\n\r\nTo: e\r\n";
	struct header_field field;
	struct buf out = BUF_INIT(64);

	(void)state;
	assert_true(header_find(view_from_cstr(block), "to", &field));
	assert_true(view_eq_lit(field.whole, "To: a\r\n"));
	assert_int_equal(header_count(view_from_cstr(block), "To"), 2);
	assert_false(header_find(view_from_cstr(block), "Cc", &field));
	header_unfold(&out, VIEW_LIT(" c\r\n d\n\te \r\n "));
	assert_string_equal(buf_cstr(&out), "c d\te");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),
	    cmocka_unit_test(scanning_finds_the_same_end),
	    cmocka_unit_test(scanning_is_limited),
	    cmocka_unit_test(find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
