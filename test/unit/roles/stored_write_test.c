/* SPDX-License-Identifier: ISC
 * The writer thread: in which order what it was given is written. */
#include "stored/stored.h"
#include "trial.h"

#include <event2/event.h>

enum { WRITES = 3, ROUNDS = 50 };

static struct event_base *base;
static int order[WRITES], run_count, done_count;

struct numbered {
	struct write write;
	struct store_job job;
	int number;
};

void notice_changes(struct stored *sd, const struct store_change *changes, size_t n)
{
	(void)sd;
	(void)changes;
	(void)n;
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	(void)w;
	order[run_count++] = ((struct numbered *)((char *)job - offsetof(struct numbered, job)))->number;
	return STEP_DONE;
}

static void done(struct completion *c)
{
	(void)c;
	if (++done_count == WRITES)
		(void)event_base_loopbreak(base);
}

static struct write *numbered(struct numbered *n, int number)
{
	*n = (struct numbered){.number = number};
	store_job_init(&n->job, run);
	n->write.completion.done = done;
	n->write.job = &n->job;
	return &n->write;
}

/* Leases end behind what became of them, which can wait. */
static void behind_what_can_wait(void **state)
{
	struct stored sd = {0};
	struct trial t;

	(void)state;
	trial_start(&t);
	sd.store = t.store;
	base = event_base_new();
	assert_int_equal(completions_new(base, &sd.completions), 0);
	assert_int_equal(write_thread_new(&sd, &sd.writer), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct numbered n[WRITES];

		run_count = done_count = 0;
		write_put_later(sd.writer, numbered(&n[0], 0));
		write_put_behind(sd.writer, numbered(&n[1], 1));
		write_put_later(sd.writer, numbered(&n[2], 2));
		(void)event_base_loopexit(base, &(struct timeval){.tv_sec = 20});
		(void)event_base_dispatch(base);
		assert_int_equal(done_count, WRITES);
		for (int i = 0; i < WRITES; i++) {
			assert_int_equal(order[i], i);
			store_job_fini(&n[i].job);
		}
	}
	write_thread_free(&sd.writer);
	completions_free(&sd.completions);
	event_base_free(base);
	trial_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(behind_what_can_wait)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
