/* SPDX-License-Identifier: ISC
 * Reads IMAP commands, with their literals, off a byte stream. */
#include "mail/imap_parse.h"

#include <assert.h>
#include <string.h>

const struct imap_reader_limits imap_reader_limits_default = {
    .line_bytes = 65536,
    .command_bytes = 1 << 20,
    .literal_bytes = 256 << 10,
    .skip_bytes = 64 << 10,
    .args = 16384,
    .depth = 32,
};

const struct imap_reader_limits imap_reader_limits_before_login = {
    .line_bytes = 8192,
    .command_bytes = 32 << 10,
    .literal_bytes = 4096,
    .skip_bytes = 64 << 10,
    .args = 32,
    .depth = 4,
};

enum { MARK_BYTES = 32 }; /* "~{" 19 digits "+}" CR fits */

/* LINE -(whole line)-> OVER, or ASK when a literal follows
 * ASK -keep()-> KEEP -> LINE;  -stream()-> STREAM -> LINE;  -refuse()-> OVER
 * OVER -reset()-> LINE, or SKIP_BYTES / SKIP_LINE when a command that failed goes on
 * SKIP_BYTES -> SKIP_LINE -> LINE, or SKIP_BYTES again */
enum reader_state { LINE, ASK, KEEP, STREAM, OVER, SKIP_BYTES, SKIP_LINE };

void imap_reader_init(struct imap_reader *r, const struct imap_reader_limits *limits)
{
	*r = (struct imap_reader){.limits = limits, .state = LINE, .skip_left = limits->skip_bytes};
	arena_init(&r->arena, limits->command_bytes);
	buf_init(&r->line, limits->line_bytes + 2);
}

void imap_reader_fini(struct imap_reader *r)
{
	arena_fini(&r->arena);
	buf_fini(&r->line);
}

static struct view line_end(struct view v)
{
	return view_sub(v, v.n > MARK_BYTES ? v.n - MARK_BYTES : 0, v.n);
}

void imap_reader_reset(struct imap_reader *r)
{
	struct imap_reader fresh;

	imap_reader_init(&fresh, r->limits);
	if (r->state == OVER) {
		fresh.state = r->resume;
		fresh.literal_left = r->literal_left;
		if (r->resume == SKIP_LINE)
			buf_append_view(&fresh.line, line_end(buf_view(&r->line)));
	}
	imap_reader_fini(r);
	*r = fresh;
}

static enum imap_read over(struct imap_reader *r, enum imap_read answer)
{
	r->state = OVER;
	return answer;
}

bool imap_reader_is_idle(const struct imap_reader *r)
{
	return !r->tokens && r->line.n == 0;
}

/* The command is BAD. `line` (or its end) tells whether the client goes on sending it. */
static enum imap_read bad(struct imap_reader *r, const char *error, struct view line)
{
	struct imap_literal_mark mark;

	r->error = error;
	r->resume = LINE;
	if (imap_literal_mark_parse(line, &mark) && !mark.sync) {
		r->resume = SKIP_BYTES;
		r->literal_left = mark.bytes;
	}
	return over(r, IMAP_READ_BAD);
}

static bool is_tag_char(char c)
{
	return c != '+' && imap_is_astring_char(c);
}

/* tag SP name; true with what follows */
static bool cut_tag_and_name(struct imap_reader *r, struct view line, struct view *ret_rest)
{
	struct view rest, tag = line, name;

	(void)view_cut(line, ' ', &tag, &rest);
	for (size_t i = 0; i < tag.n; i++)
		if (!is_tag_char(tag.p[i]))
			return false;
	if (tag.n == 0)
		return false;
	r->command.tag = tag;
	rest = view_sub(line, tag.n + 1, line.n);
	while (rest.n && rest.p[0] == ' ')
		rest = view_sub(rest, 1, rest.n);
	for (name = view_sub(rest, 0, 0); name.n < rest.n && imap_is_atom_char(rest.p[name.n]); name.n++)
		;
	if (name.n == 0 || (name.n < rest.n && rest.p[name.n] != ' '))
		return false;
	r->command.name = name;
	*ret_rest = view_sub(rest, name.n, rest.n);
	return true;
}

static enum imap_read add_line(struct imap_reader *r, char *p, size_t n)
{
	enum imap_tokens_end end;
	struct view rest = view_from(p, n);
	const char *error = NULL;

	if (!r->tokens) {
		if (!cut_tag_and_name(r, rest, &rest))
			return bad(r, r->command.tag.n ? "Missing or invalid command" : "Invalid tag", view_from(p, n));
		r->tokens = imap_tokens_new(&r->arena, (struct imap_tokens_limits){r->limits->args, r->limits->depth});
		if (!r->tokens)
			return bad(r, "Command too large", rest);
	}
	end = imap_tokens_add(r->tokens, p + (rest.p - p), rest.n, &r->literal, &r->literal_arg, &error);
	r->command.args = imap_tokens_first(r->tokens);
	switch (end) {
	case IMAP_TOKENS_BAD:
		return bad(r, error, rest);
	case IMAP_TOKENS_LITERAL:
		r->state = ASK;
		return IMAP_READ_LITERAL;
	case IMAP_TOKENS_OVER:
		break;
	}
	r->resume = LINE;
	return over(r, IMAP_READ_COMMAND);
}

/* A line over a limit: its tag is worth knowing, what has not been read of it is skipped. `front` of `in` is taken. */
static enum imap_read too_long(struct imap_reader *r, struct view in, size_t front, const char *error)
{
	struct view rest, copy;

	buf_append_view(&r->line, view_sub(in, 0, front));
	copy = arena_copy(&r->arena, view_sub(buf_view(&r->line), 0, 128));
	if (copy.p && !r->tokens)
		(void)cut_tag_and_name(r, copy, &rest);
	r->error = error;
	r->resume = SKIP_LINE;
	return over(r, IMAP_READ_BAD);
}

/* The whole line in one piece in the arena, without LF. */
static char *join(struct imap_reader *r, struct view tail)
{
	char *p = arena_alloc(&r->arena, r->line.n + tail.n);

	if (!p)
		return NULL;
	if (r->line.n)
		memcpy(p, r->line.p, r->line.n);
	if (tail.n)
		memcpy(p + r->line.n, tail.p, tail.n);
	return p;
}

static enum imap_read read_line(struct imap_reader *r, struct view in, size_t *ret_used)
{
	size_t lf = view_find_char(in, '\n'), n = r->line.n + lf;
	char *p;

	if (n > r->limits->line_bytes + 1) {
		*ret_used = r->limits->line_bytes + 2 - r->line.n;
		return too_long(r, in, *ret_used, "Line too long");
	}
	*ret_used = lf;
	if (lf == in.n) {
		buf_append_view(&r->line, in);
		return IMAP_READ_MORE;
	}
	if (lf == 1 && n == 1 && in.p[0] == '\r' && !r->tokens) {
		*ret_used = 2;
		return IMAP_READ_MORE; /* an empty line between commands is nothing, and costs nothing */
	}
	p = join(r, view_sub(in, 0, lf));
	if (!p)
		return too_long(r, in, lf, "Command too large");
	*ret_used = lf + 1;
	buf_fini(&r->line);
	if (n == 0 || p[n - 1] != '\r')
		return bad(r, "Line does not end in CRLF", view_from(p, n));
	if (n == 1 && !r->tokens) {
		arena_fini(&r->arena);
		return IMAP_READ_MORE; /* an empty line between commands is nothing */
	}
	return add_line(r, p, n - 1);
}

static enum imap_read read_kept(struct imap_reader *r, struct view in, size_t *ret_used)
{
	struct imap_arg *arg = r->literal_arg;

	*ret_used = in.n < r->literal_left ? in.n : (size_t)r->literal_left;
	if (*ret_used)
		memcpy(r->literal_at + arg->literal_bytes - r->literal_left, in.p, *ret_used);
	r->literal_left -= *ret_used;
	if (r->literal_left)
		return IMAP_READ_MORE;
	arg->text = view_from(r->literal_at, (size_t)arg->literal_bytes);
	r->state = LINE;
	return IMAP_READ_MORE;
}

static enum imap_read read_streamed(struct imap_reader *r, struct view in, size_t *ret_used)
{
	*ret_used = in.n < r->literal_left ? in.n : (size_t)r->literal_left;
	r->data = view_sub(in, 0, *ret_used);
	r->literal_left -= *ret_used;
	if (r->literal_left == 0)
		r->state = LINE;
	return *ret_used ? IMAP_READ_DATA : IMAP_READ_MORE;
}

static enum imap_read skip_bytes(struct imap_reader *r, struct view in, size_t *ret_used)
{
	if (r->literal_left > r->skip_left) {
		*ret_used = 0;
		return IMAP_READ_CLOSE;
	}
	*ret_used = in.n < r->literal_left ? in.n : (size_t)r->literal_left;
	r->literal_left -= *ret_used;
	r->skip_left -= *ret_used;
	if (r->literal_left == 0)
		r->state = SKIP_LINE;
	return IMAP_READ_MORE;
}

/* Keeps only the end of the line, where a mark may say that the command goes on. */
static enum imap_read skip_line(struct imap_reader *r, struct view in, size_t *ret_used)
{
	size_t lf = view_find_char(in, '\n');
	struct imap_literal_mark mark;
	struct view tail;

	*ret_used = lf < in.n ? lf + 1 : in.n;
	if (*ret_used > r->skip_left)
		return IMAP_READ_CLOSE;
	r->skip_left -= *ret_used;
	buf_append_view(&r->line, line_end(view_sub(in, 0, lf)));
	buf_consume(&r->line, r->line.n - line_end(buf_view(&r->line)).n);
	if (lf == in.n)
		return IMAP_READ_MORE;
	tail = buf_view(&r->line);
	if (tail.n && tail.p[tail.n - 1] == '\r')
		tail.n--;
	r->state = LINE;
	if (imap_literal_mark_parse(tail, &mark) && !mark.sync) {
		r->state = SKIP_BYTES;
		r->literal_left = mark.bytes;
	} else {
		r->skip_left = r->limits->skip_bytes;
	}
	buf_fini(&r->line);
	return IMAP_READ_MORE;
}

static enum imap_read step(struct imap_reader *r, struct view in, size_t *ret_used)
{
	switch ((enum reader_state)r->state) {
	case LINE:
		return read_line(r, in, ret_used);
	case KEEP:
		return read_kept(r, in, ret_used);
	case STREAM:
		return read_streamed(r, in, ret_used);
	case SKIP_BYTES:
		return skip_bytes(r, in, ret_used);
	case SKIP_LINE:
		return skip_line(r, in, ret_used);
	case ASK:
	case OVER:
		break;
	}
	assert(!"imap_reader_next() before the answer to LITERAL, or before reset");
	return IMAP_READ_CLOSE;
}

/* A kept literal is a string, which holds no NUL (RFC 9051 §9 literal). */
static bool literal_is_bad(const struct imap_reader *r, int state_before)
{
	return state_before == KEEP && r->state == LINE && !r->literal_arg->binary &&
	       view_has_nul(r->literal_arg->text);
}

enum imap_read imap_reader_next(struct imap_reader *r, struct view in, size_t *ret_used)
{
	size_t used, total = 0;
	enum imap_read answer;

	do {
		int before = r->state;

		answer = step(r, view_sub(in, total, in.n), &used);
		total += used;
		if (literal_is_bad(r, before)) {
			r->error = "NUL in literal";
			r->resume = SKIP_LINE;
			answer = over(r, IMAP_READ_BAD);
		}
	} while (answer == IMAP_READ_MORE && total < in.n);
	*ret_used = total;
	return answer;
}

bool imap_reader_keep(struct imap_reader *r)
{
	assert(r->state == ASK);
	if (r->literal.bytes > r->limits->literal_bytes)
		return false;
	r->literal_at = arena_alloc(&r->arena, (size_t)r->literal.bytes);
	if (!r->literal_at)
		return false;
	r->literal_left = r->literal.bytes;
	r->literal_arg->text = view_from(r->literal_at, 0);
	r->state = r->literal_left ? KEEP : LINE;
	return true;
}

void imap_reader_stream(struct imap_reader *r)
{
	assert(r->state == ASK);
	r->literal_arg->streamed = true;
	r->literal_left = r->literal.bytes;
	r->state = r->literal_left ? STREAM : LINE;
}

void imap_reader_refuse(struct imap_reader *r)
{
	assert(r->state == ASK);
	r->resume = LINE;
	if (!r->literal.sync) {
		r->resume = SKIP_BYTES;
		r->literal_left = r->literal.bytes;
	}
	r->state = OVER;
}

enum parse imap_reader_line(struct imap_reader *r, struct view in, size_t max_bytes, size_t *ret_used,
			    struct view *ret_line)
{
	size_t lf = view_find_char(in, '\n');
	char *p;
	size_t n = r->line.n + lf;

	assert(r->state == LINE || r->state == OVER);
	*ret_used = 0;
	if (n > max_bytes + 1 || n > r->limits->line_bytes + 1)
		return PARSE_BAD;
	if (lf == in.n) {
		buf_append_view(&r->line, in);
		*ret_used = in.n;
		return PARSE_MORE;
	}
	p = join(r, view_sub(in, 0, lf));
	if (!p || n == 0 || p[n - 1] != '\r' || memchr(p, '\r', n - 1) || memchr(p, '\0', n))
		return PARSE_BAD;
	buf_fini(&r->line);
	*ret_used = lf + 1;
	*ret_line = view_from(p, n - 1);
	return PARSE_DONE;
}
