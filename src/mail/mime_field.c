/* SPDX-License-Identifier: ISC
 * Values of the MIME header fields: type, disposition, parameters. */
#include "mail/mime_field.h"

#include "base/encode.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/rfc2047.h"

#include <string.h>

struct lexer {
	struct view rest;
	struct arena *arena;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char peek(const struct lexer *l)
{
	return l->rest.n ? l->rest.p[0] : '\0';
}

static void advance(struct lexer *l, size_t n)
{
	l->rest = view_sub(l->rest, n, l->rest.n);
}

/* comment = "(" *(ctext / quoted-pair / comment) ")"; an open one takes the rest. */
static void skip_comment(struct lexer *l)
{
	size_t depth = 0, i;

	for (i = 0; i < l->rest.n; i++) {
		char c = l->rest.p[i];

		if (c == '\\')
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	advance(l, i + 1);
}

static void skip_cfws(struct lexer *l)
{
	for (;;) {
		if (is_blank(peek(l)))
			advance(l, 1);
		else if (peek(l) == '(')
			skip_comment(l);
		else
			return;
	}
}

/* token, leniently: up to a blank or one of `stops` */
static struct view take_token(struct lexer *l, const char *stops)
{
	struct view all = l->rest;
	size_t n = 0;

	while (n < all.n && !is_blank(all.p[n]) && (!all.p[n] || !strchr(stops, all.p[n])))
		n++;
	advance(l, n);
	return view_sub(all, 0, n);
}

/* quoted-string without its quotes, backslashes and folding; an open one takes the rest. */
static struct view take_quoted(struct lexer *l)
{
	size_t end = 1;
	char *p, *to;

	while (end < l->rest.n && l->rest.p[end] != '"')
		end += l->rest.p[end] == '\\' ? 2 : 1;
	if (end > l->rest.n)
		end = l->rest.n;
	p = to = arena_alloc(l->arena, end);
	for (size_t i = 1; p && i < end; i++) {
		if (l->rest.p[i] == '\\' && i + 1 < end)
			i++;
		if (l->rest.p[i] != '\r' && l->rest.p[i] != '\n')
			*to++ = l->rest.p[i];
	}
	advance(l, end + 1);
	return p ? view_from(p, (size_t)(to - p)) : VIEW_EMPTY;
}

/* A blank in an unquoted value is part of it (mail programs leave them in file names), unless what follows reads like
 * another parameter whose ";" is missing. */
static struct view cut_at_blank(struct view value)
{
	size_t blank = view_find_char(value, ' ');

	if (view_find_char(view_sub(value, blank, value.n), '=') < value.n - blank)
		value.n = blank;
	return value;
}

/* Unquoted values go up to ";" or a comment. */
static struct view take_value(struct lexer *l)
{
	struct view all = l->rest;
	size_t n = 0;

	if (peek(l) == '"')
		return take_quoted(l);
	while (n < all.n && all.p[n] != ';' && all.p[n] != '(')
		n++;
	advance(l, n);
	return cut_at_blank(mime_field_text(view_sub(all, 0, n), l->arena));
}

static size_t take_params(struct lexer *l, struct mime_param params[MIME_PARAMS_MAX])
{
	size_t n = 0;

	while (l->rest.n && n < MIME_PARAMS_MAX) {
		struct mime_param param;

		advance(l, view_find_char(l->rest, ';') + 1);
		skip_cfws(l);
		param.name = take_token(l, ";=(\"");
		skip_cfws(l);
		if (param.name.n == 0 || peek(l) != '=')
			continue;
		advance(l, 1);
		skip_cfws(l);
		param.value = take_value(l);
		params[n++] = param;
	}
	return n;
}

/* What RFC 2231 §3 puts behind a name: "*" section ["*"] */
struct section {
	struct view base; /* empty: an ordinary parameter */
	uint32_t number;
	bool encoded;
	bool joined; /* into another one */
};

static struct section parse_section(struct view name)
{
	static const struct section none = {.base = {"", 0}};
	struct section s = none;
	struct view rest;

	if (!view_cut(name, '*', &s.base, &rest))
		return none;
	s.encoded = rest.n > 1 && rest.p[rest.n - 1] == '*';
	if (s.encoded)
		rest.n--;
	if (rest.n == 0 || (rest.n > 1 && rest.p[0] == '0') || !view_to_u32(rest, MIME_PARAMS_MAX, &s.number))
		return none;
	return s;
}

static size_t find_section(const struct section *sections, size_t count, struct view base, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (!sections[i].joined && sections[i].number == number && sections[i].base.n &&
		    view_eq_nocase(sections[i].base, base))
			return i;
	return count;
}

/* A plain section between encoded ones is encoded too. */
static void append_encoded(struct buf *out, struct view v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (ascii_is_alnum(v.p[i]) || (c && strchr("!#$&+-.^_`{|}~", c)))
			buf_append_char(out, v.p[i]);
		else
			buf_append(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

/* The sections that follow each other from number 0 on. */
struct run {
	size_t at[MIME_PARAMS_MAX];
	size_t count;
	size_t bytes;
	bool encoded;
};

static void find_run(const struct mime_param *params, const struct section *sections, size_t count, size_t first,
		     struct run *ret)
{
	size_t at = first;

	*ret = (struct run){.count = 0};
	while (at < count && ret->count < MIME_PARAMS_MAX) {
		ret->at[ret->count++] = at;
		ret->bytes += params[at].value.n;
		ret->encoded |= sections[at].encoded;
		at = find_section(sections, count, sections[first].base, (uint32_t)ret->count);
	}
}

static void join_run(struct mime_param *params, struct section *sections, const struct run *run, struct arena *a)
{
	struct mime_param *first = &params[run->at[0]];
	struct buf value = BUF_INIT(run->bytes * 3);

	for (size_t i = 0; i < run->count; i++) {
		struct view v = params[run->at[i]].value;

		if (run->encoded && !sections[run->at[i]].encoded)
			append_encoded(&value, v);
		else
			buf_append_view(&value, v);
		sections[run->at[i]].joined = i > 0;
	}
	first->value = arena_copy(a, buf_view(&value));
	first->name.n = sections[run->at[0]].base.n + (run->encoded ? 1 : 0); /* the "*" is behind the base */
	buf_fini(&value);
}

/* RFC 2231 §3: "name*0", "name*1*"… become one "name" or "name*" where section 0 stood. */
static void join_sections(struct mime_param *params, size_t *count, struct arena *a)
{
	struct section sections[MIME_PARAMS_MAX];
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		sections[i] = parse_section(params[i].name);
	for (size_t i = 0; i < *count; i++) {
		struct run run;

		if (!sections[i].base.n || sections[i].number != 0 || sections[i].joined)
			continue;
		find_run(params, sections, *count, i, &run);
		join_run(params, sections, &run, a);
	}
	for (size_t i = 0; i < *count; i++)
		if (!sections[i].joined)
			params[kept++] = params[i];
	*count = kept;
}

static void parse_params(struct lexer *l, struct mime_params *ret)
{
	struct mime_param params[MIME_PARAMS_MAX];
	size_t count = take_params(l, params);
	bool sections = false;

	*ret = (struct mime_params){NULL, 0};
	for (size_t i = 0; i < count; i++)
		sections |= view_find_char(params[i].name, '*') < params[i].name.n;
	if (sections)
		join_sections(params, &count, l->arena);
	if (count == 0 || !(ret->at = arena_array(l->arena, count, sizeof params[0])))
		return;
	memcpy(ret->at, params, count * sizeof params[0]);
	ret->count = count;
}

bool mime_field_type(struct view value, struct arena *a, struct view *ret_type, struct view *ret_subtype,
		     struct mime_params *ret_params)
{
	struct lexer l = {value, a};
	struct view type, subtype;

	skip_cfws(&l);
	type = take_token(&l, "/;(\"");
	skip_cfws(&l);
	if (type.n == 0 || peek(&l) != '/')
		return false;
	advance(&l, 1);
	skip_cfws(&l);
	subtype = take_token(&l, "/;(\"");
	if (subtype.n == 0)
		return false;
	*ret_type = type;
	*ret_subtype = subtype;
	parse_params(&l, ret_params);
	return true;
}

bool mime_field_disposition(struct view value, struct arena *a, struct view *ret_disposition,
			    struct mime_params *ret_params)
{
	struct lexer l = {value, a};
	struct view token;

	skip_cfws(&l);
	token = peek(&l) == '"' ? take_quoted(&l) : take_token(&l, ";(");
	if (token.n == 0)
		return false;
	*ret_disposition = token;
	parse_params(&l, ret_params);
	return true;
}

struct view mime_field_token(struct view value, struct arena *a)
{
	struct lexer l = {value, a};

	struct view token;

	skip_cfws(&l);
	token = peek(&l) == '"' ? take_quoted(&l) : take_token(&l, ";(,");
	skip_cfws(&l);
	return l.rest.n && mime_field_encoding(token) == MIME_UNKNOWN_ENCODING ? VIEW_EMPTY : token;
}

enum mime_encoding mime_field_encoding(struct view token)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} names[] = {
	    {"7bit", MIME_7BIT},     {"8bit", MIME_8BIT},
	    {"binary", MIME_BINARY}, {"quoted-printable", MIME_QUOTED_PRINTABLE},
	    {"base64", MIME_BASE64}, {"", MIME_7BIT},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_lit_nocase(token, names[i].name))
			return names[i].encoding;
	return MIME_UNKNOWN_ENCODING;
}

size_t mime_field_languages(struct view value, struct arena *a, struct view **ret)
{
	struct lexer l = {value, a};
	struct view found[MIME_PARAMS_MAX], *copy;
	size_t n = 0;

	while (l.rest.n && n < MIME_PARAMS_MAX) {
		skip_cfws(&l);
		found[n] = take_token(&l, ",(\"");
		n += found[n].n > 0;
		advance(&l, view_find_char(l.rest, ',') + 1);
	}
	copy = arena_array(a, n, sizeof *copy);
	if (!copy)
		return 0;
	memcpy(copy, found, n * sizeof *copy);
	*ret = copy;
	return n;
}

struct view mime_field_text(struct view value, struct arena *a)
{
	struct buf out;
	struct view copy;

	value = view_trim(value);
	if (view_find_char(value, '\n') == value.n)
		return value;
	buf_init(&out, value.n);
	header_unfold(&out, value);
	copy = arena_copy(a, buf_view(&out));
	buf_fini(&out);
	return copy;
}

const struct mime_param *mime_params_find(const struct mime_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++)
		if (view_eq_lit_nocase(params->at[i].name, name))
			return &params->at[i];
	return NULL;
}

struct view mime_params_get(const struct mime_params *params, const char *name)
{
	const struct mime_param *param = mime_params_find(params, name);

	return param ? param->value : VIEW_EMPTY;
}

static const struct mime_param *find_extended(const struct mime_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++) {
		struct view v = params->at[i].name;

		if (v.n > 0 && v.p[v.n - 1] == '*' && view_eq_lit_nocase(view_sub(v, 0, v.n - 1), name))
			return &params->at[i];
	}
	return NULL;
}

/* ext-octet = "%" 2(DIGIT / "A" / … / "F"); a "%" before anything else is one. */
static void decode_percent(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '%' && i + 2 < v.n && decode_hex(out, view_sub(v, i + 1, 2)))
			i += 2;
		else
			buf_append_char(out, v.p[i]);
	}
}

/* extended-initial-value = [charset] "'" [language] "'" extended-other-values */
static void put_extended(struct view value, struct buf *out)
{
	struct buf bytes = BUF_INIT(value.n);
	struct view charset, language, text;

	if (!view_cut(value, '\'', &charset, &text) || !view_cut(text, '\'', &language, &text)) {
		charset = VIEW_EMPTY;
		text = value;
	}
	decode_percent(text, &bytes);
	if (charset.n == 0 || !charset_to_utf8(charset, buf_view(&bytes), out))
		(void)!charset_to_utf8(view_is_utf8(buf_view(&bytes)) ? VIEW_LIT("utf-8") : VIEW_LIT("windows-1252"),
				       buf_view(&bytes), out);
	buf_fini(&bytes);
}

void mime_params_text(const struct mime_params *params, const char *name, struct buf *out)
{
	const struct mime_param *extended = find_extended(params, name);

	if (extended)
		put_extended(extended->value, out);
	else
		rfc2047_decode(mime_params_get(params, name), out);
}
