/* SPDX-License-Identifier: ISC
 * Strings of IMAP responses. */
#include "mail/imap_write.h"

#include "mail/imap_arg.h"

#include <string.h>

enum { QUOTED_BYTES_MAX = 1000 };

void imap_write_literal(struct buf *out, uint64_t bytes)
{
	buf_append_char(out, '{');
	buf_append_u64(out, bytes);
	buf_append(out, "}\r\n", 3);
}

void imap_write_literal8(struct buf *out, uint64_t bytes)
{
	buf_append_char(out, '~');
	imap_write_literal(out, bytes);
}

/* What the bytes need: nothing, a backslash somewhere, or a literal. */
enum need { NEED_QUOTES, NEED_ESCAPES, NEED_LITERAL };

static enum need need_of(struct view v, bool utf8)
{
	enum need need = NEED_QUOTES;

	if (v.n > QUOTED_BYTES_MAX)
		return NEED_LITERAL;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if ((unsigned char)c >= 0x80 ? !utf8 : c == '\r' || c == '\n' || c == '\0')
			return NEED_LITERAL;
		if (c == '"' || c == '\\')
			need = NEED_ESCAPES;
	}
	return utf8 && !view_is_utf8(v) ? NEED_LITERAL : need;
}

static void write_literal_bytes(struct buf *out, struct view v)
{
	char *p;

	imap_write_literal(out, v.n);
	p = buf_reserve(out, v.n);
	if (!p)
		return;
	for (size_t i = 0; i < v.n; i++)
		p[i] = v.p[i] ? v.p[i] : '?';
	buf_commit(out, v.n);
}

static void write_escaped(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, v.p[i]);
	}
}

static void write_string(struct buf *out, struct view v, bool utf8)
{
	enum need need = need_of(v, utf8);

	if (need == NEED_LITERAL) {
		write_literal_bytes(out, v);
		return;
	}
	buf_append_char(out, '"');
	if (need == NEED_ESCAPES)
		write_escaped(out, v);
	else
		buf_append_view(out, v);
	buf_append_char(out, '"');
}

void imap_write_string(struct buf *out, struct view v)
{
	write_string(out, v, false);
}

void imap_write_string_utf8(struct buf *out, struct view v)
{
	write_string(out, v, true);
}

void imap_write_nstring(struct buf *out, struct view v)
{
	if (v.p)
		imap_write_string(out, v);
	else
		buf_append_cstr(out, "NIL");
}

void imap_write_astring(struct buf *out, struct view v)
{
	bool atom = v.n > 0 && v.n <= QUOTED_BYTES_MAX && !view_eq_lit_nocase(v, "NIL");

	for (size_t i = 0; atom && i < v.n; i++)
		atom = imap_is_astring_char(v.p[i]);
	if (atom)
		buf_append_view(out, v);
	else
		imap_write_string(out, v);
}
