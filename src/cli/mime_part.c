/* SPDX-License-Identifier: ISC
 * Parts of a message that is made here: text and files. */
#include "cli/mime_part.h"

#include "base/encode.h"
#include "cli/mime_type.h"

#include <string.h>

enum {
	NAME_BYTES_MAX = 4096,
	LINE_MAX_7BIT = 990, /* RFC 5322 §2.1.1 says 998, to which not every program keeps */
	LINE_MAX_QP = 76,
	BASE64_LINE_BYTES = 57, /* 76 characters */
	PARAMETER_PLAIN_MAX = 60,
	PARAMETER_PIECE = 50,
};

/* The next line, without its end. False at the end of the text. */
static bool next_line(struct view *rest, struct view *ret_line)
{
	size_t n = 0, end;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '\r' && rest->p[n] != '\n')
		n++;
	end = n;
	if (end < rest->n)
		end += rest->p[end] == '\r' && end + 1 < rest->n && rest->p[end + 1] == '\n' ? 2 : 1;
	*ret_line = view_sub(*rest, 0, n);
	*rest = view_sub(*rest, end, rest->n);
	return true;
}

/* ---- encodings ---- */

static void put_base64(struct buf *out, struct view bytes)
{
	while (bytes.n) {
		encode_base64(out, view_sub(bytes, 0, BASE64_LINE_BYTES));
		buf_append_cstr(out, "\r\n");
		bytes = view_sub(bytes, BASE64_LINE_BYTES, bytes.n);
	}
}

/* Must the byte at `i` of a line be written as =XX? Blanks at its end, and what mbox files and SMTP would change. */
static bool qp_escapes(struct view line, size_t i)
{
	unsigned char c = (unsigned char)line.p[i];

	if (c == '=' || c > '~' || (c < ' ' && c != '\t'))
		return true;
	if (c == ' ' || c == '\t')
		return i + 1 == line.n;
	return i == 0 && (c == '.' || (c == 'F' && view_starts_with(line, VIEW_LIT("From "))));
}

static void put_qp_line(struct buf *out, struct view line)
{
	size_t column = 0;

	for (size_t i = 0; i < line.n; i++) {
		bool escape = qp_escapes(line, i);
		size_t width = escape ? 3 : 1;

		/* Room for the "=" that breaks the line, unless this is its last character. */
		if (column + width > LINE_MAX_QP - (i + 1 < line.n)) {
			buf_append_cstr(out, "=\r\n");
			column = 0;
		}
		if (escape)
			buf_printf(out, "=%02X", (unsigned char)line.p[i]);
		else
			buf_append_char(out, line.p[i]);
		column += width;
	}
	buf_append_cstr(out, "\r\n");
}

void mime_part_quoted_printable(struct buf *out, struct view text)
{
	struct view line;

	while (next_line(&text, &line))
		put_qp_line(out, line);
}

/* ---- text ---- */

struct text_facts {
	bool ascii;
	bool plain; /* can be sent as it is */
	size_t bytes; /* with CRLF */
	size_t escapes; /* in quoted-printable */
};

static bool line_is_plain(struct view line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] > '~' || (line.p[i] < ' ' && line.p[i] != '\t'))
			return false;
	return line.n <= LINE_MAX_7BIT && !view_starts_with(line, VIEW_LIT("From "));
}

static struct text_facts look_at(struct view text)
{
	struct text_facts f = {.ascii = view_is_ascii(text), .plain = true};
	struct view line, rest = text;

	while (next_line(&rest, &line)) {
		f.bytes += line.n + 2;
		f.plain = f.plain && line_is_plain(line);
		for (size_t i = 0; i < line.n; i++)
			f.escapes += qp_escapes(line, i);
	}
	return f;
}

static void put_lines(struct buf *out, struct view text)
{
	struct view line;

	while (next_line(&text, &line)) {
		buf_append_view(out, line);
		buf_append_cstr(out, "\r\n");
	}
}

static void put_lines_base64(struct buf *out, struct view text, size_t bytes)
{
	struct buf lines;

	buf_init(&lines, bytes);
	put_lines(&lines, text);
	put_base64(out, buf_view(&lines));
	buf_fini(&lines);
}

bool mime_part_text(struct buf *out, struct view text)
{
	struct text_facts f;
	bool base64;

	if (view_has_nul(text) || !view_is_utf8(text))
		return false;
	f = look_at(text);
	/* Quoted-printable adds two bytes for each escape, base64 a third. */
	base64 = f.escapes > f.bytes / 6;
	buf_printf(out, "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		   f.ascii ? "us-ascii" : "utf-8",
		   f.plain  ? "7bit"
		   : base64 ? "base64"
			    : "quoted-printable");
	if (f.plain)
		put_lines(out, text);
	else if (base64)
		put_lines_base64(out, text, f.bytes);
	else
		mime_part_quoted_printable(out, text);
	return true;
}

/* ---- parameters ---- */

static bool is_token(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_is_alnum(v.p[i]) && !memchr("-._+", v.p[i], 4))
			return false;
	return v.n > 0;
}

static bool is_plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < ' ' || v.p[i] > '~')
			return false;
	return v.n <= PARAMETER_PLAIN_MAX;
}

static void put_quoted(struct buf *out, struct view v)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, v.p[i]);
	}
	buf_append_char(out, '"');
}

/* RFC 2231 §7: attribute-char */
static void put_percent(struct buf *out, char c)
{
	if (ascii_is_alnum(c) || memchr("-._", c, 3))
		buf_append_char(out, c);
	else
		buf_printf(out, "%%%02X", (unsigned char)c);
}

/* Bytes of the UTF-8 character at the front. */
static size_t character_bytes(struct view v)
{
	size_t n = 1;

	while (n < v.n && ((unsigned char)v.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Pieces end between characters: some readers decode each by itself. */
static void put_extended(struct buf *out, const char *name, struct view value)
{
	_cleanup_(buf_fini) struct buf piece = BUF_INIT(PARAMETER_PIECE + 16);
	unsigned pieces = 0;

	buf_append_cstr(&piece, "UTF-8''");
	while (value.n) {
		size_t n = character_bytes(value);

		if (piece.n + 3 * n > PARAMETER_PIECE) {
			buf_printf(out, ";\r\n\t%s*%u*=%s", name, pieces++, buf_cstr(&piece));
			buf_reset(&piece);
		}
		for (size_t i = 0; i < n; i++)
			put_percent(&piece, value.p[i]);
		value = view_sub(value, n, value.n);
	}
	if (pieces == 0)
		buf_printf(out, ";\r\n\t%s*=%s", name, buf_cstr(&piece));
	else
		buf_printf(out, ";\r\n\t%s*%u*=%s", name, pieces, buf_cstr(&piece));
}

void mime_part_parameter(struct buf *out, const char *name, struct view value)
{
	if (!is_plain(value)) {
		put_extended(out, name, value);
		return;
	}
	buf_printf(out, ";\r\n\t%s=", name);
	if (is_token(value))
		buf_append_view(out, value);
	else
		put_quoted(out, value);
}

/* ---- files ---- */

/* The same name as UTF-8 and without what a program could stumble over. */
static void clean_name(struct buf *out, struct view name)
{
	bool utf8 = view_is_utf8(name);

	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		buf_append_char(out, c < ' ' || c == 0x7f || (c > '~' && !utf8) ? '_' : name.p[i]);
	}
}

/* RFC 2046 §5.2.1: a message may not be encoded. One that would have to be travels as a file. */
static bool is_sendable_message(struct view bytes)
{
	return look_at(bytes).plain && bytes.n;
}

void mime_part_file(struct buf *out, struct view name, const char *type, struct view bytes)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(NAME_BYTES_MAX);
	bool message = strcmp(type, "message/rfc822") == 0;
	bool as_is = message && is_sendable_message(bytes);

	clean_name(&clean, name);
	buf_printf(out, "Content-Type: %s", message && !as_is ? "application/octet-stream" : type);
	if (strncmp(type, "text/", 5) == 0)
		buf_append_cstr(out, "; charset=utf-8");
	mime_part_parameter(out, "name", buf_view(&clean)); /* older programs look only there */
	buf_printf(out, "\r\nContent-Transfer-Encoding: %s\r\nContent-Disposition: attachment",
		   as_is ? "7bit" : "base64");
	mime_part_parameter(out, "filename", buf_view(&clean));
	buf_append_cstr(out, "\r\n\r\n");
	if (as_is)
		put_lines(out, bytes);
	else
		put_base64(out, bytes);
}
