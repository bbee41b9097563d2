/* SPDX-License-Identifier: ISC
 * The writer thread: takes all jobs that wait, runs them as one group, and hands them back durable. */
#include "stored/stored.h"

#include "base/clock.h"
#include "base/longest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	GROUP_MAX = 1024, /* jobs offered to one group; the store stops at its time limit anyway */
	IDLE_WORK_MS = 1000,
	SLOW_US = 20000, /* of CPU: twice what a transaction should take */
	SLOW_EVERY_MS = 10000,
	ENDING_MS = 3000, /* for what was given before the end */
};

STAILQ_HEAD(write_list, write);

struct write_thread {
	struct stored *sd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct write_list waiting;
	struct write_list later; /* what nobody waits for */
	uint64_t later_ms; /* when it is to be written all the same, if any */
	bool ending;
	uint64_t ended_ms; /* when it is over then, whatever is left */
	struct longest longest; /* transaction */
	/* The thread's own: */
	struct write_list again; /* not finished in the last group; go first */
	struct write *group[GROUP_MAX];
	struct store_job *jobs[GROUP_MAX];
	uint64_t slow_told_ms, slow_told_us;
};

/* A copy of what a group changed, on its way to the loop. */
struct changes {
	struct completion completion;
	struct stored *sd;
	size_t n;
	struct store_change items[];
};

static void tell_changes(struct completion *c)
{
	struct changes *changes = (struct changes *)c;

	notice_changes(changes->sd, changes->items, changes->n);
	free(changes);
}

static void copy_changes(struct stored *sd, struct completion_list *out)
{
	const struct store_change *items;
	size_t n = store_group_changes(sd->store, &items);
	struct changes *changes;

	if (n == 0)
		return;
	changes = xmalloc(sizeof *changes + n * sizeof items[0]);
	*changes = (struct changes){.completion.done = tell_changes, .sd = sd, .n = n};
	for (size_t i = 0; i < n; i++)
		changes->items[i] = items[i];
	STAILQ_INSERT_TAIL(out, &changes->completion, link);
}

/* The database or the disk cannot be trusted any more: nothing may be acknowledged. The supervisor starts a new process, which
 * finds what is durable. */
static void __attribute__((noreturn)) die(struct stored *sd)
{
	log_event(LOG_LEVEL_ERROR, "store-failed", store_fatal_text(sd->store));
	_exit(1);
}

/* Why jobs of the group failed, when the reason was not theirs. */
static void log_trouble(struct stored *sd, size_t jobs)
{
	const char *text = store_group_error(sd->store);
	struct log_line l;

	if (!text)
		return;
	log_begin(&l, LOG_LEVEL_ERROR, "write-failed");
	log_cstr(&l, "error", text);
	log_u64(&l, "jobs", jobs);
	log_end(&l);
}

/* What can wait goes behind what cannot, or alone once it has waited. */
static void take_later(struct write_thread *w)
{
	bool others = !STAILQ_EMPTY(&w->waiting) || !STAILQ_EMPTY(&w->again);

	if (!STAILQ_EMPTY(&w->later) && (others || w->ending || clock_mono_ms() >= w->later_ms))
		STAILQ_CONCAT(&w->waiting, &w->later);
}

static size_t gather(struct write_thread *w)
{
	size_t n = 0;
	struct write *one;

	take_later(w);
	while (n < GROUP_MAX && (one = STAILQ_FIRST(&w->again))) {
		STAILQ_REMOVE_HEAD(&w->again, link);
		w->group[n++] = one;
	}
	while (n < GROUP_MAX && (one = STAILQ_FIRST(&w->waiting))) {
		STAILQ_REMOVE_HEAD(&w->waiting, link);
		w->group[n++] = one;
	}
	return n;
}

/* One that took too long is told of: the first, and in the next seconds longer ones only. */
static void note_time(struct write_thread *w)
{
	struct store_group_time t = store_group_time(w->sd->store);
	struct view name = view_from_cstr(t.job ? t.job : ""), end = VIEW_LIT("_job_init");
	uint64_t now_ms = clock_mono_ms();
	struct log_line l;

	(void)pthread_mutex_lock(&w->lock);
	longest_note(&w->longest, t.us, now_ms);
	(void)pthread_mutex_unlock(&w->lock);
	if (now_ms - w->slow_told_ms >= SLOW_EVERY_MS)
		w->slow_told_us = SLOW_US;
	if (t.cpu_us <= w->slow_told_us || !t.job)
		return;
	w->slow_told_ms = now_ms;
	w->slow_told_us = t.cpu_us;
	log_begin(&l, LOG_LEVEL_INFO, "slow-write");
	log_str(&l, "job", view_sub(name, 0, view_ends_with_nocase(name, end) ? name.n - end.n : name.n));
	log_u64(&l, "us", t.us);
	log_u64(&l, "cpu_us", t.cpu_us);
	log_u64(&l, "job_us", t.job_us);
	log_end(&l);
}

static void run_group(struct write_thread *w, size_t n)
{
	struct completion_list finished = STAILQ_HEAD_INITIALIZER(finished);

	for (size_t i = 0; i < n; i++)
		w->jobs[i] = w->group[i]->job;
	if (store_group_run(w->sd->store, w->jobs, n) < 0)
		die(w->sd);
	log_trouble(w->sd, n);
	note_time(w);
	/* Not-finished ones go in front of what could not be gathered, in their order. */
	for (size_t i = 0; i < n; i++) {
		if (w->group[i]->job->state == JOB_FINISHED)
			STAILQ_INSERT_TAIL(&finished, &w->group[i]->completion, link);
		else
			STAILQ_INSERT_TAIL(&w->again, w->group[i], link);
	}
	copy_changes(w->sd, &finished);
	completions_put_all(w->sd->completions, &finished);
	if (store_between_groups(w->sd->store) < 0)
		die(w->sd);
}

static void wait_a_moment(struct write_thread *w)
{
	uint64_t until_ms = STAILQ_EMPTY(&w->later) ? clock_mono_ms() + IDLE_WORK_MS : w->later_ms;
	struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};

	if (pthread_cond_timedwait(&w->more, &w->lock, &until) == ETIMEDOUT && STAILQ_EMPTY(&w->later)) {
		(void)pthread_mutex_unlock(&w->lock);
		if (store_between_groups(w->sd->store) < 0)
			die(w->sd);
		(void)pthread_mutex_lock(&w->lock);
	}
}

static void *write_loop(void *arg)
{
	struct write_thread *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		bool late = w->ending && clock_mono_ms() >= w->ended_ms;
		size_t n = late ? 0 : gather(w);

		if (n) {
			(void)pthread_mutex_unlock(&w->lock);
			run_group(w, n);
			(void)pthread_mutex_lock(&w->lock);
		} else if (w->ending) {
			break;
		} else {
			wait_a_moment(w);
		}
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

int write_thread_new(struct stored *sd, struct write_thread **ret)
{
	struct write_thread *w = xcalloc(1, sizeof *w);
	pthread_condattr_t monotonic;
	sigset_t all, old;
	int r;

	w->sd = sd;
	STAILQ_INIT(&w->waiting);
	STAILQ_INIT(&w->later);
	STAILQ_INIT(&w->again);
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->more, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the loop's thread */
	r = pthread_create(&w->thread, NULL, write_loop, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r) {
		free(w);
		return -r;
	}
	*ret = w;
	return 0;
}

void write_thread_free(struct write_thread **wp)
{
	struct write_thread *w = *wp;

	if (!w)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->ending = true;
	w->ended_ms = clock_mono_ms() + ENDING_MS;
	(void)pthread_cond_signal(&w->more);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->more);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
	*wp = NULL;
}

void write_put(struct write_thread *w, struct write *write)
{
	(void)pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->waiting, write, link);
	(void)pthread_cond_signal(&w->more);
	(void)pthread_mutex_unlock(&w->lock);
}

void write_put_behind(struct write_thread *w, struct write *write)
{
	(void)pthread_mutex_lock(&w->lock);
	STAILQ_CONCAT(&w->waiting, &w->later);
	STAILQ_INSERT_TAIL(&w->waiting, write, link);
	(void)pthread_cond_signal(&w->more);
	(void)pthread_mutex_unlock(&w->lock);
}

void write_put_later(struct write_thread *w, struct write *write)
{
	(void)pthread_mutex_lock(&w->lock);
	if (STAILQ_EMPTY(&w->later)) {
		w->later_ms = clock_mono_ms() + WRITE_LATER_MS;
		(void)pthread_cond_signal(&w->more);
	}
	STAILQ_INSERT_TAIL(&w->later, write, link);
	(void)pthread_mutex_unlock(&w->lock);
}

uint64_t write_longest_us(struct write_thread *w)
{
	uint64_t us;

	(void)pthread_mutex_lock(&w->lock);
	us = longest_get(&w->longest, clock_mono_ms());
	(void)pthread_mutex_unlock(&w->lock);
	return us;
}
