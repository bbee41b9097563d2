/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_ARENA_H
#define POMBO_BASE_ARENA_H

#include "base/view.h"

/* Memory that dies as a whole (session, transaction, command), with a mandatory maximum.
 * Every call returns NULL (or a view with p == NULL) once `max` would be passed: for a parser that is BAD. */
struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used; /* bytes handed out since the last reset */
	size_t max;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* frees everything but one small block */

void arena_wipe(struct arena *a); /* overwrites everything handed out, so that secrets do not linger; frees nothing */

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size);
struct view arena_copy(struct arena *a, struct view v);
char *arena_cstr(struct arena *a, struct view v); /* NULL also when v holds a NUL */

#endif
