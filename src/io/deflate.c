/* SPDX-License-Identifier: ISC
 * DEFLATE both ways, for streams. */
#include "io/deflate.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	LEVEL = 3, /* responses shrink to a third; higher levels cost more than they save */
	OUT_WINDOW_BITS = -14, /* negative: no zlib header (RFC 4978 §4) */
	IN_WINDOW_BITS = -15, /* whatever the peer chose */
	MEMORY_LEVEL = 6,
	FED_MAX = 256 * 1024,
	PIECE = 16 * 1024,
};

struct deflate {
	z_stream in, out;
	struct buf fed; /* not inflated yet, from fed_at on */
	size_t fed_at;
	bool full; /* the last read filled its room: zlib may hold more */
	bool over; /* nothing can follow */
};

struct deflate *deflate_new(void)
{
	struct deflate *d = xcalloc(1, sizeof *d);

	buf_init(&d->fed, FED_MAX);
	if (inflateInit2(&d->in, IN_WINDOW_BITS) != Z_OK ||
	    deflateInit2(&d->out, LEVEL, Z_DEFLATED, OUT_WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* memory */
	return d;
}

void deflate_free(struct deflate **dp)
{
	struct deflate *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	(void)inflateEnd(&d->in);
	(void)deflateEnd(&d->out);
	buf_fini(&d->fed);
	free(d);
}

void deflate_feed(struct deflate *d, struct view packed)
{
	assert(!deflate_has_more(d));
	buf_reset(&d->fed);
	d->fed_at = 0;
	buf_append_view(&d->fed, packed);
	assert(!d->fed.overflow);
}

bool deflate_has_more(const struct deflate *d)
{
	return !d->over && (d->fed_at < d->fed.n || d->full);
}

size_t deflate_read(struct deflate *d, char *p, size_t max, bool *ret_bad)
{
	int rc;

	*ret_bad = false;
	if (!deflate_has_more(d) || max == 0)
		return 0;
	d->in.next_in = (Bytef *)d->fed.p + d->fed_at;
	d->in.avail_in = (uInt)(d->fed.n - d->fed_at);
	d->in.next_out = (Bytef *)p;
	d->in.avail_out = (uInt)max;
	rc = inflate(&d->in, Z_SYNC_FLUSH);
	d->fed_at = d->fed.n - d->in.avail_in;
	d->full = d->in.avail_out == 0;
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		*ret_bad = d->over = true;
	if (!deflate_has_more(d)) {
		buf_fini(&d->fed);
		d->fed_at = 0;
	}
	return max - d->in.avail_out;
}

void deflate_write(struct deflate *d, struct view plain, bool flush, struct buf *out)
{
	d->out.next_in = (Bytef *)plain.p;
	d->out.avail_in = (uInt)plain.n;
	do {
		char *p = buf_reserve(out, PIECE);

		if (!p)
			return; /* `out` says so */
		d->out.next_out = (Bytef *)p;
		d->out.avail_out = PIECE;
		(void)deflate(&d->out, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		buf_commit(out, PIECE - d->out.avail_out);
	} while (d->out.avail_out == 0);
}
