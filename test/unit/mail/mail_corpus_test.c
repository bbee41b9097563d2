/* SPDX-License-Identifier: ISC
 * Real mail, every *.eml below $POMBO_TEST_MAIL, line ends made CRLF: indexed, rendered, searched. */
#include "mail/bodystructure.h"
#include "mail/header.h"
#include "mail/imap_section.h"
#include "mail/search_match.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mime_parser *parser;
static size_t messages;

/* Line ends are LF, CR or CRLF in the files. */
static void read_as_crlf(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	int c, before = 0;

	assert_non_null(f);
	for (; (c = getc(f)) != EOF; before = c) {
		if (c == '\n' && before == '\r')
			continue;
		if (c == '\n' || c == '\r')
			buf_append_cstr(out, "\r\n");
		else
			buf_append_char(out, (char)c);
	}
	assert_false(out->overflow);
	assert_int_equal(fclose(f), 0);
}

/* Every literal is whole, quotes and parentheses pair, nothing 8-bit stands outside a literal. */
static void check_text(struct view text)
{
	size_t depth = 0, i = 0;

	while (i < text.n) {
		char c = text.p[i++];

		assert_true((unsigned char)c >= 0x20 && (unsigned char)c < 0x7f);
		if (c == '"') {
			while (text.p[i] != '"')
				i += text.p[i] == '\\' ? 2 : 1;
			i++;
		} else if (c == '{') {
			struct view digits = view_sub(text, i, view_find_char(view_sub(text, i, text.n), '}'));
			uint64_t n;

			assert_true(view_to_u64(digits, text.n, &n));
			assert_true(view_starts_with(view_sub(text, i + digits.n, 3), VIEW_LIT("}\r\n")));
			i += digits.n + 3 + (size_t)n;
			assert_true(i <= text.n);
		}
		depth += c == '(';
		assert_true(c != ')' || depth > 0);
		depth -= c == ')';
		assert_true(depth > 0 || i == text.n);
	}
	assert_int_equal(depth, 0);
}

static void check_search(const struct mime_index *x, struct view message)
{
	struct search_key key;
	struct search_scan *s;
	struct arena a;

	arena_init(&a, 10000);
	assert_true(search_key_init(&key, VIEW_LIT("no message holds this, we hope"), SEARCH_IN_TEXT, &a));
	s = search_scan_new(x, &key, 1);
	search_scan_feed(s, message);
	search_scan_finish(s);
	assert_false(key.hit);
	search_scan_free(&s);
	arena_fini(&a);
}

static void check_message(struct view message)
{
	struct buf encoded = BUF_INIT(1 << 24), again = BUF_INIT(1 << 24);
	const struct mime_index *x = mime_index_parse(parser, message);
	struct mime_index decoded;
	struct arena a;

	check_text(x->envelope);
	check_text(x->bodystructure);
	assert_int_equal(x->parts[0].header_bytes, header_length(message));
	mime_index_encode(x, &encoded);
	mime_parser_reset(parser);
	for (size_t at = 0; at < message.n; at += 37)
		mime_parser_feed(parser, view_sub(message, at, 37));
	mime_index_encode(mime_parser_finish(parser), &again);
	assert_true(view_eq(buf_view(&encoded), buf_view(&again)));
	arena_init(&a, 1 << 24);
	assert_true(mime_index_decode(buf_view(&encoded), &a, &decoded));
	buf_reset(&again);
	assert_true(bodystructure_to_body(&again, decoded.bodystructure));
	check_text(buf_view(&again));
	check_search(&decoded, message);
	arena_fini(&a);
	buf_fini(&encoded);
	buf_fini(&again);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct buf message = BUF_INIT(1 << 26);

	(void)st;
	(void)ftw;
	if (type != FTW_F || !view_ends_with_nocase(view_from_cstr(path), VIEW_LIT(".eml")))
		return 0;
	read_as_crlf(path, &message);
	check_message(buf_view(&message));
	buf_fini(&message);
	messages++;
	return 0;
}

static void real_mail(void **state)
{
	const char *folder = getenv("POMBO_TEST_MAIL");

	(void)state;
	if (!folder) {
		print_message("POMBO_TEST_MAIL names no folder of *.eml files\n");
		skip();
	}
	parser = mime_parser_new(&mime_limits_default);
	assert_int_equal(nftw(folder, visit, 8, 0), 0);
	mime_parser_free(&parser);
	print_message("%zu messages\n", messages);
	assert_true(messages > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
