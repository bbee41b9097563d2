/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_POOL_H
#define POMBO_STORED_POOL_H

#include "stored/completion.h"

#include <stddef.h>

/* A few threads that take tasks in turn: readers of the database, writers of large messages. Tasks with the same
 * `lane` (not NULL) run one after another in the order given. */
struct pool;

struct task {
	struct completion completion; /* its `done` runs on the loop after run */
	void (*run)(struct task *t, unsigned thread_index); /* on a thread of the pool */
	const void *lane;
	STAILQ_ENTRY(task) link;
};

must_check int pool_new(struct completions *cs, unsigned threads, size_t max_waiting, struct pool **ret);
/* Finishes what was given, then ends the threads; the `done`s come through the completions. */
void pool_free(struct pool **p);
/* False (and nothing taken) when max_waiting tasks wait already. */
must_check bool pool_put(struct pool *p, struct task *t);

#endif
