/* SPDX-License-Identifier: ISC
 * Quoted-printable and base64, written. */
#include "mail/sevenbit_encode.h"

#include "base/encode.h"

enum { LINE_MAX = 75, REPAIRED_LINE_MAX = 900 };

void sevenbit_encoder_init(struct sevenbit_encoder *e, enum sevenbit_coding coding)
{
	*e = (struct sevenbit_encoder){.coding = coding};
}

/* ---- quoted-printable ---- */

static void put_escaped(struct sevenbit_encoder *e, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	const char text[3] = {'=', hex[(unsigned char)c >> 4], hex[c & 15]};

	buf_append(out, text, sizeof text);
	e->column += sizeof text;
}

static void break_line(struct sevenbit_encoder *e, struct buf *out)
{
	buf_append_cstr(out, "=\r\n");
	e->column = 0;
}

/* RFC 2045 §6.7 (1), (2); "." and "-" at the start of a line are kept from being read as anything else. */
static bool is_literal(const struct sevenbit_encoder *e, char c)
{
	return c == ' ' || c == '\t' ||
	       (c > ' ' && c < 0x7f && c != '=' && !(e->column == 0 && (c == '-' || c == '.')));
}

static void put_byte(struct sevenbit_encoder *e, char c, struct buf *out)
{
	if (e->column + (is_literal(e, c) ? 1 : 3) > LINE_MAX)
		break_line(e, out);
	if (!is_literal(e, c)) {
		put_escaped(e, c, out);
		return;
	}
	buf_append_char(out, c);
	e->column++;
}

static void put_blank(struct sevenbit_encoder *e, struct buf *out, bool ends_line)
{
	if (!e->blank)
		return;
	if (!ends_line) {
		put_byte(e, e->blank, out);
	} else {
		if (e->column + 3 > LINE_MAX)
			break_line(e, out);
		put_escaped(e, e->blank, out);
	}
	e->blank = 0;
}

static void put_lone_cr(struct sevenbit_encoder *e, struct buf *out)
{
	if (!e->cr)
		return;
	e->cr = false;
	put_blank(e, out, false);
	put_byte(e, '\r', out);
}

static void feed_printable(struct sevenbit_encoder *e, char c, struct buf *out)
{
	if (e->cr && c == '\n') {
		e->cr = false;
		put_blank(e, out, true);
		buf_append_cstr(out, "\r\n");
		e->column = 0;
		return;
	}
	put_lone_cr(e, out);
	if (c == '\r') {
		e->cr = true;
		return;
	}
	put_blank(e, out, false);
	if (c == ' ' || c == '\t')
		e->blank = c;
	else
		put_byte(e, c, out);
}

/* ---- what is encoded already ---- */

static void repair_printable(struct sevenbit_encoder *e, char c, struct buf *out)
{
	if (c == '\n') {
		buf_append_char(out, c);
		e->column = e->escape = 0;
		return;
	}
	/* Not within "=XX", and not before a line end. */
	if (e->column >= REPAIRED_LINE_MAX && e->escape == 0 && c != '\r' && c != ' ' && c != '\t') {
		break_line(e, out);
		if (c == '-') {
			put_escaped(e, c, out);
			return;
		}
	}
	e->escape = c == '=' ? 2 : e->escape ? e->escape - 1 : 0;
	if (c & 0x80 || c == 0) {
		e->escape = 0;
		put_escaped(e, c, out);
		return;
	}
	buf_append_char(out, c);
	e->column++;
}

/* Bytes that are no base64 mean nothing (RFC 2045 §6.8). */
static void repair_base64(struct sevenbit_encoder *e, char c, struct buf *out)
{
	if (c & 0x80 || c == 0)
		return;
	if (c == '\n') {
		e->column = 0;
	} else if (e->column >= REPAIRED_LINE_MAX && c != '\r') {
		if (c == '-')
			return;
		buf_append_cstr(out, "\r\n");
		e->column = 0;
	}
	buf_append_char(out, c);
	e->column += c != '\n';
}

/* ---- base64 ---- */

static void put_line(struct sevenbit_encoder *e, struct buf *out)
{
	if (e->column)
		buf_append_cstr(out, "\r\n");
	encode_base64(out, view_from(e->bytes, e->held));
	e->column = 1;
	e->held = 0;
}

static void feed_base64(struct sevenbit_encoder *e, char c, struct buf *out)
{
	e->bytes[e->held++] = c;
	if (e->held == sizeof e->bytes)
		put_line(e, out);
}

void sevenbit_encoder_feed(struct sevenbit_encoder *e, struct view in, struct buf *out)
{
	static void (*const feeds[])(struct sevenbit_encoder *, char, struct buf *) = {
	    [SEVENBIT_QUOTED_PRINTABLE] = feed_printable,
	    [SEVENBIT_BASE64] = feed_base64,
	    [SEVENBIT_REPAIR_QUOTED_PRINTABLE] = repair_printable,
	    [SEVENBIT_REPAIR_BASE64] = repair_base64,
	};

	for (size_t i = 0; i < in.n; i++)
		feeds[e->coding](e, in.p[i], out);
}

void sevenbit_encoder_finish(struct sevenbit_encoder *e, struct buf *out)
{
	if (e->coding == SEVENBIT_BASE64 && e->held)
		put_line(e, out);
	put_lone_cr(e, out);
	put_blank(e, out, true);
}
