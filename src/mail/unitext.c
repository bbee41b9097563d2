/* SPDX-License-Identifier: ISC
 * unitext: addresses with characters beyond ASCII, where only some octets may stand. */
#include "mail/unitext.h"

enum { HEX_MAX = 6 };

/* QCHAR of RFC 6533 §3 */
static bool is_qchar(unsigned char c)
{
	return c > ' ' && c < 127 && c != '\\' && c != '+' && c != '=';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_append_char(out, (char)c);
	} else if (c < 0x800) {
		buf_append_char(out, (char)(0xc0 | c >> 6));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_append_char(out, (char)(0xe0 | c >> 12));
		buf_append_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	} else {
		buf_append_char(out, (char)(0xf0 | c >> 18));
		buf_append_char(out, (char)(0x80 | (c >> 12 & 63)));
		buf_append_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	}
}

/* EmbeddedUnicodeChar = "\x{" HEXPOINT "}". Of ASCII only the specials are written so; controls are no part of an address.
 * 0: none here; else its length. */
static size_t parse_embedded(struct view text, uint32_t *ret)
{
	uint32_t c = 0;
	size_t n = 3;

	if (!view_starts_with(text, VIEW_LIT("\\x{")))
		return 0;
	for (; n < text.n && n < 3 + HEX_MAX && hex_value(text.p[n]) >= 0; n++)
		c = c * 16 + (uint32_t)hex_value(text.p[n]);
	if (n < 5 || n >= text.n || text.p[n] != '}')
		return 0;
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c < 0x80 && c != ' ' && c != '+' && c != '=' && c != '\\'))
		return 0;
	*ret = c;
	return n + 1;
}

bool unitext_decode(struct buf *out, struct view text)
{
	if (text.n == 0 || !view_is_utf8(text))
		return false;
	for (size_t i = 0; i < text.n;) {
		uint32_t c;
		size_t n;

		if ((unsigned char)text.p[i] >= 0x80 || is_qchar((unsigned char)text.p[i]) || text.p[i] == '+' ||
		    text.p[i] == '=') {
			buf_append_char(out, text.p[i++]); /* + and = stand in the third form as they are */
			continue;
		}
		n = parse_embedded(view_sub(text, i, text.n), &c);
		if (n == 0)
			return false;
		put_utf8(out, c);
		i += n;
	}
	return !out->overflow;
}

/* The character at p, of valid UTF-8; *ret_n its bytes. */
static uint32_t character(const char *p, size_t *ret_n)
{
	unsigned char first = (unsigned char)p[0];
	size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? first : first & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 63);
	*ret_n = n;
	return c;
}

void unitext_encode(struct buf *out, struct view address, bool ascii)
{
	bool utf8 = view_is_utf8(address);

	for (size_t i = 0; i < address.n;) {
		size_t n = 1;
		uint32_t c = utf8 ? character(address.p + i, &n) : (unsigned char)address.p[i];

		if (c < 0x80 ? is_qchar((unsigned char)c) : utf8 && !ascii)
			buf_append_view(out, view_sub(address, i, n));
		else
			buf_printf(out, "\\x{%02X}", (unsigned)c);
		i += n;
	}
}
