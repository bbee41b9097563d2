/* SPDX-License-Identifier: ISC
 * Reads a message once, in pieces, and builds its MIME index.
 *
 * Lines are looked at only where they start: in a header for the field name, in a multipart for "--". What lies between
 * is run over with memchr(). Views in the index point into the arena, never into the message. */
#include "base/map.h"
#include "mail/bodystructure.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime_details.h"
#include "mail/mime_field.h"
#include "mail/mime_index.h"

#include <stdlib.h>
#include <string.h>

enum {
	BOUNDARY_BYTES_MAX = 200, /* RFC 2046 §5.1.1: 70; a longer one is compared by its front */
	HEAD_BYTES = 1024, /* of a line, enough for "--" boundary "--" and for a field name (RFC 5322 lines: 998) */
};

const struct mime_limits mime_limits_default = {
    .depth = 100,
    .parts = 10000,
    .kept_header_bytes = 256 << 10,
    .index_bytes = 8 << 20,
};

enum state {
	IN_HEADER,
	IN_BODY,
	BEFORE_PART, /* on the rest of a boundary line; the part starts with the next line */
};

/* What tells almost all lines that start with "--" from those with an open boundary, in the time it takes to read them: the lengths
 * of the boundaries, and a set of their hashes. */
struct boundary_filter {
	bool is_stale;
	bool has_length[BOUNDARY_BYTES_MAX + 1];
	uint64_t hashes[64];
};

/* A part whose end has not come. */
struct open_part {
	uint32_t at;
	struct view boundary; /* of a multipart that may still get parts; else empty */
	uint64_t lines_before_body;
};

struct mime_parser {
	struct mime_limits limits;
	struct arena arena;
	struct mime_index index;
	uint32_t parts_cap;
	struct open_part *open; /* the root first; limits.depth + 2 of them */
	uint32_t open_count;
	uint32_t boundaries; /* how many of the open ones have one */
	struct boundary_filter filter;
	uint64_t filter_seed; /* nobody can choose boundaries that look alike */
	uint64_t off, lines; /* bytes and line ends seen */
	uint64_t header_max; /* where the message's own header ends at the latest */
	enum state state;
	bool at_line_start;
	bool keeping; /* the field that is being read is kept */
	bool stopped; /* over a limit: no more parts */
	struct buf kept; /* header fields of the current part that matter */
	struct buf head; /* start of a line that the end of a piece cut off */
	uint64_t head_off; /* where that line starts, and how long the line end before it was */
	uint32_t head_eol;
	char tail[2]; /* proven: the last bytes of the piece before */
	struct buf text; /* for rendering */
};

struct mime_parser *mime_parser_new(const struct mime_limits *limits)
{
	struct mime_parser *p = xcalloc(1, sizeof *p);

	p->limits = *limits;
	arena_init(&p->arena, limits->index_bytes);
	buf_init(&p->kept, limits->kept_header_bytes);
	buf_init(&p->head, HEAD_BYTES);
	buf_init(&p->text, limits->index_bytes * 4);
	p->open = xcalloc((size_t)limits->depth + 2, sizeof *p->open);
	p->filter_seed = map_hash(VIEW_LIT("boundary")) | 1;
	mime_parser_reset(p);
	return p;
}

static void release_big(struct buf *b)
{
	enum { KEEP_BYTES = 16384 };

	if (b->cap > KEEP_BYTES)
		buf_fini(b);
	buf_reset(b);
}

static void forget(struct mime_parser *p)
{
	arena_reset(&p->arena);
	release_big(&p->kept);
	release_big(&p->text);
	buf_reset(&p->head);
	if (p->parts_cap > 64) {
		free(p->index.parts);
		p->index.parts = NULL;
		p->parts_cap = 0;
	}
}

void mime_parser_free(struct mime_parser **pp)
{
	struct mime_parser *p = *pp;

	if (!p)
		return;
	arena_fini(&p->arena);
	buf_fini(&p->kept);
	buf_fini(&p->head);
	buf_fini(&p->text);
	free(p->index.parts);
	free(p->open);
	free(p);
	*pp = NULL;
}

static struct mime_part *part_at(struct mime_parser *p, uint32_t at)
{
	return &p->index.parts[at];
}

static struct open_part *current(struct mime_parser *p)
{
	return &p->open[p->open_count - 1];
}

/* Room for one more part; false past the limit. */
static bool grow_parts(struct mime_parser *p)
{
	uint32_t cap = p->parts_cap ? p->parts_cap * 2 : 8;

	if (p->index.part_count >= p->limits.parts)
		return false;
	if (p->index.part_count < p->parts_cap)
		return true;
	p->index.parts = xrealloc(p->index.parts, cap * sizeof *p->index.parts);
	p->parts_cap = cap;
	return true;
}

static void link_child(struct mime_parser *p, uint32_t parent, uint32_t child)
{
	uint32_t *link = &part_at(p, parent)->first_child;

	/* The youngest part before this one is in the subtree of the youngest sibling. */
	if (*link != MIME_NONE) {
		uint32_t sibling = child - 1;

		while (part_at(p, sibling)->parent != parent)
			sibling = part_at(p, sibling)->parent;
		link = &part_at(p, sibling)->next_sibling;
	}
	*link = child;
}

/* Opens a part below the current one; false past the limit. Its header starts at `header_off`. */
static bool open_part(struct mime_parser *p, uint64_t header_off)
{
	uint32_t at = p->index.part_count, parent = p->open_count ? current(p)->at : MIME_NONE;

	if (!grow_parts(p))
		return false;
	*part_at(p, at) = (struct mime_part){
	    .parent = parent,
	    .first_child = MIME_NONE,
	    .next_sibling = MIME_NONE,
	    .depth = p->open_count,
	    .header_off = header_off,
	};
	p->index.part_count++;
	if (parent != MIME_NONE)
		link_child(p, parent, at);
	p->open[p->open_count++] = (struct open_part){.at = at};
	buf_reset(&p->kept);
	p->keeping = false;
	return true;
}

void mime_parser_reset(struct mime_parser *p)
{
	forget(p);
	p->index = (struct mime_index){.parts = p->index.parts};
	p->open_count = 0;
	p->boundaries = 0;
	p->filter.is_stale = true;
	p->off = p->lines = 0;
	p->header_max = UINT64_MAX;
	p->state = IN_HEADER;
	p->at_line_start = true;
	p->stopped = false;
	p->tail[0] = p->tail[1] = 0;
	if (!open_part(p, 0))
		abort(); /* a limit of no parts */
}

/* The header of a message, not only of a body part. */
static bool is_message(struct mime_parser *p, const struct mime_part *part)
{
	return part->parent == MIME_NONE || part_at(p, part->parent)->kind == MIME_MESSAGE;
}

static bool in_digest(struct mime_parser *p, const struct mime_part *part)
{
	return part->parent != MIME_NONE && part_at(p, part->parent)->kind == MIME_MULTIPART &&
	       view_eq_lit_nocase(part_at(p, part->parent)->subtype, "digest");
}

static struct view render_envelope(struct mime_parser *p)
{
	buf_reset(&p->text);
	envelope_format(&p->text, buf_view(&p->kept), p->limits.kept_header_bytes);
	return arena_copy(&p->arena, buf_view(&p->text));
}

static enum mime_kind kind_of(struct mime_parser *p, const struct mime_part *part)
{
	bool multipart = view_eq_lit_nocase(part->type, "multipart");
	bool message = mime_part_is(part, "message", "rfc822") || mime_part_is(part, "message", "global");

	if (!multipart && !message)
		return MIME_LEAF;
	if (part->depth >= p->limits.depth || p->stopped) {
		p->index.limited = true;
		return MIME_LEAF;
	}
	return multipart ? MIME_MULTIPART : MIME_MESSAGE;
}

/* RFC 2046 §5.1.1: a multipart must say its boundary; RFC 2045 §5.2: what is not right is text/plain. */
static void refuse_without_boundary(struct mime_part *part, struct mime_details *d)
{
	if (!view_eq_lit_nocase(part->type, "multipart") || mime_params_get(&d->params, "boundary").n ||
	    mime_params_get(&d->params, "boundary*").n)
		return;
	part->type = VIEW_LIT("text");
	part->subtype = VIEW_LIT("plain");
	part->charset = VIEW_EMPTY;
	d->params = (struct mime_params){0};
}

/* What the kept fields say of the part. NULL: the index is full. */
static struct mime_details *read_fields(struct mime_parser *p, struct mime_part *part)
{
	struct mime_details *d;

	part->type = VIEW_LIT("text");
	part->subtype = VIEW_LIT("plain");
	if (in_digest(p, part)) {
		part->type = VIEW_LIT("message");
		part->subtype = VIEW_LIT("rfc822");
	}
	d = mime_details_read(buf_view(&p->kept), &p->arena, part);
	if (d)
		refuse_without_boundary(part, d);
	if (d && is_message(p, part))
		d->envelope = render_envelope(p);
	return d;
}

/* The index keeps this much for what ends it; when less is left no more parts are opened. */
enum { ARENA_RESERVE = 65536 };

static bool has_room(const struct mime_parser *p)
{
	return p->arena.max - p->arena.used > ARENA_RESERVE;
}

/* Nothing that follows opens or closes a part. */
static void stop_dividing(struct mime_parser *p)
{
	p->index.limited = p->stopped = true;
	for (uint32_t i = 0; i < p->open_count; i++)
		p->open[i].boundary = VIEW_EMPTY;
	p->boundaries = 0;
	p->filter.is_stale = true;
}

static void start_multipart(struct mime_parser *p, const struct mime_details *d)
{
	struct view boundary = d ? mime_params_get(&d->params, "boundary") : VIEW_EMPTY;

	if (boundary.n) {
		current(p)->boundary = view_sub(boundary, 0, BOUNDARY_BYTES_MAX);
		p->boundaries++;
		p->filter.is_stale = true;
	}
}

/* The header of the current part ends, and its body starts, at `body_off`. May open the message inside it, whose
 * header starts there. */
static void end_header(struct mime_parser *p, uint64_t body_off)
{
	struct mime_part *part = part_at(p, current(p)->at);
	struct mime_details *d = read_fields(p, part);

	part->details = d;
	part->header_bytes = body_off - part->header_off;
	part->body_off = body_off;
	current(p)->lines_before_body = p->lines;
	p->state = IN_BODY;
	if (!d || !has_room(p))
		stop_dividing(p);
	part->kind = kind_of(p, part);
	if (part->kind == MIME_MULTIPART) {
		start_multipart(p, d);
	} else if (part->kind == MIME_MESSAGE) {
		uint32_t at = current(p)->at;

		if (open_part(p, body_off)) {
			p->state = IN_HEADER;
		} else {
			part_at(p, at)->kind = MIME_LEAF;
			stop_dividing(p);
		}
	}
}

/* A place, and the line ends before it. */
struct place {
	uint64_t off, lines;
};

/* Ends the current part at `end`; when its body starts later, even there, and then so do the parts around it. */
static void close_part(struct mime_parser *p, struct place *end)
{
	struct open_part *o = current(p);
	struct mime_part *part = part_at(p, o->at);

	if (part->body_off > end->off)
		*end = (struct place){part->body_off, o->lines_before_body};
	part->body_bytes = end->off - part->body_off;
	part->body_lines = end->lines - o->lines_before_body;
	p->boundaries -= o->boundary.n > 0;
	p->filter.is_stale |= o->boundary.n > 0;
	p->open_count--;
}

static void finish_headers(struct mime_parser *p, uint64_t off)
{
	if (p->state == BEFORE_PART) {
		part_at(p, current(p)->at)->header_off = off;
		p->state = IN_HEADER;
	}
	while (p->state == IN_HEADER)
		end_header(p, off);
}

static uint64_t hash_on(const struct mime_parser *p, uint64_t hash, char c)
{
	hash = (hash + (unsigned char)c + 1) * p->filter_seed;
	return hash ^ hash >> 29;
}

static void make_filter(struct mime_parser *p)
{
	struct boundary_filter *f = &p->filter;

	memset(f, 0, sizeof *f);
	for (uint32_t i = 0; i < p->open_count; i++) {
		struct view b = p->open[i].boundary;
		uint64_t hash = 0;

		for (size_t n = 0; n < b.n; n++)
			hash = hash_on(p, hash, b.p[n]);
		f->has_length[b.n] |= b.n > 0;
		f->hashes[hash >> 6 & 63] |= (uint64_t)(b.n > 0) << (hash & 63);
	}
}

/* False: certainly not. */
static bool may_start_with_boundary(struct mime_parser *p, struct view line)
{
	const struct boundary_filter *f = &p->filter;
	uint64_t hash = 0;

	if (f->is_stale)
		make_filter(p);
	for (size_t n = 0; n < line.n && n < BOUNDARY_BYTES_MAX;) {
		hash = hash_on(p, hash, line.p[n++]);
		if (f->has_length[n] && f->hashes[hash >> 6 & 63] >> (hash & 63) & 1)
			return true;
	}
	return false;
}

/* The open multipart whose boundary stands behind the "--" of `head`: the longest that fits, of equals the innermost.
 * RFC 2046 §5.1.1: it is enough that the line starts with it. NULL: an ordinary line. */
static struct open_part *match_boundary(struct mime_parser *p, struct view head)
{
	struct view line = view_sub(head, 2, head.n);
	struct open_part *best = NULL;

	if (!may_start_with_boundary(p, line))
		return NULL;
	for (uint32_t i = p->open_count; i-- > 0;) {
		struct view b = p->open[i].boundary;

		if (b.n && b.n <= line.n && (!best || b.n > best->boundary.n) && memcmp(b.p, line.p, b.n) == 0)
			best = &p->open[i];
	}
	return best;
}

/* RFC 2046 §5.1.1 has blanks alone behind a boundary, and yet asks readers to compare the beginning of the line only. */
static bool is_blank(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != ' ' && v.p[i] != '\t' && v.p[i] != '\r' && v.p[i] != '\n')
			return false;
	return true;
}

/* A boundary line starts at `off`, behind a line end of `eol` bytes that belongs to it. */
static void meet_boundary(struct mime_parser *p, struct open_part *multipart, struct view head, uint64_t off,
			  uint32_t eol)
{
	bool closing = view_starts_with(view_sub(head, 2 + multipart->boundary.n, 2), VIEW_LIT("--"));
	struct place end = {off - eol, p->lines - (eol > 0)};

	p->index.loose_boundary |= !is_blank(view_sub(head, 2 + multipart->boundary.n + (closing ? 2 : 0), head.n));
	if (p->state == IN_HEADER)
		finish_headers(p, off);
	while (current(p) != multipart)
		close_part(p, &end);
	p->state = IN_BODY;
	if (closing) {
		multipart->boundary = VIEW_EMPTY;
		p->boundaries--;
		p->filter.is_stale = true;
	} else if (has_room(p) && open_part(p, off)) {
		p->state = BEFORE_PART;
	} else {
		stop_dividing(p);
	}
}

/* Fields that are kept: the MIME ones, and of messages what the envelope needs. */
static bool is_kept(struct mime_parser *p, struct view name)
{
	return mime_details_uses_field(name) ||
	       (is_message(p, part_at(p, current(p)->at)) && envelope_uses_field(name));
}

static void keep(struct mime_parser *p, struct view bytes)
{
	if (!p->keeping)
		return;
	buf_append_view(&p->kept, bytes);
	if (p->kept.overflow) {
		p->kept.overflow = false;
		p->keeping = false;
		p->index.limited = true;
	}
}

/* A header line starts with `head`. True: it is the first line of the body instead. */
static bool start_header_line(struct mime_parser *p, struct view head, uint64_t off)
{
	struct header_field field;
	struct header h;

	if (p->open_count == 1 && off >= p->header_max) {
		end_header(p, off);
		return true;
	}
	header_init(&h, view_sub(head, 0, HEAD_BYTES));
	if (header_next(&h, &field) == PARSE_DONE) {
		p->keeping = is_kept(p, field.name);
	} else if (h.end == HEADER_END_BLANK) {
		p->lines++; /* the blank line is the header's; end_head() counts it for the message */
		end_header(p, off + h.content);
		p->lines--;
		return false;
	} else if (head.p[0] != ' ' && head.p[0] != '\t') {
		p->keeping = false; /* an mbox line, or junk */
	}
	keep(p, head);
	return false;
}

/* A line starts with `head`: all of it, or its first HEAD_BYTES. */
static void start_line(struct mime_parser *p, struct view head, uint64_t off, uint32_t eol)
{
	bool again;

	if (p->state == BEFORE_PART) {
		part_at(p, current(p)->at)->header_off = off;
		p->state = IN_HEADER;
	}
	do {
		struct open_part *multipart = NULL;

		if (p->boundaries && head.n > 2 && head.p[0] == '-' && head.p[1] == '-')
			multipart = match_boundary(p, head);
		if (multipart)
			meet_boundary(p, multipart, head, off, eol);
		again = !multipart && p->state == IN_HEADER && start_header_line(p, head, off);
	} while (again);
}

/* Bytes of the line end that ends before chunk[at]. */
static uint32_t eol_before(const struct mime_parser *p, struct view chunk, size_t at)
{
	char before = at > 1 ? chunk.p[at - 2] : at == 1 ? p->tail[1] : p->tail[0];

	if (p->off + at == 0)
		return 0;
	return before == '\r' ? 2 : 1;
}

static void count_lines(struct mime_parser *p, struct view v)
{
	const char *at = v.p, *end = v.p + v.n;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		p->lines++;
		at++;
	}
}

/* The piece that starts the line has been looked at; `whole` tells that its LF was in it. */
static void end_head(struct mime_parser *p, bool whole)
{
	p->lines += whole;
	p->at_line_start = whole;
}

/* Continues a line whose start the piece before has cut off. Returns how much of `chunk` that took. */
static size_t complete_head(struct mime_parser *p, struct view chunk)
{
	struct view more = view_sub(chunk, 0, HEAD_BYTES - p->head.n);
	size_t lf = view_find_char(more, '\n');
	bool whole = lf < more.n;

	more = view_sub(more, 0, lf + 1);
	buf_append_view(&p->head, more);
	if (whole || p->head.n == HEAD_BYTES) {
		start_line(p, buf_view(&p->head), p->head_off, p->head_eol);
		buf_reset(&p->head);
		end_head(p, whole);
	}
	return more.n;
}

/* At the start of a line. Returns where in `chunk` to go on. */
static size_t read_head(struct mime_parser *p, struct view chunk, size_t at)
{
	struct view line = view_sub(chunk, at, chunk.n);
	uint32_t eol = eol_before(p, chunk, at);
	size_t lf;

	if (p->state == IN_BODY && line.p[0] != '-') {
		p->at_line_start = false;
		return at;
	}
	lf = view_find_char(line, '\n');
	if (lf == line.n && line.n < HEAD_BYTES) {
		buf_append_view(&p->head, line);
		p->head_off = p->off + at;
		p->head_eol = eol;
		return chunk.n;
	}
	line = view_sub(line, 0, lf + 1);
	start_line(p, line, p->off + at, eol);
	end_head(p, line.p[line.n - 1] == '\n');
	return at + line.n;
}

/* Within a line. */
static size_t read_rest(struct mime_parser *p, struct view chunk, size_t at)
{
	struct view rest = view_sub(chunk, at, chunk.n);
	size_t lf = view_find_char(rest, '\n');

	if (p->state == IN_HEADER)
		keep(p, view_sub(rest, 0, lf + 1));
	if (lf == rest.n)
		return chunk.n;
	end_head(p, true);
	return at + lf + 1;
}

void mime_parser_set_header(struct mime_parser *p, uint64_t bytes)
{
	p->header_max = bytes;
}

void mime_parser_feed(struct mime_parser *p, struct view chunk)
{
	size_t at = 0;

	if (p->head.n)
		at = complete_head(p, chunk);
	while (at < chunk.n) {
		if (p->state == IN_BODY && p->boundaries == 0) {
			count_lines(p, view_sub(chunk, at, chunk.n));
			break;
		}
		at = p->at_line_start ? read_head(p, chunk, at) : read_rest(p, chunk, at);
	}
	p->off += chunk.n;
	if (chunk.n > 1)
		p->tail[0] = chunk.p[chunk.n - 2];
	else if (chunk.n)
		p->tail[0] = p->tail[1];
	if (chunk.n)
		p->tail[1] = chunk.p[chunk.n - 1];
}

static void render(struct mime_parser *p)
{
	static const char no_envelope[] = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
	struct mime_index *x = &p->index;

	x->envelope = x->parts[0].details ? x->parts[0].details->envelope : VIEW_EMPTY;
	if (x->envelope.n == 0)
		x->envelope = VIEW_LIT(no_envelope);
	buf_reset(&p->text);
	bodystructure_format(&p->text, x, 0);
	if (p->text.overflow) {
		buf_reset(&p->text);
		buf_printf(&p->text, "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" %llu NIL NIL NIL NIL)",
			   (unsigned long long)x->parts[0].body_bytes);
	}
	x->bodystructure = buf_view(&p->text);
}

const struct mime_index *mime_parser_finish(struct mime_parser *p)
{
	struct place end;

	if (p->head.n) {
		start_line(p, buf_view(&p->head), p->head_off, p->head_eol);
		buf_reset(&p->head);
	}
	if (p->state != IN_BODY)
		finish_headers(p, p->off);
	end = (struct place){p->off, p->lines};
	while (p->open_count)
		close_part(p, &end);
	p->index.bytes = p->off;
	p->index.lines = p->lines;
	render(p);
	return &p->index;
}

const struct mime_index *mime_index_parse(struct mime_parser *p, struct view message)
{
	mime_parser_reset(p);
	mime_parser_feed(p, message);
	return mime_parser_finish(p);
}
