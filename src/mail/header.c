/* SPDX-License-Identifier: ISC
 * A header block, field by field. */
#include "mail/header.h"

#include <string.h>

void header_init(struct header *h, struct view block)
{
	*h = (struct header){.in = block, .junk = SIZE_MAX};
}

void header_init_until_junk(struct header *h, struct view block)
{
	*h = (struct header){.in = block, .junk = SIZE_MAX, .until_junk = true};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The line at the start of `rest`, with its LF if it has one. */
static struct view first_line(struct view rest)
{
	return view_sub(rest, 0, view_find_char(rest, '\n') + 1);
}

/* Offset of the colon when `line` starts a field, or 0. */
static size_t field_colon(struct view line, size_t *ret_name_bytes)
{
	size_t n = 0, colon;

	while (n < line.n && line.p[n] > 32 && line.p[n] < 127 && line.p[n] != ':')
		n++;
	for (colon = n; colon < line.n && is_blank(line.p[colon]); colon++)
		;
	if (n == 0 || colon == line.n || line.p[colon] != ':')
		return 0;
	*ret_name_bytes = n;
	return colon;
}

/* "From " or ">From " and something, as mbox files have before a message. */
static bool is_mbox_line(struct view line)
{
	size_t n = line.n && line.p[0] == '>' ? 1 : 0;

	if (!view_starts_with(view_sub(line, n, line.n), VIEW_LIT("From ")))
		return false;
	for (n += 5; n < line.n && is_blank(line.p[n]); n++)
		;
	return n < line.n && line.p[n] != '\r' && line.p[n] != '\n';
}

/* Bytes of the continuation lines at the start of `rest`. */
static size_t continuation_length(struct view rest)
{
	size_t n = 0;

	while (n < rest.n && is_blank(rest.p[n]))
		n += first_line(view_sub(rest, n, rest.n)).n;
	return n;
}

static struct view without_line_end(struct view v)
{
	if (v.n && v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n && v.p[v.n - 1] == '\r')
		v.n--;
	return v;
}

static enum parse finish(struct header *h, enum header_end end, size_t content)
{
	h->end = end;
	h->content = content;
	h->at = content;
	return PARSE_MORE;
}

/* An empty line: LF or CRLF. */
static bool is_empty_line(struct view line)
{
	return view_eq_lit(line, "\r\n") || view_eq_lit(line, "\n");
}

enum parse header_next(struct header *h, struct header_field *ret_field)
{
	for (;;) {
		struct view rest = view_sub(h->in, h->at, h->in.n), line, whole;
		size_t name_bytes, colon, n;

		if (h->until_junk && h->junk != SIZE_MAX)
			return finish(h, HEADER_END_JUNK, h->junk);
		if (h->content || rest.n == 0)
			return finish(h, h->content ? h->end : HEADER_END_INPUT, h->content ? h->content : h->at);
		line = first_line(rest);
		if (is_empty_line(line))
			return finish(h, HEADER_END_BLANK, h->at + line.n);
		colon = field_colon(line, &name_bytes);
		if (!colon && h->junk == SIZE_MAX && !is_blank(line.p[0]) && !is_mbox_line(line)) {
			h->junk = h->at;
			if (h->until_junk)
				continue;
		}
		n = line.n + continuation_length(view_sub(rest, line.n, rest.n));
		h->at += n;
		if (!colon) {
			h->passed_over_bytes += n;
			continue;
		}
		whole = view_sub(rest, 0, n);
		ret_field->name = view_sub(whole, 0, name_bytes);
		ret_field->value = without_line_end(view_sub(whole, colon + 1, n));
		ret_field->whole = whole;
		return PARSE_DONE;
	}
}

bool header_find(struct view block, const char *name, struct header_field *ret_field)
{
	struct header_field field;
	struct header h;

	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE) {
		if (view_eq_lit_nocase(field.name, name)) {
			*ret_field = field;
			return true;
		}
	}
	return false;
}

size_t header_count(struct view block, const char *name)
{
	struct header_field field;
	struct header h;
	size_t count = 0;

	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE)
		count += view_eq_lit_nocase(field.name, name);
	return count;
}

static struct header read_through(struct view block)
{
	struct header_field field;
	struct header h;

	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE)
		;
	return h;
}

size_t header_length(struct view block)
{
	return read_through(block).content;
}

size_t header_junk(struct view block)
{
	return read_through(block).junk;
}

void header_unfold(struct buf *out, struct view value)
{
	value = view_trim(value);
	while (value.n) {
		size_t lf = view_find_char(value, '\n');

		buf_append_view(out, lf < value.n ? without_line_end(view_sub(value, 0, lf + 1)) : value);
		value = view_sub(value, lf + 1, value.n);
	}
}
