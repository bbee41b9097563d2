/* SPDX-License-Identifier: ISC
 * Message bytes in SMTP: strict lines, dots out, dots in.
 *
 * Whole runs are searched with memchr and handed out as views of the input; nothing is looked at byte by byte but
 * what follows a dot at the start of a line, and what is thrown away after an error. */
#include "mail/smtp_data.h"

#include <assert.h>
#include <string.h>

void smtp_strict_init(struct smtp_strict *s, size_t max_line)
{
	*s = (struct smtp_strict){.max_line = max_line};
}

static enum smtp_data_error add_to_line(struct smtp_strict *s, size_t n)
{
	s->line_bytes += n;
	return s->max_line && s->line_bytes > s->max_line ? SMTP_DATA_LINE_TOO_LONG : SMTP_DATA_OK;
}

/* Takes the rest of the line at the start of `in` (without NUL check): `*ret_n` bytes, through its CRLF or all. */
static enum smtp_data_error scan_line(struct smtp_strict *s, struct view in, size_t *ret_n)
{
	size_t lf = view_find_char(in, '\n');
	size_t cr = view_find_char(view_sub(in, 0, lf), '\r');
	enum smtp_data_error error;

	if (s->after_cr && lf != 0)
		return SMTP_DATA_BARE_CR;
	if (cr + 1 < lf)
		return SMTP_DATA_BARE_CR;
	if (lf < in.n && cr == lf && !s->after_cr)
		return SMTP_DATA_BARE_LF;
	*ret_n = lf < in.n ? lf + 1 : in.n;
	s->after_cr = lf == in.n && cr < lf;
	error = add_to_line(s, *ret_n);
	if (lf < in.n)
		s->line_bytes = 0;
	return error;
}

/* Checks lines up to the end of `in`, or up to a line that starts with a dot when `stop_at_dot`; `in_line`: the first
 * byte is not to be taken for such a dot. `*ret_n` is how far it came. */
static enum smtp_data_error scan_lines(struct smtp_strict *s, struct view in, bool stop_at_dot, bool in_line,
				       size_t *ret_n)
{
	size_t at = 0;

	while (at < in.n) {
		enum smtp_data_error error;
		size_t n;

		if (stop_at_dot && !in_line && s->line_bytes == 0 && in.p[at] == '.')
			break;
		in_line = false;
		error = scan_line(s, view_sub(in, at, in.n), &n);
		if (error)
			return error;
		at += n;
	}
	*ret_n = at;
	return SMTP_DATA_OK;
}

/* The same, and no NUL. What is wrong first is reported, however the bytes arrive. */
static enum smtp_data_error scan(struct smtp_strict *s, struct view in, bool stop_at_dot, bool in_line, size_t *ret_n)
{
	struct smtp_strict before = *s;
	enum smtp_data_error error = scan_lines(s, in, stop_at_dot, in_line, ret_n);
	struct view clean;
	size_t n;

	if (!error)
		return view_has_nul(view_sub(in, 0, *ret_n)) ? SMTP_DATA_NUL : SMTP_DATA_OK;
	clean = view_sub(in, 0, view_find_char(in, '\0'));
	if (clean.n < in.n && !scan_lines(&before, clean, stop_at_dot, in_line, &n) && !before.after_cr)
		return SMTP_DATA_NUL;
	return error;
}

enum smtp_data_error smtp_strict_check(struct smtp_strict *s, struct view bytes)
{
	size_t n;

	return scan(s, bytes, false, true, &n);
}

enum smtp_data_error smtp_strict_end(const struct smtp_strict *s)
{
	return s->after_cr ? SMTP_DATA_BARE_CR : SMTP_DATA_OK;
}

void smtp_data_init(struct smtp_data *d, size_t max_line)
{
	*d = (struct smtp_data){.state = SMTP_DATA_TEXT};
	smtp_strict_init(&d->strict, max_line);
}

static const char end_of_data[] = "\r\n.\r\n";

/* How much of the end mark lies right before the next byte. */
static unsigned matched_now(const struct smtp_data *d)
{
	switch (d->state) {
	case SMTP_DATA_TEXT:
		return d->strict.line_bytes == 0 ? 2 : d->strict.after_cr ? 1 : 0;
	case SMTP_DATA_DOT:
		return 3;
	case SMTP_DATA_DOT_CR:
		return 4;
	case SMTP_DATA_DISCARD:
	case SMTP_DATA_ENDED:
		break;
	}
	return d->matched;
}

/* Looks for the end mark and drops all before it. */
static enum parse discard(struct smtp_data *d, struct view in, size_t *ret_consumed)
{
	for (size_t i = 0; i < in.n; i++) {
		if (d->matched == 0)
			i += view_find_char(view_sub(in, i, in.n), '\r');
		if (i == in.n)
			break;
		if (in.p[i] == end_of_data[d->matched])
			d->matched++;
		else
			d->matched = in.p[i] == '\r';
		if (d->matched == sizeof end_of_data - 1) {
			d->state = SMTP_DATA_ENDED;
			*ret_consumed = i + 1;
			return PARSE_DONE;
		}
	}
	*ret_consumed = in.n;
	return PARSE_MORE;
}

/* Nothing of this call's input counts as consumed: discarding starts where the call did. */
static enum parse bad(struct smtp_data *d, unsigned matched_before, enum smtp_data_error error, size_t *ret_consumed)
{
	d->error = error;
	d->state = SMTP_DATA_DISCARD;
	d->matched = matched_before;
	*ret_consumed = 0;
	return PARSE_BAD;
}

/* What follows CRLF ".": CRLF ends the message, anything else is text. */
static enum parse after_dot(struct smtp_data *d, struct view in, size_t *ret_consumed)
{
	if (d->state == SMTP_DATA_DOT && *ret_consumed < in.n && in.p[*ret_consumed] == '\r') {
		d->state = SMTP_DATA_DOT_CR;
		++*ret_consumed;
	}
	if (*ret_consumed == in.n)
		return PARSE_MORE;
	if (d->state == SMTP_DATA_DOT) {
		d->state = SMTP_DATA_TEXT;
		return PARSE_DONE;
	}
	if (in.p[*ret_consumed] != '\n')
		return PARSE_BAD;
	++*ret_consumed;
	d->state = SMTP_DATA_ENDED;
	return PARSE_DONE;
}

enum parse smtp_data_next(struct smtp_data *d, struct view in, size_t *ret_consumed, struct view *ret_run)
{
	unsigned matched_before = matched_now(d);
	enum smtp_data_error error;
	bool in_line = false;
	size_t n;

	assert(d->state != SMTP_DATA_ENDED);
	*ret_consumed = 0;
	*ret_run = VIEW_EMPTY;
	if (d->state == SMTP_DATA_DISCARD)
		return discard(d, in, ret_consumed);
	if (d->state == SMTP_DATA_TEXT && d->strict.line_bytes == 0 && in.n && in.p[0] == '.') {
		d->state = SMTP_DATA_DOT;
		*ret_consumed = 1;
	}
	if (d->state != SMTP_DATA_TEXT) {
		enum parse r = after_dot(d, in, ret_consumed);

		if (r == PARSE_BAD)
			return bad(d, matched_before, SMTP_DATA_BARE_CR, ret_consumed);
		if (r == PARSE_MORE || d->state == SMTP_DATA_ENDED)
			return r;
		in_line = true;
	}
	in = view_sub(in, *ret_consumed, in.n);
	error = scan(&d->strict, in, true, in_line, &n);
	if (error)
		return bad(d, matched_before, error, ret_consumed);
	d->size_bytes += n;
	*ret_consumed += n;
	*ret_run = view_sub(in, 0, n);
	return PARSE_MORE;
}

void smtp_stuff_init(struct smtp_stuff *s)
{
	*s = (struct smtp_stuff){.line_start = true};
}

/* Offset of the first LF that a dot follows, or in.n. */
static size_t find_lf_dot(struct view in)
{
	size_t at = 0;

	while (at < in.n) {
		at += view_find_char(view_sub(in, at, in.n), '\n');
		if (at + 1 < in.n && in.p[at + 1] == '.')
			return at;
		at++;
	}
	return in.n;
}

struct view smtp_stuff_next(struct smtp_stuff *s, struct view *in)
{
	struct view run;
	size_t n;

	if (in->n == 0)
		return VIEW_EMPTY;
	if (s->line_start && !s->dot_sent && in->p[0] == '.') {
		s->dot_sent = true;
		return view_sub(*in, 0, 1);
	}
	n = find_lf_dot(*in);
	s->dot_sent = n < in->n;
	run = view_sub(*in, 0, s->dot_sent ? n + 2 : n);
	*in = view_sub(*in, s->dot_sent ? n + 1 : n, in->n);
	s->line_start = s->dot_sent || run.p[run.n - 1] == '\n';
	return run;
}

struct view smtp_stuff_end(const struct smtp_stuff *s)
{
	return s->line_start ? VIEW_LIT(".\r\n") : VIEW_LIT("\r\n.\r\n");
}
