/* SPDX-License-Identifier: ISC
 * Group commit: runs jobs in one transaction, and again without the one that failed half-way. */
#include "store/group.h"

#include "base/clock.h"
#include "store/checkpoint.h"
#include "store/directory_cache.h"
#include "store/sql_sqlite.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { REPLAYS_MAX = 20, JOB_RESULTS_MAX = 64 * 1024 * 1024 };

void store_job_init_named(struct store_job *job, job_run_fn *run, const char *name)
{
	*job = (struct store_job){.state = JOB_WAITING, .run = run, .name = name};
	arena_init(&job->results, JOB_RESULTS_MAX);
}

void store_job_fini(struct store_job *job)
{
	if (job->forget && job->progress)
		job->forget(job);
	job->progress = NULL;
	arena_fini(&job->results);
}

/* A group under way. */
struct group {
	struct store *store;
	struct writer *w;
	struct store_job *const *jobs;
	size_t count;
	size_t failed; /* index of the job that made the attempt fail; count: none did */
	struct store_group_time time; /* of this attempt */
};

enum attempt {
	ATTEMPT_COMMITTED,
	ATTEMPT_REPLAY, /* serialization failure */
	ATTEMPT_WITHOUT, /* replay without the job `failed` */
	ATTEMPT_NO_SPACE,
	ATTEMPT_FAILED, /* the whole group, for now */
	ATTEMPT_FATAL,
};

static enum attempt attempt_of(int rc)
{
	switch (rc) {
	case -EAGAIN:
		return ATTEMPT_REPLAY;
	case -ENOSPC:
		return ATTEMPT_NO_SPACE;
	case -EIO:
		return ATTEMPT_FATAL;
	default:
		return ATTEMPT_FAILED;
	}
}

/* Marks of one attempt; become states when it is durable. */
static void mark(struct store_job *job, enum job_state state)
{
	job->state = state;
}

/* Now. */
static uint64_t note_time(struct group *g, const struct store_job *job, uint64_t began_us)
{
	uint64_t now_us = clock_mono_us();

	if (now_us - began_us >= g->time.job_us) {
		g->time.job = job->name;
		g->time.job_us = now_us - began_us;
	}
	return now_us;
}

static enum attempt run_jobs(struct group *g)
{
	uint64_t start_us = clock_mono_us(), now_us = start_us;

	for (size_t i = 0; i < g->count; i++) {
		struct store_job *job = g->jobs[i];

		if (job->failed)
			continue;
		if (i > 0 && now_us - start_us > g->store->group_us) {
			mark(job, JOB_WAITING);
			continue;
		}
		job->outcome = STORE_OK;
		switch (job->run(g->w, job)) {
		case STEP_DONE:
			mark(job, JOB_FINISHED);
			break;
		case STEP_AGAIN:
			mark(job, JOB_AGAIN);
			break;
		case STEP_ERROR:
			g->failed = i;
			return attempt_of(g->w->error) == ATTEMPT_FAILED ? ATTEMPT_WITHOUT : attempt_of(g->w->error);
		}
		now_us = note_time(g, job, now_us);
	}
	return ATTEMPT_COMMITTED;
}

static int commit(struct group *g)
{
	struct checkpoint *c = g->store->checkpoint;
	int rc;

	store_crash_point("group-written");
	checkpoint_lock(c);
	rc = sql_commit(g->w->sql);
	checkpoint_unlock(c);
	if (rc == 0) {
		store_crash_point("group-committed");
		checkpoint_note(c, sql_sqlite_wal_pages(g->w->sql));
	}
	return rc;
}

static enum attempt attempt(struct group *g)
{
	uint64_t start_us = clock_mono_us(), start_cpu_us = clock_cpu_us();
	enum attempt a;
	int rc;

	g->failed = g->count;
	g->time = (struct store_group_time){0};
	g->w->change_count = 0;
	rc = sql_begin(g->w->sql);
	if (rc < 0) {
		g->w->error_what = "beginning a group";
		return attempt_of(rc);
	}
	store_crash_point("group-begun");
	g->w->error_what = "ending what a failed job staged";
	rc = writer_clean(g->w);
	if (rc < 0)
		return attempt_of(rc);
	a = run_jobs(g);
	if (a != ATTEMPT_COMMITTED)
		return a;
	g->w->error_what = "writing a group";
	rc = writer_flush(g->w);
	if (rc < 0)
		return attempt_of(rc);
	g->time.us = clock_mono_us() - start_us;
	g->time.cpu_us = clock_cpu_us() - start_cpu_us;
	g->w->error_what = "committing a group";
	rc = commit(g);
	return rc < 0 ? attempt_of(rc) : ATTEMPT_COMMITTED;
}

/* What is known outside the writer of accounts and addresses is brought up to date. */
static void tell_caches(struct group *g)
{
	struct writer *w = g->w;

	if (w->directory_changed)
		directory_cache_clear(g->store->directory);
	for (size_t i = 0; i < w->touched_acct_count; i++) {
		const struct acct *a = w->touched_accts[i];

		directory_cache_usage(g->store->directory, a->id, a->used, a->limit);
	}
	for (size_t i = 0; i < w->unlink_count; i++)
		store_unlink_later(g->store, w->unlinks[i]);
}

static void end_job(struct writer *w, struct store_job *job, bool failed)
{
	writer_release(w, job, failed);
	if (job->forget && job->progress)
		job->forget(job);
	job->progress = NULL;
}

static void succeed(struct group *g)
{
	struct writer *w = g->w;

	w->commit++;
	tell_caches(g);
	writer_settle(w);
	for (size_t i = 0; i < g->count; i++) {
		struct store_job *job = g->jobs[i];

		if (job->failed)
			continue;
		job->commit = w->commit;
		if (job->state == JOB_AGAIN && job->advance && job->progress)
			job->advance(job);
		if (job->state == JOB_FINISHED)
			end_job(w, job, false);
		if (job->state == JOB_WAITING)
			job->state = JOB_AGAIN;
	}
}

static void fail_job(struct group *g, struct store_job *job, enum store_outcome outcome)
{
	bool settled = job->settled && job->progress && job->settled(job);

	job->failed = true;
	job->state = JOB_FINISHED;
	if (!settled)
		job->outcome = outcome;
	job->commit = g->w->commit;
	end_job(g->w, job, true);
}

static void fail_all(struct group *g, enum store_outcome outcome)
{
	for (size_t i = 0; i < g->count; i++)
		if (!g->jobs[i]->failed)
			fail_job(g, g->jobs[i], outcome);
}

/* Back to before the group; the words of the failure are kept first, a rollback replaces them. */
static int undo(struct group *g)
{
	struct writer *w = g->w;
	int rc;

	if (w->error != -ECANCELED) { /* a refusal is no trouble */
		buf_reset(&w->error_text);
		buf_printf(&w->error_text, "%s: %s", w->error_what ? w->error_what : "a job", sql_error_text(w->sql));
	}
	rc = sql_rollback(w->sql);
	if (rc == 0)
		rc = writer_reload(w);
	return rc;
}

static int fatal(struct group *g)
{
	struct writer *w = g->w;

	(void)sql_rollback(w->sql);
	writer_drop_caches(w);
	fail_all(g, STORE_TEMPORARY);
	return store_fail(g->store, w->error_what, sql_error_text(w->sql));
}

static void count(struct group *g, unsigned replays)
{
	struct store *s = g->store;

	pthread_mutex_lock(&s->lock);
	s->figures.commits++;
	s->figures.jobs += g->count;
	s->figures.replays += replays;
	s->figures.wal_pages = sql_sqlite_wal_pages(g->w->sql);
	pthread_mutex_unlock(&s->lock);
}

int store_group_run(struct store *s, struct store_job *const *jobs, size_t n)
{
	struct group g = {.store = s, .w = s->writer, .jobs = jobs, .count = n, .failed = n};
	unsigned replays = 0;

	if (store_is_fatal(s)) {
		fail_all(&g, STORE_TEMPORARY);
		return -EIO;
	}
	buf_reset(&g.w->error_text);
	g.w->time = (struct store_group_time){0};
	for (size_t i = 0; i < n; i++)
		jobs[i]->failed = false;
	for (;;) {
		enum attempt a = attempt(&g);

		if (a == ATTEMPT_COMMITTED)
			break;
		if (a == ATTEMPT_FATAL || undo(&g) < 0)
			return fatal(&g);
		if (a == ATTEMPT_WITHOUT)
			fail_job(&g, jobs[g.failed], g.w->error == -ECANCELED ? g.w->refusal : STORE_TEMPORARY);
		if (a == ATTEMPT_NO_SPACE || a == ATTEMPT_FAILED || ++replays > REPLAYS_MAX + n) {
			fail_all(&g, a == ATTEMPT_NO_SPACE ? STORE_NO_SPACE : STORE_TEMPORARY);
			g.w->change_count = 0;
			return 0;
		}
	}
	succeed(&g);
	count(&g, replays);
	g.w->time = g.time;
	return 0;
}

struct store_group_time store_group_time(const struct store *s)
{
	return s->writer->time;
}

const char *store_group_error(const struct store *s)
{
	struct buf *text = &s->writer->error_text;

	return text->n > 0 ? buf_cstr(text) : NULL;
}

int store_between_groups(struct store *s)
{
	int rc;

	if (store_is_fatal(s))
		return -EIO;
	rc = checkpoint_between(s->checkpoint);
	if (rc == 0) {
		uint64_t checkpoints = checkpoint_count(s->checkpoint);

		pthread_mutex_lock(&s->lock);
		s->figures.checkpoints = checkpoints;
		pthread_mutex_unlock(&s->lock);
	}
	return rc < 0 ? store_fail(s, "checkpoint", sql_error_text(s->writer->sql)) : 0;
}

size_t store_group_changes(const struct store *s, const struct store_change **ret)
{
	*ret = s->writer->changes;
	return s->writer->change_count;
}
