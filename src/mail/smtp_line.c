/* SPDX-License-Identifier: ISC
 * Splits a stream of SMTP commands into lines that end in CRLF and hold no other CR, LF or NUL. */
#include "mail/smtp_line.h"

#include <assert.h>

void smtp_line_init(struct smtp_line *s, size_t max_bytes)
{
	assert(max_bytes >= 2);
	*s = (struct smtp_line){.max_bytes = max_bytes};
}

/* Drops bytes through the next CRLF; true when it was there. */
static bool skip_line(struct smtp_line *s, struct view in, size_t *ret_consumed)
{
	size_t at = 0;

	while (at < in.n) {
		size_t lf = at + view_find_char(view_sub(in, at, in.n), '\n');

		if (lf == in.n)
			break;
		if (lf ? in.p[lf - 1] == '\r' : s->after_cr) {
			s->skipping = false;
			*ret_consumed = lf + 1;
			return true;
		}
		at = lf + 1;
	}
	if (in.n)
		s->after_cr = in.p[in.n - 1] == '\r';
	*ret_consumed = in.n;
	return false;
}

static enum parse bad(struct smtp_line *s, enum smtp_line_error error, struct view in, size_t consumed,
		      size_t *ret_consumed)
{
	s->error = error;
	s->skipping = true;
	s->after_cr = in.p[consumed - 1] == '\r';
	s->scanned = 0;
	*ret_consumed += consumed;
	return PARSE_BAD;
}

enum parse smtp_line_next(struct smtp_line *s, struct view in, size_t *ret_consumed, struct view *ret_line)
{
	struct view window, fresh;
	size_t lf, cr, nul;

	*ret_consumed = 0;
	if (s->skipping) {
		if (!skip_line(s, in, ret_consumed))
			return PARSE_MORE;
		in = view_sub(in, *ret_consumed, in.n);
	}
	window = view_sub(in, 0, s->max_bytes);
	assert(s->scanned <= in.n);
	if (s->scanned > window.n)
		s->scanned = window.n;
	fresh = view_sub(window, s->scanned, window.n);
	lf = s->scanned + view_find_char(fresh, '\n');
	fresh = view_sub(window, s->scanned, lf - s->scanned);
	cr = s->scanned + view_find_char(fresh, '\r');
	nul = s->scanned + view_find_char(fresh, '\0');
	if (nul < lf && nul < cr) /* what is wrong first is reported, however the bytes arrive */
		return bad(s, SMTP_LINE_NUL, in, nul + 1, ret_consumed);
	if (cr + 1 < lf)
		return bad(s, SMTP_LINE_BARE_CR, in, cr + 1, ret_consumed);
	if (lf < window.n && cr == lf)
		return bad(s, SMTP_LINE_BARE_LF, in, lf + 1, ret_consumed);
	if (lf == window.n && window.n == s->max_bytes)
		return bad(s, SMTP_LINE_TOO_LONG, in, window.n, ret_consumed);
	if (lf == window.n) {
		s->scanned = cr; /* a CR in the last place waits for its LF */
		return PARSE_MORE;
	}
	s->scanned = 0;
	*ret_line = view_sub(in, 0, cr);
	*ret_consumed += lf + 1;
	return PARSE_DONE;
}
