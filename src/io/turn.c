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

/* Only those that are there now. */
static void run_all(struct turn *t, struct turn_job **list, struct turn_job ***tail)
{
	struct turn_job *j = *list;

	t->refs++;
	*list = NULL;
	*tail = list;
	while (j) {
		struct turn_job *next = j->next;

		j->queued = false;
		j->next = NULL;
		j->run(j);
		j = next;
	}
	turn_unref(&t);
}

/* What these queue runs after whatever else became active meanwhile. */
static void run_jobs(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;

	(void)fd;
	(void)what;
	run_all(t, &t->jobs, &t->jobs_tail);
}

static void run_later(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;

	(void)fd;
	(void)what;
	run_all(t, &t->later, &t->later_tail);
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
		t->later_tail = &t->later;
		t->input = xmalloc(TURN_SCRATCH_BYTES);
		t->plain = xmalloc(TURN_SCRATCH_BYTES);
		buf_init(&t->wire, TURN_WIRE_MAX);
		failed = event_assign(&t->end, base, -1, 0, run_jobs, t);
		failed |= event_assign(&t->timer, base, -1, 0, run_deadlines, t);
		failed |= event_assign(&t->again, base, -1, 0, run_later, t);
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
	assert(!t->jobs && !t->later && t->wheel.count == 0);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	(void)event_del(&t->end);
	(void)event_del(&t->timer);
	(void)event_del(&t->again);
	buf_fini(&t->wire);
	free(t->input);
	free(t->plain);
	free(t->inflated);
	free(t);
}

static void append(struct turn_job ***tail, struct turn_job *j)
{
	j->queued = true;
	j->next = NULL;
	**tail = j;
	*tail = &j->next;
}

void turn_queue(struct turn *t, struct turn_job *j)
{
	if (j->queued)
		return;
	if (!t->jobs)
		event_active(&t->end, 0, 1);
	append(&t->jobs_tail, j);
}

/* A timer that is due at once comes after the next look at what came in. */
void turn_queue_later(struct turn *t, struct turn_job *j)
{
	static const struct timeval at_once = {0};

	if (j->queued)
		return;
	if (!t->later)
		(void)event_add(&t->again, &at_once);
	append(&t->later_tail, j);
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
