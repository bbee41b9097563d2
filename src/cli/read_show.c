/* SPDX-License-Identifier: ISC
 * One message as text on a terminal. */
#include "cli/read.h"

#include "cli/show.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/mime_decode.h"
#include "mail/mime_field.h"
#include "mail/rfc2047.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 << 20, MESSAGE_MAX = 1 << 30, VALUE_MAX = 65536, SIZE_FIELD = 8 };

/* ---- harmless ---- */

static void show_line(struct view line, struct buf *out)
{
	struct view part;

	while (view_cut(line, '\t', &part, &line)) {
		show_clean(part, out);
		buf_append_cstr(out, "        ");
	}
	show_clean(line, out);
}

void show_lines(struct view text, struct buf *out)
{
	while (text.n) {
		struct view line;

		if (!view_cut(text, '\n', &line, &text)) {
			line = text;
			text = VIEW_EMPTY;
		}
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		show_line(line, out);
		buf_append_char(out, '\n');
	}
}

/* ---- HTML ---- */

static const struct {
	const char *name, *text;
} entities[] = {{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}};

static void put_char(struct buf *out, uint32_t c)
{
	if (c < 0x80)
		buf_append_char(out, (char)(c ? c : ' '));
	else if (c < 0x800)
		buf_printf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
	else if (c < 0x10000)
		buf_printf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
	else if (c < 0x110000)
		buf_printf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
			   (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
}

/* "&…;" at the front; how much of it was one. */
static size_t put_entity(struct buf *out, struct view in)
{
	size_t end = view_find_char(view_sub(in, 0, 12), ';');
	struct view name = view_sub(in, 1, end ? end - 1 : 0);
	uint32_t c;

	if (end < 2 || end >= in.n || end >= 12) {
		buf_append_char(out, '&');
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (view_eq_lit(name, entities[i].name)) {
			buf_append_cstr(out, entities[i].text);
			return end + 1;
		}
	if (name.p[0] == '#' && view_to_u32(view_sub(name, 1, name.n), 0x10ffff, &c)) {
		put_char(out, c);
		return end + 1;
	}
	buf_append_char(out, '&');
	return 1;
}

static struct view tag_name(struct view tag)
{
	size_t n = 0, from = tag.n && tag.p[0] == '/' ? 1 : 0;

	while (from + n < tag.n && ascii_is_alnum(tag.p[from + n]))
		n++;
	return view_sub(tag, from, n);
}

static bool is_any(struct view name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq_lit_nocase(name, names[i]))
			return true;
	return false;
}

static const char *const hidden[] = {"script", "style", "head", "title"};

/* Where what is hidden behind the tag's end ends: at its end tag. `unended` has a bit for each of `hidden` that has none in what is left: it
 * hides nothing, and is not looked for again. */
static size_t pass_hidden(struct view in, size_t end, struct view name, unsigned *unended)
{
	unsigned which = 0;

	while (which < ARRAY_LEN(hidden) && !view_eq_lit_nocase(name, hidden[which]))
		which++;
	if (which == ARRAY_LEN(hidden) || *unended & 1U << which)
		return end + 1;
	for (size_t i = end + 1; i + 2 < in.n; i++)
		if (in.p[i] == '<' && in.p[i + 1] == '/' && view_starts_with_nocase(view_sub(in, i + 2, in.n), name))
			return i;
	*unended |= 1U << which;
	return end + 1;
}

/* The tag at the front, and what it hides; how many bytes. */
static size_t pass_tag(struct view in, struct buf *out, unsigned *unended)
{
	static const char *const breaks[] = {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol"};
	size_t end = view_find_char(in, '>');
	struct view name;

	if (view_starts_with(in, VIEW_LIT("<!--"))) {
		end = view_find(in, VIEW_LIT("-->"));
		return end < in.n ? end + 3 : in.n;
	}
	if (end == in.n)
		return in.n;
	name = tag_name(view_sub(in, 1, end - 1));
	if (is_any(name, breaks, ARRAY_LEN(breaks)) && out->n && out->p[out->n - 1] != '\n')
		buf_append_char(out, '\n');
	return in.p[1] == '/' ? end + 1 : pass_hidden(in, end, name, unended);
}

void html_text(struct view html, struct buf *out)
{
	unsigned unended = 0;
	size_t i = 0;

	while (i < html.n) {
		char c = html.p[i];

		if (c == '<' && i + 1 < html.n &&
		    (ascii_is_alpha(html.p[i + 1]) || html.p[i + 1] == '/' || html.p[i + 1] == '!')) {
			i += pass_tag(view_sub(html, i, html.n), out, &unended);
		} else if (c == '&') {
			i += put_entity(out, view_sub(html, i, html.n));
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if (out->n && out->p[out->n - 1] != ' ' && out->p[out->n - 1] != '\n')
				buf_append_char(out, ' ');
			i++;
		} else {
			buf_append_char(out, c);
			i++;
		}
	}
	buf_append_char(out, '\n');
}

/* ---- parts ---- */

static void decode_part(const struct mime_part *part, struct view whole, struct buf *out)
{
	_cleanup_(buf_fini) struct buf bytes = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);
	struct mime_decoder d;

	mime_decoder_init(&d, part->encoding);
	mime_decoder_feed(&d, view_sub(whole, part->body_off, part->body_bytes), &bytes);
	mime_decoder_finish(&d, &bytes);
	mime_decoder_fini(&d);
	if (!charset_to_utf8(part->charset.n ? part->charset : VIEW_LIT("utf-8"), buf_view(&bytes), &text))
		buf_append_view(&text, buf_view(&bytes));
	if (mime_part_is(part, "text", "html"))
		html_text(buf_view(&text), out);
	else
		buf_append_view(out, buf_view(&text));
}

static void note_attachment(struct mail_text *t, const struct mime_part *part)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(VALUE_MAX), type = BUF_INIT(VALUE_MAX);

	if (part->details) {
		mime_params_text(&part->details->disposition_params, "filename", &name);
		if (name.n == 0)
			mime_params_text(&part->details->params, "name", &name);
	}
	buf_printf(&type, "%.*s/%.*s", VIEW_FMT(part->type), VIEW_FMT(part->subtype));
	(void)json_array_append_new(t->attachments,
				    json_pack("{s:o, s:o, s:I}", "name", show_json_text(buf_view(&name)), "type",
					      show_json_text(buf_view(&type)), "size", (json_int_t)part->body_bytes));
}

static bool is_attachment(const struct mime_part *part)
{
	return (part->details && view_eq_lit_nocase(part->details->disposition, "attachment")) ||
	       !(mime_part_is(part, "text", NULL) || part->kind == MIME_MESSAGE);
}

static void walk(const struct mime_index *x, const struct mime_part *part, struct mail_text *t);

/* Of alternatives the plain one, else the last. */
static void walk_alternative(const struct mime_index *x, const struct mime_part *part, struct mail_text *t)
{
	const struct mime_part *best = NULL;
	bool plain = false;

	for (const struct mime_part *p = mime_index_part(x, part->first_child); p;
	     p = mime_index_part(x, p->next_sibling)) {
		if (plain)
			continue;
		plain = mime_part_is(p, "text", "plain");
		best = p;
	}
	if (best)
		walk(x, best, t);
}

static void walk(const struct mime_index *x, const struct mime_part *part, struct mail_text *t)
{
	if (part->kind == MIME_MULTIPART && mime_part_is(part, "multipart", "alternative")) {
		walk_alternative(x, part, t);
	} else if (part->kind != MIME_LEAF) {
		if (part->kind == MIME_MESSAGE)
			buf_append_cstr(&t->text, "\n[a message is attached:]\n\n");
		/* As deep as the parser lets a tree be: 100. */
		for (const struct mime_part *p = mime_index_part(x, part->first_child); p;
		     p = mime_index_part(x, p->next_sibling))
			walk(x, p, t);
	} else if (is_attachment(part)) {
		note_attachment(t, part);
	} else {
		if (t->text.n && t->text.p[t->text.n - 1] != '\n')
			buf_append_char(&t->text, '\n');
		decode_part(part, buf_view(&t->whole), &t->text);
	}
}

static int size_of(struct reading *rd, uint32_t uid, uint64_t *ret)
{
	struct mailbox_range one = {uid, uid};
	const struct mailbox_rows_want want = {
	    .session = rd->mail.session, .mailbox = rd->mailbox, .ranges = &one, .n_ranges = 1, .fields = SIZE_FIELD};
	struct mailbox_msg answer;
	int r = mail_client_ask(&rd->mail, mailbox_put_rows_want(&rd->mail.payload, &want), MAILBOX_ROWS_WANT,
				rd->folder, MAILBOX_ROWS, &answer);

	if (r)
		return r;
	if (answer.rows.n_rows != 1 || answer.rows.rows[0].expunged)
		return cli_fail(CLI_NO_SUCH, rd->folder, "there is no such message", "see the list: 'pombo read'");
	*ret = answer.rows.rows[0].size_bytes;
	return 0;
}

int reading_text(struct reading *rd, uint32_t uid, struct mail_text *ret)
{
	struct mime_parser *parser;
	const struct mime_index *x;
	uint64_t size = 0;
	int r;

	*ret = (struct mail_text){BUF_INIT(MESSAGE_MAX), BUF_INIT(TEXT_MAX), json_array()};
	r = size_of(rd, uid, &size);
	if (r == 0)
		r = mail_client_message(&rd->mail, rd->mailbox, uid, size, &ret->whole);
	if (r) {
		mail_text_fini(ret);
		return r;
	}
	parser = mime_parser_new(&mime_limits_default);
	x = mime_index_parse(parser, buf_view(&ret->whole));
	walk(x, &x->parts[0], ret);
	mime_parser_free(&parser);
	return 0;
}

void mail_text_fini(struct mail_text *t)
{
	buf_fini(&t->whole);
	buf_fini(&t->text);
	json_decref(t->attachments);
}

/* ---- show ---- */

static const char *const shown_fields[] = {"Date", "From", "To", "Cc", "Reply-To", "Subject"};

static void print_message(const struct mail_text *t)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(4UL * TEXT_MAX);
	struct header_field f;
	size_t i;
	json_t *a;

	for (i = 0; i < ARRAY_LEN(shown_fields); i++) {
		_cleanup_(buf_fini) struct buf value = BUF_INIT(VALUE_MAX);

		if (!header_find(buf_view(&t->whole), shown_fields[i], &f))
			continue;
		rfc2047_decode(view_trim(f.value), &value);
		buf_printf(&out, "%s: ", shown_fields[i]);
		show_line(buf_view(&value), &out);
		buf_append_char(&out, '\n');
	}
	buf_append_char(&out, '\n');
	show_lines(buf_view(&t->text), &out);
	json_array_foreach(t->attachments, i, a)
	{
		const char *name = json_string_value(json_object_get(a, "name"));

		buf_append_cstr(&out, "[attachment: ");
		show_line(view_from_cstr(name), &out);
		buf_append_cstr(&out, *name ? ", " : "");
		show_line(view_from_cstr(json_string_value(json_object_get(a, "type"))), &out);
		buf_printf(&out, ", %lld bytes]\n", (long long)json_integer_value(json_object_get(a, "size")));
	}
	(void)fwrite(out.p, 1, out.n, stdout);
}

static json_t *json_message(uint32_t uid, const struct mail_text *t)
{
	json_t *o = json_pack("{s:I, s:o, s:O}", "uid", (json_int_t)uid, "text", show_json_text(buf_view(&t->text)),
			      "attachments", t->attachments);
	struct header_field f;

	for (size_t i = 0; i < ARRAY_LEN(shown_fields); i++) {
		_cleanup_(buf_fini) struct buf value = BUF_INIT(VALUE_MAX), key = BUF_INIT(32);

		if (header_find(buf_view(&t->whole), shown_fields[i], &f))
			rfc2047_decode(view_trim(f.value), &value);
		for (const char *p = shown_fields[i]; *p; p++)
			buf_append_char(&key, *p == '-' ? '_' : ascii_lower(*p));
		(void)json_object_set_new(o, buf_cstr(&key), show_json_text(buf_view(&value)));
	}
	return o;
}

int reading_show(struct reading *rd, uint32_t uid, bool raw)
{
	struct mailbox_range one = {uid, uid};
	struct mail_text t;
	int r = reading_text(rd, uid, &t);

	if (r)
		return r;
	if (raw)
		(void)fwrite(t.whole.p, 1, t.whole.n, stdout);
	else if (rd->c->json)
		(void)show_json(json_message(uid, &t));
	else
		print_message(&t);
	mail_text_fini(&t);
	return reading_flag(rd, &one, 1, MAIL_SEEN, true);
}
