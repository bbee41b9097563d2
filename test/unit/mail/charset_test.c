/* SPDX-License-Identifier: ISC */
#include "mail/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
	const char *charset, *in, *utf8;
} cases[] = {
    {"utf-8", "a\xc3\xa4\xf0\x9f\x98\x80z", "a\xc3\xa4\xf0\x9f\x98\x80z"},
    {"UTF8", "\xc3", "\xef\xbf\xbd"},
    {"utf-8", "\xc3(\xe2\x82(\xff\xed\xa0\x80",
     "\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"us-ascii", "abc\xe4", "abc\xc3\xa4"},
    {"ISO-8859-1", "\xe4\x80", "\xc3\xa4\xe2\x82\xac"},
    {"iso_8859-15", "\xa4", "\xe2\x82\xac"},
    {"windows-1251", "\xcf\xf0\xe8", "\xd0\x9f\xd1\x80\xd0\xb8"},
    {"koi8-r", "\xf0\xd2\xc9", "\xd0\x9f\xd1\x80\xd0\xb8"},
    {"windows-1252", "\x81", "\xef\xbf\xbd"},
    {"gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd"},
    {"GB18030", "\x81\x30\x81\x30", "\xc2\x80"},
    {"Big5", "\xa7\x41\xa6\x6e", "\xe4\xbd\xa0\xe5\xa5\xbd"},
    {"Shift_JIS", "\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac"},
    {"EUC-JP", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac"},
    {"ISO-2022-JP", "a\x1b$BF|K\\\x1b(Bz", "a\xe6\x97\xa5\xe6\x9c\xacz"},
    {"ks_c_5601-1987", "\xc7\xd1", "\xed\x95\x9c"},
    {"utf-7", "a+AOQ-b",
     "a\xc3\xa4"
     "b"},
    {"euc-jp",
     "a\xff\xff"
     "b",
     "a\xef\xbf\xbd\xef\xbf\xbd"
     "b"},
    {"euc-jp", "a\xc6", "a\xef\xbf\xbd"},
};

static void text_becomes_utf8_however_it_is_cut(void **state)
{
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view in = view_from_cstr(cases[i].in);

		for (size_t step = 1; step <= in.n; step++) {
			struct charset_stream s;

			buf_reset(&out);
			assert_true(charset_stream_init(&s, view_from_cstr(cases[i].charset)));
			for (size_t at = 0; at < in.n; at += step)
				charset_stream_feed(&s, view_sub(in, at, step), &out);
			charset_stream_finish(&s, &out);
			charset_stream_fini(&s);
			assert_string_equal(buf_cstr(&out), cases[i].utf8);
		}
		buf_reset(&out);
		assert_true(charset_to_utf8(view_from_cstr(cases[i].charset), in, &out));
		assert_string_equal(buf_cstr(&out), cases[i].utf8);
	}
	buf_reset(&out);
	assert_true(charset_to_utf8(VIEW_LIT("utf-16le"), VIEW_LIT("a\0\xe4\0"), &out));
	assert_string_equal(buf_cstr(&out), "a\xc3\xa4");
	buf_fini(&out);
}

/* Half a surrogate pair, or a number that is no character, spoils itself and not what follows it. */
static void what_is_no_character_is_passed_over_whole(void **state)
{
	static const struct {
		const char *charset;
		struct view in;
	} odd[] = {
	    {"utf-16le", VIEW_LIT("a\0\x00\xd8z\0b\0")},
	    {"utf-16be", VIEW_LIT("\0a\xdc\x00\0z\0b")},
	    {"utf-32le", VIEW_LIT("a\0\0\0\xff\xff\xff\xffz\0\0\0b\0\0\0")},
	};
	struct buf out = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		for (size_t step = 1; step <= odd[i].in.n; step++) {
			struct charset_stream s;

			buf_reset(&out);
			assert_true(charset_stream_init(&s, view_from_cstr(odd[i].charset)));
			for (size_t at = 0; at < odd[i].in.n; at += step)
				charset_stream_feed(&s, view_sub(odd[i].in, at, step), &out);
			charset_stream_finish(&s, &out);
			charset_stream_fini(&s);
			assert_string_equal(buf_cstr(&out), "a\xef\xbf\xbdzb");
		}
	buf_fini(&out);
}

/* A name of so many that are not in order took a second. */
static void marks_on_one_character_have_a_limit(void **state)
{
	struct buf text = BUF_INIT(1000), out = BUF_INIT(1000);

	(void)state;
	buf_append_cstr(&text, "\xc3\xa4");
	for (int i = 0; i < CHARSET_MARKS_MAX; i++)
		buf_append_cstr(&text, i % 2 ? "\xcc\xa7" : "\xcc\x81");
	assert_true(charset_nfc(buf_view(&text), &out));
	buf_append_cstr(&text, "z\xcc\x81");
	assert_true(charset_nfc(buf_view(&text), &out));
	buf_truncate(&text, text.n - 3);
	buf_append_cstr(&text, "\xcc\x81");
	assert_false(charset_nfc(buf_view(&text), &out));
	buf_fini(&text);
	buf_fini(&out);
}

static void what_is_no_charset_is_unknown(void **state)
{
	static const char *const unknown[] = {
	    "",
	    "x-nonsense",
	    "//TRANSLIT",
	    "utf-8//IGNORE",
	    "../../etc/passwd",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "char",
	};
	struct buf out = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_false(charset_is_known(view_from_cstr(unknown[i])));
		assert_false(charset_to_utf8(view_from_cstr(unknown[i]), VIEW_LIT("x"), &out));
		assert_int_equal(out.n, 0);
	}
	assert_true(charset_is_known(VIEW_LIT("Windows-1252")) && charset_is_known(VIEW_LIT("big5")));
	buf_fini(&out);
}

static void output_is_bounded(void **state)
{
	struct buf out = BUF_INIT(4);

	(void)state;
	assert_true(charset_to_utf8(VIEW_LIT("latin1"), VIEW_LIT("\xe4\xe4\xe4"), &out));
	assert_true(out.overflow && out.n <= 4);
	buf_fini(&out);
}

static void folded_texts_compare_equal(void **state)
{
	static const char *const pairs[][2] = {
	    {"HELLO World 1", "hello world 1"},
	    {"\xc3\x84\xc3\x96", "a\xcc\x88o\xcc\x88"},
	    {"Stra\xc3\x9f"
	     "e",
	     "STRASSE"},
	    {"\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
	     "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83"},
	    {"\xef\xac\x81", "fi"},
	    {"\xff", "\xef\xbf\xbd"},
	    {"\xd0\x9f\xd0\xa0\xd0\x98", "\xd0\xbf\xd1\x80\xd0\xb8"},
	};
	struct buf a = BUF_INIT(100), b = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_reset(&a);
		buf_reset(&b);
		charset_fold(view_from_cstr(pairs[i][0]), &a);
		charset_fold(view_from_cstr(pairs[i][1]), &b);
		assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	}
	buf_fini(&a);
	buf_fini(&b);
}

static void whole_characters(void **state)
{
	(void)state;
	assert_int_equal(charset_whole_chars(VIEW_LIT("")), 0);
	assert_int_equal(charset_whole_chars(VIEW_LIT("abc")), 3);
	assert_int_equal(charset_whole_chars(VIEW_LIT("a\xc3")), 1);
	assert_int_equal(charset_whole_chars(VIEW_LIT("a\xc3\xa4")), 3);
	assert_int_equal(charset_whole_chars(VIEW_LIT("a\xf0\x9f\x98")), 1);
	assert_int_equal(charset_whole_chars(VIEW_LIT("a\xf0\x9f\x98\x80")), 5);
	assert_int_equal(charset_whole_chars(VIEW_LIT("a\xff\x80\x80")), 4);
	assert_int_equal(charset_whole_chars(VIEW_LIT("\x80\x80\x80")), 3);
}

static void composed_form(void **state)
{
	struct buf out = BUF_INIT(100);

	(void)state;
	assert_true(charset_nfc(VIEW_LIT("a\xcc\x88"
					 "b"),
				&out));
	assert_string_equal(buf_cstr(&out), "\xc3\xa4"
					    "b");
	assert_false(charset_nfc(VIEW_LIT("\xff"), &out));
	buf_fini(&out);
}

static bool reads_all_charsets(void)
{
	struct buf out = BUF_INIT(1000);
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&out);
		ok = ok && charset_to_utf8(view_from_cstr(cases[i].charset), view_from_cstr(cases[i].in), &out) &&
		     strcmp(buf_cstr(&out), cases[i].utf8) == 0;
	}
	buf_fini(&out);
	return ok;
}

/* In a process that can open no file. */
static bool reads_all_without_files(bool preload)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		static const struct rlimit none = {0, 0};

		if (preload)
			charset_preload();
		_exit(setrlimit(RLIMIT_NOFILE, &none) == 0 && reads_all_charsets() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

/* First of all, while no module has been loaded. */
static void preloading_makes_files_unnecessary(void **state)
{
	(void)state;
	assert_false(reads_all_without_files(false));
	assert_true(reads_all_without_files(true));
	charset_preload();
	charset_preload();
	assert_true(reads_all_charsets());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(preloading_makes_files_unnecessary),
	    cmocka_unit_test(text_becomes_utf8_however_it_is_cut),
	    cmocka_unit_test(what_is_no_character_is_passed_over_whole),
	    cmocka_unit_test(marks_on_one_character_have_a_limit),
	    cmocka_unit_test(what_is_no_charset_is_unknown),
	    cmocka_unit_test(output_is_bounded),
	    cmocka_unit_test(folded_texts_compare_equal),
	    cmocka_unit_test(whole_characters),
	    cmocka_unit_test(composed_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
