/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_QUEUE_WALK_H
#define POMBO_STORE_QUEUE_WALK_H

#include "store/queue_private.h"

/* A job that goes over the queue in slices. A slice may run twice (group.h), so it begins where the last durable one ended. */
enum { QUEUE_WALK_SLICE = 200 };

struct queue_walk {
	struct queue_place place;
	uint64_t after; /* id of a recipient */
	uint64_t count; /* whom it changed */
	unsigned pass;
};

/* One slice, from `x` on, which it moves. 0 or negative errno. */
typedef int queue_walk_fn(struct writer *w, struct store_job *job, struct queue_walk *x, struct arena *a,
			  bool *ret_more);
/* The job's run function: `from` is where the first slice begins, or NULL. `ret_count`: as of this slice; may be NULL. */
enum job_step queue_walk_run(struct writer *w, struct store_job *job, queue_walk_fn *fn, const struct queue_walk *from,
			     uint64_t *ret_count, const char *what);
/* After store_job_init(). */
void queue_walk_init(struct store_job *job);

#endif
