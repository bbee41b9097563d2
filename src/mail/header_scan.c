/* SPDX-License-Identifier: ISC
 * The end of the header, found in a stream. */
#include "mail/header_scan.h"

#include <string.h>

void header_scan_init(struct header_scan *s, size_t max_bytes)
{
	*s = (struct header_scan){.max_bytes = max_bytes, .state = HEADER_SCAN_START};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_char(char c)
{
	return c > 32 && c < 127 && c != ':';
}

static void add_to_name(struct header_scan *s, char c)
{
	if (s->name_bytes < HEADER_SCAN_NAME_MAX)
		s->name[s->name_bytes++] = c;
	s->state = HEADER_SCAN_NAME;
}

static bool name_is_mbox(const struct header_scan *s)
{
	struct view name = view_from(s->name, s->name_bytes);

	return s->gap_is_space && (view_eq_lit(name, "From") || view_eq_lit(name, ">From"));
}

static enum parse found(struct header_scan *s, size_t content)
{
	s->content = content;
	return PARSE_DONE;
}

static enum parse at_line_start(struct header_scan *s, char c, size_t offset)
{
	s->line = offset;
	s->name_bytes = 0;
	if (c == '\n')
		return found(s, offset + 1);
	if (c == '\r')
		s->state = HEADER_SCAN_CR;
	else if (is_blank(c))
		s->state = HEADER_SCAN_REST;
	else if (is_name_char(c))
		add_to_name(s, c);
	else
		return found(s, offset);
	return PARSE_MORE;
}

static enum parse in_name(struct header_scan *s, char c)
{
	if (c == ':') {
		s->state = HEADER_SCAN_REST;
	} else if (is_blank(c)) {
		s->gap_is_space = c == ' ';
		s->state = HEADER_SCAN_GAP;
	} else if (is_name_char(c)) {
		add_to_name(s, c);
	} else {
		return found(s, s->line);
	}
	return PARSE_MORE;
}

/* Blanks behind the name: a colon makes it a field after all. */
static enum parse in_gap(struct header_scan *s, char c)
{
	if (is_blank(c))
		return PARSE_MORE;
	if (c != ':' && (c == '\r' || c == '\n' || !name_is_mbox(s)))
		return found(s, s->line);
	s->state = HEADER_SCAN_REST;
	return PARSE_MORE;
}

static enum parse step(struct header_scan *s, char c, size_t offset)
{
	switch (s->state) {
	case HEADER_SCAN_START:
		return at_line_start(s, c, offset);
	case HEADER_SCAN_CR:
		return found(s, c == '\n' ? offset + 1 : s->line);
	case HEADER_SCAN_NAME:
		return in_name(s, c);
	case HEADER_SCAN_GAP:
		return in_gap(s, c);
	case HEADER_SCAN_REST:
		break;
	}
	return PARSE_MORE;
}

enum parse header_scan_next(struct header_scan *s, struct view piece)
{
	struct view in = view_sub(piece, 0, s->max_bytes - s->total);
	size_t at = 0;

	while (at < in.n) {
		if (s->state == HEADER_SCAN_REST) {
			at += view_find_char(view_sub(in, at, in.n), '\n');
			if (at == in.n)
				break;
			s->state = HEADER_SCAN_START;
		} else if (step(s, in.p[at], s->total + at) == PARSE_DONE) {
			return PARSE_DONE;
		}
		at++;
	}
	s->total += in.n;
	return in.n < piece.n ? PARSE_BAD : PARSE_MORE;
}

void header_scan_end(struct header_scan *s)
{
	bool whole = s->state == HEADER_SCAN_START || s->state == HEADER_SCAN_REST;

	s->content = whole ? s->total : s->line;
}
