/* SPDX-License-Identifier: ISC
 * Undoes base64 and quoted-printable as a stream. */
#include "mail/mime_decode.h"

#include <string.h>

enum { BLANKS_MAX = 1000 }; /* a longer run is taken for text */

/* TEXT -CR-> CR -LF-> a line ends; TEXT -"="-> EQUALS -digit-> HEX; EQUALS -CR-> EQUALS_CR -LF-> the line goes on */
enum qp_state { TEXT, CR, EQUALS, HEX, EQUALS_CR };

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	*d = (struct mime_decoder){.encoding = encoding, .state = TEXT};
	buf_init(&d->blanks, BLANKS_MAX);
}

void mime_decoder_fini(struct mime_decoder *d)
{
	buf_fini(&d->blanks);
}

/* 64: not in the alphabet; 65: "=" */
static uint8_t sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 26);
	if (ascii_is_digit(c))
		return (uint8_t)(c - '0' + 52);
	return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 65 : 64;
}

/* The bytes that the sextets so far hold whole. */
static char *flush_bits(struct mime_decoder *d, char *to)
{
	uint32_t bits = d->bits << (6 * (4 - d->count));

	for (uint32_t i = 1; i < d->count; i++)
		*to++ = (char)(bits >> (24 - 8 * i));
	d->bits = d->count = 0;
	return to;
}

static void feed_base64(struct mime_decoder *d, struct view in, struct buf *out)
{
	char *start = buf_reserve(out, in.n + 4), *to = start;

	if (!start)
		return;
	for (size_t i = 0; i < in.n; i++) {
		uint8_t six = sextet(in.p[i]);

		if (six == 64)
			continue;
		if (six == 65) { /* padding; what follows it, if anything, starts anew */
			to = flush_bits(d, to);
			continue;
		}
		d->bits = d->bits << 6 | six;
		if (++d->count == 4)
			to = flush_bits(d, to);
	}
	buf_commit(out, (size_t)(to - start));
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void flush_blanks(struct mime_decoder *d, struct buf *out)
{
	buf_append_view(out, buf_view(&d->blanks));
	buf_reset(&d->blanks);
}

static void hold_blank(struct mime_decoder *d, char c, struct buf *out)
{
	if (d->blanks.n == BLANKS_MAX)
		flush_blanks(d, out);
	buf_append_char(&d->blanks, c);
}

/* What was held back is text after all. */
static void give_up(struct mime_decoder *d, struct buf *out)
{
	switch ((enum qp_state)d->state) {
	case TEXT:
		break;
	case CR:
		flush_blanks(d, out);
		buf_append_char(out, '\r');
		break;
	case EQUALS:
		buf_append_char(out, '=');
		flush_blanks(d, out);
		break;
	case HEX:
		buf_append_char(out, '=');
		buf_append_char(out, d->hex);
		break;
	case EQUALS_CR:
		buf_append_char(out, '=');
		flush_blanks(d, out);
		buf_append_char(out, '\r');
		break;
	}
	d->state = TEXT;
}

static void text_byte(struct mime_decoder *d, char c, struct buf *out)
{
	if (is_blank(c)) {
		hold_blank(d, c, out);
	} else if (c == '\r') {
		d->state = CR;
	} else if (c == '\n') {
		buf_reset(&d->blanks); /* RFC 2045 §6.7 (3) */
		buf_append_char(out, c);
	} else {
		flush_blanks(d, out);
		if (c == '=')
			d->state = EQUALS;
		else
			buf_append_char(out, c);
	}
}

/* True when `c` belongs to what was held back. */
static bool continues(struct mime_decoder *d, char c, struct buf *out)
{
	switch ((enum qp_state)d->state) {
	case TEXT:
		return false;
	case CR:
		if (c != '\n')
			return false;
		buf_reset(&d->blanks);
		buf_append(out, "\r\n", 2);
		break;
	case EQUALS:
		if (is_blank(c) && d->blanks.n < BLANKS_MAX) {
			buf_append_char(&d->blanks, c);
			return true;
		}
		if (c == '\r') {
			d->state = EQUALS_CR;
			return true;
		}
		if (hex_digit(c) >= 0 && d->blanks.n == 0) {
			d->hex = c;
			d->state = HEX;
			return true;
		}
		if (c != '\n')
			return false;
		buf_reset(&d->blanks);
		break;
	case HEX:
		if (hex_digit(c) < 0)
			return false;
		buf_append_char(out, (char)(hex_digit(d->hex) << 4 | hex_digit(c)));
		break;
	case EQUALS_CR:
		if (c != '\n')
			return false;
		buf_reset(&d->blanks);
		break;
	}
	d->state = TEXT;
	return true;
}

static size_t plain_bytes(struct view v)
{
	size_t n = 0;

	while (n < v.n && v.p[n] != '=' && v.p[n] != '\r' && v.p[n] != '\n' && !is_blank(v.p[n]))
		n++;
	return n;
}

static void feed_quoted_printable(struct mime_decoder *d, struct view in, struct buf *out)
{
	while (in.n) {
		size_t n = d->state == TEXT ? plain_bytes(in) : 0;

		if (n) {
			flush_blanks(d, out);
			buf_append_view(out, view_sub(in, 0, n));
		} else {
			if (!continues(d, in.p[0], out)) {
				give_up(d, out);
				text_byte(d, in.p[0], out);
			}
			n = 1;
		}
		in = view_sub(in, n, in.n);
	}
}

void mime_decoder_feed(struct mime_decoder *d, struct view in, struct buf *out)
{
	switch (d->encoding) {
	case MIME_7BIT:
	case MIME_8BIT:
	case MIME_BINARY:
	case MIME_UNKNOWN_ENCODING:
		buf_append_view(out, in);
		break;
	case MIME_QUOTED_PRINTABLE:
		feed_quoted_printable(d, in, out);
		break;
	case MIME_BASE64:
		feed_base64(d, in, out);
		break;
	}
}

void mime_decoder_finish(struct mime_decoder *d, struct buf *out)
{
	char rest[4];

	if (d->encoding == MIME_QUOTED_PRINTABLE) {
		if (d->state == EQUALS)
			buf_reset(&d->blanks); /* a soft line break whose CRLF went to the boundary */
		else
			give_up(d, out);
		buf_reset(&d->blanks);
	}
	if (d->encoding == MIME_BASE64)
		buf_append(out, rest, (size_t)(flush_bits(d, rest) - rest));
	d->state = TEXT;
}
