/* SPDX-License-Identifier: ISC */
#include "stored/pool.h"

#include <event2/event.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { TASKS = 300 };

static atomic_int in_lane, overlaps, ran;
static int done_order[TASKS], done_count;

struct numbered {
	struct task task;
	int number;
};

static void run(struct task *t, unsigned thread_index)
{
	assert_true(thread_index < 4);
	if (t->lane) {
		if (atomic_fetch_add(&in_lane, 1))
			atomic_fetch_add(&overlaps, 1);
		(void)usleep(50);
		atomic_fetch_sub(&in_lane, 1);
	}
	atomic_fetch_add(&ran, 1);
}

static struct event_base *base;

static void done(struct completion *c)
{
	struct numbered *n = (struct numbered *)c;

	if (n->task.lane)
		done_order[done_count++] = n->number;
	if (atomic_load(&ran) == 2 * TASKS && done_count == TASKS)
		(void)event_base_loopbreak(base);
}

static void a_lane_runs_in_order_and_never_twice_at_once(void **state)
{
	static struct numbered tasks[2 * TASKS];
	struct completions *cs;
	struct pool *p;

	(void)state;
	base = event_base_new();
	assert_int_equal(completions_new(base, &cs), 0);
	assert_int_equal(pool_new(cs, 4, 10000, &p), 0);
	for (int i = 0; i < 2 * TASKS; i++) {
		tasks[i].number = i / 2;
		tasks[i].task.completion.done = done;
		tasks[i].task.run = run;
		tasks[i].task.lane = i % 2 ? &overlaps : NULL;
		assert_true(pool_put(p, &tasks[i].task));
	}
	(void)event_base_loopexit(base, &(struct timeval){.tv_sec = 20});
	(void)event_base_dispatch(base);
	assert_int_equal(done_count, TASKS);
	assert_int_equal(overlaps, 0);
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(done_order[i], i);
	pool_free(&p);
	completions_free(&cs);
	event_base_free(base);
}

static sem_t gate;

/* As long as it is to last. */
static void slow(struct task *t, unsigned thread_index)
{
	(void)t;
	(void)thread_index;
	while (sem_wait(&gate) < 0)
		;
}

static void nothing(struct completion *c)
{
	(void)c;
}

static void what_waits_is_bounded(void **state)
{
	static struct task tasks[10];
	struct completions *cs;
	struct pool *p;
	int taken = 0;

	(void)state;
	base = event_base_new();
	assert_int_equal(completions_new(base, &cs), 0);
	assert_int_equal(pool_new(cs, 1, 3, &p), 0);
	assert_int_equal(sem_init(&gate, 0, 0), 0);
	for (int i = 0; i < 10; i++) {
		tasks[i].completion.done = nothing;
		tasks[i].run = slow;
		taken += pool_put(p, &tasks[i]);
	}
	for (int i = 0; i < 10; i++)
		(void)sem_post(&gate);
	assert_in_range(taken, 3, 4);
	pool_free(&p);
	completions_free(&cs);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lane_runs_in_order_and_never_twice_at_once),
	    cmocka_unit_test(what_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
