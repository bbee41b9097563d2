/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_CALLS_H
#define POMBO_IPC_CALLS_H

#include "ipc/channel.h"

/* The questions of a channel that wait for an answer, found by id. One flat table: no memory is taken per call. */
struct call {
	uint32_t id; /* 0: the place is free */
	uint32_t for_ms; /* 0: no deadline */
	uint64_t deadline_ms; /* monotonic; UINT64_MAX: none */
	channel_answer_fn *fn;
	void *ctx;
};

struct calls {
	struct call *table;
	size_t cap; /* a power of two, or 0 */
	size_t n;
	size_t far; /* how far behind its place any call was put since the table was empty */
};

void calls_init(struct calls *t);
void calls_fini(struct calls *t);
/* `id` must not be there yet. */
void calls_add(struct calls *t, const struct call *call);
struct call *calls_find(const struct calls *t, uint32_t id); /* valid until the next change */
bool calls_take(struct calls *t, uint32_t id, struct call *ret);
/* Takes one whose deadline is at or before now_ms. `cursor` starts at 0 and lets a walk go on where it stood, whatever
 * was added or taken between; a call added meanwhile whose deadline passed already may be left to the next walk. */
bool calls_take_expired(struct calls *t, uint64_t now_ms, size_t *cursor, struct call *ret);
uint64_t calls_next_deadline(const struct calls *t); /* UINT64_MAX when there is none */

#endif
