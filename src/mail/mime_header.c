/* SPDX-License-Identifier: ISC
 * Walks the fields of a header block. */
#include "mail/mime_header.h"

#include <string.h>

struct mime_header mime_header_start(struct view block)
{
	return (struct mime_header){block};
}

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* Bytes of the first line with its line end. */
static size_t line_bytes(struct view v)
{
	size_t lf = view_find_char(v, '\n');

	return lf < v.n ? lf + 1 : v.n;
}

static bool is_blank_line(struct view v)
{
	return v.p[0] == '\n' || (v.p[0] == '\r' && v.n > 1 && v.p[1] == '\n');
}

static struct view without_line_end(struct view v)
{
	if (v.n && v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n && v.p[v.n - 1] == '\r')
		v.n--;
	return v;
}

bool mime_header_next(struct mime_header *h, struct mime_header_field *ret)
{
	struct view rest = h->rest, line, name, value;
	size_t n;

	if (rest.n == 0 || is_blank_line(rest))
		return false;
	n = line_bytes(rest);
	line = view_sub(rest, 0, n);
	while (n < rest.n && is_wsp(rest.p[n]))
		n += line_bytes(view_sub(rest, n, rest.n));
	ret->raw = view_sub(rest, 0, n);
	h->rest = view_sub(rest, n, rest.n);
	name = view_sub(line, 0, view_find_char(line, ':'));
	value = without_line_end(ret->raw);
	if (name.n == line.n || name.n == 0 || is_wsp(name.p[0])) {
		ret->name = VIEW_EMPTY;
		ret->value = value;
		return true;
	}
	ret->value = view_sub(value, name.n + 1, value.n);
	ret->name = view_trim(name);
	return true;
}

bool mime_header_find(struct view block, const char *name, struct mime_header_field *ret)
{
	struct mime_header h = mime_header_start(block);

	while (mime_header_next(&h, ret))
		if (view_eq_lit_nocase(ret->name, name))
			return true;
	return false;
}

struct view mime_header_unfold(struct view value, struct arena *a)
{
	char *p, *to;

	value = view_trim(value);
	if (view_find_char(value, '\n') == value.n)
		return value;
	p = to = arena_alloc(a, value.n);
	if (!p)
		return VIEW_EMPTY;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\n' && (value.p[i] != '\r' || i + 1 == value.n || value.p[i + 1] != '\n'))
			*to++ = value.p[i];
	return view_from(p, (size_t)(to - p));
}
