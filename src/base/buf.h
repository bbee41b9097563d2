/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_BUF_H
#define POMBO_BASE_BUF_H

#include "base/view.h"

#include <stdarg.h>

/* Growing bytes with a mandatory maximum. An append that would pass `max` appends nothing and sets
 * `overflow`, which stays set until buf_reset(): check it once, at the end. */
struct buf {
	char *p;
	size_t n;
	size_t cap;
	size_t max;
	bool overflow;
};

#define BUF_INIT(max_bytes) ((struct buf){NULL, 0, 0, (max_bytes), false})

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b); /* frees; usable again with the same max */
void buf_reset(struct buf *b); /* empties, keeps the memory */

void buf_append_growing(struct buf *b, const void *p, size_t n); /* buf_append() where there may be no room yet */
static inline void buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || b->overflow || n >= b->cap - b->n) {
		buf_append_growing(b, p, n);
		return;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}
static inline void buf_append_view(struct buf *b, struct view v)
{
	buf_append(b, v.p, v.n);
}
void buf_append_lower(struct buf *b, struct view v); /* ASCII letters in lower case, all else as it is */
static inline void buf_append_cstr(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}
static inline void buf_append_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}
void buf_append_u64(struct buf *b, uint64_t value); /* decimal */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for `n` more bytes at the end, to be taken with buf_commit(); NULL (and overflow) past max. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Removes the first `n` bytes (n <= b->n). */
void buf_consume(struct buf *b, size_t n);
/* Shortens to `n` bytes (n <= b->n). */
void buf_truncate(struct buf *b, size_t n);
/* Valid until the next change. */
static inline struct view buf_view(const struct buf *b)
{
	return (struct view){b->p ? b->p : "", b->n};
}
/* NUL-terminates (not counted in n) and returns the bytes; "" when empty. Owned by b. NULL on overflow. */
const char *buf_cstr(struct buf *b);
/* Ownership of the bytes moves to the caller (free()); b is empty afterwards. */
char *buf_take(struct buf *b, size_t *ret_n);

#endif
