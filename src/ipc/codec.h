/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_CODEC_H
#define POMBO_IPC_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* The bytes of a frame's fields: little-endian integers, views as u32 length and bytes, lists as u32
 * count and items. Used by generated code only. */
void codec_put_u8(struct buf *b, uint8_t v);
void codec_put_u16(struct buf *b, uint16_t v);
void codec_put_u32(struct buf *b, uint32_t v);
void codec_put_u64(struct buf *b, uint64_t v);
void codec_put_i64(struct buf *b, int64_t v);
must_check bool codec_put_view(struct buf *b, struct view v, uint32_t max); /* false past max */

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
struct view codec_get_view(struct codec_reader *r, uint32_t max);
uint32_t codec_get_count(struct codec_reader *r, uint32_t max); /* never more than bytes are left */
void *codec_get_array(struct codec_reader *r, uint32_t count, size_t item_size); /* NULL for 0 items or when bad */
int codec_get_fd(struct codec_reader *r); /* -1 when bad */
/* True when nothing was bad, no byte is left and every fd was claimed; otherwise closes all fds. */
must_check bool codec_reader_end(struct codec_reader *r);
bool codec_reader_refuse(struct codec_reader *r); /* closes all fds, returns false */

#endif
