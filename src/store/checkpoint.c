/* SPDX-License-Identifier: ISC
 * Checkpoints off the commit path, and a WAL file that is always longer than what is written next. */
#include "store/checkpoint.h"

#include "base/clock.h"
#include "store/sql_sqlite.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE_FRAME_BYTES = 4096 + 24,
	REST_PAGES = 500, /* so much the writer copies itself in one go */
	RESTART_PAGES =
	    1000, /* a WAL that could not start over (a reader was in it) is looked at again after so many */
	PASSES_MAX = 4,
	IDLE_MS = 2000,
	STEP_BYTES = 256 * 1024, /* written under the lock at once */
	AHEAD_MIN_BYTES = 256 * 1024,
	AHEAD_MAX_BYTES = 8 * 1024 * 1024,
	MIN_PAGES = 64, /* idle or not: less is not worth a checkpoint */
};

struct checkpoint {
	struct store *store;
	struct sql *sql;
	int wal_fd;
	pthread_mutex_t commit_lock;

	pthread_mutex_t lock; /* for all below; nothing else is locked under it */
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread, stop;
	bool finish; /* the rest is the writer's */
	uint64_t pages; /* in the WAL, as the writer last said */
	uint64_t done; /* of them copied, as far as we know */
	uint64_t commit_ms; /* when the writer last said so */
	uint64_t file_bytes; /* of the WAL file */
	uint64_t count;
	int error; /* of the thread: told by the writer */
};

/* ---- the file's length ---- */

static uint64_t wanted_bytes(uint64_t pages)
{
	uint64_t used = pages * PAGE_FRAME_BYTES;
	uint64_t ahead = used < AHEAD_MIN_BYTES ? AHEAD_MIN_BYTES : used > AHEAD_MAX_BYTES ? AHEAD_MAX_BYTES : used;

	return used + ahead;
}

/* One step of zeros behind the file's end. The commit lock keeps the writer from writing there at the same time. */
static int lengthen_step(struct checkpoint *c, const char *zeros, uint64_t wanted, uint64_t *ret_bytes)
{
	struct stat st;
	int rc = 0;

	checkpoint_lock(c);
	if (fstat(c->wal_fd, &st) < 0)
		rc = -errno;
	else if ((uint64_t)st.st_size < wanted && pwrite(c->wal_fd, zeros, STEP_BYTES, st.st_size) < 0)
		rc = -errno;
	checkpoint_unlock(c);
	*ret_bytes = rc < 0 ? 0 : (uint64_t)st.st_size;
	return rc;
}

/* A WAL that cannot be lengthened ahead (disk full) is no error: the commit will say so if it matters. */
static int lengthen(struct checkpoint *c, uint64_t wanted)
{
	char *zeros = xcalloc(1, STEP_BYTES);
	uint64_t bytes = 0;
	int rc = 0;

	while (rc == 0 && !store_space_is_low(c->store)) {
		rc = lengthen_step(c, zeros, wanted, &bytes);
		if (bytes >= wanted)
			break;
	}
	free(zeros);
	if (rc == 0)
		(void)fdatasync(c->wal_fd);
	pthread_mutex_lock(&c->lock);
	c->file_bytes = bytes;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- passes ---- */

/* c->lock is held. Long enough, and something new in it. */
static bool is_due(const struct checkpoint *c)
{
	uint64_t fresh = c->pages - (c->done < c->pages ? c->done : c->pages);

	return c->pages >= c->store->options.checkpoint_pages && fresh >= RESTART_PAGES;
}

static bool is_idle_due(const struct checkpoint *c)
{
	return c->pages >= MIN_PAGES && c->done < c->pages && clock_mono_ms() - c->commit_ms >= IDLE_MS;
}

static bool is_short(const struct checkpoint *c)
{
	return c->file_bytes < c->pages * PAGE_FRAME_BYTES + AHEAD_MIN_BYTES / 2 ||
	       c->file_bytes < wanted_bytes(c->pages) / 4 * 3;
}

static int pass(struct checkpoint *c)
{
	uint64_t pages = 0, done = 0;
	int rc = 0;

	for (unsigned i = 0; i < PASSES_MAX; i++) {
		rc = sql_sqlite_checkpoint(c->sql, &pages, &done);
		if (rc < 0 || pages - done <= REST_PAGES)
			break;
	}
	if (rc == -EAGAIN)
		rc = 0; /* the writer is at it */
	pthread_mutex_lock(&c->lock);
	c->done = done;
	c->finish = true;
	if (rc < 0 && rc != -ENOSPC)
		c->error = rc;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static void wait_for_work(struct checkpoint *c)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1;
	(void)pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

static void *run(void *ctx)
{
	struct checkpoint *c = ctx;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		bool lengthen_now = is_short(c), pass_now = !c->finish && (is_due(c) || is_idle_due(c));
		uint64_t wanted = wanted_bytes(c->pages);
		bool rest;

		if (!lengthen_now && !pass_now) {
			wait_for_work(c);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		rest = lengthen_now && lengthen(c, wanted) < 0;
		if (pass_now)
			rest |= pass(c) < 0;
		rest |= store_space_is_low(c->store);
		pthread_mutex_lock(&c->lock);
		if (rest) /* what failed is not tried again at once */
			wait_for_work(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- the writer's side ---- */

void checkpoint_lock(struct checkpoint *c)
{
	pthread_mutex_lock(&c->commit_lock);
}

void checkpoint_unlock(struct checkpoint *c)
{
	pthread_mutex_unlock(&c->commit_lock);
}

void checkpoint_note(struct checkpoint *c, uint64_t wal_pages)
{
	bool work;

	pthread_mutex_lock(&c->lock);
	if (wal_pages < c->pages)
		c->done = 0; /* it started over */
	c->pages = wal_pages;
	c->commit_ms = clock_mono_ms();
	work = is_short(c) || (!c->finish && is_due(c));
	pthread_mutex_unlock(&c->lock);
	if (work && c->has_thread)
		(void)pthread_cond_signal(&c->wake);
}

static int finish(struct checkpoint *c)
{
	uint64_t pages = 0, done = 0;
	int rc = sql_sqlite_checkpoint(c->store->writer->sql, &pages, &done);

	if (rc == -EAGAIN)
		return 0; /* another pass runs: next time */
	pthread_mutex_lock(&c->lock);
	c->finish = false;
	if (rc == 0) {
		c->done = done;
		c->count++;
	}
	pthread_mutex_unlock(&c->lock);
	return rc == -ENOSPC ? 0 : rc;
}

int checkpoint_between(struct checkpoint *c)
{
	bool now;
	int error;

	pthread_mutex_lock(&c->lock);
	error = c->error;
	now = c->finish || (!c->has_thread && is_due(c));
	pthread_mutex_unlock(&c->lock);
	if (error < 0)
		return error;
	return now ? finish(c) : 0;
}

uint64_t checkpoint_count(struct checkpoint *c)
{
	uint64_t count;

	pthread_mutex_lock(&c->lock);
	count = c->count;
	pthread_mutex_unlock(&c->lock);
	return count;
}

/* ---- start and stop ---- */

static int start_thread(struct checkpoint *c)
{
	struct buf path = BUF_INIT(8192);
	struct sql_options o = {store_path(c->store, "pombo.db", &path), SQL_WRITER, false, 256, 10000};
	int rc = sql_open(c->store->driver, &o, &c->sql);
	sigset_t all, old;

	if (rc == 0) {
		c->wal_fd = openat(c->store->dir_fd, "pombo.db-wal", O_WRONLY | O_CLOEXEC);
		rc = c->wal_fd < 0 ? -errno : 0;
	}
	buf_fini(&path);
	if (rc < 0)
		return rc;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the caller's */
	rc = -pthread_create(&c->thread, NULL, run, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->has_thread = rc == 0;
	return rc;
}

int checkpoint_start(struct store *s, struct checkpoint **ret)
{
	struct checkpoint *c = xcalloc(1, sizeof *c);
	pthread_condattr_t attr;
	int rc = 0;

	c->store = s;
	c->wal_fd = -1;
	pthread_mutex_init(&c->commit_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (!s->options.no_threads)
		rc = start_thread(c);
	if (rc < 0)
		checkpoint_stop(&c);
	else
		*ret = c;
	return rc;
}

void checkpoint_stop(struct checkpoint **c)
{
	struct checkpoint *x = *c;

	if (!x)
		return;
	if (x->has_thread) {
		pthread_mutex_lock(&x->lock);
		x->stop = true;
		pthread_cond_signal(&x->wake);
		pthread_mutex_unlock(&x->lock);
		pthread_join(x->thread, NULL);
	}
	sql_close(&x->sql);
	fd_close(&x->wal_fd);
	pthread_cond_destroy(&x->wake);
	pthread_mutex_destroy(&x->lock);
	pthread_mutex_destroy(&x->commit_lock);
	free(x);
	*c = NULL;
}
