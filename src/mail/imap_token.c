/* SPDX-License-Identifier: ISC
 * The tokens of an IMAP command, line by line, into a tree of arguments. */
#include "mail/imap_token.h"

#include <assert.h>

struct imap_tokens {
	struct arena *arena;
	struct imap_tokens_limits limits;
	const struct imap_arg *first;
	uint32_t args;
	uint32_t depth; /* open lists */
	bool closed; /* an argument has just ended: a space, ")" or "]" must follow */
	const struct imap_arg **tails[]; /* where the next item goes, for each depth */
};

/* One line being read. */
struct cursor {
	char *p;
	size_t n, at;
	const char *error;
};

struct imap_tokens *imap_tokens_new(struct arena *a, struct imap_tokens_limits limits)
{
	struct imap_tokens *t;

	t = arena_alloc(a, sizeof *t + ((size_t)limits.depth + 1) * sizeof t->tails[0]);
	if (!t)
		return NULL;
	t->arena = a;
	t->limits = limits;
	t->tails[0] = &t->first;
	return t;
}

const struct imap_arg *imap_tokens_first(const struct imap_tokens *t)
{
	return t->first;
}

static bool fail(struct cursor *c, const char *error)
{
	c->error = error;
	return false;
}

static struct imap_arg *add(struct imap_tokens *t, struct cursor *c, enum imap_arg_kind kind)
{
	struct imap_arg *arg = t->args < t->limits.args ? arena_alloc(t->arena, sizeof *arg) : NULL;

	if (!arg) {
		c->error = "Too many arguments";
		return NULL;
	}
	t->args++;
	arg->kind = kind;
	*t->tails[t->depth] = arg;
	t->tails[t->depth] = &arg->next;
	return arg;
}

static bool open_list(struct imap_tokens *t, struct cursor *c)
{
	struct imap_arg *arg;

	if (t->depth >= t->limits.depth)
		return fail(c, "Lists are nested too deep");
	arg = add(t, c, IMAP_LIST);
	if (!arg)
		return false;
	t->tails[++t->depth] = &arg->first;
	c->at++;
	return true;
}

static bool close_list(struct imap_tokens *t, struct cursor *c)
{
	if (t->depth == 0)
		return fail(c, "Unexpected )");
	t->depth--;
	t->closed = true;
	c->at++;
	return true;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE; 8-bit bytes are taken (RFC 9051 allows UTF-8, older clients send others). */
static bool add_quoted(struct imap_tokens *t, struct cursor *c)
{
	struct imap_arg *arg = add(t, c, IMAP_QUOTED);
	char *start = c->p + c->at + 1, *to = start;

	if (!arg)
		return false;
	for (c->at++; c->at < c->n && c->p[c->at] != '"'; c->at++) {
		if (c->p[c->at] == '\\') {
			c->at++;
			if (c->at == c->n || (c->p[c->at] != '"' && c->p[c->at] != '\\'))
				return fail(c, "Invalid \\ in quoted string");
		} else if (c->p[c->at] == '\0' || c->p[c->at] == '\r') {
			return fail(c, "Invalid character");
		}
		*to++ = c->p[c->at];
	}
	if (c->at == c->n)
		return fail(c, "Missing \"");
	c->at++;
	arg->text = view_from(start, (size_t)(to - start));
	t->closed = true;
	return true;
}

/* What may stand in an atom of any command: ASTRING-CHAR, the wildcards of sets and LIST, and "\" in front. */
static bool is_token_char(char c)
{
	return imap_is_astring_char(c) || c == '*' || c == '%';
}

static bool add_atom(struct imap_tokens *t, struct cursor *c, bool glued)
{
	struct imap_arg *arg = add(t, c, IMAP_ATOM);
	size_t start = c->at;

	if (!arg)
		return false;
	if (c->p[c->at] == '\\')
		c->at++;
	while (c->at < c->n && is_token_char(c->p[c->at]))
		c->at++;
	arg->text = view_from(c->p + start, c->at - start);
	arg->glued = glued;
	t->closed = true;
	if (arg->text.n == 0 || (arg->text.n == 1 && arg->text.p[0] == '\\'))
		return fail(c, "Invalid character");
	return true;
}

static bool add_token(struct imap_tokens *t, struct cursor *c)
{
	char first = c->p[c->at];
	bool was_closed = t->closed;

	if (first == ' ') {
		t->closed = false;
		c->at++;
		return true;
	}
	if (first == ')')
		return close_list(t, c);
	if (was_closed && (first != ']' || c->at == 0 || c->p[c->at - 1] != ')'))
		return fail(c, "Missing space");
	if (first == '(')
		return open_list(t, c);
	if (first == '"')
		return add_quoted(t, c);
	return add_atom(t, c, was_closed);
}

/* literal = "{" number64 ["+"] "}"; literal8 = "~{" … */
bool imap_literal_mark_parse(struct view line, struct imap_literal_mark *ret)
{
	struct imap_literal_mark mark = {.sync = true};
	size_t at;

	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	line.n--;
	if (line.p[line.n - 1] == '+') {
		mark.sync = false;
		line.n--;
	}
	for (at = line.n; at > 0 && ascii_is_digit(line.p[at - 1]); at--)
		;
	if (at == 0 || line.p[at - 1] != '{' || !view_to_u64(view_sub(line, at, line.n), INT64_MAX, &mark.bytes))
		return false;
	mark.binary = at > 1 && line.p[at - 2] == '~';
	*ret = mark;
	return true;
}

/* The line without its mark. */
static size_t before_mark(struct view line, struct imap_literal_mark mark)
{
	while (line.p[line.n - 1] != '{')
		line.n--;
	return line.n - (mark.binary ? 2 : 1);
}

enum imap_tokens_end imap_tokens_add(struct imap_tokens *t, char *line, size_t n, struct imap_literal_mark *ret_mark,
				     struct imap_arg **ret_arg, const char **ret_error)
{
	struct cursor c = {line, n, 0, NULL};
	struct imap_literal_mark mark;
	bool literal = imap_literal_mark_parse(view_from(line, n), &mark);
	struct imap_arg *arg = NULL;

	if (literal)
		c.n = before_mark(view_from(line, n), mark);
	while (!c.error && c.at < c.n)
		(void)add_token(t, &c);
	if (!c.error && literal && t->closed)
		c.error = "Missing space";
	if (!c.error && !literal && t->depth)
		c.error = "Missing )";
	if (!c.error && literal)
		arg = add(t, &c, IMAP_LITERAL);
	if (c.error) {
		*ret_error = c.error;
		return IMAP_TOKENS_BAD;
	}
	if (!literal)
		return IMAP_TOKENS_OVER;
	arg->binary = mark.binary;
	arg->literal_bytes = mark.bytes;
	t->closed = true;
	*ret_mark = mark;
	*ret_arg = arg;
	return IMAP_TOKENS_LITERAL;
}
