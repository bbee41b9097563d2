/* SPDX-License-Identifier: ISC
 * DKIM's relaxed canonicalization. */
#include "mail/dkim_canon.h"

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- header ---- */

void dkim_canon_field(struct buf *out, struct view name, struct view value)
{
	bool blank = false, begun = false;

	while (name.n > 0 && is_wsp(name.p[name.n - 1]))
		name.n--;
	buf_append_lower(out, name);
	buf_append_char(out, ':');
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		/* Line ends go, the blank behind them stays. */
		if (c == '\n' || (c == '\r' && (i + 1 == value.n || value.p[i + 1] == '\n')))
			continue;
		if (is_wsp(c)) {
			blank = true;
			continue;
		}
		if (blank && begun)
			buf_append_char(out, ' ');
		blank = false;
		begun = true;
		buf_append_char(out, c);
	}
	buf_append_cstr(out, "\r\n");
}

/* ---- body ---- */

void dkim_body_init(struct dkim_body *b, dkim_body_put *put, void *ctx)
{
	b->put = put;
	b->ctx = ctx;
	b->empty_lines = 0;
	b->has_text = b->blank = b->cr = false;
	b->n = 0;
}

static void flush(struct dkim_body *b)
{
	if (b->n > 0)
		b->put(b->ctx, view_from(b->bytes, b->n));
	b->n = 0;
}

static void give(struct dkim_body *b, char c)
{
	if (b->n == sizeof b->bytes)
		flush(b);
	b->bytes[b->n++] = c;
}

static void give_line_end(struct dkim_body *b)
{
	give(b, '\r');
	give(b, '\n');
}

static void give_text(struct dkim_body *b, char c)
{
	for (; b->empty_lines > 0; b->empty_lines--)
		give_line_end(b);
	if (b->blank)
		give(b, ' ');
	b->blank = false;
	b->has_text = true;
	give(b, c);
}

static void end_line(struct dkim_body *b)
{
	if (b->has_text)
		give_line_end(b);
	else
		b->empty_lines++;
	b->has_text = b->blank = false;
}

void dkim_body_feed(struct dkim_body *b, struct view bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (b->cr && c != '\n')
			give_text(b, '\r');
		b->cr = c == '\r';
		if (c == '\n')
			end_line(b);
		else if (is_wsp(c))
			b->blank = true;
		else if (c != '\r')
			give_text(b, c);
	}
}

void dkim_body_finish(struct dkim_body *b)
{
	if (b->cr)
		give_text(b, '\r');
	b->cr = false;
	if (b->has_text)
		give_line_end(b);
	b->has_text = b->blank = false;
	flush(b);
}
