/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_WORKERS_H
#define POMBO_AUTHD_WORKERS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Threads for what takes milliseconds (argon2), one a core, so that the loop never waits. Bounded: when the queue is full, nothing is
 * taken. */
struct event_base;
struct workers;

struct work {
	struct work *next;
	void (*run)(struct work *w); /* in a thread: touches nothing but the work */
	void (*done)(struct work *w); /* on the loop, once */
};

struct workers *workers_new(struct event_base *base, size_t threads, size_t queue_max);
/* Waits for what runs; what is queued or finished hears nothing any more and stays the owner's. */
void workers_free(struct workers **w);
/* `first`: before all that is not. Each of the two kinds has a queue of its own. False: that one is full. */
must_check bool workers_add(struct workers *w, struct work *work, bool first);

#endif
