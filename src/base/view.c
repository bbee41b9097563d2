/* SPDX-License-Identifier: ISC
 * Borrowed runs of bytes: comparison, search, numbers. */
#include "base/view.h"

#include "base/mem.h"

#include <string.h>

bool view_eq_nocase(struct view a, struct view b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool view_starts_with(struct view v, struct view prefix)
{
	return v.n >= prefix.n && view_eq(view_sub(v, 0, prefix.n), prefix);
}

bool view_starts_with_nocase(struct view v, struct view prefix)
{
	return v.n >= prefix.n && view_eq_nocase(view_sub(v, 0, prefix.n), prefix);
}

bool view_ends_with_nocase(struct view v, struct view suffix)
{
	return v.n >= suffix.n && view_eq_nocase(view_sub(v, v.n - suffix.n, suffix.n), suffix);
}

int view_cmp(struct view a, struct view b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	if (r)
		return r;
	return a.n < b.n ? -1 : a.n > b.n;
}

size_t view_find(struct view v, struct view needle)
{
	const char *hit = v.n ? memmem(v.p, v.n, needle.p, needle.n) : NULL;

	return hit ? (size_t)(hit - v.p) : v.n;
}

bool view_cut(struct view v, char c, struct view *ret_left, struct view *ret_right)
{
	size_t at = view_find_char(v, c);

	if (at == v.n)
		return false;
	*ret_left = view_sub(v, 0, at);
	*ret_right = view_sub(v, at + 1, v.n);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view view_trim(struct view v)
{
	while (v.n && is_blank(v.p[0]))
		v = view_sub(v, 1, v.n);
	while (v.n && is_blank(v.p[v.n - 1]))
		v.n--;
	return v;
}

bool view_has_nul(struct view v)
{
	return view_find_char(v, '\0') != v.n;
}

bool view_is_ascii(struct view v)
{
	size_t i = 0;

	for (uint64_t eight; v.n - i >= sizeof eight; i += sizeof eight) {
		memcpy(&eight, v.p + i, sizeof eight);
		if (eight & 0x8080808080808080)
			return false;
	}
	for (; i < v.n; i++)
		if ((unsigned char)v.p[i] >= 0x80)
			return false;
	return true;
}

/* Length of the well-formed sequence at p, or 0 (RFC 3629 §4). */
static size_t utf8_step(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];
	size_t len = c < 0x80                 ? 1
		     : c >= 0xc2 && c <= 0xdf ? 2
		     : (c & 0xf0) == 0xe0     ? 3
		     : c >= 0xf0 && c <= 0xf4 ? 4
					      : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
	    (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool view_is_utf8(struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;
	size_t i = 0;

	while (i < v.n) {
		size_t step = utf8_step(p + i, v.n - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

bool view_to_u64(struct view v, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (!ascii_is_digit(v.p[i]) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(v.p[i] - '0'), &value))
			return false;
	}
	if (value > max)
		return false;
	*ret = value;
	return true;
}

bool view_to_u32(struct view v, uint32_t max, uint32_t *ret)
{
	uint64_t value;

	if (!view_to_u64(v, max, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

char *view_to_cstr(struct view v)
{
	char *s;

	if (view_has_nul(v))
		return NULL;
	s = xmalloc(v.n + 1);
	if (v.n)
		memcpy(s, v.p, v.n);
	s[v.n] = '\0';
	return s;
}
