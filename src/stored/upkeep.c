/* SPDX-License-Identifier: ISC
 * Work that nobody waits for: prunes expunged mail, removes files nobody names, ends migrations. One thing at a time. */
#include "store/housekeep.h"

#include "base/clock.h"
#include "stored/stored.h"

#include <stddef.h>
#include <stdlib.h>

enum {
	PRUNE_EVERY_S = 60,
	SWEEP_EVERY_S = 24 * 3600,
	SWEEP_STEPS = 256,
	UNLINK_SLICE = 64,
};

struct upkeep {
	struct stored *sd;
	struct write write;
	struct task task;
	struct prune_job prune;
	struct migrate_job migrate;
	bool busy;
	bool migrated;
	size_t unlinks_left;
	int64_t pruned_s, swept_s; /* monotonic */
	unsigned sweep_step; /* next folder; SWEEP_STEPS: through */
};

static int64_t mono_s(void)
{
	return (int64_t)(clock_mono_ms() / 1000);
}

/* ---- files ---- */

static struct upkeep *of_task(void *t)
{
	return (struct upkeep *)((char *)t - offsetof(struct upkeep, task));
}

static void unlink_run(struct task *t, unsigned thread_index)
{
	struct upkeep *u = of_task(t);

	(void)thread_index;
	u->unlinks_left = housekeep_unlink(u->sd->store, UNLINK_SLICE);
}

static void sweep_run(struct task *t, unsigned thread_index)
{
	struct upkeep *u = of_task(t);
	uint64_t removed;

	if (housekeep_sweep(u->sd->reader_connections[thread_index], u->sweep_step, &removed) == STORE_OK && removed) {
		struct log_line l;

		log_begin(&l, LOG_LEVEL_INFO, "swept");
		log_u64(&l, "files", removed);
		log_end(&l);
	}
	u->sweep_step++;
}

static void task_done(struct completion *c)
{
	of_task(c)->busy = false;
}

static void put_task(struct upkeep *u, struct pool *pool, void (*run)(struct task *t, unsigned thread_index),
		     void (*done)(struct completion *c))
{
	u->task = (struct task){.completion.done = done, .run = run};
	u->busy = pool_put(pool, &u->task);
}

static void unlink_done(struct completion *c);

static void put_unlinks(struct upkeep *u)
{
	put_task(u, u->sd->spoolers, unlink_run, unlink_done);
}

/* One slice after the other, so that files go as fast as their rows; what else the threads are for comes between. */
static void unlink_done(struct completion *c)
{
	struct upkeep *u = of_task(c);

	u->busy = false;
	if (u->unlinks_left && !u->sd->backups)
		put_unlinks(u);
}

/* ---- jobs ---- */

static struct upkeep *of_write(void *w)
{
	return (struct upkeep *)((char *)w - offsetof(struct upkeep, write));
}

static void put_job(struct upkeep *u, struct store_job *job, void (*done)(struct completion *c))
{
	u->write.completion.done = done;
	u->write.job = job;
	u->busy = true;
	write_put(u->sd->writer, &u->write);
}

static void migrate_done(struct completion *c)
{
	struct upkeep *u = of_write(c);

	u->migrated = u->migrate.job.outcome == STORE_OK;
	store_job_fini(&u->migrate.job);
	u->busy = false;
}

static void prune_done(struct completion *c)
{
	struct upkeep *u = of_write(c);

	if (u->prune.ret_messages) {
		struct log_line l;

		log_begin(&l, LOG_LEVEL_INFO, "pruned");
		log_u64(&l, "messages", u->prune.ret_messages);
		log_u64(&l, "bytes", u->prune.ret_bytes);
		log_end(&l);
	}
	store_job_fini(&u->prune.job);
	u->busy = false;
}

static void prune(struct upkeep *u)
{
	u->pruned_s = mono_s();
	prune_job_init(&u->prune);
	u->prune.wall_s = clock_wall_s();
	u->prune.hurry = u->sd->space_is_low;
	put_job(u, &u->prune.job, prune_done);
}

void upkeep_tick(struct stored *sd)
{
	struct upkeep *u = sd->upkeep;

	if (!u) {
		sd->upkeep = u = xcalloc(1, sizeof *u);
		u->sd = sd;
		u->pruned_s = u->swept_s = mono_s();
	}
	if (u->busy)
		return;
	if (!u->migrated) {
		migrate_job_init(&u->migrate);
		put_job(u, &u->migrate.job, migrate_done);
	} else if (sd->backups) {
		return; /* what it lists must stay */
	} else if (u->sweep_step < SWEEP_STEPS) {
		put_task(u, sd->readers, sweep_run, task_done);
	} else if (mono_s() - u->pruned_s >= PRUNE_EVERY_S) {
		prune(u);
	} else if (housekeep_unlinks(sd->store)) {
		put_unlinks(u);
	} else if (mono_s() - u->swept_s >= SWEEP_EVERY_S) {
		u->swept_s = mono_s();
		u->sweep_step = 0;
	}
}
