/* SPDX-License-Identifier: ISC
 * xtext: how ENVID, ORCPT and AUTH= carry bytes that a parameter may not hold. */
#include "mail/xtext.h"

static const char digits[] = "0123456789ABCDEF";

static bool is_xchar(char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

static int digit_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool xtext_decode(struct view text, struct arena *a, struct view *ret)
{
	char *p = arena_alloc(a, text.n);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (is_xchar(text.p[i])) {
			p[n++] = text.p[i];
			continue;
		}
		if (text.p[i] != '+' || text.n - i < 3 || digit_value(text.p[i + 1]) < 0 ||
		    digit_value(text.p[i + 2]) < 0)
			return false;
		p[n++] = (char)(digit_value(text.p[i + 1]) * 16 + digit_value(text.p[i + 2]));
		i += 2;
	}
	*ret = view_from(p, n);
	return true;
}

void xtext_encode(struct buf *out, struct view bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if (is_xchar(bytes.p[i])) {
			buf_append_char(out, bytes.p[i]);
			continue;
		}
		buf_append_char(out, '+');
		buf_append_char(out, digits[c >> 4]);
		buf_append_char(out, digits[c & 15]);
	}
}
