/* SPDX-License-Identifier: ISC
 * Base64 and hexadecimal. */
#include "base/encode.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void encode_base64(struct buf *out, struct view in)
{
	size_t i = 0;

	for (; i + 3 <= in.n; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16 | (uint32_t)(unsigned char)in.p[i + 1] << 8 |
			     (uint32_t)(unsigned char)in.p[i + 2];
		char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63]};

		buf_append(out, four, 4);
	}
	if (in.n - i == 1) {
		uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16;
		char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], '=', '='};

		buf_append(out, four, 4);
	} else if (in.n - i == 2) {
		uint32_t v = (uint32_t)(unsigned char)in.p[i] << 16 | (uint32_t)(unsigned char)in.p[i + 1] << 8;
		char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], '='};

		buf_append(out, four, 4);
	}
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool decode_base64(struct buf *out, struct view in)
{
	size_t pad = 0;

	if (in.n % 4)
		return false;
	if (in.n && in.p[in.n - 1] == '=')
		pad = in.p[in.n - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < in.n; i += 4) {
		size_t have = i + 4 == in.n ? 4 - pad : 4;
		uint32_t v = 0;
		char three[3];

		for (size_t k = 0; k < 4; k++) {
			int six = k < have ? sextet(in.p[i + k]) : 0;

			if (six < 0)
				return false;
			v = v << 6 | (uint32_t)six;
		}
		if ((have == 2 && (v & 0xffff)) || (have == 3 && (v & 0xff)))
			return false; /* bits behind the end must be zero: one encoding for one value */
		three[0] = (char)(v >> 16);
		three[1] = (char)(v >> 8);
		three[2] = (char)v;
		buf_append(out, three, have - 1);
	}
	return !out->overflow;
}

void encode_hex(struct buf *out, struct view in)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		buf_append(out, (char[]){hex[c >> 4], hex[c & 15]}, 2);
	}
}

static int nibble(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool decode_hex(struct buf *out, struct view in)
{
	if (in.n % 2)
		return false;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = nibble(in.p[i]), lo = nibble(in.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		buf_append_char(out, (char)(hi << 4 | lo));
	}
	return !out->overflow;
}
