/* SPDX-License-Identifier: ISC
 * Bump allocation that dies as a whole. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 2048 - 32 };

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t cap;
	alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
	*a = (struct arena){NULL, 0, max_bytes};
}

void arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	if (!keep || keep->cap != BLOCK_BYTES) {
		arena_fini(a);
		return;
	}
	a->blocks = keep->next;
	arena_fini(a);
	keep->next = NULL;
	keep->used = 0;
	a->blocks = keep;
}

void arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->blocks; b; b = b->next)
		explicit_bzero(b->bytes, b->used);
}

static struct arena_block *block_new(struct arena *a, size_t n)
{
	size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
	struct arena_block *b = xmalloc(sizeof *b + cap);

	b->used = 0;
	b->cap = cap;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

/* Not zeroed. `ret_n`: how many bytes there are. */
static void *take(struct arena *a, size_t n, size_t *ret_n)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *b = a->blocks;
	size_t rounded;
	void *p;

	if (n > a->max - a->used || __builtin_add_overflow(n, align - 1, &rounded))
		return NULL;
	rounded &= ~(align - 1);
	if (rounded == 0)
		rounded = align;
	if (rounded > a->max - a->used)
		return NULL;
	if (!b || rounded > b->cap - b->used)
		b = block_new(a, rounded);
	p = b->bytes + b->used;
	b->used += rounded;
	a->used += rounded;
	*ret_n = rounded;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t there;
	void *p = take(a, n, &there);

	return p ? memset(p, 0, there) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	return arena_alloc(a, n);
}

struct view arena_copy(struct arena *a, struct view v)
{
	size_t there;
	char *p = take(a, v.n, &there);

	if (p && v.n)
		memcpy(p, v.p, v.n);
	return (struct view){p, p ? v.n : 0};
}

char *arena_cstr(struct arena *a, struct view v)
{
	char *p;

	if (view_has_nul(v))
		return NULL;
	p = arena_alloc(a, v.n + 1);
	if (p && v.n)
		memcpy(p, v.p, v.n);
	return p;
}
