/* SPDX-License-Identifier: ISC */
#include "mail/search_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool header_has(const char *header, const char *name, const char *text)
{
	struct search_key key;
	struct arena a;
	bool hit;

	arena_init(&a, 100000);
	assert_true(search_key_init(&key, view_from_cstr(text), SEARCH_IN_TEXT, &a));
	hit = search_match_header(view_from_cstr(header), view_from_cstr(name), &key);
	arena_fini(&a);
	return hit;
}

static void header_values(void **state)
{
	static const char header[] = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>\r\nSubject: One\r\n two\r\n"
				     "X-Empty:\r\nsubject: second\r\n\r\nX-Body: yes\r\n";

	(void)state;
	assert_true(header_has(header, "from", "J\xc3\x96RG <JOERG"));
	assert_true(header_has(header, "Subject", "one TWO"));
	assert_true(header_has(header, "Subject", "SECOND"));
	assert_false(header_has(header, "Subject", "three"));
	assert_false(header_has(header, "Subjec", "one"));
	assert_true(header_has(header, "X-Empty", ""));
	assert_false(header_has(header, "X-Empty", "x"));
	assert_false(header_has(header, "X-None", ""));
	assert_false(header_has(header, "X-Body", "yes"));
}

static const char message[] =
    "Subject: =?utf-8?B?w5xiZXI=?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "preamble\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "sch=F6ner T=\r\next \xdf\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "PGI+SGVsbG8g\r\nV8O2cmxkPC9iPg==\r\n"
    "--b\r\nContent-Type: application/octet-stream; name=\"report.bin\"\r\n\r\nhidden\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner subject\r\n\r\ninner body\r\n"
    "--b\r\nContent-Type: text/plain; charset=x-what\r\n\r\nunknown \xe4\r\n"
    "--b\r\n\r\n\xe2\x82\xac sign\r\n--b--\r\nepilogue\r\n";

static const struct {
	const char *text;
	bool in_body, in_text;
} searches[] = {
    {"", true, true},
    {"\xc3\x9c"
     "BER",
     false, true},
    {"multipart/mixed", false, true},
    {"preamble", false, false},
    {"epilogue", false, false},
    {"SCH\xc3\x96NER TEXT", true, true},
    {"text ss", true, true},
    {"<b>hello w\xc3\xb6rld</b>", true, true},
    {"hidden", false, false},
    {"REPORT.bin", true, true},
    {"inner subject", true, true},
    {"inner body", true, true},
    {"unknown \xc3\xa4", true, true},
    {"\xe2\x82\xac SIGN", true, true},
    {"nowhere", false, false},
};

static void scan(struct mime_parser *p, size_t step)
{
	struct search_key keys[ARRAY_LEN(searches) * 2];
	const struct mime_index *x = mime_index_parse(p, VIEW_LIT(message));
	struct search_scan *s;
	struct arena a;

	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
		struct view text = view_from_cstr(searches[i].text);

		assert_true(search_key_init(&keys[i * 2], text, SEARCH_IN_BODY, &a));
		assert_true(search_key_init(&keys[i * 2 + 1], text, SEARCH_IN_TEXT, &a));
	}
	s = search_scan_new(x, keys, ARRAY_LEN(keys));
	for (size_t at = 0; at < sizeof message - 1; at += step)
		search_scan_feed(s, view_sub(VIEW_LIT(message), at, step));
	search_scan_finish(s);
	search_scan_free(&s);
	for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
		assert_int_equal(keys[i * 2].hit, searches[i].in_body);
		assert_int_equal(keys[i * 2 + 1].hit, searches[i].in_text);
	}
	arena_fini(&a);
}

static void bodies_however_they_are_cut(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);

	(void)state;
	for (size_t step = 1; step < sizeof message; step += step / 3 + 1)
		scan(p, step);
	mime_parser_free(&p);
}

static void a_scan_stops_when_nothing_can_change(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct view head = VIEW_LIT("Content-Type: text/plain\r\n\r\nfound it"), rest = VIEW_LIT(" and more");
	struct search_key key;
	struct search_scan *s;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	mime_parser_feed(p, head);
	mime_parser_feed(p, rest);
	assert_true(search_key_init(&key, VIEW_LIT("found it"), SEARCH_IN_BODY, &a));
	s = search_scan_new(mime_parser_finish(p), &key, 1);
	assert_false(search_scan_is_settled(s));
	search_scan_feed(s, head);
	assert_true(key.hit && search_scan_is_settled(s));
	search_scan_free(&s);
	assert_true(search_key_init(&key, VIEW_LIT("not there"), SEARCH_IN_BODY, &a));
	s = search_scan_new(mime_index_parse(p, VIEW_LIT("Content-Type: image/png\r\n\r\nnot there")), &key, 1);
	search_scan_feed(s, VIEW_LIT("Content-Type: image/png\r\n\r\n"));
	assert_true(search_scan_is_settled(s));
	search_scan_free(&s);
	arena_fini(&a);
	mime_parser_free(&p);
}

static void a_key_may_lie_across_pieces_of_a_long_text(void **state)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	struct buf text = BUF_INIT(1 << 20);
	struct search_key key;
	struct search_scan *s;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	buf_append_cstr(&text, "\r\n");
	for (int i = 0; i < 8190; i++)
		buf_append_char(&text, 'x');
	buf_append_cstr(&text, "NEEDLE");
	for (int i = 0; i < 30000; i++)
		buf_append_char(&text, 'y');
	assert_true(search_key_init(&key, VIEW_LIT("xneedley"), SEARCH_IN_BODY, &a));
	s = search_scan_new(mime_index_parse(p, buf_view(&text)), &key, 1);
	search_scan_feed(s, buf_view(&text));
	search_scan_finish(s);
	assert_true(key.hit);
	search_scan_free(&s);
	arena_fini(&a);
	buf_fini(&text);
	mime_parser_free(&p);
}

static void keys_are_bounded(void **state)
{
	char text[SEARCH_KEY_BYTES_MAX + 1];
	struct search_key key;
	struct arena a;

	(void)state;
	memset(text, 'x', sizeof text);
	arena_init(&a, 100000);
	assert_true(search_key_init(&key, view_from(text, SEARCH_KEY_BYTES_MAX), SEARCH_IN_BODY, &a));
	assert_false(search_key_init(&key, view_from(text, sizeof text), SEARCH_IN_BODY, &a));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_values),
	    cmocka_unit_test(bodies_however_they_are_cut),
	    cmocka_unit_test(a_scan_stops_when_nothing_can_change),
	    cmocka_unit_test(a_key_may_lie_across_pieces_of_a_long_text),
	    cmocka_unit_test(keys_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
