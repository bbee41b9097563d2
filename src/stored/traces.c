/* SPDX-License-Identifier: ISC
 * Now and then: the next segment of the index of events (a reader collects, the writer keeps), and the end of old events and refusals. */
#include "stored/stored.h"

#include "base/clock.h"
#include "base/map.h"
#include "store/refusal.h"
#include "store/trace_index.h"

#include <stddef.h>
#include <stdlib.h>

enum { LOOK_EVERY_MS = 20000, PRUNE_EVERY_MS = 1800000, ARENA_MAX = 4 * 1024 * 1024 };

struct traces {
	struct task task;
	struct write write, prune_write;
	struct stored *sd;
	struct trace_segment_job segment;
	struct trace_prune_job prune;
	struct refusal_prune_job prune_refusals;
	struct arena arena;
	enum store_outcome outcome;
	bool busy, pruning, more;
	int64_t made_s;
	uint64_t look_next_ms, prune_next_ms;
};

static struct traces *traces_of(struct stored *sd)
{
	if (!sd->traces) {
		sd->traces = xcalloc(1, sizeof *sd->traces);
		sd->traces->sd = sd;
		sd->traces->made_s = clock_wall_s();
	}
	return sd->traces;
}

static void over(struct traces *t)
{
	store_job_fini(&t->segment.job);
	arena_fini(&t->arena);
	t->busy = false;
}

static void kept(struct completion *c)
{
	struct traces *t = (struct traces *)((char *)c - offsetof(struct traces, write));

	if (t->segment.job.outcome == STORE_OK) {
		t->made_s = clock_wall_s();
		if (t->more)
			t->look_next_ms = 0; /* there is work for another */
	} else {
		log_event(LOG_LEVEL_WARNING, "trace-not-indexed", store_outcome_name(t->segment.job.outcome));
	}
	over(t);
}

static void collect_run(struct task *task, unsigned thread_index)
{
	struct traces *t = (struct traces *)task;

	t->outcome =
	    trace_collect(t->sd->reader_connections[thread_index], clock_wall_s(), &t->arena, &t->segment, &t->more);
}

static void collected(struct completion *c)
{
	struct traces *t = (struct traces *)c;

	if (t->outcome != STORE_OK) {
		if (t->outcome != STORE_NO_MESSAGE)
			log_event(LOG_LEVEL_WARNING, "trace-not-indexed", store_outcome_name(t->outcome));
		over(t);
		return;
	}
	t->write.completion.done = kept;
	t->write.job = &t->segment.job;
	write_put(t->sd->writer, &t->write);
}

static void collect(struct traces *t)
{
	t->busy = true;
	t->look_next_ms = clock_mono_ms() + LOOK_EVERY_MS;
	arena_init(&t->arena, ARENA_MAX);
	trace_segment_job_init(&t->segment);
	t->segment.waits_since_s = t->made_s;
	t->task.completion.done = collected;
	t->task.run = collect_run;
	if (!pool_put(t->sd->readers, &t->task)) {
		t->outcome = STORE_NO_MESSAGE;
		collected(&t->task.completion);
	}
}

static void refusals_pruned(struct completion *c)
{
	struct traces *t = (struct traces *)((char *)c - offsetof(struct traces, prune_write));

	store_job_fini(&t->prune_refusals.job);
	t->pruning = false;
}

static void pruned(struct completion *c)
{
	struct traces *t = (struct traces *)((char *)c - offsetof(struct traces, prune_write));

	refusal_prune_job_init(&t->prune_refusals);
	t->prune_refusals.before_ms = t->prune.before_s * 1000;
	store_job_fini(&t->prune.job);
	t->prune_write.completion.done = refusals_pruned;
	t->prune_write.job = &t->prune_refusals.job;
	write_put(t->sd->writer, &t->prune_write);
}

void traces_tick(struct stored *sd)
{
	struct traces *t = traces_of(sd);
	uint64_t now_ms = clock_mono_ms();

	if (!t->busy && now_ms >= t->look_next_ms)
		collect(t);
	if (t->pruning || now_ms < t->prune_next_ms)
		return;
	t->pruning = true;
	t->prune_next_ms = now_ms + PRUNE_EVERY_MS;
	trace_prune_job_init(&t->prune);
	t->prune.before_s = clock_wall_s() - (int64_t)(role_conf(sd->role)->trace_time / 1000);
	t->prune_write.completion.done = pruned;
	t->prune_write.job = &t->prune.job;
	write_put(sd->writer, &t->prune_write);
}
