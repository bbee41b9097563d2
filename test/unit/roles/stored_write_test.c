/* SPDX-License-Identifier: ISC
 * The writer thread: in which order what it was given is written. */
#include "stored/stored.h"
#include "trial.h"

#include <event2/event.h>
#include <unistd.h>

enum { WRITES = 3, ROUNDS = 50 };

static struct event_base *base;
static struct stored server;
static struct trial trial;
static int order[WRITES], run_count, done_count;
static uint64_t commits[WRITES];

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
	struct numbered *n = (struct numbered *)((char *)c - offsetof(struct numbered, write.completion));

	commits[n->number] = n->job.commit;
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

static void start(void)
{
	server = (struct stored){0};
	trial_start(&trial);
	server.store = trial.store;
	base = event_base_new();
	assert_int_equal(completions_new(base, &server.completions), 0);
	assert_int_equal(write_thread_new(&server, base, &server.writer), 0);
}

static void end(void)
{
	write_thread_free(&server.writer);
	completions_free(&server.completions);
	event_base_free(base);
	trial_end(&trial);
}

static void turn(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void until_all_are_done(struct numbered *n)
{
	(void)event_base_loopexit(base, &(struct timeval){.tv_sec = 20});
	if (done_count < WRITES)
		(void)event_base_dispatch(base);
	assert_int_equal(done_count, WRITES);
	for (int i = 0; i < WRITES; i++)
		store_job_fini(&n[i].job);
}

/* Leases end behind what became of them, which can wait. */
static void behind_what_can_wait(void **state)
{
	(void)state;
	start();
	for (int round = 0; round < ROUNDS; round++) {
		struct numbered n[WRITES];

		run_count = done_count = 0;
		write_put_later(server.writer, numbered(&n[0], 0));
		write_put_behind(server.writer, numbered(&n[1], 1));
		write_put_later(server.writer, numbered(&n[2], 2));
		until_all_are_done(n);
		for (int i = 0; i < WRITES; i++)
			assert_int_equal(order[i], i);
	}
	end();
}

/* What nobody waits for is written all the same. */
static void what_can_wait_alone(void **state)
{
	struct numbered n[WRITES];

	(void)state;
	start();
	run_count = done_count = 0;
	for (int i = 0; i < WRITES; i++)
		write_put_later(server.writer, numbered(&n[i], i));
	until_all_are_done(n);
	end();
}

/* What is put in one turn is one commit, whatever the thread would have time for. */
static void one_turn_one_commit(void **state)
{
	unsigned together = 0;

	(void)state;
	start();
	for (int round = 0; round < ROUNDS; round++) {
		struct numbered n[WRITES];

		run_count = done_count = 0;
		for (int i = 0; i < WRITES; i++) {
			write_put(server.writer, numbered(&n[i], i));
			(void)usleep(300);
		}
		until_all_are_done(n);
		together += commits[1] == commits[0] && commits[2] == commits[0];
	}
	assert_true(together > 0); /* at times the thread is up still from the round before */
	end();
}

/* A group that is to begin waits for what is coming; who was waited for is in it nearly always. */
static void waits_for_what_is_coming(void **state)
{
	unsigned together = 0;

	(void)state;
	start();
	for (int round = 0; round < ROUNDS; round++) {
		struct numbered n[WRITES];

		run_count = done_count = 0;
		for (int i = 1; i < WRITES; i++)
			write_coming(server.writer);
		write_put(server.writer, numbered(&n[0], 0));
		turn();
		for (int i = 1; i < WRITES; i++) {
			write_put(server.writer, numbered(&n[i], i));
			write_came(server.writer);
			turn();
		}
		until_all_are_done(n);
		together += commits[2] == commits[0];
	}
	assert_true(together > 0); /* a busy machine may keep us for longer than it waits */
	end();
}

/* What never comes holds up nobody for long. */
static void waits_for_a_moment_only(void **state)
{
	(void)state;
	start();
	write_coming(server.writer);
	for (int round = 0; round < ROUNDS; round++) {
		struct numbered n[WRITES];

		run_count = done_count = 0;
		for (int i = 0; i < WRITES; i++)
			write_put(server.writer, numbered(&n[i], i));
		until_all_are_done(n);
	}
	write_came(server.writer);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(behind_what_can_wait),    cmocka_unit_test(what_can_wait_alone),
	    cmocka_unit_test(one_turn_one_commit),     cmocka_unit_test(waits_for_what_is_coming),
	    cmocka_unit_test(waits_for_a_moment_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
