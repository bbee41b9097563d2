/* SPDX-License-Identifier: ISC
 * Recognises what a DKIM signature is made over. */
#include "keyd/dkim.h"

enum { BODY_HASH_CHARS = 44, TAGS_MAX = 8 };

/* "name:value" in relaxed form: lower case, no blank at either side of the colon. */
static bool is_field(struct view line, struct view *ret_name)
{
	struct view value;

	if (!view_cut(line, ':', ret_name, &value) || ret_name->n == 0)
		return false;
	for (size_t i = 0; i < ret_name->n; i++) {
		char c = ret_name->p[i];

		if (c <= ' ' || c > '~' || (c >= 'A' && c <= 'Z'))
			return false;
	}
	return value.n == 0 || (value.p[0] != ' ' && value.p[value.n - 1] != ' ');
}

/* Behind a ";" stands one blank, and nowhere else any. */
static bool next_tag(struct view *rest, bool behind, struct view *ret_name, struct view *ret_value)
{
	struct view item, left = *rest;

	if (left.n == 0)
		return false;
	if (!view_cut(left, ';', &item, rest)) {
		item = left;
		*rest = VIEW_EMPTY;
	}
	if (behind && !view_starts_with(item, VIEW_LIT(" ")))
		return false;
	if (!view_cut(view_sub(item, behind, item.n), '=', ret_name, ret_value))
		*ret_name = *ret_value = VIEW_EMPTY;
	return true;
}

static bool is_body_hash(struct view v)
{
	for (size_t i = 0; i + 1 < v.n; i++)
		if (!ascii_is_alnum(v.p[i]) && v.p[i] != '+' && v.p[i] != '/')
			return false;
	return v.n == BODY_HASH_CHARS && v.p[v.n - 1] == '=';
}

/* The tags that dkim_sign_begin() writes, in that order and no others: no l=, which would leave the end of the body open, no i=, no x=. */
static bool is_signature(struct view value, struct view domain, struct view selector, const char *algorithm,
			 struct view *ret_names)
{
	static const char *const order[TAGS_MAX] = {"v", "a", "c", "d", "s", "t", "h", "bh"};
	struct view values[TAGS_MAX], name, v, number;
	uint64_t t;

	for (size_t i = 0; i < TAGS_MAX; i++)
		if (!next_tag(&value, i > 0, &name, &values[i]) || !view_eq_lit(name, order[i]))
			return false;
	if (!next_tag(&value, true, &name, &v) || !view_eq_lit(name, "b") || v.n > 0 || value.n > 0)
		return false;
	number = values[5];
	*ret_names = values[6];
	return view_eq_lit(values[0], "1") && view_eq_lit(values[1], algorithm) &&
	       view_eq_lit(values[2], "relaxed/relaxed") && view_eq(values[3], domain) &&
	       view_eq(values[4], selector) && view_to_u64(number, INT64_MAX, &t) && is_body_hash(values[7]);
}

/* The fields stand in the order of h=, which may name more than there are. */
static bool take_name(struct view *names, struct view field)
{
	struct view name, rest = *names;

	while (rest.n > 0) {
		if (!view_cut(rest, ':', &name, &rest)) {
			name = rest;
			rest = VIEW_EMPTY;
		}
		if (view_eq_nocase(view_trim(name), field)) {
			*names = rest;
			return true;
		}
	}
	return false;
}

bool dkim_input_is(struct view input, struct view domain, struct view selector, const char *algorithm)
{
	static const struct view mark = {"\r\ndkim-signature:", 17};
	size_t at = input.n;
	struct view names, line, name, fields, value;
	unsigned from = 0;

	for (size_t i = 0; i + mark.n <= input.n; i++)
		if (view_starts_with(view_sub(input, i, mark.n), mark))
			at = i;
	/* One line, and nothing behind it. */
	value = view_sub(input, at + mark.n, input.n);
	if (at == input.n || !view_ends_with_nocase(value, VIEW_LIT("; b=")) || view_find_char(value, '\r') < value.n ||
	    view_find_char(value, '\n') < value.n || !is_signature(value, domain, selector, algorithm, &names))
		return false;
	fields = view_sub(input, 0, at);
	for (bool more = true; more;) {
		more = view_cut(fields, '\n', &line, &fields);
		if (!more)
			line = fields;
		else if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (!is_field(line, &name) || !take_name(&names, name))
			return false;
		from += view_eq_lit(name, "from");
	}
	return from == 1;
}
