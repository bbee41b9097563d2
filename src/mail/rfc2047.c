/* SPDX-License-Identifier: ISC
 * Encoded-words in header field values. */
#include "mail/rfc2047.h"

#include "base/encode.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/mime_decode.h"

#include <string.h>

enum { WORD_BYTES_MAX = 4096 }; /* RFC 2047 §2 says 75; a longer one than this is not looked for */

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
struct word {
	struct view charset, text;
	bool base64;
	size_t bytes; /* all of it */
};

/* Where the next "?=" is. It is looked for from where the last one was: each byte once, however many "=?" there are. */
struct closing {
	const char
	    *known; /* the first "?=" behind what was asked for last, or the text's end; NULL: not looked for yet */
};

/* Offset of the first "?=" of `rest`, which goes on to the text's end; rest.n: none. */
static size_t find_closing(struct closing *c, struct view rest)
{
	if (!c->known || c->known < rest.p)
		c->known = rest.p + view_find(rest, VIEW_LIT("?="));
	return (size_t)(c->known - rest.p);
}

static bool parse_word(struct view all, struct closing *c, struct word *ret)
{
	struct view charset, rest, encoding, language, v = view_sub(all, 0, WORD_BYTES_MAX);
	size_t end;

	if (!view_starts_with(v, VIEW_LIT("=?")) || !view_cut(view_sub(v, 2, v.n), '?', &charset, &rest) ||
	    !view_cut(rest, '?', &encoding, &rest) || encoding.n != 1 || charset.n == 0)
		return false;
	if (view_find_char(charset, ' ') < charset.n)
		return false;
	ret->base64 = ascii_lower(encoding.p[0]) == 'b';
	if (!ret->base64 && ascii_lower(encoding.p[0]) != 'q')
		return false;
	end = find_closing(c, view_from(rest.p, all.n - (size_t)(rest.p - all.p)));
	if (end + 2 > rest.n)
		return false;
	(void)view_cut(charset, '*', &charset, &language);
	ret->charset = charset;
	ret->text = view_sub(rest, 0, end);
	ret->bytes = (size_t)(rest.p - v.p) + end + 2;
	return true;
}

/* RFC 2047 §4.2: quoted-printable with "_" for a blank, and no line ends. */
static void decode_q(struct view text, struct buf *out)
{
	struct mime_decoder d;
	struct view head;

	mime_decoder_init(&d, MIME_QUOTED_PRINTABLE);
	while (view_cut(text, '_', &head, &text)) {
		mime_decoder_feed(&d, head, out);
		mime_decoder_finish(&d, out);
		buf_append_char(out, ' ');
	}
	mime_decoder_feed(&d, text, out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void decode_b(struct view text, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, MIME_BASE64);
	mime_decoder_feed(&d, text, out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

/* Words in a row that are one text: decoded bytes that were not yet converted. */
struct row {
	struct view source; /* the words as they stand; n == 0: none */
	struct view charset;
	bool base64;
	struct buf bytes;
};

static void append_raw(struct view text, struct buf *out)
{
	if (view_is_utf8(text) || !charset_to_utf8(VIEW_LIT("windows-1252"), text, out))
		buf_append_view(out, text);
}

static void flush(struct row *row, struct buf *out)
{
	if (row->source.n && !charset_to_utf8(row->charset, buf_view(&row->bytes), out))
		append_raw(row->source, out);
	row->source.n = 0;
	buf_reset(&row->bytes);
}

static void add_word(struct row *row, struct view at, const struct word *word, struct buf *out)
{
	if (row->source.n && (row->base64 != word->base64 || !view_eq_nocase(row->charset, word->charset)))
		flush(row, out);
	if (row->source.n == 0) {
		row->source = view_sub(at, 0, word->bytes);
		row->charset = word->charset;
		row->base64 = word->base64;
	} else {
		row->source.n = (size_t)(at.p - row->source.p) + word->bytes;
	}
	if (word->base64)
		decode_b(word->text, &row->bytes);
	else
		decode_q(word->text, &row->bytes);
}

/* Offset of the next encoded-word, or v.n. */
static size_t find_word(struct view v, struct closing *c, struct word *ret)
{
	size_t at = 0;

	while (at < v.n) {
		at += view_find(view_sub(v, at, v.n), VIEW_LIT("=?"));
		if (at >= v.n || parse_word(view_sub(v, at, v.n), c, ret))
			return at;
		at += 2;
	}
	return v.n;
}

static void decode_unfolded(struct view v, struct buf *out)
{
	struct row row = {.bytes = BUF_INIT(v.n)};
	struct closing closing = {NULL};
	struct word word = {0};

	while (v.n) {
		size_t at = find_word(v, &closing, &word);
		struct view before = view_sub(v, 0, at);

		/* RFC 2047 §6.2: blanks between two encoded-words are not text */
		if (row.source.n == 0 || at == v.n || view_trim(before).n) {
			flush(&row, out);
			append_raw(before, out);
		}
		if (at == v.n)
			break;
		v = view_sub(v, at, v.n);
		add_word(&row, v, &word, out);
		v = view_sub(v, word.bytes, v.n);
	}
	flush(&row, out);
	buf_fini(&row.bytes);
}

void rfc2047_decode(struct view value, struct buf *out)
{
	struct buf unfolded;

	value = view_trim(value);
	if (view_find_char(value, '\n') == value.n) {
		decode_unfolded(value, out);
		return;
	}
	buf_init(&unfolded, value.n);
	header_unfold(&unfolded, value);
	decode_unfolded(buf_view(&unfolded), out);
	buf_fini(&unfolded);
}

enum {
	LINE_BYTES = 76,
	WORD_OVERHEAD = sizeof "=?UTF-8?B?" + 1,
	CHAR_ROOM = 8, /* base64 of the longest character */
};

static bool needs_encoding(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c < 0x20 && c != '\t') || c >= 0x7f)
			return true;
	}
	return view_find(v, VIEW_LIT("=?")) < v.n;
}

/* How many bytes of `v`, whole characters, fit into `room` columns of base64. */
static size_t fitting_bytes(struct view v, size_t room)
{
	size_t bytes = room / 4 * 3;

	if (bytes >= v.n)
		return v.n;
	return charset_whole_chars(view_sub(v, 0, bytes));
}

void rfc2047_encode(struct view utf8, size_t column, struct buf *out)
{
	if (!needs_encoding(utf8)) {
		buf_append_view(out, utf8);
		return;
	}
	while (utf8.n) {
		size_t n;

		if (column + WORD_OVERHEAD + CHAR_ROOM > LINE_BYTES) {
			buf_append_cstr(out, "\r\n ");
			column = 1;
		}
		n = fitting_bytes(utf8, LINE_BYTES - column - WORD_OVERHEAD);
		buf_append_cstr(out, "=?UTF-8?B?");
		encode_base64(out, view_sub(utf8, 0, n));
		buf_append_cstr(out, "?=");
		utf8 = view_sub(utf8, n, utf8.n);
		column = LINE_BYTES;
	}
}
