/* SPDX-License-Identifier: ISC
 * A message from text, files and addresses. */
#include "cli/compose.h"

#include "cli/mime_part.h"
#include "mail/rfc2047.h"

#include <string.h>

enum { COLUMNS = 76, WORD_MAX = 900 };

/* ---- header fields ---- */

/* atext and blanks: needs no quotes (RFC 5322 §3.2.3) */
static bool is_phrase(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(name.p[i]) && !memchr(" !#$%&'*+-/=?^_`{|}~", name.p[i], 20))
			return false;
	return true;
}

static bool is_printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < ' ' || v.p[i] > '~')
			return false;
	return view_find(v, VIEW_LIT("=?")) == v.n;
}

/* display-name; `column` is where it starts. */
static void put_name(struct buf *out, struct view name, size_t column)
{
	if (!is_printable(name)) {
		rfc2047_encode(name, column, out);
		return;
	}
	if (is_phrase(name)) {
		buf_append_view(out, name);
		return;
	}
	buf_append_char(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, name.p[i]);
	}
	buf_append_char(out, '"');
}

void compose_put_addressees(struct buf *out, const char *field, const struct addressee *items, size_t n)
{
	size_t column = strlen(field) + 2;

	for (size_t i = 0; i < n; i++) {
		const struct addressee *a = &items[i];

		if (i == 0)
			buf_printf(out, "%s: ", field);
		if (a->name.n) {
			put_name(out, a->name, column);
			buf_append_cstr(out, column + a->name.n + a->address.n + 3 > COLUMNS ? "\r\n <" : " <");
			buf_append_view(out, a->address);
			buf_append_char(out, '>');
		} else {
			buf_append_view(out, a->address);
		}
		buf_append_cstr(out, i + 1 < n ? ",\r\n " : "\r\n");
		column = 1;
	}
}

/* Unstructured ASCII, folded before words where a line would be too long. False: a word alone is. */
static bool put_folded(struct buf *out, struct view text, size_t column)
{
	while (text.n) {
		/* a word and the blanks before it */
		size_t blanks = 0, n;

		while (blanks < text.n && text.p[blanks] == ' ')
			blanks++;
		n = blanks;
		while (n < text.n && text.p[n] != ' ')
			n++;
		if (n > WORD_MAX)
			return false;
		if (blanks && n > blanks && column + n > COLUMNS) {
			buf_append_cstr(out, "\r\n");
			column = 0;
		}
		buf_append(out, text.p, n);
		column += n;
		text = view_sub(text, n, text.n);
	}
	return true;
}

static bool put_subject(struct buf *out, struct view subject)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(64 * 1024);
	struct view text;
	bool ok = true;

	for (size_t i = 0; i < subject.n; i++) /* a line end would begin another field */
		buf_append_char(&line, (unsigned char)subject.p[i] < ' ' || subject.p[i] == 0x7f ? ' ' : subject.p[i]);
	text = view_trim(buf_view(&line));
	if (line.overflow || !view_is_utf8(text))
		return false;
	if (text.n == 0)
		return true;
	buf_append_cstr(out, "Subject: ");
	if (is_printable(text))
		ok = put_folded(out, text, sizeof "Subject: " - 1);
	else
		rfc2047_encode(text, sizeof "Subject: " - 1, out);
	buf_append_cstr(out, "\r\n");
	return ok;
}

static bool put_header(struct buf *out, const struct compose *m)
{
	struct view address = m->from->address, domain = VIEW_LIT("localhost");
	size_t at = address.n;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	if (at > 0)
		domain = view_sub(address, at, address.n);
	buf_append_cstr(out, "Date: ");
	date_format(out, &m->date);
	buf_append_cstr(out, "\r\n");
	compose_put_addressees(out, "From", m->from, 1);
	if (m->to->n)
		compose_put_addressees(out, "To", m->to->items, m->to->n);
	else if (m->cc->n == 0) /* only Bcc: RFC 5322 §3.6.3 needs no field then, older programs do */
		buf_append_cstr(out, "To: undisclosed-recipients:;\r\n");
	compose_put_addressees(out, "Cc", m->cc->items, m->cc->n);
	if (!put_subject(out, m->subject))
		return false;
	buf_printf(out, "Message-ID: <%.*s@%.*s>\r\nMIME-Version: 1.0\r\n", VIEW_FMT(m->unique), VIEW_FMT(domain));
	return true;
}

/* ---- bodies ---- */

/* RFC 2046 §5.1.1: the line end before the dashes belongs to them, not to the part. "=_" stands in no encoded part, the rest of the
 * boundary in no other by chance. */
static void put_delimiter(struct buf *out, const struct compose *m, const char *end)
{
	buf_printf(out, "\r\n--=_%.*s%s\r\n", VIEW_FMT(m->unique), end);
}

static bool put_parts(struct buf *out, const struct compose *m)
{
	buf_printf(out, "Content-Type: multipart/mixed; boundary=\"=_%.*s\"\r\n", VIEW_FMT(m->unique));
	if (view_trim(m->text).n) {
		put_delimiter(out, m, "");
		if (!mime_part_text(out, m->text))
			return false;
	}
	for (size_t i = 0; i < m->file_count; i++) {
		put_delimiter(out, m, "");
		mime_part_file(out, m->files[i].name, m->files[i].type, m->files[i].bytes);
	}
	put_delimiter(out, m, "--");
	return true;
}

enum compose_verdict compose_format(struct buf *out, const struct compose *m)
{
	if (!put_header(out, m))
		return COMPOSE_BAD_SUBJECT;
	if (!(m->file_count ? put_parts(out, m) : mime_part_text(out, m->text)))
		return COMPOSE_BAD_TEXT;
	return out->overflow ? COMPOSE_TOO_BIG : COMPOSE_DONE;
}
