/* SPDX-License-Identifier: ISC */
#include "cli/mime_part.h"

#include "mail/header.h"
#include "mail/mime_decode.h"
#include "mail/mime_field.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Encoded in 7 bits, CRLF, lines of at most `max`. */
static void check_lines(struct view bytes, size_t max)
{
	size_t column = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		assert_in_range((unsigned char)bytes.p[i], 1, 126);
		if (bytes.p[i] == '\n') {
			assert_true(i > 0 && bytes.p[i - 1] == '\r');
			assert_in_range(column, 1, max + 1);
			column = 0;
			continue;
		}
		if (bytes.p[i] == '\r')
			assert_true(i + 1 < bytes.n && bytes.p[i + 1] == '\n');
		column++;
	}
	assert_int_equal(column, 0);
}

static struct view field(struct view part, const char *name)
{
	struct header_field f;

	assert_true(header_find(part, name, &f));
	return view_trim(f.value);
}

/* What a mail program gets. */
static void decode(struct view part, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, mime_field_encoding(field(part, "Content-Transfer-Encoding")));
	mime_decoder_feed(&d, view_sub(part, header_length(part), part.n), out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void texts(void **state)
{
	static const struct {
		const char *text, *encoding, *decoded;
	} cases[] = {
	    {"hello\n", "7bit", "hello\r\n"},
	    {"hello", "7bit", "hello\r\n"},
	    {"", "7bit", ""},
	    {"a\r\nb\rc\n\nd", "7bit", "a\r\nb\r\nc\r\n\r\nd\r\n"},
	    {".\n..\na=b \n", "7bit", ".\r\n..\r\na=b \r\n"},
	    {"From here on\n", "quoted-printable", "From here on\r\n"},
	    {"bell \a here, and a long text around\n", "quoted-printable", "bell \a here, and a long text around\r\n"},
	    {"Mit freundlichen Gr\xc3\xbc\xc3\x9f"
	     "en \n. Und so weiter.\n",
	     "quoted-printable",
	     "Mit freundlichen Gr\xc3\xbc\xc3\x9f"
	     "en \r\n. Und so weiter.\r\n"},
	    {"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\n", "base64",
	     "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf part = BUF_INIT(10000), got = BUF_INIT(10000);

		assert_true(mime_part_text(&part, view_from_cstr(cases[i].text)));
		assert_true(view_eq_lit(field(buf_view(&part), "Content-Transfer-Encoding"), cases[i].encoding));
		decode(buf_view(&part), &got);
		assert_string_equal(buf_cstr(&got), cases[i].decoded);
	}
}

static void text_that_is_none(void **state)
{
	static const struct view cases[] = {VIEW_LIT("a\0b"), VIEW_LIT("caf\xe9"), VIEW_LIT("\xed\xa0\x80")};
	_cleanup_(buf_fini) struct buf part = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_false(mime_part_text(&part, cases[i]));
}

static void long_lines(void **state)
{
	static const char *const words[] = {"x", "=", "\xc3\xbc", "\t", " "};

	(void)state;
	for (size_t w = 0; w < ARRAY_LEN(words); w++) {
		for (size_t n = 1; n < 1200; n = n < 300 ? n + 1 : n + 97) {
			_cleanup_(buf_fini) struct buf text = BUF_INIT(10000), part = BUF_INIT(20000),
						       got = BUF_INIT(20000);
			bool plain;

			for (size_t i = 0; i < n; i++)
				buf_append_cstr(&text, words[w]);
			assert_true(mime_part_text(&part, buf_view(&text)));
			plain = view_eq_lit(field(buf_view(&part), "Content-Transfer-Encoding"), "7bit");
			check_lines(view_sub(buf_view(&part), header_length(buf_view(&part)), part.n),
				    plain ? 990 : 76);
			decode(buf_view(&part), &got);
			buf_append_cstr(&text, "\r\n");
			assert_true(view_eq(buf_view(&got), buf_view(&text)));
		}
	}
}

static void random_texts(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 3000; round++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(10000), part = BUF_INIT(30000), got = BUF_INIT(20000);
		int lines = rand() % 5;

		for (int l = 0; l < lines; l++) {
			for (int i = rand() % 120; i > 0; i--)
				buf_append_cstr(&text, (const char *const[]){"a", " ", "=", ".", "\t", "\xc3\xa9",
									     "From ", "\xe2\x82\xac"}[rand() % 8]);
			buf_append_cstr(&text, "\r\n");
		}
		assert_true(mime_part_text(&part, buf_view(&text)));
		decode(buf_view(&part), &got);
		assert_true(view_eq(buf_view(&got), buf_view(&text)));
	}
}

/* ---- parameters ---- */

static void parameters(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
	    {"report.pdf", ";\r\n\tfilename=report.pdf"},
	    {"my report.pdf", ";\r\n\tfilename=\"my report.pdf\""},
	    {"a\"b\\c.txt", ";\r\n\tfilename=\"a\\\"b\\\\c.txt\""},
	    {"", ";\r\n\tfilename=\"\""},
	    {"\xc3\xbc.txt", ";\r\n\tfilename*=UTF-8''%C3%BC.txt"},
	    {"a'b*c%\xc3\xbc", ";\r\n\tfilename*=UTF-8''a%27b%2Ac%25%C3%BC"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf out = BUF_INIT(1000);

		mime_part_parameter(&out, "filename", view_from_cstr(cases[i].value));
		assert_string_equal(buf_cstr(&out), cases[i].want);
	}
}

/* RFC 2231 §3: the pieces, as a reader puts them together. */
static void join_pieces(struct view fields, struct buf *out)
{
	struct view line, rest = fields;

	while (rest.n) {
		struct view name, value;

		if (!view_cut(rest, '\n', &line, &rest)) {
			line = rest;
			rest = VIEW_EMPTY;
		}
		assert_in_range(line.n, 1, 78);
		if (!view_cut(line, '=', &name, &value))
			continue;
		value = view_trim(value);
		if (value.n && value.p[value.n - 1] == ';')
			value.n--;
		for (size_t i = 0; i < value.n; i++) {
			unsigned byte = (unsigned char)value.p[i];

			if (value.p[i] == '%') {
				char hex[3] = {value.p[i + 1], value.p[i + 2], 0};

				assert_true(i + 2 < value.n);
				byte = (unsigned)strtoul(hex, NULL, 16);
				i += 2;
			}
			buf_append_char(out, (char)byte);
		}
	}
}

static void long_names(void **state)
{
	(void)state;
	for (size_t n = 1; n < 200; n++) {
		_cleanup_(buf_fini) struct buf name = BUF_INIT(1000), out = BUF_INIT(4000), got = BUF_INIT(4000);

		for (size_t i = 0; i < n; i++)
			buf_append_cstr(&name, i % 3 ? "\xe2\x82\xac" : "x");
		if (view_is_ascii(buf_view(&name)))
			continue;
		mime_part_parameter(&out, "filename", buf_view(&name));
		join_pieces(buf_view(&out), &got);
		assert_true(view_starts_with(buf_view(&got), VIEW_LIT("UTF-8''")));
		assert_true(view_eq(view_sub(buf_view(&got), 7, got.n), buf_view(&name)));
	}
}

/* ---- files ---- */

static void files(void **state)
{
	_cleanup_(buf_fini) struct buf bytes = BUF_INIT(10000);

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_append_char(&bytes, (char)(i * 7 + i / 256));
	for (size_t n = 0; n < bytes.n; n += n < 200 ? 1 : 777) {
		_cleanup_(buf_fini) struct buf part = BUF_INIT(20000), got = BUF_INIT(20000);

		mime_part_file(&part, VIEW_LIT("x.bin"), "application/octet-stream", view_sub(buf_view(&bytes), 0, n));
		check_lines(view_sub(buf_view(&part), header_length(buf_view(&part)), part.n), 76);
		decode(buf_view(&part), &got);
		assert_true(view_eq(buf_view(&got), view_sub(buf_view(&bytes), 0, n)));
	}
}

static void odd_file_names(void **state)
{
	static const struct {
		struct view name;
		const char *type, *disposition;
	} cases[] = {
	    {VIEW_LIT("a b.pdf"), "application/pdf;\r\n\tname=\"a b.pdf\"", "attachment;\r\n\tfilename=\"a b.pdf\""},
	    {VIEW_LIT("gr\xc3\xbc\xc3\x9f"
		      "e.pdf"),
	     "application/pdf;\r\n\tname*=UTF-8''gr%C3%BC%C3%9Fe.pdf",
	     "attachment;\r\n\tfilename*=UTF-8''gr%C3%BC%C3%9Fe.pdf"},
	    {VIEW_LIT("caf\xe9\n.pdf"), "application/pdf;\r\n\tname=caf__.pdf", "attachment;\r\n\tfilename=caf__.pdf"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf part = BUF_INIT(4000);

		mime_part_file(&part, cases[i].name, "application/pdf", VIEW_LIT("x"));
		assert_true(view_eq_lit(field(buf_view(&part), "Content-Type"), cases[i].type));
		assert_true(view_eq_lit(field(buf_view(&part), "Content-Disposition"), cases[i].disposition));
	}
}

/* RFC 2046 §5.2.1: a message is never base64. */
static void messages(void **state)
{
	_cleanup_(buf_fini) struct buf part = BUF_INIT(4000);

	(void)state;
	mime_part_file(&part, VIEW_LIT("m.eml"), "message/rfc822", VIEW_LIT("Subject: x\n\nhello\n"));
	assert_true(view_starts_with(field(buf_view(&part), "Content-Type"), VIEW_LIT("message/rfc822")));
	assert_true(view_eq_lit(field(buf_view(&part), "Content-Transfer-Encoding"), "7bit"));
	assert_true(view_ends_with_nocase(buf_view(&part), VIEW_LIT("\r\n\r\nSubject: x\r\n\r\nhello\r\n")));
	buf_reset(&part);
	mime_part_file(&part, VIEW_LIT("m.eml"), "message/rfc822", VIEW_LIT("Subject: \xc3\xbc\n\nhello\n"));
	assert_true(view_starts_with(field(buf_view(&part), "Content-Type"), VIEW_LIT("application/octet-stream")));
	assert_true(view_eq_lit(field(buf_view(&part), "Content-Transfer-Encoding"), "base64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),        cmocka_unit_test(text_that_is_none), cmocka_unit_test(long_lines),
	    cmocka_unit_test(random_texts), cmocka_unit_test(parameters),        cmocka_unit_test(long_names),
	    cmocka_unit_test(files),        cmocka_unit_test(odd_file_names),    cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
