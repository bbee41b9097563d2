/* SPDX-License-Identifier: ISC
 * The shape of jobs that go over the queue in slices. */
#include "store/queue_walk.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 * 1024 * 1024 };

/* Until this slice, and with it. */
struct progress {
	struct queue_walk durable, now;
};

struct queue_place queue_place_at(uint64_t message, struct view text)
{
	struct view cut = view_sub(text, 0, sizeof((struct queue_place *)0)->text);
	struct queue_place p = {.message = message, .text_n = cut.n};

	memcpy(p.text, cut.p, cut.n);
	return p;
}

static void advance(struct store_job *job)
{
	struct progress *p = job->progress;

	p->durable = p->now;
}

static void forget(struct store_job *job)
{
	free(job->progress);
	job->progress = NULL;
}

enum job_step queue_walk_run(struct writer *w, struct store_job *job, queue_walk_fn *fn, const struct queue_walk *from,
			     uint64_t *ret_count, const char *what)
{
	struct progress *p = job->progress;
	struct arena a;
	bool more = false;
	int rc;

	if (!p) {
		job->progress = p = xcalloc(1, sizeof *p);
		if (from)
			p->durable = *from;
	}
	p->now = p->durable;
	arena_init(&a, ARENA_MAX);
	rc = fn(w, job, &p->now, &a, &more);
	arena_fini(&a);
	if (ret_count)
		*ret_count = p->now.count;
	return rc < 0 ? writer_error(w, rc, what) : more ? STEP_AGAIN : STEP_DONE;
}

void queue_walk_init(struct store_job *job)
{
	job->advance = advance;
	job->forget = forget;
}
