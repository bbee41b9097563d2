/* SPDX-License-Identifier: ISC
 * What the streams of one loop share: end-of-turn work, one timer, scratch memory.
 *
 * libevent runs the active events of one priority in the order they became active, and those made active
 * meanwhile after them: an event that the first callback of a turn activates by hand runs after all input
 * of that turn, before the next epoll_wait, for no system call at all. */
#include "io/turn.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static struct turn *turns; /* one a loop: one, outside of tests */

static void run_jobs(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;
	struct turn_job *j = t->jobs;

	(void)fd;
	(void)what;
	t->refs++;
	/* Only what is there now; what these queue runs after whatever else became active meanwhile. */
	t->jobs = NULL;
	t->jobs_tail = &t->jobs;
	while (j) {
		struct turn_job *next = j->next;

		j->queued = false;
		j->next = NULL;
		j->run(j);
		j = next;
	}
	turn_unref(&t);
}

static void arm_timer(struct turn *t, uint64_t now_ms)
{
	uint64_t at = wheel_next_ms(&t->wheel);
	uint64_t wait = at > now_ms ? at - now_ms : 0;
	struct timeval tv = {.tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000)};

	t->timer_at_ms = 0;
	if (at == UINT64_MAX)
		return;
	t->timer_at_ms = at ? at : 1;
	(void)event_add(&t->timer, &tv);
}

static void run_deadlines(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;
	uint64_t now_ms = clock_mono_ms();
	struct wheel_entry *e;

	(void)fd;
	(void)what;
	t->refs++;
	while ((e = wheel_pop(&t->wheel, now_ms))) {
		struct turn_deadline *d = (struct turn_deadline *)e;

		d->run(d, now_ms);
	}
	arm_timer(t, now_ms);
	turn_unref(&t);
}

struct turn *turn_ref(struct event_base *base)
{
	struct turn *t = turns;
	int failed;

	while (t && t->base != base)
		t = t->next;
	if (!t) {
		t = xcalloc(1, sizeof *t);
		t->base = base;
		t->jobs_tail = &t->jobs;
		t->input = xmalloc(TURN_SCRATCH_BYTES);
		t->plain = xmalloc(TURN_SCRATCH_BYTES);
		buf_init(&t->wire, TURN_WIRE_MAX);
		failed = event_assign(&t->end, base, -1, 0, run_jobs, t);
		failed |= event_assign(&t->timer, base, -1, 0, run_deadlines, t);
		assert(!failed);
		t->next = turns;
		turns = t;
	}
	t->refs++;
	return t;
}

void turn_unref(struct turn **tp)
{
	struct turn *t = *tp;
	struct turn **at = &turns;

	*tp = NULL;
	if (--t->refs > 0)
		return;
	assert(!t->jobs && t->wheel.count == 0);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	(void)event_del(&t->end);
	(void)event_del(&t->timer);
	buf_fini(&t->wire);
	free(t->input);
	free(t->plain);
	free(t->inflated);
	free(t);
}

void turn_queue(struct turn *t, struct turn_job *j)
{
	if (j->queued)
		return;
	if (!t->jobs)
		event_active(&t->end, 0, 1);
	j->queued = true;
	j->next = NULL;
	*t->jobs_tail = j;
	t->jobs_tail = &j->next;
}

void turn_set_deadline(struct turn *t, struct turn_deadline *d, uint64_t due_ms, uint64_t now_ms)
{
	wheel_set(&t->wheel, &d->entry, due_ms, now_ms);
	/* Later is found out when the timer comes; only sooner needs it moved. */
	if (t->timer_at_ms == 0 || due_ms < t->timer_at_ms)
		arm_timer(t, now_ms);
}

void turn_clear_deadline(struct turn *t, struct turn_deadline *d)
{
	wheel_clear(&t->wheel, &d->entry);
}
