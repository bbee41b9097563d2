/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_CODEC_H
#define POMBO_IPC_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

#include <endian.h>
#include <string.h>

/* The bytes of a frame's fields: little-endian integers, views as u32 length and bytes, lists as u32
 * count and items. Used by generated code only. */
/* Generated code takes neighbouring fields of fixed size at once: room for `n` bytes, each field stored at its place. */
static inline char *codec_put_room(struct buf *b, size_t n) /* NULL: past the buffer's maximum */
{
	char *p;

	if (!b->overflow && n < b->cap - b->n && n <= b->max - b->n)
		p = b->p + b->n;
	else if (!(p = buf_reserve(b, n)))
		return NULL;
	b->n += n;
	return p;
}

static inline void codec_store_u8(char *at, uint8_t v)
{
	*at = (char)v;
}

static inline void codec_store_u16(char *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof v);
}

static inline void codec_store_u32(char *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof v);
}

static inline void codec_store_u64(char *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof v);
}

static inline void codec_store_i64(char *at, int64_t v)
{
	codec_store_u64(at, (uint64_t)v);
}

static inline uint8_t codec_load_u8(const char *at)
{
	return (uint8_t)*at;
}

static inline uint16_t codec_load_u16(const char *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof v);
	return le16toh(v);
}

static inline uint32_t codec_load_u32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return le32toh(v);
}

static inline uint64_t codec_load_u64(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return le64toh(v);
}

static inline int64_t codec_load_i64(const char *at)
{
	return (int64_t)codec_load_u64(at);
}

void codec_put_u8(struct buf *b, uint8_t v);
void codec_put_u16(struct buf *b, uint16_t v);
void codec_put_u32(struct buf *b, uint32_t v);
void codec_put_u64(struct buf *b, uint64_t v);
void codec_put_i64(struct buf *b, int64_t v);
static inline must_check bool codec_put_view(struct buf *b, struct view v, uint32_t max) /* false past a maximum */
{
	char *p = v.n <= max ? codec_put_room(b, sizeof(uint32_t) + v.n) : NULL;

	if (!p)
		return false;
	codec_store_u32(p, (uint32_t)v.n);
	if (v.n)
		memcpy(p + sizeof(uint32_t), v.p, v.n);
	return true;
}

/* Reads with bounds; the first thing out of bounds sets `bad`, after which everything read is zero. */
struct codec_reader {
	struct view rest;
	int *fds; /* not yet claimed ones are fds[fd_at..n_fds) */
	size_t n_fds;
	size_t fd_at;
	struct arena *arena;
	bool bad;
};

struct codec_reader codec_reader_init(struct view payload, int *fds, size_t n_fds, struct arena *arena);
bool codec_get_bool(struct codec_reader *r); /* 0 or 1, anything else is bad */
uint8_t codec_get_enum(struct codec_reader *r, uint8_t values);
uint8_t codec_get_u8(struct codec_reader *r);
uint16_t codec_get_u16(struct codec_reader *r);
uint32_t codec_get_u32(struct codec_reader *r);
uint64_t codec_get_u64(struct codec_reader *r);
int64_t codec_get_i64(struct codec_reader *r);
/* The next `n` bytes; NULL, and bad: not so many are left. */
static inline const char *codec_get_room(struct codec_reader *r, size_t n)
{
	const char *p = r->rest.p;

	if (r->bad || n > r->rest.n) {
		r->bad = true;
		return NULL;
	}
	r->rest.p += n;
	r->rest.n -= n;
	return p;
}

static inline struct view codec_get_view(struct codec_reader *r, uint32_t max)
{
	const char *p = codec_get_room(r, sizeof(uint32_t));
	uint32_t n = p ? codec_load_u32(p) : 0;

	if (n > max)
		r->bad = true;
	p = codec_get_room(r, n);
	return p ? (struct view){p, n} : VIEW_EMPTY;
}

uint32_t codec_get_count(struct codec_reader *r, uint32_t max); /* never more than bytes are left */
void *codec_get_array(struct codec_reader *r, uint32_t count, size_t item_size); /* NULL for 0 items or when bad */
int codec_get_fd(struct codec_reader *r); /* -1 when bad */
/* True when nothing was bad, no byte is left and every fd was claimed; otherwise closes all fds. */
must_check bool codec_reader_end(struct codec_reader *r);
bool codec_reader_refuse(struct codec_reader *r); /* closes all fds, returns false */

#endif
