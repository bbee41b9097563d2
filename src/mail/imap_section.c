/* SPDX-License-Identifier: ISC
 * Sections of BODY[…] and BINARY[…]: their text, and where in a message they are. */
#include "mail/imap_section.h"

#include "mail/header.h"
#include "mail/imap_write.h"

#include <stdlib.h>
#include <string.h>

static const char *const text_names[] = {
    [IMAP_SECTION_ALL] = "",
    [IMAP_SECTION_HEADER] = "HEADER",
    [IMAP_SECTION_FIELDS] = "HEADER.FIELDS",
    [IMAP_SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT",
    [IMAP_SECTION_TEXT] = "TEXT",
    [IMAP_SECTION_MIME] = "MIME",
};

/* section-msgtext / "MIME" */
static bool parse_text(struct view v, enum imap_section_text *ret)
{
	for (enum imap_section_text t = IMAP_SECTION_HEADER; t <= IMAP_SECTION_MIME; t++) {
		if (view_eq_lit_nocase(v, text_names[t])) {
			*ret = t;
			return true;
		}
	}
	return false;
}

/* section-spec = section-msgtext / (section-part ["." section-text]); section-part = nz-number *("." nz-number) */
bool imap_section_parse(struct view text, struct arena *a, struct imap_section *ret)
{
	uint32_t path[IMAP_SECTION_DEPTH_MAX], n = 0, *copy;
	enum imap_section_text what = IMAP_SECTION_ALL;
	bool more = text.n > 0;

	while (more && text.n && ascii_is_digit(text.p[0])) {
		struct view number = text;

		more = view_cut(text, '.', &number, &text);
		if (n == IMAP_SECTION_DEPTH_MAX || number.p[0] == '0' || !view_to_u32(number, UINT32_MAX, &path[n]))
			return false;
		n++;
	}
	if (more && (!parse_text(text, &what) || (what == IMAP_SECTION_MIME && n == 0)))
		return false;
	copy = arena_array(a, n, sizeof *copy);
	if (!copy)
		return false;
	memcpy(copy, path, n * sizeof *copy);
	ret->path = copy;
	ret->path_len = n;
	ret->text = what;
	return true;
}

static const struct mime_part *nth_child(const struct mime_index *x, const struct mime_part *part, uint32_t n)
{
	const struct mime_part *child = mime_index_part(x, part->first_child);

	while (child && --n)
		child = mime_index_part(x, child->next_sibling);
	return child;
}

/* One step down: a multipart's part n; of anything else, part 1 is itself (RFC 9051 §6.4.5.1: "every message has at
 * least one part number"). A message/rfc822 is stepped through to the message inside. `again` tells that this part was
 * reached by a number already, so that "1.1" of a plain part is nothing. */
static const struct mime_part *step(const struct mime_index *x, const struct mime_part *part, uint32_t n, bool again)
{
	if (part->kind == MIME_MESSAGE && again) {
		part = mime_index_part(x, part->first_child);
		again = false;
	}
	if (!part)
		return NULL;
	if (part->kind == MIME_MULTIPART)
		return nth_child(x, part, n);
	return n == 1 && !again ? part : NULL;
}

static const struct mime_part *follow(const struct imap_section *s, const struct mime_index *x)
{
	const struct mime_part *part = mime_index_part(x, 0);

	for (uint32_t i = 0; part && i < s->path_len; i++)
		part = step(x, part, s->path[i], i > 0);
	return part;
}

static struct imap_range header_of(const struct mime_part *part)
{
	return (struct imap_range){part->header_off, part->header_bytes};
}

static struct imap_range body_of(const struct mime_part *part)
{
	return (struct imap_range){part->body_off, part->body_bytes};
}

/* HEADER, HEADER.FIELDS and TEXT are of a message: the whole one, or the one inside `part`. */
static bool find_in_message(const struct imap_section *s, const struct mime_index *x, const struct mime_part *part,
			    struct imap_range *ret)
{
	if (s->path_len > 0)
		part = part->kind == MIME_MESSAGE ? mime_index_part(x, part->first_child) : NULL;
	if (!part)
		return false;
	*ret = s->text == IMAP_SECTION_TEXT ? body_of(part) : header_of(part);
	return true;
}

static bool find_range(const struct imap_section *s, const struct mime_index *x, const struct mime_part *part,
		       struct imap_range *ret)
{
	switch (s->text) {
	case IMAP_SECTION_ALL:
		*ret = s->path_len ? body_of(part) : (struct imap_range){0, x->bytes};
		return true;
	case IMAP_SECTION_MIME:
		*ret = header_of(part);
		return true;
	case IMAP_SECTION_HEADER:
	case IMAP_SECTION_FIELDS:
	case IMAP_SECTION_FIELDS_NOT:
	case IMAP_SECTION_TEXT:
		return find_in_message(s, x, part, ret);
	}
	return false;
}

/* The whole message, or its header: what the prefix belongs to. */
static bool starts_at_front(const struct imap_section *s, const struct mime_index *x, const struct mime_part *part)
{
	if (s->text == IMAP_SECTION_MIME)
		return part == &x->parts[0];
	return s->path_len == 0 && s->text != IMAP_SECTION_TEXT;
}

bool imap_section_find(const struct imap_section *s, const struct mime_index *x, uint64_t prefix_bytes,
		       struct imap_range *ret, const struct mime_part **ret_part)
{
	const struct mime_part *part = follow(s, x);
	struct imap_range range;

	if (!part || !find_range(s, x, part, &range))
		return false;
	if (starts_at_front(s, x, part))
		range.bytes += prefix_bytes;
	else
		range.off += prefix_bytes;
	*ret = range;
	if (ret_part)
		*ret_part = part;
	return true;
}

struct imap_range imap_section_clip(const struct imap_section *s, struct imap_range whole)
{
	uint64_t off;

	if (!s->partial)
		return whole;
	off = s->partial_off < whole.bytes ? s->partial_off : whole.bytes;
	whole.off += off;
	whole.bytes -= off;
	if (whole.bytes > s->partial_bytes)
		whole.bytes = s->partial_bytes;
	return whole;
}

/* Any order does that is one: by length, then by the letters. */
static int compare_names(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	for (size_t i = 0; i < x->n; i++) {
		int difference = (unsigned char)ascii_lower(x->p[i]) - (unsigned char)ascii_lower(y->p[i]);

		if (difference)
			return difference;
	}
	return 0;
}

void imap_section_sort(struct view *names, uint32_t count)
{
	qsort(names, count, sizeof *names, compare_names);
}

static bool is_listed(const struct imap_section *s, struct view name)
{
	if (s->sorted)
		return bsearch(&name, s->sorted, s->field_count, sizeof name, compare_names) != NULL;
	for (uint32_t i = 0; i < s->field_count; i++)
		if (view_eq_nocase(s->fields[i], name))
			return true;
	return false;
}

void imap_section_filter(const struct imap_section *s, struct view header, struct buf *out)
{
	struct header_field field;
	struct header h;

	header_init(&h, header);
	while (header_next(&h, &field) == PARSE_DONE)
		if (is_listed(s, field.name) == (s->text == IMAP_SECTION_FIELDS))
			buf_append_view(out, field.whole);
	if (h.end == HEADER_END_BLANK)
		buf_append_cstr(out, "\r\n");
}

static void format_fields(struct buf *out, const struct imap_section *s)
{
	buf_append_cstr(out, " (");
	for (uint32_t i = 0; i < s->field_count; i++) {
		if (i)
			buf_append_char(out, ' ');
		imap_write_astring(out, s->fields[i]);
	}
	buf_append_char(out, ')');
}

void imap_section_format(struct buf *out, const char *item, const struct imap_section *s)
{
	buf_append_cstr(out, item);
	buf_append_char(out, '[');
	for (uint32_t i = 0; i < s->path_len; i++) {
		if (i)
			buf_append_char(out, '.');
		buf_append_u64(out, s->path[i]);
	}
	if (s->path_len && s->text != IMAP_SECTION_ALL)
		buf_append_char(out, '.');
	buf_append_cstr(out, text_names[s->text]);
	if (s->text == IMAP_SECTION_FIELDS || s->text == IMAP_SECTION_FIELDS_NOT)
		format_fields(out, s);
	buf_append_char(out, ']');
	if (s->partial) {
		buf_append_char(out, '<');
		buf_append_u64(out, s->partial_off);
		buf_append_char(out, '>');
	}
}
