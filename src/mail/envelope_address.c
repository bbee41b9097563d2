/* SPDX-License-Identifier: ISC
 * Walks an address-list header value, leniently. */
#include "mail/envelope_address.h"

#include <string.h>

void envelope_addresses_init(struct envelope_addresses *it, struct view value)
{
	*it = (struct envelope_addresses){.rest = value};
	buf_init(&it->name, value.n);
	buf_init(&it->comment, value.n);
	buf_init(&it->route, value.n);
	buf_init(&it->local, value.n);
	buf_init(&it->domain, value.n);
}

void envelope_addresses_fini(struct envelope_addresses *it)
{
	buf_fini(&it->name);
	buf_fini(&it->comment);
	buf_fini(&it->route);
	buf_fini(&it->local);
	buf_fini(&it->domain);
}

static void forget(struct envelope_addresses *it)
{
	buf_reset(&it->name);
	buf_reset(&it->comment);
	buf_reset(&it->route);
	buf_reset(&it->local);
	buf_reset(&it->domain);
}

static char peek(const struct envelope_addresses *it)
{
	return it->rest.n ? it->rest.p[0] : '\0';
}

static void advance(struct envelope_addresses *it, size_t n)
{
	it->rest = view_sub(it->rest, n, it->rest.n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static bool is_special(char c)
{
	return c && strchr("<>@,;:", c);
}

/* quoted-string and comment: both end at `close`, a backslash takes the next byte as it is, comments nest. */
static void take_enclosed(struct envelope_addresses *it, char open, char close, struct buf *to)
{
	size_t depth = 1, i;

	for (i = 1; i < it->rest.n; i++) {
		char c = it->rest.p[i];

		if (c == '\\' && i + 1 < it->rest.n)
			c = it->rest.p[++i];
		else if (c == close && --depth == 0)
			break;
		else if (c == open)
			depth++;
		if (c != '\r' && c != '\n')
			buf_append_char(to, c);
	}
	advance(it, i + 1);
}

/* An atom, dots included; at least one byte. */
static void take_word(struct envelope_addresses *it, struct buf *to)
{
	size_t i = 1;

	while (i < it->rest.n && !is_blank(it->rest.p[i]) && !is_special(it->rest.p[i]) && it->rest.p[i] != '(' &&
	       it->rest.p[i] != '"')
		i++;
	buf_append_view(to, view_sub(it->rest, 0, i));
	advance(it, i);
}

/* domain-literal, brackets included */
static void take_literal(struct envelope_addresses *it, struct buf *to)
{
	size_t end = view_find_char(it->rest, ']');

	for (size_t i = 0; i < it->rest.n && i <= end; i++)
		if (!is_blank(it->rest.p[i]))
			buf_append_char(to, it->rest.p[i]);
	advance(it, end + 1);
}

static void take_comment(struct envelope_addresses *it)
{
	buf_reset(&it->comment);
	take_enclosed(it, '(', ')', &it->comment);
}

/* Appends words to `to`, with one blank where blanks were when `spaced`; comments go to it->comment. Takes and returns
 * the special that ends them, '\0' at the end of the value. `*ret_any` tells whether there was a word. */
static char take_words(struct envelope_addresses *it, struct buf *to, bool spaced, bool *ret_any)
{
	bool any = false, blank = false;
	char end;

	while (it->rest.n && !is_special(peek(it))) {
		char c = peek(it);

		if (is_blank(c)) {
			blank = true;
			advance(it, 1);
			continue;
		}
		if (c == '(') {
			take_comment(it);
			continue;
		}
		if (blank && spaced && any)
			buf_append_char(to, ' ');
		blank = false;
		any = true;
		if (c == '"')
			take_enclosed(it, '\0', '"', to);
		else if (c == '[')
			take_literal(it, to);
		else
			take_word(it, to);
	}
	end = peek(it);
	advance(it, 1);
	*ret_any = any;
	return end;
}

static void put_back(struct envelope_addresses *it)
{
	it->rest.p--;
	it->rest.n++;
}

static bool ends_address(char c)
{
	return c == '\0' || c == ',' || c == ';';
}

/* Up to the "," or ";" (left in place, so that a group is ended), whatever comes. */
static void skip_to_end(struct envelope_addresses *it, char c)
{
	struct buf nothing = BUF_INIT(0);
	bool any;

	while (!ends_address(c))
		c = take_words(it, &nothing, false, &any);
	if (c == ';')
		put_back(it);
}

/* domain, up to what cannot be in it; further "@" are taken in */
static char take_domain(struct envelope_addresses *it)
{
	bool any;
	char c;

	while ((c = take_words(it, &it->domain, false, &any)) == '@')
		buf_append_char(&it->domain, '@');
	return c;
}

/* obs-route = 1*("@" domain ",") ":"; the first "@" has been taken */
static char take_route(struct envelope_addresses *it)
{
	bool any;
	char c = '@';

	while (c == '@' || c == ',') {
		buf_append_char(&it->route, c);
		c = take_words(it, &it->route, false, &any);
	}
	return c;
}

static struct view text_or_absent(const struct buf *b, bool there)
{
	return there ? buf_view(b) : (struct view){NULL, 0};
}

static void give(struct envelope_addresses *it, bool named, bool routed, bool has_domain, struct envelope_address *ret)
{
	ret->kind = ENVELOPE_ADDRESS;
	ret->name = named ? buf_view(&it->name) : text_or_absent(&it->comment, it->comment.n > 0);
	ret->route = text_or_absent(&it->route, routed);
	ret->local = buf_view(&it->local);
	ret->domain = text_or_absent(&it->domain, has_domain);
}

/* angle-addr = "<" [obs-route] addr-spec ">"; "<" has been taken, the name is there */
static void take_angle(struct envelope_addresses *it, bool named, struct envelope_address *ret)
{
	bool any, routed = false, has_domain;
	char c = take_words(it, &it->local, false, &any);

	if (c == '@' && !any) {
		c = take_route(it);
		routed = c == ':';
		if (routed)
			c = take_words(it, &it->local, false, &any);
	}
	has_domain = c == '@';
	if (has_domain)
		c = take_domain(it);
	skip_to_end(it, c);
	give(it, named, routed, has_domain, ret);
}

/* addr-spec, as far as "@"; what was read as a name is the local part. "a@b <a@b>" is a name after all. */
static void take_plain(struct envelope_addresses *it, struct envelope_address *ret)
{
	char c;

	buf_append_view(&it->local, buf_view(&it->name));
	c = take_domain(it);
	if (c == '<') {
		buf_append_char(&it->name, '@');
		buf_append_view(&it->name, buf_view(&it->domain));
		buf_reset(&it->local);
		buf_reset(&it->domain);
		take_angle(it, true, ret);
		return;
	}
	skip_to_end(it, c);
	give(it, false, false, true, ret);
}

static void give_local(struct envelope_addresses *it, char c, struct envelope_address *ret)
{
	if (c == ';')
		put_back(it);
	buf_append_view(&it->local, buf_view(&it->name));
	give(it, false, false, false, ret);
}

static bool end_group(struct envelope_addresses *it, struct envelope_address *ret)
{
	static const struct envelope_address end = {.kind = ENVELOPE_GROUP_END};

	if (!it->in_group)
		return false;
	it->in_group = false;
	*ret = end;
	return true;
}

static bool start_group(struct envelope_addresses *it, struct envelope_address *ret)
{
	if (it->in_group)
		return false;
	it->in_group = true;
	*ret = (struct envelope_address){.kind = ENVELOPE_GROUP, .name = buf_view(&it->name)};
	return true;
}

/* What `c`, the special behind words, makes of them. False: nothing; go on. */
static bool give_any(struct envelope_addresses *it, char c, bool any, struct envelope_address *ret)
{
	switch (c) {
	case '<':
		take_angle(it, any, ret);
		return true;
	case '@':
		take_plain(it, ret);
		return true;
	case ':':
		return start_group(it, ret);
	case '>':
		return false;
	default:
		if (any) {
			give_local(it, c, ret);
			return true;
		}
		return c != ',' && end_group(it, ret);
	}
}

bool envelope_addresses_next(struct envelope_addresses *it, struct envelope_address *ret)
{
	char c;

	do {
		bool any;

		forget(it);
		c = take_words(it, &it->name, true, &any);
		if (give_any(it, c, any, ret))
			return true;
	} while (c);
	return false;
}
