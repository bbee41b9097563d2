/* SPDX-License-Identifier: ISC
 * The bytes of a frame's fields, written plainly and read with bounds. */
#include "ipc/codec.h"

#include <endian.h>
#include <string.h>

void codec_put_u8(struct buf *b, uint8_t v)
{
	buf_append(b, &v, 1);
}

void codec_put_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_append(b, &v, sizeof v);
}

void codec_put_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_append(b, &v, sizeof v);
}

void codec_put_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_append(b, &v, sizeof v);
}

void codec_put_i64(struct buf *b, int64_t v)
{
	codec_put_u64(b, (uint64_t)v);
}

struct codec_reader codec_reader_init(struct view payload, int *fds, size_t n_fds, struct arena *arena)
{
	return (struct codec_reader){payload, fds, n_fds, 0, arena, false};
}

/* Copies `n` bytes out, or zeroes `ret` and marks the reader bad. */
static void take(struct codec_reader *r, void *ret, size_t n)
{
	if (r->bad || n > r->rest.n) {
		r->bad = true;
		memset(ret, 0, n);
		return;
	}
	memcpy(ret, r->rest.p, n);
	r->rest = view_sub(r->rest, n, r->rest.n);
}

uint8_t codec_get_u8(struct codec_reader *r)
{
	uint8_t v;

	take(r, &v, sizeof v);
	return v;
}

bool codec_get_bool(struct codec_reader *r)
{
	return codec_get_enum(r, 2) != 0;
}

uint8_t codec_get_enum(struct codec_reader *r, uint8_t values)
{
	uint8_t v = codec_get_u8(r);

	if (v < values)
		return v;
	r->bad = true;
	return 0;
}

uint16_t codec_get_u16(struct codec_reader *r)
{
	uint16_t v;

	take(r, &v, sizeof v);
	return le16toh(v);
}

uint32_t codec_get_u32(struct codec_reader *r)
{
	uint32_t v;

	take(r, &v, sizeof v);
	return le32toh(v);
}

uint64_t codec_get_u64(struct codec_reader *r)
{
	uint64_t v;

	take(r, &v, sizeof v);
	return le64toh(v);
}

int64_t codec_get_i64(struct codec_reader *r)
{
	return (int64_t)codec_get_u64(r);
}

uint32_t codec_get_count(struct codec_reader *r, uint32_t max)
{
	uint32_t n = codec_get_u32(r);

	/* Every item takes at least a byte, so a count cannot make us allocate out of proportion. */
	if (r->bad || n > max || n > r->rest.n) {
		r->bad = true;
		return 0;
	}
	return n;
}

void *codec_get_array(struct codec_reader *r, uint32_t count, size_t item_size)
{
	void *p;

	if (r->bad || count == 0)
		return NULL;
	p = arena_array(r->arena, count, item_size);
	if (!p)
		r->bad = true;
	return p;
}

int codec_get_fd(struct codec_reader *r)
{
	if (r->bad || r->fd_at == r->n_fds) {
		r->bad = true;
		return -1;
	}
	return r->fds[r->fd_at++];
}

bool codec_reader_refuse(struct codec_reader *r)
{
	for (size_t i = 0; i < r->n_fds; i++)
		fd_close(&r->fds[i]);
	return false;
}

bool codec_reader_end(struct codec_reader *r)
{
	if (r->bad || r->rest.n != 0 || r->fd_at != r->n_fds)
		return codec_reader_refuse(r);
	return true;
}
