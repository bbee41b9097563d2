/* SPDX-License-Identifier: ISC
 * Refusals of the front ends on their way into the store: one batch is gathered while another is written. */
#include "stored/refusals.h"

#include "base/clock.h"
#include "stored/client_name.h"
#include "stored/refusal_row.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>

enum {
	GATE_INTERVAL_MS = 25, /* 40 a second; twice what an honest front end sends */
	GATE_BURST = 400,
	BATCH_MAX = 512,
	BATCH_ARENA_MAX = 1024 * 1024,
	GATHER_MS = 500,
	LEFT_OUT_MAX = 1000000000, /* of one batch: more nobody believes, and sums of it fit */
};

struct batch {
	struct write write;
	struct refusal_put_job job;
	struct refusals *owner;
	struct arena arena;
	struct refusal rows[BATCH_MAX];
	size_t count;
	uint64_t left_out;
};

struct refusals {
	struct stored *sd;
	struct event *timer;
	struct batch *gathering, *writing; /* each may be NULL */
};

static void batch_free(struct batch **bp)
{
	struct batch *b = *bp;

	*bp = NULL;
	store_job_fini(&b->job.job);
	arena_fini(&b->arena);
	free(b);
}

static void wait_a_while(struct refusals *x)
{
	static const struct timeval while_ = {.tv_usec = GATHER_MS * 1000};

	if (!evtimer_pending(x->timer, NULL))
		(void)evtimer_add(x->timer, &while_);
}

static void written(struct completion *c)
{
	struct batch *b = (struct batch *)((char *)c - offsetof(struct batch, write));
	struct refusals *x = b->owner;

	if (b->job.job.outcome != STORE_OK)
		log_event(LOG_LEVEL_WARNING, "refusals-not-kept", store_outcome_name(b->job.job.outcome));
	if (x->writing == b) /* else the end has put another behind it: refusals_write_all() */
		x->writing = NULL;
	batch_free(&b);
	if (x->gathering)
		wait_a_while(x);
}

/* The names that the DNS has told by now; the keys. */
static void finish_rows(struct stored *sd, struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct refusal *r = &b->rows[i];
		struct view name = arena_copy(&b->arena, client_name_known(sd, r->client_ip));

		r->client_name = name.p ? name : VIEW_EMPTY;
		refusal_keys(sd->store, r);
	}
}

static void hand_over(struct refusals *x)
{
	struct batch *b = x->gathering;

	x->gathering = NULL;
	x->writing = b;
	finish_rows(x->sd, b);
	refusal_put_job_init(&b->job);
	b->job.rows = b->rows;
	b->job.count = b->count;
	b->job.left_out = b->left_out;
	b->job.now_ms = clock_wall_us() / 1000;
	b->write.completion.done = written;
	b->write.job = &b->job.job;
	write_put_later(x->sd->writer, &b->write);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct refusals *x = arg;

	(void)fd;
	(void)what;
	if (x->gathering && !x->writing)
		hand_over(x); /* else once that one is written */
}

static struct refusals *refusals_of(struct stored *sd)
{
	if (!sd->refusals) {
		sd->refusals = xcalloc(1, sizeof *sd->refusals);
		sd->refusals->sd = sd;
		sd->refusals->timer = evtimer_new(role_base(sd->role), on_timer, sd->refusals);
		if (!sd->refusals->timer)
			abort();
	}
	return sd->refusals;
}

static struct batch *batch_of(struct refusals *x)
{
	if (!x->gathering) {
		x->gathering = xcalloc(1, sizeof *x->gathering);
		x->gathering->owner = x;
		arena_init(&x->gathering->arena, BATCH_ARENA_MAX);
	}
	return x->gathering;
}

static void leave_out(struct batch *b, uint64_t n)
{
	b->left_out = n < LEFT_OUT_MAX - b->left_out ? b->left_out + n : LEFT_OUT_MAX;
}

void refusals_take(struct stored *sd, struct bucket *gate, const struct smtp_refusals *m)
{
	struct refusals *x = refusals_of(sd);
	struct batch *b = batch_of(x);
	uint64_t mono_ms = clock_mono_ms();
	int64_t now_ms = clock_wall_us() / 1000;

	leave_out(b, m->left_out);
	for (uint32_t i = 0; i < m->n_refusals; i++) {
		if (!sd->space_is_low && b->count < BATCH_MAX &&
		    bucket_take(gate, mono_ms, GATE_INTERVAL_MS, GATE_BURST) &&
		    refusal_row(&m->refusals[i], now_ms, &b->arena, &b->rows[b->count]))
			b->count++;
		else
			leave_out(b, 1);
	}
	if (!x->writing)
		wait_a_while(x);
}

void refusals_write_all(struct stored *sd)
{
	if (sd->refusals && sd->refusals->gathering && sd->writer)
		hand_over(sd->refusals); /* one that is being written before it is the writer's already */
}
