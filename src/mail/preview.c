/* SPDX-License-Identifier: ISC
 * The beginning of a message's text as one line. */
#include "mail/preview.h"

#include "mail/charset.h"
#include "mail/mime_decode.h"

#include <utf8proc.h>

static bool is_inside_message(const struct mime_index *x, const struct mime_part *part)
{
	while (part->parent != MIME_NONE) {
		part = mime_index_part(x, part->parent);
		if (part->kind == MIME_MESSAGE)
			return true;
	}
	return false;
}

static bool is_html(const struct mime_part *part)
{
	return mime_part_is(part, "text", "html");
}

const struct mime_part *preview_part(const struct mime_index *x, const struct mime_part *after)
{
	for (uint32_t i = after ? (uint32_t)(after - x->parts) + 1 : 0; i < x->part_count; i++) {
		const struct mime_part *part = &x->parts[i];

		if (part->kind == MIME_LEAF && part->body_bytes && !is_inside_message(x, part) &&
		    (mime_part_is(part, "text", "plain") || is_html(part)))
			return part;
	}
	return NULL;
}

/* ---- one line, blanks joined ---- */

struct line {
	struct buf *out;
	unsigned chars;
	bool blank; /* one is due before the next character */
	bool full;
};

static bool is_blank(utf8proc_int32_t c)
{
	return c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Senders fill previews with these: what follows would not be seen. */
static bool is_invisible(utf8proc_int32_t c)
{
	return c == 0xad || c == 0x34f || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x2064) || c == 0xfeff;
}

static void put(struct line *l, utf8proc_int32_t c)
{
	utf8proc_uint8_t bytes[4];

	if (is_blank(c)) {
		l->blank = l->chars > 0;
		return;
	}
	if (is_invisible(c) || l->full)
		return;
	if (l->chars + l->blank >= PREVIEW_CHARS) {
		l->full = true;
		return;
	}
	if (l->blank)
		buf_append_char(l->out, ' ');
	l->chars += l->blank + 1u;
	l->blank = false;
	buf_append(l->out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

/* The character at the front; 0 at the end. */
static utf8proc_int32_t take(struct view *text)
{
	utf8proc_int32_t c = 0;
	utf8proc_ssize_t n;

	if (text->n == 0)
		return 0;
	n = utf8proc_iterate((const utf8proc_uint8_t *)text->p, (utf8proc_ssize_t)text->n, &c);
	*text = view_sub(*text, n > 0 ? (size_t)n : 1, text->n);
	return n > 0 ? c : 0xfffd;
}

/* ---- plain text ---- */

static void put_plain(struct line *l, struct view text, bool quotes)
{
	while (text.n && !l->full) {
		size_t n = view_find_char(text, '\n');
		struct view line = view_sub(text, 0, n);

		text = view_sub(text, n + 1, text.n);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (view_eq_lit(line, "-- "))
			return;
		if (line.n && line.p[0] == '>' && !quotes)
			continue;
		while (line.n && !l->full)
			put(l, take(&line));
		put(l, ' ');
	}
}

/* ---- HTML ---- */

/* What stands between the beginning and the end of these is not shown. */
static bool is_hidden(struct view tag)
{
	static const char *const names[] = {"head", "script", "style", "title", "template"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_lit_nocase(tag, names[i]))
			return true;
	return false;
}

/* These do not part words. */
static bool is_inline(struct view tag)
{
	static const char *const names[] = {"a",   "abbr", "b",     "code",   "em",   "font", "i", "s",
					    "sub", "sup",  "small", "strong", "span", "tt",   "u"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_lit_nocase(tag, names[i]))
			return true;
	return false;
}

static struct view tag_name(struct view text)
{
	size_t n = 0;

	while (n < text.n && (ascii_is_alnum(text.p[n]) || text.p[n] == '-'))
		n++;
	return view_sub(text, 0, n);
}

enum { TAG_BYTES_MAX = 1024 }; /* a longer one ends at the first ">" */

/* What follows the ">" that ends the tag; in quotes it does not. */
static struct view behind_tag(struct view text)
{
	char quote = '\0';

	for (size_t i = 0; i < text.n && i < TAG_BYTES_MAX; i++) {
		char c = text.p[i];

		if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return view_sub(text, i + 1, text.n);
	}
	return view_sub(text, view_find_char(text, '>') + 1, text.n);
}

/* "</name" and what belongs to it. */
static struct view behind_end_tag(struct view text, struct view name)
{
	while (text.n) {
		text = view_sub(text, view_find(text, VIEW_LIT("</")) + 2, text.n);
		if (view_eq_nocase(tag_name(text), name))
			return behind_tag(text);
	}
	return VIEW_EMPTY;
}

/* `text` begins behind "<". */
static struct view pass_tag(struct line *l, struct view text)
{
	bool ends = text.n && text.p[0] == '/';
	struct view name;

	if (view_starts_with(text, VIEW_LIT("!--")))
		return view_sub(text, view_find(text, VIEW_LIT("-->")) + 3, text.n);
	if (ends)
		text = view_sub(text, 1, text.n);
	name = tag_name(text);
	if (!ends && is_hidden(name))
		return behind_end_tag(behind_tag(text), name);
	if (!is_inline(name))
		put(l, ' ');
	return behind_tag(text);
}

static utf8proc_int32_t numbered(struct view digits)
{
	bool hex = digits.n && (digits.p[0] == 'x' || digits.p[0] == 'X');
	uint32_t c = 0;

	for (size_t i = hex; i < digits.n && c < 0x110000; i++) {
		char d = ascii_lower(digits.p[i]);

		if (!ascii_is_digit(d) && !(hex && d >= 'a' && d <= 'f'))
			return 0;
		c = c * (hex ? 16 : 10) + (uint32_t)(ascii_is_digit(d) ? d - '0' : d - 'a' + 10);
	}
	return utf8proc_codepoint_valid((utf8proc_int32_t)c) ? (utf8proc_int32_t)c : 0;
}

static utf8proc_int32_t named(struct view name)
{
	static const struct {
		const char *name;
		utf8proc_int32_t c;
	} entities[] = {
	    {"amp", '&'},       {"lt", '<'},       {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
	    {"nbsp", 0xa0},     {"copy", 0xa9},    {"reg", 0xae},     {"trade", 0x2122}, {"euro", 0x20ac},
	    {"pound", 0xa3},    {"sect", 0xa7},    {"laquo", 0xab},   {"raquo", 0xbb},   {"bull", 0x2022},
	    {"hellip", 0x2026}, {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018}, {"rsquo", 0x2019},
	    {"ldquo", 0x201c},  {"rdquo", 0x201d}, {"middot", 0xb7},  {"auml", 0xe4},    {"ouml", 0xf6},
	    {"uuml", 0xfc},     {"Auml", 0xc4},    {"Ouml", 0xd6},    {"Uuml", 0xdc},    {"szlig", 0xdf},
	    {"eacute", 0xe9},   {"egrave", 0xe8},  {"ecirc", 0xea},   {"agrave", 0xe0},  {"acirc", 0xe2},
	    {"ccedil", 0xe7},   {"ntilde", 0xf1},  {"zwnj", 0x200c},  {"zwj", 0x200d},   {"shy", 0xad},
	};

	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (view_eq_lit(name, entities[i].name))
			return entities[i].c;
	return 0;
}

enum { ENTITY_BYTES_MAX = 12 };

/* `text` begins behind "&". */
static struct view pass_entity(struct line *l, struct view text)
{
	struct view name, rest;
	utf8proc_int32_t c = 0;

	if (view_cut(view_sub(text, 0, ENTITY_BYTES_MAX), ';', &name, &rest) && name.n)
		c = name.p[0] == '#' ? numbered(view_sub(name, 1, name.n)) : named(name);
	put(l, c ? c : '&');
	return c ? view_sub(text, name.n + 1, text.n) : text;
}

static void put_html(struct line *l, struct view text)
{
	while (text.n && !l->full) {
		char c = text.p[0];

		if (c == '<' && text.n > 1 &&
		    (ascii_is_alpha(text.p[1]) || text.p[1] == '/' || text.p[1] == '!' || text.p[1] == '?'))
			text = pass_tag(l, view_sub(text, 1, text.n));
		else if (c == '&')
			text = pass_entity(l, view_sub(text, 1, text.n));
		else
			put(l, take(&text));
	}
}

/* ---- the part ---- */

static void to_utf8(const struct mime_part *part, struct view text, struct buf *out)
{
	struct view charset = part->charset.n ? part->charset : VIEW_LIT("US-ASCII");

	if (view_is_utf8(view_sub(text, 0, charset_whole_chars(text))) &&
	    (part->charset.n == 0 || view_eq_lit_nocase(charset, "US-ASCII")))
		charset = VIEW_LIT("UTF-8");
	if (!charset_to_utf8(charset, text, out) && !charset_to_utf8(VIEW_LIT("US-ASCII"), text, out))
		buf_reset(out);
}

void preview_format(const struct mime_part *part, struct view front, struct buf *out)
{
	struct buf decoded = BUF_INIT(PREVIEW_SOURCE_MAX + 2048), text = BUF_INIT(4 * (PREVIEW_SOURCE_MAX + 2048));
	struct line l = {.out = out};
	struct mime_decoder d;

	mime_decoder_init(&d, part->encoding);
	mime_decoder_feed(&d, view_sub(front, 0, PREVIEW_SOURCE_MAX), &decoded);
	mime_decoder_finish(&d, &decoded);
	mime_decoder_fini(&d);
	to_utf8(part, buf_view(&decoded), &text);
	if (is_html(part))
		put_html(&l, buf_view(&text));
	else
		put_plain(&l, buf_view(&text), false);
	if (l.chars == 0 && !is_html(part))
		put_plain(&l, buf_view(&text), true);
	buf_fini(&decoded);
	buf_fini(&text);
}
