/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_GROUP_H
#define POMBO_STORE_GROUP_H

#include "store/store.h"

/* Group commit: every write is a job; all jobs that wait go into one transaction, which one fsync makes durable.
 *
 *     writer thread:  for (;;) { jobs = what waits, in order, those told AGAIN first;
 *                                store_group_run(s, jobs, n);
 *                                tell the owners of the finished ones, and store_group_changes() to the front ends;
 *                                store_between_groups(s); }
 *
 * A job checks first and changes afterwards, so the usual refusal (no such mailbox, over quota) touches nothing. A job that
 * fails half-way (a database error) makes the group start again without it: the transaction is rolled back, the caches of
 * the writer are dropped, the others run anew, the failed one is told STORE_TEMPORARY. The same replay answers a
 * serialization failure of the database. Disk full fails the whole group with STORE_NO_SPACE.
 *
 * A job may need several groups (slices of at most about 10 ms). Readers see nothing of it before its last slice but one
 * has switched it visible at once; meanwhile other jobs on the same mailbox are put off (JOB_AGAIN), those on others run.
 *
 * A job's struct and the views in it belong to the caller and stay put until the job is finished. Jobs are plain structs
 * with a struct store_job as first member; X_job_init() sets it up, the caller fills in the request, store_job_fini() frees
 * the results. */
struct writer;
struct store_job;

enum job_state {
	JOB_WAITING, /* not run yet */
	JOB_AGAIN, /* not finished: hand in again with the next group, before newer ones */
	JOB_FINISHED, /* `outcome` counts; for STORE_OK its effect is durable */
};

/* Private to the store: what one slice of a job came to. */
enum job_step {
	STEP_DONE, /* job->outcome says what became of it */
	STEP_AGAIN, /* another slice is needed, or the mailbox is busy: nothing was changed that must not stand */
	STEP_ERROR, /* the database failed: roll back and run the group without this job */
};
typedef enum job_step job_run_fn(struct writer *w, struct store_job *job);

struct store_job {
	enum job_state state;
	enum store_outcome outcome;
	uint64_t commit; /* of a finished job: its commit's number; reads after it see it (store_reader_see()) */
	struct arena results; /* what the result's views and arrays point into */
	/* private */
	job_run_fn *run;
	void (*advance)(struct store_job *job); /* the slice is durable: the next run starts behind it */
	void (*forget)(struct store_job *job); /* frees `progress` */
	bool (*settled)(struct store_job *
			    job); /* of one that cannot go on: all of it is durable; sets the outcome and the results */
	void *progress;
	bool failed; /* in this group */
	const char *name; /* of the function that made it */
};

/* For X_job_init() only. */
#define store_job_init(job, run) store_job_init_named(job, run, __func__)
void store_job_init_named(struct store_job *job, job_run_fn *run, const char *name);
/* Frees results and progress. A job that was told AGAIN is not abandoned half-way: finish it first. */
void store_job_fini(struct store_job *job);

/* Runs as many of `jobs`, in order, as fit about 8 ms (at least one), commits, sets each one's state. Those not reached are
 * JOB_AGAIN too. 0, or -EIO: the store is fatal, nothing of this group may be acknowledged, exit. Writer thread. */
must_check int store_group_run(struct store *s, struct store_job *const *jobs, size_t count);

/* The words behind a STORE_TEMPORARY or STORE_NO_SPACE of the last group, for the log; NULL when there was none. Writer thread. */
const char *store_group_error(const struct store *s);

/* How long the last group took until its commit, and which of its jobs took most of it. Writer thread. */
struct store_group_time {
	uint64_t us, cpu_us;
	const char *job; /* static: "queue_lease_job_init" */
	uint64_t job_us;
};
struct store_group_time store_group_time(const struct store *s);

/* Short work that no client waits for: ends a checkpoint so that the WAL starts over. To be called between groups, after the
 * results were told, and about once a second when idle. Writer thread. -EIO: fatal. */
must_check int store_between_groups(struct store *s);

/* What the last store_group_run() changed, one entry a mailbox or account. Valid until the next run. Writer thread. */
enum store_change_kind {
	CHANGE_MAILBOX, /* messages, flags: mailbox, highestmodseq, uidnext */
	CHANGE_MAILBOX_GONE, /* deleted: sessions that have it open get to know */
	CHANGE_NAMES, /* the account's tree of names or subscriptions */
	CHANGE_ACCOUNT, /* password, state or quota: generation; gone: the account does not exist any more */
	CHANGE_DIRECTORY, /* domains, accounts, aliases: what an address means (the store's own cache is already cleared) */
	CHANGE_QUEUE, /* there are new recipients to send to */
};
struct store_change {
	enum store_change_kind kind;
	uint64_t account;
	uint64_t mailbox;
	uint64_t highestmodseq;
	uint32_t uidnext;
	uint64_t generation;
	bool gone;
};
size_t store_group_changes(const struct store *s, const struct store_change **ret);

#endif
