/* SPDX-License-Identifier: ISC
 * The MIME index as stored bytes, and questions to it.
 *
 * Version 1: byte 1; then numbers (7 bits a byte, low first): message bytes, lines, flags, parts, length of ENVELOPE, of
 * BODYSTRUCTURE; these two texts; then each part, parents first: a byte of kind and encoding, then numbers: depth,
 * header's distance from the start of the parent's body, header bytes, body bytes, body lines; then type, subtype and
 * charset, each behind its length. */
#include "mail/mime_index.h"

enum { VERSION = 1, FLAG_LIMITED = 1, PART_BYTES_MIN = 9, NUMBER_BYTES_MAX = 10 };

static void put_number(struct buf *out, uint64_t n)
{
	char bytes[NUMBER_BYTES_MAX];
	size_t at = 0;

	for (; n >= 0x80; n >>= 7)
		bytes[at++] = (char)(n | 0x80);
	bytes[at++] = (char)n;
	buf_append(out, bytes, at);
}

static void put_text(struct buf *out, struct view v)
{
	put_number(out, v.n);
	buf_append_view(out, v);
}

static void put_part(struct buf *out, const struct mime_index *x, const struct mime_part *part)
{
	uint64_t base = part->parent == MIME_NONE ? 0 : x->parts[part->parent].body_off;

	buf_append_char(out, (char)((unsigned)part->kind | (unsigned)part->encoding << 2));
	put_number(out, part->depth);
	put_number(out, part->header_off - base);
	put_number(out, part->header_bytes);
	put_number(out, part->body_bytes);
	put_number(out, part->body_lines);
	put_text(out, part->type);
	put_text(out, part->subtype);
	put_text(out, part->charset);
}

void mime_index_encode(const struct mime_index *x, struct buf *out)
{
	buf_append_char(out, VERSION);
	put_number(out, x->bytes);
	put_number(out, x->lines);
	put_number(out, x->limited ? FLAG_LIMITED : 0);
	put_number(out, x->part_count);
	put_number(out, x->envelope.n);
	put_number(out, x->bodystructure.n);
	buf_append_view(out, x->envelope);
	buf_append_view(out, x->bodystructure);
	for (uint32_t i = 0; i < x->part_count; i++)
		put_part(out, x, &x->parts[i]);
}

/* Reads with a sticky error. */
struct reader {
	struct view rest;
	bool bad;
};

static uint64_t get_number(struct reader *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < 9 && i < r->rest.n; i++) {
		n |= (uint64_t)(r->rest.p[i] & 0x7f) << (7 * i);
		if (!(r->rest.p[i] & 0x80)) {
			r->rest = view_sub(r->rest, i + 1, r->rest.n);
			return n; /* below 2^63 */
		}
	}
	r->bad = true;
	return 0;
}

static struct view get_bytes(struct reader *r, uint64_t n)
{
	struct view v;

	if (n > r->rest.n) {
		r->bad = true;
		return VIEW_EMPTY;
	}
	v = view_sub(r->rest, 0, (size_t)n);
	r->rest = view_sub(r->rest, (size_t)n, r->rest.n);
	return v;
}

static struct view get_text(struct reader *r)
{
	return get_bytes(r, get_number(r));
}

struct front {
	struct mime_index_head head;
	uint64_t flags, parts;
};

static bool get_front(struct reader *r, struct front *ret)
{
	struct view version = get_bytes(r, 1);
	uint64_t envelope_bytes, bodystructure_bytes;

	if (r->bad || version.p[0] != VERSION)
		return false;
	ret->head.bytes = get_number(r);
	ret->head.lines = get_number(r);
	ret->flags = get_number(r);
	ret->parts = get_number(r);
	envelope_bytes = get_number(r);
	bodystructure_bytes = get_number(r);
	ret->head.envelope = get_bytes(r, envelope_bytes);
	ret->head.bodystructure = get_bytes(r, bodystructure_bytes);
	return !r->bad;
}

bool mime_index_peek(struct view encoded, struct mime_index_head *ret)
{
	struct reader r = {encoded, false};
	struct front front;

	if (!get_front(&r, &front))
		return false;
	*ret = front.head;
	return true;
}

static void put_front(struct buf *out, const struct front *f)
{
	buf_append_char(out, VERSION);
	put_number(out, f->head.bytes);
	put_number(out, f->head.lines);
	put_number(out, f->flags);
	put_number(out, f->parts);
	put_number(out, f->head.envelope.n);
	put_number(out, f->head.bodystructure.n);
	buf_append_view(out, f->head.envelope);
	buf_append_view(out, f->head.bodystructure);
}

bool mime_index_trim(struct view encoded, bool envelope, bool bodystructure, struct buf *out)
{
	struct reader r = {encoded, false};
	struct front front;

	if (!get_front(&r, &front))
		return false;
	front.parts = 0;
	if (!envelope)
		front.head.envelope = VIEW_EMPTY;
	if (!bodystructure)
		front.head.bodystructure = VIEW_EMPTY;
	put_front(out, &front);
	return !out->overflow;
}

/* Places count from the start of the parent's body, so the root's header alone is another. */
bool mime_index_grow(struct view encoded, uint64_t bytes, uint64_t lines, struct buf *out)
{
	struct reader r = {encoded, false};
	struct view kind_depth_off;
	struct front front;
	uint64_t header_bytes;

	if (!get_front(&r, &front))
		return false;
	front.head.bytes += bytes;
	front.head.lines += lines;
	kind_depth_off = get_bytes(&r, 3); /* depth and distance of the root are 0: a byte each */
	header_bytes = get_number(&r);
	if (r.bad)
		return false;
	put_front(out, &front);
	buf_append_view(out, kind_depth_off);
	put_number(out, header_bytes + bytes);
	buf_append_view(out, r.rest);
	return !out->overflow;
}

/* The open part at depth - 1 that part `at` hangs below; MIME_NONE when there is none. */
static uint32_t find_parent(const struct mime_part *parts, uint32_t at, uint64_t depth)
{
	uint32_t parent = at - 1;

	while (parent != MIME_NONE && parts[parent].depth >= depth)
		parent = parts[parent].parent;
	return parent != MIME_NONE && parts[parent].depth + 1 == depth ? parent : MIME_NONE;
}

static void hang(struct mime_part *parts, uint32_t parent, uint32_t at)
{
	uint32_t *link = &parts[parent].first_child;

	if (*link != MIME_NONE) {
		uint32_t sibling = at - 1;

		while (parts[sibling].parent != parent)
			sibling = parts[sibling].parent;
		link = &parts[sibling].next_sibling;
	}
	*link = at;
}

/* Whether a part that starts `distance` behind the start of `bytes` bytes lies inside them. */
static bool fits(const struct mime_part *part, uint64_t distance, uint64_t bytes)
{
	return distance <= bytes && part->header_bytes <= bytes - distance &&
	       part->body_bytes <= bytes - distance - part->header_bytes && part->body_lines <= part->body_bytes;
}

static bool place(struct mime_part *parts, uint32_t at, uint64_t depth, uint64_t distance, uint64_t message_bytes)
{
	struct mime_part *part = &parts[at];
	const struct mime_part *parent = NULL;

	part->parent = at ? find_parent(parts, at, depth) : MIME_NONE;
	if (at == 0 ? depth != 0 : part->parent == MIME_NONE)
		return false;
	part->depth = (uint32_t)depth;
	if (at) {
		parent = &parts[part->parent];
		if (parent->kind == MIME_LEAF || (parent->kind == MIME_MESSAGE && parent->first_child != MIME_NONE))
			return false;
		hang(parts, part->parent, at);
	}
	part->header_off = distance + (parent ? parent->body_off : 0);
	part->body_off = part->header_off + part->header_bytes;
	return fits(part, distance, parent ? parent->body_bytes : message_bytes);
}

static bool get_part(struct reader *r, struct mime_part *parts, uint32_t at, uint64_t message_bytes)
{
	struct mime_part *part = &parts[at];
	struct view tag = get_bytes(r, 1);
	uint64_t depth, distance;
	unsigned bits;

	if (r->bad)
		return false;
	bits = (unsigned char)tag.p[0];
	if ((bits & 3) > MIME_MESSAGE || bits >> 2 > MIME_UNKNOWN_ENCODING)
		return false;
	part->first_child = part->next_sibling = MIME_NONE;
	part->kind = (enum mime_kind)(bits & 3);
	part->encoding = (enum mime_encoding)(bits >> 2);
	depth = get_number(r);
	distance = get_number(r);
	part->header_bytes = get_number(r);
	part->body_bytes = get_number(r);
	part->body_lines = get_number(r);
	part->type = get_text(r);
	part->subtype = get_text(r);
	part->charset = get_text(r);
	return !r->bad && depth <= at && place(parts, at, depth, distance, message_bytes);
}

/* A message part holds a message. */
static bool is_complete(const struct mime_part *parts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (parts[i].kind == MIME_MESSAGE && parts[i].first_child == MIME_NONE)
			return false;
	return true;
}

bool mime_index_decode(struct view encoded, struct arena *a, struct mime_index *ret)
{
	struct reader r = {encoded, false};
	struct front front;
	struct mime_part *parts;
	uint32_t count;

	if (!get_front(&r, &front) || front.parts == 0 || front.parts > r.rest.n / PART_BYTES_MIN ||
	    front.parts >= MIME_NONE)
		return false;
	count = (uint32_t)front.parts;
	parts = arena_array(a, count, sizeof *parts);
	if (!parts)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!get_part(&r, parts, i, front.head.bytes))
			return false;
	if (r.rest.n || !is_complete(parts, count))
		return false;
	*ret = (struct mime_index){
	    .bytes = front.head.bytes,
	    .lines = front.head.lines,
	    .parts = parts,
	    .part_count = count,
	    .limited = front.flags & FLAG_LIMITED,
	    .envelope = front.head.envelope,
	    .bodystructure = front.head.bodystructure,
	};
	return true;
}

const struct mime_part *mime_index_part(const struct mime_index *x, uint32_t at)
{
	return at < x->part_count ? &x->parts[at] : NULL;
}

bool mime_part_is(const struct mime_part *part, const char *type, const char *subtype)
{
	return view_eq_lit_nocase(part->type, type) && (!subtype || view_eq_lit_nocase(part->subtype, subtype));
}
