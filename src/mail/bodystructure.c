/* SPDX-License-Identifier: ISC
 * The IMAP BODYSTRUCTURE and BODY texts. */
#include "mail/bodystructure.h"

#include "mail/imap_write.h"
#include "mail/mime_field.h"

#include <string.h>

/* What stands for a part that is not there, where the grammar wants one. */
static const char empty_part[] = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)";
static const char empty_envelope[] = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

static void space(struct buf *out)
{
	buf_append_char(out, ' ');
}

/* nstring, where an empty view is NIL */
static void write_field(struct buf *out, struct view v)
{
	imap_write_nstring(out, v.n ? v : (struct view){NULL, 0});
}

/* body-fld-param; text has a charset, if only the default one (RFC 2045 §5.2) */
static void write_params(struct buf *out, const struct mime_params *params, bool want_charset)
{
	if (want_charset && mime_params_find(params, "charset"))
		want_charset = false;
	if (params->count == 0 && !want_charset) {
		buf_append_cstr(out, "NIL");
		return;
	}
	buf_append_char(out, '(');
	for (size_t i = 0; i < params->count; i++) {
		if (i)
			space(out);
		imap_write_string(out, params->at[i].name);
		space(out);
		imap_write_string(out, params->at[i].value);
	}
	if (want_charset)
		buf_append_cstr(out, params->count ? " \"charset\" \"us-ascii\"" : "\"charset\" \"us-ascii\"");
	buf_append_char(out, ')');
}

/* body-fld-dsp */
static void write_disposition(struct buf *out, const struct mime_details *d)
{
	if (d->disposition.n == 0) {
		buf_append_cstr(out, "NIL");
		return;
	}
	buf_append_char(out, '(');
	imap_write_string(out, d->disposition);
	space(out);
	write_params(out, &d->disposition_params, false);
	buf_append_char(out, ')');
}

/* body-fld-lang */
static void write_languages(struct buf *out, const struct mime_details *d)
{
	if (d->language_count == 0) {
		buf_append_cstr(out, "NIL");
		return;
	}
	buf_append_char(out, '(');
	for (size_t i = 0; i < d->language_count; i++) {
		if (i)
			space(out);
		imap_write_string(out, d->languages[i]);
	}
	buf_append_char(out, ')');
}

/* [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]] */
static void write_extension(struct buf *out, const struct mime_details *d)
{
	space(out);
	write_disposition(out, d);
	space(out);
	write_languages(out, d);
	space(out);
	write_field(out, d->location);
}

/* body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart] */
static void write_multipart(struct buf *out, const struct mime_index *x, const struct mime_part *part,
			    const struct mime_details *d)
{
	if (part->first_child == MIME_NONE)
		buf_append_cstr(out, empty_part);
	for (uint32_t at = part->first_child; at != MIME_NONE; at = x->parts[at].next_sibling)
		bodystructure_format(out, x, at);
	space(out);
	imap_write_string(out, part->subtype);
	space(out);
	write_params(out, &d->params, false);
	write_extension(out, d);
}

/* SP envelope SP body SP body-fld-lines */
static void write_message(struct buf *out, const struct mime_index *x, const struct mime_part *part)
{
	const struct mime_part *inside = mime_index_part(x, part->first_child);
	struct view envelope = inside && inside->details ? inside->details->envelope : VIEW_EMPTY;

	space(out);
	if (envelope.n)
		buf_append_view(out, envelope);
	else
		buf_append_cstr(out, empty_envelope);
	space(out);
	if (inside)
		bodystructure_format(out, x, part->first_child);
	else
		buf_append_cstr(out, empty_part);
	space(out);
	buf_append_u64(out, part->body_lines);
}

/* body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part] */
static void write_single(struct buf *out, const struct mime_index *x, const struct mime_part *part,
			 const struct mime_details *d)
{
	bool text = mime_part_is(part, "text", NULL);

	imap_write_string(out, part->type);
	space(out);
	imap_write_string(out, part->subtype);
	space(out);
	write_params(out, &d->params, text);
	space(out);
	write_field(out, d->id);
	space(out);
	write_field(out, d->description);
	space(out);
	imap_write_string(out, d->encoding.n ? d->encoding : VIEW_LIT("7bit"));
	space(out);
	buf_append_u64(out, part->body_bytes);
	if (mime_part_is(part, "message", "rfc822") || mime_part_is(part, "message", "global")) {
		write_message(out, x, part);
	} else if (text) {
		space(out);
		buf_append_u64(out, part->body_lines);
	}
	space(out);
	write_field(out, d->md5);
	write_extension(out, d);
}

void bodystructure_format(struct buf *out, const struct mime_index *x, uint32_t at)
{
	static const struct mime_details none;
	const struct mime_part *part = mime_index_part(x, at);
	const struct mime_details *d = part->details ? part->details : &none;

	buf_append_char(out, '(');
	if (mime_part_is(part, "multipart", NULL)) /* a leaf of that type too, which is one over a limit */
		write_multipart(out, x, part, d);
	else
		write_single(out, x, part, d);
	buf_append_char(out, ')');
}

/* Reading BODYSTRUCTURE text again. */
struct text {
	struct view rest;
	struct buf *out;
	bool bad;
};

enum { TEXT_DEPTH_MAX = 1000 };

static char peek(const struct text *t)
{
	return t->rest.n ? t->rest.p[0] : '\0';
}

static struct view take(struct text *t, size_t n)
{
	struct view v = view_sub(t->rest, 0, n);

	t->bad |= n > t->rest.n;
	t->rest = view_sub(t->rest, n, t->rest.n);
	return v;
}

static void expect(struct text *t, char c)
{
	t->bad |= peek(t) != c;
	(void)take(t, 1);
}

/* Bytes of the quoted string at the start of `v`. */
static size_t quoted_bytes(struct view v)
{
	size_t i = 1;

	while (i < v.n && v.p[i] != '"')
		i += v.p[i] == '\\' ? 2 : 1;
	return i + 1;
}

/* Bytes of the literal at the start of `v`; more than v.n when it is none. */
static size_t literal_bytes(struct view v)
{
	size_t close = view_find_char(v, '}');
	uint64_t n;

	if (close >= v.n || !view_to_u64(view_sub(v, 1, close - 1), v.n, &n))
		return v.n + 1;
	return close + 3 + (size_t)n;
}

/* A string, number or NIL, or a list of them. */
static struct view take_value(struct text *t)
{
	struct view start = t->rest;
	size_t depth = 0;

	do {
		size_t n = 1;
		char c = peek(t);

		if (c == '(') {
			depth++;
		} else if (c == ')') {
			t->bad |= depth == 0;
			depth--;
		} else if (c == '"') {
			n = quoted_bytes(t->rest);
		} else if (c == '{') {
			n = literal_bytes(t->rest);
		} else if (c != ' ') {
			while (n < t->rest.n && t->rest.p[n] != ' ' && t->rest.p[n] != ')')
				n++;
		} else {
			t->bad |= depth == 0;
		}
		(void)take(t, n);
	} while (depth && !t->bad && t->rest.n);
	t->bad |= depth != 0;
	return view_sub(start, 0, start.n - t->rest.n);
}

static struct view copy_value(struct text *t)
{
	struct view v = take_value(t);

	buf_append_view(t->out, v);
	return v;
}

static void copy_next(struct text *t)
{
	expect(t, ' ');
	buf_append_char(t->out, ' ');
	(void)copy_value(t);
}

static void copy_body(struct text *t, uint32_t depth);

static void copy_message(struct text *t, uint32_t depth)
{
	copy_next(t); /* envelope */
	expect(t, ' ');
	buf_append_char(t->out, ' ');
	copy_body(t, depth + 1);
	copy_next(t); /* lines */
}

static void copy_single(struct text *t, uint32_t depth)
{
	struct view type = copy_value(t), subtype;

	expect(t, ' ');
	buf_append_char(t->out, ' ');
	subtype = copy_value(t);
	for (int i = 0; i < 5; i++) /* parameters, id, description, encoding, octets */
		copy_next(t);
	if (view_eq_lit_nocase(type, "\"text\""))
		copy_next(t);
	else if (view_eq_lit_nocase(type, "\"message\"") &&
		 (view_eq_lit_nocase(subtype, "\"rfc822\"") || view_eq_lit_nocase(subtype, "\"global\"")))
		copy_message(t, depth);
}

static void copy_body(struct text *t, uint32_t depth)
{
	t->bad |= depth > TEXT_DEPTH_MAX;
	expect(t, '(');
	buf_append_char(t->out, '(');
	if (peek(t) == '(') {
		while (!t->bad && peek(t) == '(')
			copy_body(t, depth + 1);
		copy_next(t); /* subtype */
	} else {
		copy_single(t, depth);
	}
	while (!t->bad && peek(t) == ' ') { /* extension data */
		(void)take(t, 1);
		(void)take_value(t);
	}
	expect(t, ')');
	buf_append_char(t->out, ')');
}

bool bodystructure_to_body(struct buf *out, struct view bodystructure)
{
	struct text t = {bodystructure, out, false};

	copy_body(&t, 0);
	return !t.bad && t.rest.n == 0 && !out->overflow;
}
