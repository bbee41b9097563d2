/* SPDX-License-Identifier: ISC
 * Mailbox names: modified UTF-7, validity, LIST patterns. */
#include "mail/imap_mailbox.h"

#include "mail/charset.h"
#include "mail/imap_write.h"

#include <string.h>
#include <utf8proc.h>

enum { SEPARATOR = '/', WIRE_BYTES_MAX = IMAP_MAILBOX_BYTES_MAX * 8, PATTERN_BYTES_MAX = 2 * IMAP_MAILBOX_BYTES_MAX };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int sextet(char c)
{
	const char *hit = c ? strchr(alphabet, c) : NULL;

	return hit ? (int)(hit - alphabet) : -1;
}

static bool is_printable(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

static void put_code_point(struct buf *out, uint32_t c)
{
	utf8proc_uint8_t bytes[4];

	buf_append(out, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)c, bytes));
}

/* UTF-16 units, one after the other, to UTF-8. */
struct utf16 {
	uint32_t high; /* a high surrogate that waits for its low one; 0: none */
};

static bool put_unit(struct utf16 *u, uint32_t unit, struct buf *out)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff, is_high = unit >= 0xd800 && unit <= 0xdbff;

	if (is_low != (u->high != 0) || is_printable(unit))
		return false;
	if (is_high) {
		u->high = unit;
		return true;
	}
	put_code_point(out, is_low ? 0x10000 + ((u->high - 0xd800) << 10 | (unit - 0xdc00)) : unit);
	u->high = 0;
	return true;
}

/* What stands between "&" and "-": base64 of UTF-16, no bits left over (RFC 3501 §5.1.3). */
static bool decode_shifted(struct view text, struct buf *out)
{
	struct utf16 u = {0};
	uint32_t bits = 0, count = 0;

	for (size_t i = 0; i < text.n; i++) {
		int six = sextet(text.p[i]);

		if (six < 0)
			return false;
		bits = (bits << 6 | (uint32_t)six) & 0xffffff;
		count += 6;
		if (count >= 16) {
			count -= 16;
			if (!put_unit(&u, bits >> count & 0xffff, out))
				return false;
		}
	}
	return u.high == 0 && count < 6 && (bits & ((1u << count) - 1)) == 0;
}

bool imap_mailbox_from_utf7(struct view wire, struct buf *out)
{
	bool after_shift = false;

	while (wire.n) {
		struct view text;

		if (wire.p[0] != '&') {
			if (!is_printable((unsigned char)wire.p[0]))
				return false;
			buf_append_char(out, wire.p[0]);
			wire = view_sub(wire, 1, wire.n);
			after_shift = false;
			continue;
		}
		if (!view_cut(view_sub(wire, 1, wire.n), '-', &text, &wire))
			return false;
		if (text.n == 0) {
			buf_append_char(out, '&');
			after_shift = false;
			continue;
		}
		if (after_shift || !decode_shifted(text, out))
			return false;
		after_shift = true;
	}
	return !out->overflow;
}

/* Base64 of UTF-16 as it grows. */
struct shift {
	struct buf *out;
	uint32_t bits, count;
};

static void shift_unit(struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		buf_append_char(s->out, alphabet[s->bits >> s->count & 63]);
		s->bits &= (1u << s->count) - 1;
	}
}

static void shift_end(struct shift *s)
{
	if (s->count)
		buf_append_char(s->out, alphabet[s->bits << (6 - s->count) & 63]);
	buf_append_char(s->out, '-');
}

static void shift_char(struct shift *s, uint32_t c)
{
	if (c < 0x10000) {
		shift_unit(s, c);
		return;
	}
	c -= 0x10000;
	shift_unit(s, 0xd800 + (c >> 10));
	shift_unit(s, 0xdc00 + (c & 0x3ff));
}

bool imap_mailbox_to_utf7(struct view utf8, struct buf *out)
{
	struct shift s = {.out = out};
	bool shifted = false;

	if (!view_is_utf8(utf8))
		return false;
	while (utf8.n) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n =
		    utf8proc_iterate((const utf8proc_uint8_t *)utf8.p, utf8.n > 4 ? 4 : (utf8proc_ssize_t)utf8.n, &c);

		utf8 = view_sub(utf8, (size_t)n, utf8.n);
		if (!is_printable((uint32_t)c)) {
			if (!shifted)
				buf_append_char(out, '&');
			shifted = true;
			shift_char(&s, (uint32_t)c);
			continue;
		}
		if (shifted)
			shift_end(&s);
		shifted = false;
		s = (struct shift){.out = out};
		buf_append_cstr(out, c == '&' ? "&-" : (char[]){(char)c, '\0'});
	}
	if (shifted)
		shift_end(&s);
	return !out->overflow;
}

/* "INBOX" in any case is INBOX (RFC 9051 §5.1), and names below it are below it. */
static size_t inbox_bytes(struct view name)
{
	struct view first = view_sub(name, 0, view_find_char(name, SEPARATOR));

	return view_eq_lit_nocase(first, "INBOX") ? first.n : 0;
}

static void put_canonical(struct view name, struct buf *out)
{
	size_t n = inbox_bytes(name);

	buf_append_cstr(out, n ? "INBOX" : "");
	buf_append_view(out, view_sub(name, n, name.n));
}

bool imap_mailbox_parse(struct view wire, bool utf8, struct buf *out)
{
	struct buf decoded = BUF_INIT(WIRE_BYTES_MAX), composed = BUF_INIT(WIRE_BYTES_MAX);
	bool ok = wire.n <= WIRE_BYTES_MAX;

	if (ok && (utf8 || !view_is_ascii(wire)))
		buf_append_view(&decoded, wire);
	else
		ok = ok && imap_mailbox_from_utf7(wire, &decoded);
	ok = ok && charset_nfc(buf_view(&decoded), &composed) && imap_mailbox_is_valid(buf_view(&composed));
	if (ok)
		put_canonical(buf_view(&composed), out);
	buf_fini(&decoded);
	buf_fini(&composed);
	return ok && !out->overflow;
}

bool imap_mailbox_is_valid(struct view utf8)
{
	size_t levels = 1;

	if (utf8.n == 0 || utf8.n > IMAP_MAILBOX_BYTES_MAX || utf8.p[0] == SEPARATOR ||
	    utf8.p[utf8.n - 1] == SEPARATOR || !view_is_utf8(utf8))
		return false;
	for (size_t i = 0; i < utf8.n; i++) {
		unsigned char c = (unsigned char)utf8.p[i];

		if (c < 0x20 || c == 0x7f || c == '*' || c == '%')
			return false;
		if (c == 0xc2 && (unsigned char)utf8.p[i + 1] < 0xa0) /* U+0080..U+009F */
			return false;
		if (c == SEPARATOR && utf8.p[i + 1] == SEPARATOR)
			return false;
		levels += c == SEPARATOR;
	}
	return levels <= IMAP_MAILBOX_LEVELS_MAX;
}

void imap_mailbox_format(struct buf *out, struct view name, bool utf8)
{
	struct buf wire = BUF_INIT(WIRE_BYTES_MAX);

	if (!utf8 && imap_mailbox_to_utf7(name, &wire))
		name = buf_view(&wire);
	if (utf8 && !view_is_ascii(name))
		imap_write_string_utf8(out, name);
	else
		imap_write_astring(out, name);
	buf_fini(&wire);
}

/* The places in a pattern that the name, as far as it was read, can have come to. */
struct places {
	bool at[PATTERN_BYTES_MAX + 1];
};

static bool is_wildcard(char c)
{
	return c == '*' || c == '%';
}

/* A wildcard may stand for nothing: where it can be, what follows it can be too. */
static void pass_wildcards(struct view pattern, struct places *p)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (p->at[i] && is_wildcard(pattern.p[i]))
			p->at[i + 1] = true;
}

static bool fits(char in_pattern, char in_name, bool any_case)
{
	return any_case ? ascii_lower(in_pattern) == ascii_lower(in_name) : in_pattern == in_name;
}

/* Reads one character of the name. */
static void step(struct view pattern, struct places *p, char c, bool any_case)
{
	bool arrived = false; /* whether the place before leads to this one */

	for (size_t i = 0; i <= pattern.n; i++) {
		bool here = p->at[i], stays = false, goes = false;

		if (here && i < pattern.n) {
			char w = pattern.p[i];

			stays = w == '*' || (w == '%' && c != SEPARATOR);
			goes = !is_wildcard(w) && fits(w, c, any_case);
		}
		p->at[i] = arrived || stays;
		arrived = goes;
	}
	pass_wildcards(pattern, p);
}

static bool run(struct view pattern, struct view name, struct places *p)
{
	size_t inbox = inbox_bytes(name);

	if (pattern.n > PATTERN_BYTES_MAX)
		return false;
	memset(p->at, 0, pattern.n + 1);
	p->at[0] = true;
	pass_wildcards(pattern, p);
	for (size_t i = 0; i < name.n; i++)
		step(pattern, p, name.p[i], i < inbox);
	return true;
}

bool imap_mailbox_match(struct view pattern, struct view name)
{
	struct places p;

	return run(pattern, name, &p) && p.at[pattern.n];
}

bool imap_mailbox_match_below(struct view pattern, struct view name)
{
	struct places p;

	if (!run(pattern, name, &p))
		return false;
	step(pattern, &p, SEPARATOR, false);
	for (size_t i = 0; i < pattern.n; i++)
		if (p.at[i])
			return true;
	return false;
}
