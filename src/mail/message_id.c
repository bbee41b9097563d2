/* SPDX-License-Identifier: ISC
 * Message ids out of header values, normalized for comparing (RFC 5256 §3, RFC 5322 §3.6.4). */
#include "mail/message_id.h"

#include "mail/header.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One step inside a quoted string; false at its end. */
static bool take_quoted(struct view v, size_t *at, struct buf *out)
{
	char c = v.p[*at];

	if (c == '"')
		return false;
	if (c == '\\' && *at + 1 < v.n)
		c = v.p[++*at];
	if (c != '\r' && c != '\n')
		buf_append_char(out, c);
	return true;
}

/* Between "<" and ">": 1 found, 0 not an id; `*ret_used` bytes are done with in either case. A "<" starts anew. */
static bool take_id(struct view v, struct buf *out, size_t *ret_used)
{
	bool quoted = false, has_at = false;
	size_t i, right = 0;

	for (i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (quoted) {
			quoted = take_quoted(v, &i, out);
			continue;
		}
		if (c == '>' || c == '<')
			break;
		if (c == '"') {
			quoted = true;
			continue;
		}
		if (c == '@' && !has_at && out->n > 0) {
			has_at = true;
			right = out->n + 1;
		}
		if (!is_blank(c))
			buf_append_char(out, c);
	}
	*ret_used = i < v.n && v.p[i] == '>' ? i + 1 : i;
	return i < v.n && v.p[i] == '>' && has_at && out->n > right && !out->overflow;
}

bool message_id_next(struct view *rest, struct buf *out)
{
	while (rest->n) {
		size_t open = view_find_char(*rest, '<'), used;
		bool found;

		if (open == rest->n)
			break;
		*rest = view_sub(*rest, open + 1, rest->n);
		buf_reset(out);
		found = take_id(*rest, out, &used);
		*rest = view_sub(*rest, used, rest->n);
		if (found)
			return true;
	}
	*rest = view_sub(*rest, rest->n, 0);
	buf_reset(out);
	return false;
}

bool message_id_of(struct view block, struct buf *out)
{
	struct header_field f;

	buf_reset(out);
	return header_find(block, "Message-ID", &f) && message_id_next(&f.value, out);
}
