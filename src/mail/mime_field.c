/* SPDX-License-Identifier: ISC
 * Values of the MIME header fields: type, disposition, parameters. */
#include "mail/mime_field.h"

#include "mail/header.h"

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

/* Unquoted values go up to ";" or a comment: mail programs leave blanks in file names. */
static struct view take_value(struct lexer *l)
{
	struct view all = l->rest;
	size_t n = 0;

	if (peek(l) == '"')
		return take_quoted(l);
	while (n < all.n && all.p[n] != ';' && all.p[n] != '(')
		n++;
	advance(l, n);
	return mime_field_text(view_sub(all, 0, n), l->arena);
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
	struct view base;
	uint32_t number;
	bool encoded;
};

static bool parse_section(struct view name, struct section *ret)
{
	struct view rest;

	if (!view_cut(name, '*', &ret->base, &rest) || ret->base.n == 0)
		return false;
	ret->encoded = rest.n > 1 && rest.p[rest.n - 1] == '*';
	if (ret->encoded)
		rest.n--;
	return (rest.n == 1 || (rest.n > 1 && rest.p[0] != '0')) && view_to_u32(rest, MIME_PARAMS_MAX, &ret->number);
}

static size_t find_section(const struct mime_param *params, size_t count, struct view base, uint32_t number)
{
	struct section s;

	for (size_t i = 0; i < count; i++)
		if (parse_section(params[i].name, &s) && s.number == number && view_eq_nocase(s.base, base))
			return i;
	return count;
}

/* A plain section between encoded ones is encoded too. */
static char *append_encoded(char *to, struct view v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (ascii_is_alnum(v.p[i]) || (c && strchr("!#$&+-.^_`{|}~", c))) {
			*to++ = v.p[i];
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}

struct run {
	size_t at[MIME_PARAMS_MAX];
	size_t count;
	bool encoded;
};

static void find_run(const struct mime_param *params, size_t count, struct view base, struct run *ret)
{
	struct section s;

	*ret = (struct run){.count = 0};
	while (ret->count < count) {
		size_t at = find_section(params, count, base, (uint32_t)ret->count);

		if (at == count)
			return;
		(void)parse_section(params[at].name, &s);
		ret->encoded |= s.encoded;
		ret->at[ret->count++] = at;
	}
}

static struct mime_param join_run(const struct mime_param *params, const struct run *run, struct view base,
				  struct arena *a)
{
	struct mime_param joined = {base, VIEW_EMPTY};
	size_t bytes = 0;
	char *p, *to;
	struct section s;

	for (size_t i = 0; i < run->count; i++)
		bytes += params[run->at[i]].value.n * 3;
	p = to = arena_alloc(a, bytes);
	if (!p)
		return joined;
	for (size_t i = 0; i < run->count; i++) {
		struct view v = params[run->at[i]].value;

		(void)parse_section(params[run->at[i]].name, &s);
		if (run->encoded && !s.encoded) {
			to = append_encoded(to, v);
		} else {
			memcpy(to, v.p, v.n);
			to += v.n;
		}
	}
	joined.value = view_from(p, (size_t)(to - p));
	if (run->encoded)
		joined.name.n++; /* the "*" behind the base */
	return joined;
}

/* RFC 2231 §3: "name*0", "name*1*"… become one "name" or "name*" where section 0 stood. */
static void join_sections(struct mime_param *params, size_t *count, struct arena *a)
{
	struct section s;
	struct run run;

	for (size_t i = 0; i < *count; i++) {
		struct mime_param joined;
		size_t kept = 0;

		if (!parse_section(params[i].name, &s) || s.number != 0)
			continue;
		find_run(params, *count, s.base, &run);
		joined = join_run(params, &run, s.base, a);
		for (size_t k = 0; k < run.count; k++)
			if (run.at[k] != i)
				params[run.at[k]].name.p = NULL;
		params[i] = joined;
		for (size_t k = 0; k < *count; k++)
			if (params[k].name.p)
				params[kept++] = params[k];
		*count = kept;
	}
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

	skip_cfws(&l);
	return peek(&l) == '"' ? take_quoted(&l) : take_token(&l, ";(,");
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
