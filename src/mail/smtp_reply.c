/* SPDX-License-Identifier: ISC
 * A server's reply, line by line. */
#include "mail/smtp_reply.h"

void smtp_reply_init(struct smtp_reply *r)
{
	*r = (struct smtp_reply){.text = BUF_INIT(SMTP_REPLY_TEXT_MAX)};
}

void smtp_reply_fini(struct smtp_reply *r)
{
	buf_fini(&r->text);
}

void smtp_reply_reset(struct smtp_reply *r)
{
	buf_reset(&r->text);
	r->code = 0;
	r->lines = 0;
	r->enhanced = (struct dsn_status){0};
}

/* Reply-code = %x32-35 %x30-35 %x30-39 (RFC 5321 §4.2). */
static bool take_code(struct view line, unsigned *ret)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '9' || line.p[2] < '0' ||
	    line.p[2] > '9')
		return false;
	*ret = (unsigned)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0');
	return true;
}

static void add_text(struct smtp_reply *r, struct view text)
{
	struct dsn_status status;
	struct view rest;

	if (dsn_status_split(text, &status, &rest) && status.class == r->code / 100) {
		if (r->enhanced.class == 0)
			r->enhanced = status;
		text = rest;
	}
	if (r->lines > 0)
		buf_append_char(&r->text, '\n');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_append_char(&r->text, c < ' ' || c == 127 ? '?' : text.p[i]);
	}
}

static enum parse take_line(struct smtp_reply *r, struct view line)
{
	unsigned code;
	bool last;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!take_code(line, &code) || (r->lines > 0 && code != r->code) ||
	    (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return PARSE_BAD;
	last = line.n == 3 || line.p[3] == ' ';
	r->code = code;
	add_text(r, view_sub(line, 4, line.n));
	r->lines++;
	if (r->text.overflow || r->lines > SMTP_REPLY_LINES_MAX)
		return PARSE_BAD;
	if (!last)
		return PARSE_MORE;
	if (r->enhanced.class == 0)
		r->enhanced = dsn_status_of_code(code);
	return PARSE_DONE;
}

enum parse smtp_reply_next(struct smtp_reply *r, struct view in, size_t *ret_consumed)
{
	enum parse p = PARSE_MORE;

	*ret_consumed = 0;
	while (p == PARSE_MORE) {
		struct view rest = view_sub(in, *ret_consumed, in.n);
		size_t end = view_find_char(rest, '\n');

		if (end == rest.n)
			return rest.n > SMTP_REPLY_LINE_MAX ? PARSE_BAD : PARSE_MORE;
		if (end > SMTP_REPLY_LINE_MAX)
			return PARSE_BAD;
		p = take_line(r, view_sub(rest, 0, end));
		*ret_consumed += end + 1;
	}
	return p;
}

bool smtp_reply_line(struct view *rest, struct view *ret)
{
	struct view left, right;

	if (rest->n == 0)
		return false;
	if (view_cut(*rest, '\n', &left, &right)) {
		*ret = left;
		*rest = right;
	} else {
		*ret = *rest;
		*rest = VIEW_EMPTY;
	}
	return true;
}
