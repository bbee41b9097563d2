/* SPDX-License-Identifier: ISC */
#include "cli/show.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sizes(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t want;
	} cases[] = {
	    {"0", true, 0},
	    {"1", true, 1},
	    {"1K", true, 1024},
	    {"1k", true, 1024},
	    {"500M", true, 500ull << 20},
	    {"2GB", true, 2ull << 30},
	    {"3T", true, 3ull << 40},
	    {"none", true, 0},
	    {"7B", true, 7},
	    {"", false, 0},
	    {"K", false, 0},
	    {"B", false, 0},
	    {"-1", false, 0},
	    {"1.5G", false, 0},
	    {"1 G", false, 0},
	    {"1X", false, 0},
	    {"9999999999T", false, 0},
	    {"1KK", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t got = 0;

		assert_int_equal(show_parse_size(cases[i].text, &got), cases[i].ok);
		assert_int_equal(got, cases[i].want);
	}
}

static void texts(void **state)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(1000);

	(void)state;
	show_size(1023, &out);
	buf_append_char(&out, '|');
	show_size(1536, &out);
	buf_append_char(&out, '|');
	show_size(75ull << 30, &out);
	buf_append_char(&out, '|');
	show_size(5000ull << 40, &out);
	assert_string_equal(buf_cstr(&out), "1023 B|1.5 KiB|75 GiB|5000 TiB");
	buf_reset(&out);
	for (size_t i = 0; i < 6; i++) {
		show_span((const int64_t[]){-5, 0, 59, 3600, 90061, 86400}[i], &out);
		buf_append_char(&out, '|');
	}
	assert_string_equal(buf_cstr(&out), "0 s|0 s|59 s|1 h|1 d 1 h|1 d|");
	buf_reset(&out);
	show_time(1767225600, &out);
	buf_append_char(&out, '|');
	show_time(0, &out);
	assert_string_equal(buf_cstr(&out), "2026-01-01T00:00:00Z|never");
	assert_string_equal(show_noun(0, "copy", "copies"), "copies");
	assert_string_equal(show_noun(1, "copy", "copies"), "copy");
	assert_string_equal(show_noun(2, "copy", "copies"), "copies");
}

/* What others wrote must not drive the operator's terminal. */
static void clean(void **state)
{
	static const struct {
		struct view text;
		const char *want;
	} cases[] = {
	    {VIEW_LIT("plain caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
	     "plain caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {VIEW_LIT("a\x1b[2Jb"), "a?[2Jb"},
	    {VIEW_LIT("a\nb\tc\rd"), "a b c?d"},
	    {VIEW_LIT("nul\0del\x7f"), "nul?del?"},
	    {VIEW_LIT("csi \xc2\x9b"
		      "31m"),
	     "csi ?"
	     "?31m"},
	    {VIEW_LIT("bad \xff\xc3"), "bad ??"},
	    {VIEW_LIT("cut \xe2\x82"), "cut ??"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(1000);

		show_clean(cases[i].text, &out);
		assert_string_equal(buf_cstr(&out), cases[i].want);
	}
}

static void json(void **state)
{
	json_t *text = show_json_text(VIEW_LIT("a\xff\xc3\xa9")), *never = show_json_time(0);

	(void)state;
	assert_string_equal(json_string_value(text), "a\xef\xbf\xbd\xc3\xa9");
	assert_true(json_is_null(never));
	json_decref(text);
	json_decref(never);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(texts), cmocka_unit_test(clean),
					   cmocka_unit_test(json)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
