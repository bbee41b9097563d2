/* SPDX-License-Identifier: ISC */
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "[name|value]" a field, then how the header ended, where the content starts, what was passed over. */
static const struct {
	struct view in;
	const char *out;
	const char *until_junk; /* the same where junk ends the header; NULL: no difference */
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
    /* junk is passed over, or ends the header */
    {VIEW_LIT("A: b\r\nhello\r\nC: d\r\n\r\n"), "[A| b][C| d]blank 21 +7", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nhello\r\n world\r\nC: d\r\n\r\nx"), "[A| b][C| d]blank 29 +15", "[A| b]junk 6"},
    {VIEW_LIT("hello world\r\n"), "input 13 +13", "junk 0"},
    {VIEW_LIT("hello world\r\n\r\nA: b\r\n"), "blank 15 +13", "junk 0"},
    {VIEW_LIT("hello"), "input 5 +5", "junk 0"},
    {VIEW_LIT("A: b\r\nhello"), "[A| b]input 11 +5", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nhello world: x\r\n\r\n"), "[A| b]blank 24 +16", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n: c\r\n\r\n"), "[A| b]blank 13 +5", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\ngr\xc3\xbc\xc3\x9f: c\r\n\r\n"), "[A| b]blank 19 +11", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\rC: d\r\n\r\n"), "[A| b]blank 15 +7", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\r"), "[A| b]input 7 +1", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nC\r: d\r\n\r\n"), "[A| b]blank 15 +7", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\nC \r\n\r\n"), "[A| b]blank 12 +4", "[A| b]junk 6"},
    {VIEW_LIT("A: b\r\n\0"), "[A| b]input 7 +1", "[A| b]junk 6"},
    /* what is passed over */
    {VIEW_LIT(" a\r\n\tb\r\nC: d\r\n\r\n"), "[C| d]blank 16 +8"},
    {VIEW_LIT(" a\r\n\r\nbody"), "blank 6 +4"},
    {VIEW_LIT(" a"), "input 2 +2"},
    {VIEW_LIT("From a@b Tue Jan  1 10:00:00 2019\r\nA: b\r\n\r\n"), "[A| b]blank 43 +35"},
    {VIEW_LIT("A: b\r\n>From a@b\r\n more\r\nC: d\r\n\r\n"), "[A| b][C| d]blank 32 +18"},
    {VIEW_LIT("From : a@b\r\n\r\n"), "[From| a@b]blank 14"},
    {VIEW_LIT("From: a@b\r\n\r\n"), "[From| a@b]blank 13"},
    {VIEW_LIT("From \r\nA: b\r\n"), "[A| b]input 13 +7", "junk 0"},
    {VIEW_LIT("From "), "input 5 +5", "junk 0"},
    {VIEW_LIT("From\tx\r\n"), "input 8 +8", "junk 0"},
    {VIEW_LIT(">>From x\r\n"), "input 10 +10", "junk 0"},
    {VIEW_LIT("from x\r\n"), "input 8 +8", "junk 0"},
};

static void expect(size_t i, struct header *h, const char *want)
{
	static const char *const ends[] = {
	    [HEADER_END_BLANK] = "blank", [HEADER_END_JUNK] = "junk", [HEADER_END_INPUT] = "input"};
	struct buf out = BUF_INIT(4096);
	struct header_field field;

	while (header_next(h, &field) == PARSE_DONE) {
		buf_append_char(&out, '[');
		buf_append_view(&out, field.name);
		buf_append_char(&out, '|');
		buf_append_view(&out, field.value);
		buf_append_char(&out, ']');
		assert_true(field.whole.p >= cases[i].in.p && view_starts_with(field.whole, field.name));
	}
	buf_printf(&out, "%s %zu", ends[h->end], h->content);
	if (h->passed_over_bytes)
		buf_printf(&out, " +%zu", h->passed_over_bytes);
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg("case %zu: %s, not %s", i, buf_cstr(&out), want);
	assert_int_equal(header_next(h, &field), PARSE_MORE);
	assert_int_equal(header_next(h, &field), PARSE_MORE);
	buf_fini(&out);
}

static void fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct header h;

		header_init(&h, cases[i].in);
		expect(i, &h, cases[i].out);
		assert_int_equal(header_length(cases[i].in), h.content);
		assert_int_equal(header_junk(cases[i].in), h.junk);
		assert_int_equal(h.junk != SIZE_MAX, cases[i].until_junk != NULL);
		header_init_until_junk(&h, cases[i].in);
		expect(i, &h, cases[i].until_junk ? cases[i].until_junk : cases[i].out);
		if (h.junk != SIZE_MAX)
			assert_int_equal(header_junk(cases[i].in), h.content);
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
	    cmocka_unit_test(find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
