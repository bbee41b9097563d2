/* SPDX-License-Identifier: ISC
 * Substring search in decoded headers and text parts. */
#include "mail/search_match.h"

#include "mail/charset.h"
#include "mail/header.h"
#include "mail/mime_decode.h"
#include "mail/rfc2047.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEADER_BYTES_MAX = 256 << 10, /* of one header block that is searched */
	VALUE_BYTES_MAX = 4 << 20, /* of one value once decoded and folded */
	PIECE_BYTES = 8192, /* of a part's body that is decoded at once */
};

bool search_key_init(struct search_key *key, struct view utf8, enum search_where where, struct arena *a)
{
	struct buf folded = BUF_INIT(SEARCH_KEY_BYTES_MAX);
	bool fits;

	charset_fold(utf8, &folded);
	fits = !folded.overflow;
	*key = (struct search_key){.folded = arena_copy(a, buf_view(&folded)), .where = where};
	buf_fini(&folded);
	return fits && key->folded.p;
}

static bool holds(struct view text, struct view key)
{
	return key.n == 0 || view_find(text, key) < text.n;
}

/* A field value as it is compared. */
static void fold_value(struct view value, struct buf *decoded, struct buf *folded)
{
	buf_reset(decoded);
	buf_reset(folded);
	rfc2047_decode(value, decoded);
	charset_fold(buf_view(decoded), folded);
}

bool search_match_header(struct view header, struct view name, const struct search_key *key)
{
	struct buf decoded = BUF_INIT(VALUE_BYTES_MAX), folded = BUF_INIT(VALUE_BYTES_MAX);
	struct header_field field;
	struct header h;
	bool hit = false;

	header_init(&h, header);
	while (!hit && header_next(&h, &field) == PARSE_DONE) {
		if (!view_eq_nocase(field.name, name))
			continue;
		fold_value(field.value, &decoded, &folded);
		hit = holds(buf_view(&folded), key->folded);
	}
	buf_fini(&decoded);
	buf_fini(&folded);
	return hit;
}

/* The header and the body of each part, in the order of the message, are what is searched or passed over. */
enum stretch { IN_HEADER, IN_BODY };

struct search_scan {
	const struct mime_index *x;
	struct search_key *keys;
	size_t key_count, longest;
	search_sink_fn *sink; /* NULL: looks for keys */
	void *sink_ctx;
	uint64_t off; /* of the next byte to be fed */
	uint32_t part;
	enum stretch stretch;
	bool open; /* some of the stretch was fed */
	struct buf header;
	struct mime_decoder decoder;
	struct charset_stream charset;
	struct buf decoded, utf8, folded;
};

struct search_scan *search_scan_new(const struct mime_index *x, struct search_key *keys, size_t key_count)
{
	struct search_scan *s = xcalloc(1, sizeof *s);

	s->x = x;
	s->keys = keys;
	s->key_count = key_count;
	s->longest = 1;
	for (size_t i = 0; i < key_count; i++) {
		keys[i].hit = keys[i].folded.n == 0;
		if (keys[i].folded.n > s->longest)
			s->longest = keys[i].folded.n;
	}
	buf_init(&s->header, HEADER_BYTES_MAX);
	buf_init(&s->decoded, VALUE_BYTES_MAX);
	buf_init(&s->utf8, VALUE_BYTES_MAX);
	buf_init(&s->folded, VALUE_BYTES_MAX);
	return s;
}

struct search_scan *search_scan_new_sink(const struct mime_index *x, search_sink_fn *sink, void *ctx)
{
	struct search_scan *s = search_scan_new(x, NULL, 0);

	s->sink = sink;
	s->sink_ctx = ctx;
	s->longest = 3; /* what three bytes may start in */
	return s;
}

static void close_stream(struct search_scan *s)
{
	mime_decoder_fini(&s->decoder);
	charset_stream_fini(&s->charset);
}

void search_scan_free(struct search_scan **ss)
{
	struct search_scan *s = *ss;

	if (!s)
		return;
	if (s->open && s->stretch == IN_BODY)
		close_stream(s);
	buf_fini(&s->header);
	buf_fini(&s->decoded);
	buf_fini(&s->utf8);
	buf_fini(&s->folded);
	free(s);
	*ss = NULL;
}

/* Looks for the keys in s->folded; the message's own header is TEXT only. */
static void look(struct search_scan *s, bool own_header)
{
	if (s->sink)
		s->sink(s->sink_ctx, buf_view(&s->folded));
	for (size_t i = 0; i < s->key_count; i++)
		if (!s->keys[i].hit && (s->keys[i].where == SEARCH_IN_TEXT || !own_header))
			s->keys[i].hit = holds(buf_view(&s->folded), s->keys[i].folded);
}

static void look_in_header(struct search_scan *s)
{
	struct header_field field;
	struct header h;

	header_init(&h, buf_view(&s->header));
	while (header_next(&h, &field) == PARSE_DONE) {
		buf_reset(&s->decoded);
		buf_reset(&s->folded);
		buf_append_view(&s->decoded, field.name);
		buf_append_cstr(&s->decoded, ": ");
		rfc2047_decode(field.value, &s->decoded);
		charset_fold(buf_view(&s->decoded), &s->folded);
		look(s, s->part == 0);
	}
	buf_reset(&s->header);
}

/* Folds the whole characters of s->utf8 and looks for the keys; keeps what a key may start in. */
static void look_in_text(struct search_scan *s, bool all)
{
	size_t n = all ? s->utf8.n : charset_whole_chars(buf_view(&s->utf8));

	charset_fold(view_sub(buf_view(&s->utf8), 0, n), &s->folded);
	buf_consume(&s->utf8, n);
	look(s, false);
	if (s->folded.n >= s->longest)
		buf_consume(&s->folded, s->folded.n - (s->longest - 1));
}

static void open_text(struct search_scan *s, const struct mime_part *part)
{
	struct view charset = part->charset.n ? part->charset : VIEW_LIT("utf-8");

	mime_decoder_init(&s->decoder, part->encoding);
	if (!charset_stream_init(&s->charset, charset) && !charset_stream_init(&s->charset, VIEW_LIT("windows-1252")))
		abort(); /* a table of ours */
	buf_reset(&s->utf8);
	buf_reset(&s->folded);
}

static void read_text(struct search_scan *s, struct view bytes)
{
	while (bytes.n) {
		buf_reset(&s->decoded);
		mime_decoder_feed(&s->decoder, view_sub(bytes, 0, PIECE_BYTES), &s->decoded);
		charset_stream_feed(&s->charset, buf_view(&s->decoded), &s->utf8);
		look_in_text(s, false);
		bytes = view_sub(bytes, PIECE_BYTES, bytes.n);
	}
}

static void close_text(struct search_scan *s)
{
	buf_reset(&s->decoded);
	mime_decoder_finish(&s->decoder, &s->decoded);
	charset_stream_feed(&s->charset, buf_view(&s->decoded), &s->utf8);
	charset_stream_finish(&s->charset, &s->utf8);
	look_in_text(s, true);
	close_stream(s);
}

static bool wants_own_header(const struct search_scan *s)
{
	if (s->sink)
		return true;
	for (size_t i = 0; i < s->key_count; i++)
		if (!s->keys[i].hit && s->keys[i].where == SEARCH_IN_TEXT)
			return true;
	return false;
}

/* Whether the stretch is searched: headers, and leaves that are text or, like delivery reports, message. */
static bool is_searched(const struct search_scan *s)
{
	const struct mime_part *part = &s->x->parts[s->part];

	if (s->stretch == IN_HEADER)
		return s->part > 0 || wants_own_header(s);
	return part->kind == MIME_LEAF && (mime_part_is(part, "text", NULL) || mime_part_is(part, "message", NULL));
}

static uint64_t stretch_start(const struct search_scan *s)
{
	const struct mime_part *part = &s->x->parts[s->part];

	return s->stretch == IN_HEADER ? part->header_off : part->body_off;
}

static uint64_t stretch_end(const struct search_scan *s)
{
	const struct mime_part *part = &s->x->parts[s->part];

	return stretch_start(s) + (s->stretch == IN_HEADER ? part->header_bytes : part->body_bytes);
}

static void close_stretch(struct search_scan *s)
{
	if (!s->open)
		return;
	if (s->stretch == IN_HEADER)
		look_in_header(s);
	else
		close_text(s);
	s->open = false;
}

static bool has_stretch(const struct search_scan *s)
{
	return s->part < s->x->part_count;
}

/* To the next stretch that is searched. */
static void next_stretch(struct search_scan *s)
{
	close_stretch(s);
	do {
		if (s->stretch == IN_BODY)
			s->part++;
		s->stretch = s->stretch == IN_HEADER ? IN_BODY : IN_HEADER;
	} while (has_stretch(s) && !is_searched(s));
}

static void read_stretch(struct search_scan *s, struct view bytes)
{
	if (!s->open && s->stretch == IN_BODY)
		open_text(s, &s->x->parts[s->part]);
	s->open = true;
	if (s->stretch == IN_HEADER)
		buf_append_view(&s->header, view_sub(bytes, 0, s->header.max - s->header.n));
	else
		read_text(s, bytes);
}

void search_scan_feed(struct search_scan *s, struct view chunk)
{
	uint64_t end = s->off + chunk.n;

	while (!search_scan_is_settled(s) && s->off < end) {
		uint64_t start = stretch_start(s), stop = stretch_end(s);
		uint64_t from = start > s->off ? start : s->off;

		if (from >= stop || !is_searched(s)) {
			next_stretch(s);
			continue;
		}
		if (from >= end)
			break;
		if (stop > end)
			stop = end;
		read_stretch(s, view_sub(chunk, chunk.n - (size_t)(end - from), (size_t)(stop - from)));
		s->off = stop;
	}
	s->off = end;
}

void search_scan_finish(struct search_scan *s)
{
	if (has_stretch(s))
		close_stretch(s);
	s->part = s->x->part_count;
}

bool search_scan_is_settled(const struct search_scan *s)
{
	for (size_t i = 0; i < s->key_count; i++)
		if (!s->keys[i].hit)
			return !has_stretch(s);
	return !s->sink || !has_stretch(s);
}
