/* SPDX-License-Identifier: ISC
 * The addresses of a header field, one by one.
 *
 * An address is first cut out as slices of the input (words, local part, domain), which are then decoded. The slices
 * may hold comments and folds; most hold neither and are handed out as they are. */
#include "mail/address_list.h"

#include <string.h>

void address_list_init(struct address_list *l, struct view value, size_t max_items, struct arena *a)
{
	*l = (struct address_list){.in = value, .left = max_items, .arena = a};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What ends an atom. Brackets do not: unquoted they are common in display names ("[list] Name"). */
static bool is_special(char c)
{
	return is_space(c) || (c && strchr(",;:<>@.\"(", c));
}

/* Bytes of the comment at the start of `in`, all of it when it is not closed. Comments nest and are counted, not
 * recursed into. */
static size_t comment_length(struct view in)
{
	size_t depth = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\\')
			i++;
		else if (in.p[i] == '(')
			depth++;
		else if (in.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return in.n;
}

/* Bytes of the quoted string or domain literal at the start of `in`, through `close`; all when it is not closed. */
static size_t enclosed_length(struct view in, char close, bool *ret_closed)
{
	for (size_t i = 1; i < in.n; i++) {
		if (in.p[i] == '\\') {
			i++;
		} else if (in.p[i] == close) {
			*ret_closed = true;
			return i + 1;
		}
	}
	*ret_closed = false;
	return in.n;
}

/* Bytes of the word at the start of `in`: a quoted string or an atom, at least one. */
static size_t word_length(struct view in, bool *ret_closed)
{
	size_t n = 1;

	if (in.p[0] == '"')
		return enclosed_length(in, '"', ret_closed);
	while (n < in.n && !is_special(in.p[n]))
		n++;
	*ret_closed = true;
	return n;
}

/* CFWS */
static size_t cfws_length(struct view in, struct view *comment)
{
	size_t n = 0;

	while (n < in.n) {
		if (is_space(in.p[n])) {
			n++;
		} else if (in.p[n] == '(') {
			size_t bytes = comment_length(view_sub(in, n, in.n));
			struct view text = view_sub(in, n + 1, bytes - 1);

			if (text.n && text.p[text.n - 1] == ')')
				text.n--;
			*comment = text;
			n += bytes;
		} else {
			break;
		}
	}
	return n;
}

static struct view rest_of(const struct address_list *l)
{
	return view_sub(l->in, l->at, l->in.n);
}

static void skip_cfws(struct address_list *l, struct address_item *item)
{
	l->at += cfws_length(rest_of(l), &item->comment);
}

/* The next byte, or NUL at the end. */
static char peek(const struct address_list *l)
{
	return l->at < l->in.n ? l->in.p[l->at] : '\0';
}

static bool at_end(const struct address_list *l)
{
	return l->at == l->in.n;
}

static bool take(struct address_list *l, char c)
{
	if (at_end(l) || peek(l) != c)
		return false;
	l->at++;
	return true;
}

/* --- decoding a slice --- */

/* Nothing in it to decode? */
static bool is_plain(struct view slice)
{
	for (size_t i = 0; i < slice.n; i++)
		if (strchr("\"(\\\t\r\n", slice.p[i]) || (slice.p[i] == ' ' && i && slice.p[i - 1] == ' '))
			return false;
	return true;
}

/* The inside of a quoted string, its quotes taken off: quoted pairs and folds undone; returns the bytes written. */
static size_t decode_quoted(struct view inside, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < inside.n; i++) {
		if (inside.p[i] == '\\' && i + 1 < inside.n)
			i++;
		else if (inside.p[i] == '\r' || inside.p[i] == '\n')
			continue;
		out[n++] = inside.p[i];
	}
	return n;
}

/* The word or single byte at the start of `rest`; `*ret_bytes` of it. Returns the bytes written. */
static size_t decode_word(struct view rest, char *out, size_t *ret_bytes)
{
	bool closed;

	if (rest.p[0] != '"') {
		*ret_bytes = 1;
		*out = rest.p[0];
		return 1;
	}
	*ret_bytes = word_length(rest, &closed);
	return decode_quoted(view_sub(rest, 1, *ret_bytes - (closed ? 2 : 1)), out);
}

/* Words and dots with CFWS between them (not before them): `space` or nothing stands for CFWS. The result is never longer. */
static bool decode(struct address_list *l, struct view slice, const char *space, struct view *ret)
{
	struct view ignored;
	size_t at = 0, n = 0, bytes;
	bool blank = false;
	char *out;

	slice = view_trim(slice);
	if (is_plain(slice) && (*space || !memchr(slice.p, ' ', slice.n))) {
		*ret = slice;
		return true;
	}
	out = arena_alloc(l->arena, slice.n);
	if (!out)
		return false;
	for (; at < slice.n; at += bytes) {
		struct view rest = view_sub(slice, at, slice.n);

		bytes = cfws_length(rest, &ignored);
		if (bytes) {
			blank = *space;
			continue;
		}
		if (blank)
			out[n++] = *space;
		blank = false;
		n += decode_word(rest, out + n, &bytes);
	}
	*ret = view_from(out, n);
	return true;
}

/* --- the parts of an address --- */

/* Words and dots, as slices of the input. */
struct words {
	size_t first, last_end; /* all of them; first == last_end: none */
	size_t run; /* the last stretch that dots hold together: what a local part is */
	bool after_word;
	bool unclosed; /* a quoted string has no end */
};

static struct view slice(const struct address_list *l, size_t from, size_t to)
{
	return view_sub(l->in, from, to - from);
}

static void add_bytes(struct address_list *l, struct words *w, size_t bytes)
{
	if (w->first == w->last_end)
		w->first = w->run = l->at;
	l->at += bytes;
	w->last_end = l->at;
}

static void add_word(struct address_list *l, struct words *w)
{
	bool closed;
	size_t bytes = word_length(rest_of(l), &closed);

	if (w->after_word)
		w->run = l->at;
	w->unclosed |= !closed;
	add_bytes(l, w, bytes);
	w->after_word = true;
}

/* Takes words and dots up to a byte of `stop` or the end. */
static void take_words(struct address_list *l, const char *stop, struct words *w, struct address_item *item)
{
	*w = (struct words){.first = l->at, .last_end = l->at, .run = l->at};
	for (;;) {
		skip_cfws(l, item);
		if (at_end(l) || (peek(l) && strchr(stop, peek(l))))
			return;
		if (peek(l) == '.') {
			add_bytes(l, w, 1);
			w->after_word = false;
		} else if (is_special(peek(l)) && peek(l) != '"') {
			item->malformed = true;
			add_bytes(l, w, 1);
		} else {
			add_word(l, w);
		}
	}
}

/* domain = dot-atom / domain-literal / obs-domain */
static bool take_domain(struct address_list *l, struct address_item *item)
{
	size_t from, to;
	bool want_atom = true, closed;

	skip_cfws(l, item);
	from = to = l->at;
	if (peek(l) == '[') {
		to = l->at += enclosed_length(rest_of(l), ']', &closed);
		item->malformed |= !closed;
		return decode(l, slice(l, from, to), "", &item->domain);
	}
	while (!at_end(l)) {
		if (want_atom ? is_special(peek(l)) : peek(l) != '.')
			break;
		l->at += want_atom ? word_length(rest_of(l), &closed) : 1;
		to = l->at;
		want_atom = !want_atom;
		skip_cfws(l, item);
	}
	item->malformed |= want_atom;
	return decode(l, slice(l, from, to), "", &item->domain);
}

/* obs-route = obs-domain-list ":" */
static void take_route(struct address_list *l, struct address_item *item)
{
	size_t from = l->at;

	while (!at_end(l) && !strchr(":><\"", peek(l)))
		l->at++;
	item->route = view_trim(slice(l, from, l->at));
	if (!take(l, ':'))
		item->malformed = true;
}

/* addr-spec up to `stop` or the end, its "@" not yet seen; the local part is the last stretch of `w`. */
static bool take_addr_spec(struct address_list *l, const struct words *w, struct address_item *item)
{
	if (!decode(l, slice(l, w->run, w->last_end), "", &item->local))
		return false;
	item->malformed |= w->run != w->first || w->unclosed || item->local.n == 0;
	if (!take(l, '@')) {
		item->malformed = true;
		return true;
	}
	return take_domain(l, item);
}

/* angle-addr = "<" [obs-route] addr-spec ">" */
static bool take_angle(struct address_list *l, struct address_item *item)
{
	struct words w;

	l->at++;
	skip_cfws(l, item);
	if (peek(l) == '@' || peek(l) == ',')
		take_route(l, item);
	take_words(l, "@<>,;", &w, item);
	if (!take_addr_spec(l, &w, item))
		return false;
	skip_cfws(l, item);
	while (peek(l) && !strchr(",;<>", peek(l))) {
		item->malformed = true;
		l->at++;
	}
	if (!take(l, '>'))
		item->malformed = true;
	return true;
}

static bool take_group_start(struct address_list *l, const struct words *w, struct address_item *item)
{
	item->kind = ADDRESS_ITEM_GROUP_START;
	item->malformed |= w->unclosed || w->first == w->last_end;
	l->at++;
	l->in_group = true;
	return decode(l, slice(l, w->first, w->last_end), " ", &item->display_name);
}

/* Words and no "@" or "<" behind them: one word is taken for a local part, more for a name. */
static bool finish_bare(struct address_list *l, const struct words *w, struct address_item *item)
{
	item->malformed = true;
	if (w->run == w->first)
		return decode(l, slice(l, w->first, w->last_end), "", &item->local);
	return decode(l, slice(l, w->first, w->last_end), " ", &item->display_name);
}

/* mailbox / group, with at least one byte of it there */
static bool take_address(struct address_list *l, struct address_item *item)
{
	struct words w;

	take_words(l, l->in_group ? ",;<@" : ",;<@:", &w, item);
	switch (peek(l)) {
	case ':':
		return take_group_start(l, &w, item);
	case '<':
		item->malformed |= w.unclosed;
		return decode(l, slice(l, w.first, w.last_end), " ", &item->display_name) && take_angle(l, item);
	case '@':
		break;
	default:
		return finish_bare(l, &w, item);
	}
	if (!decode(l, slice(l, w.first, w.run), " ", &item->display_name) || !take_addr_spec(l, &w, item))
		return false;
	skip_cfws(l, item);
	if (peek(l) != '<')
		return true;
	/* "a@b <a@b>": an address written where the name belongs */
	item->malformed = true;
	return decode(l, slice(l, w.first, l->at), " ", &item->display_name) && take_angle(l, item);
}

/* What should be a separator and is not: the next item starts there, and this one is not as it should be. */
static void expect_separator(struct address_list *l, struct address_item *item)
{
	skip_cfws(l, item);
	if (!at_end(l) && peek(l) != ',' && peek(l) != ';')
		item->malformed = true;
}

static const struct address_item no_item = {.kind = ADDRESS_ITEM_MAILBOX,
					    .display_name = {"", 0},
					    .comment = {"", 0},
					    .route = {"", 0},
					    .local = {"", 0},
					    .domain = {"", 0}};

enum parse address_list_next(struct address_list *l, struct address_item *ret_item)
{
	struct address_item item = no_item;

	do {
		skip_cfws(l, &item);
	} while (take(l, ',') || (!l->in_group && take(l, ';')));
	if (at_end(l) && !l->in_group)
		return PARSE_MORE;
	if (l->left == 0)
		return PARSE_BAD;
	l->left--;
	if (at_end(l) || peek(l) == ';') {
		item = no_item;
		item.kind = ADDRESS_ITEM_GROUP_END;
		item.malformed = !take(l, ';');
		l->in_group = false;
	} else {
		if (!take_address(l, &item))
			return PARSE_BAD;
		if (item.kind == ADDRESS_ITEM_MAILBOX)
			expect_separator(l, &item);
	}
	*ret_item = item;
	return PARSE_DONE;
}
