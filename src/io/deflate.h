/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_DEFLATE_H
#define POMBO_IO_DEFLATE_H

#include "base/buf.h"
#include "base/mem.h"

/* DEFLATE (RFC 1951) both ways, as a transformation of bytes between a stream's plaintext and what goes over the wire or into
 * TLS. About 150 KiB a connection while it lasts. For src/io only.
 *
 * Inflating is pulled: what was fed waits, at most one read's worth, and comes out as there is room, so that a few bytes that stand
 * for very many cost no memory. */
struct deflate;

struct deflate *deflate_new(void);
void deflate_free(struct deflate **d);

/* Takes bytes of the wire, to be read; only when deflate_has_more() is false. */
void deflate_feed(struct deflate *d, struct view packed);
bool deflate_has_more(const struct deflate *d);
/* Plaintext into `p`; 0: nothing more for now. `*ret_bad`: what came is not DEFLATE, or its end was said. */
size_t deflate_read(struct deflate *d, char *p, size_t max, bool *ret_bad);

/* Appends `plain` packed; `flush`: so that the peer can read all of it now. */
void deflate_write(struct deflate *d, struct view plain, bool flush, struct buf *out);

#endif
