/* SPDX-License-Identifier: ISC
 * Growing bytes with a mandatory maximum and one sticky overflow flag. */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = BUF_INIT(max_bytes);
}

void buf_fini(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->overflow = false;
}

/* Makes room for `n` more bytes plus a NUL; false past the maximum. */
static bool grow(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->overflow || n > b->max - b->n) {
		b->overflow = true;
		return false;
	}
	need = b->n + n + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return true;
}

void buf_append_growing(struct buf *b, const void *p, size_t n)
{
	if (!grow(b, n) || n == 0)
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_append_u64(struct buf *b, uint64_t value)
{
	char digits[20]; /* 2^64 has 20 digits */
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_append(b, digits + at, sizeof digits - at);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap - b->n; /* where it fits as a rule */
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
	assert(n >= 0);
	if (grow(b, (size_t)n)) {
		if ((size_t)n >= room)
			(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

char *buf_reserve(struct buf *b, size_t n)
{
	return grow(b, n) ? b->p + b->n : NULL;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n < b->cap - b->n);
	b->n += n;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (n && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void buf_truncate(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n = n;
}

const char *buf_cstr(struct buf *b)
{
	if (b->overflow || !grow(b, 0))
		return NULL;
	b->p[b->n] = '\0';
	return b->p;
}

char *buf_take(struct buf *b, size_t *ret_n)
{
	char *p;

	(void)buf_cstr(b);
	p = b->p;
	if (ret_n)
		*ret_n = b->n;
	*b = BUF_INIT(b->max);
	return p;
}

void buf_append_lower(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		buf_append_char(b, ascii_lower(v.p[i]));
}
