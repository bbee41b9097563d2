/* SPDX-License-Identifier: ISC
 * STORE: flags and keywords of the messages in a list of ranges. */
#include "store/mailbox_write.h"

#include "base/map.h"
#include "store/bulk.h"
#include "store/mbox_walk.h"
#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>

/* Where a mailbox has many combinations of keywords, each costs more than the messages that have it. */
enum { SETS_DIRECT = 256, SETS_DIRECT_PAGES = 2, SETS_SLICE = 500 };

struct flags_work {
	struct range_list ranges; /* normalized */
	struct range_list modified;
	bool bulk;
	bool started; /* a slice is durable */
	/* The slice under way, and the last durable one. */
	struct flags_at {
		struct bulk bulk;
		uint32_t page; /* the next state page to look at */
		uint64_t modseq; /* 0: nothing changed yet */
		size_t modified_count;
		uint32_t modified_last;
	} now, base;
	/* Of one slice: keyword sets met before, id → what it becomes, + 1. */
	struct map memo;
	struct keyset_delta delta;
};

static void forget(struct store_job *job)
{
	struct flags_work *x = job->progress;

	range_list_fini(&x->ranges);
	range_list_fini(&x->modified);
	free(x);
	job->progress = NULL;
}

static void advance(struct store_job *job)
{
	struct flags_work *x = job->progress;

	x->now.modified_count = x->modified.count;
	x->now.modified_last = x->modified.count ? x->modified.at[x->modified.count - 1].last : 0;
	x->base = x->now;
	x->started = true;
}

static int new_keyset(struct writer *w, const struct flags_job *j, struct flags_work *x, struct mbox *m, uint32_t old,
		      uint32_t *ret, bool *ret_limit)
{
	uint32_t from = j->mode == FLAGS_REPLACE ? 0 : old;
	uint64_t met = (uint64_t)(uintptr_t)map_u64_get(&x->memo, from);
	int rc;

	*ret_limit = false;
	if (met) {
		*ret = (uint32_t)(met - 1);
		return 0;
	}
	rc = keyset_change(w, m, from, j->mode != FLAGS_REMOVE, &x->delta, ret, ret_limit);
	if (rc == 0 && !*ret_limit)
		(void)map_u64_set(&x->memo, from, (void *)(uintptr_t)(*ret + 1ULL));
	return rc;
}

static uint32_t new_flags(const struct flags_job *j, uint32_t old)
{
	switch (j->mode) {
	case FLAGS_REPLACE:
		return j->flags & STORE_FLAGS_ALL;
	case FLAGS_ADD:
		return (old | j->flags) & STORE_FLAGS_ALL;
	case FLAGS_REMOVE:
		return old & ~j->flags & STORE_FLAGS_ALL;
	}
	return old;
}

static void count_flags(struct mbox *m, uint32_t page, uint32_t old, uint32_t fresh)
{
	struct mbox_counts *c = &m->counts;

	if ((old ^ fresh) & STORE_DELETED)
		c->deleted += fresh & STORE_DELETED ? 1 : (uint64_t)-1;
	if (!((old ^ fresh) & STORE_SEEN))
		return;
	if (fresh & STORE_SEEN) {
		c->unseen--;
	} else if (c->unseen++ == 0 || page < c->unseen_page) {
		c->unseen_page = page;
	}
}

static int change_one(struct writer *w, const struct flags_job *j, struct flags_work *x, struct mbox *m, uint32_t i,
		      bool *ret_limit)
{
	struct state_entry e;
	uint32_t flags, keyset, uid;
	int rc;

	page_get_state(&m->state.page, i, &e);
	if (e.gone)
		return 0;
	uid = m->state.no * STATE_SLOTS + e.slot;
	if (e.modseq > j->unchanged_since) {
		range_list_add(&x->modified, uid);
		return 0;
	}
	flags = new_flags(j, e.flags);
	rc = new_keyset(w, j, x, m, e.keyset, &keyset, ret_limit);
	if (rc < 0 || *ret_limit || (flags == e.flags && keyset == e.keyset))
		return rc;
	if (x->now.modseq == 0)
		x->now.modseq = mbox_next_modseq(w, m);
	mbox_touch(w, m);
	count_flags(m, m->state.no, e.flags, flags);
	e.flags = flags;
	e.keyset = keyset;
	e.modseq = x->now.modseq;
	page_put_state(&m->state.page, &e);
	m->state.dirty = true;
	return 0;
}

/* Where no unseen message is left up to here, SELECT need not look again. */
static void move_hint(struct mbox *m)
{
	struct state_summary sum;

	if (m->state.no != m->counts.unseen_page || !m->state.dirty)
		return;
	page_summarize(&m->state.page, &sum);
	if (sum.unseen == 0)
		m->counts.unseen_page = m->state.no + 1;
}

static int change_page(struct writer *w, const struct flags_job *j, struct flags_work *x, struct mbox *m,
		       bool *ret_limit)
{
	struct walk k = walk_begin(&x->ranges, m);
	uint32_t i;

	while (walk_next(&k, &m->state.page, &i)) {
		int rc = change_one(w, j, x, m, i, ret_limit);

		if (rc < 0 || *ret_limit)
			return rc;
	}
	move_hint(m);
	return 0;
}

/* Up to `max_pages` of what is left. */
static int change_pages(struct writer *w, const struct flags_job *j, struct flags_work *x, struct mbox *m,
			unsigned max_pages, bool *ret_done, bool *ret_limit)
{
	bool found = true;
	int rc = keyset_delta_init(w, m, j->keywords, j->keyword_count, &x->delta);

	*ret_limit = false;
	map_init(&x->memo);
	for (unsigned n = 0; n < max_pages && rc == 0 && found && !*ret_limit; n++) {
		rc = walk_page(w, m, &x->ranges, &x->now.page, &found);
		if (rc == 0 && found)
			rc = change_page(w, j, x, m, ret_limit);
		if (x->bulk && x->memo.count >= SETS_SLICE)
			break;
	}
	map_fini(&x->memo);
	keyset_delta_fini(&x->delta);
	*ret_done = !found;
	return rc;
}

static enum job_step finish(struct flags_job *j, struct flags_work *x, const struct mbox *m)
{
	if (m)
		j->ret_highestmodseq = m->counts.highestmodseq;
	if (!range_list_copy(&x->modified, &j->job.results, &j->ret_modified, &j->ret_modified_count))
		j->job.outcome = STORE_LIMIT;
	return STEP_DONE;
}

static enum job_step run_direct(struct writer *w, struct flags_job *j, struct flags_work *x, struct mbox *m)
{
	uint64_t before = m->counts.highestmodseq;
	bool done, limit;
	int rc = change_pages(w, j, x, m, UINT32_MAX, &done, &limit);

	j->ret_before_modseq = before;

	/* A set of keywords too many: nothing of the job may stand, and nothing does but what was changed before it. */
	if (rc == 0 && limit)
		return writer_refuse(w, STORE_LIMIT);
	return rc < 0 ? writer_error(w, rc, "changing flags") : finish(j, x, m);
}

static enum job_step stage(struct writer *w, struct flags_job *j, struct flags_work *x)
{
	struct mbox *m;
	bool done, limit;
	int rc = bulk_resume(w, &x->now.bulk, 0, &m);

	if (rc == 0)
		rc = change_pages(w, j, x, m, bulk_limits.flags_slice, &done, &limit);
	if (rc == 0 && limit)
		return writer_refuse(w, STORE_LIMIT);
	if (rc == 0) {
		bulk_keep(&x->now.bulk, 0, m);
		mbox_touch(w, m);
		j->ret_highestmodseq = m->counts.highestmodseq;
		if (done)
			rc = bulk_switch(w, &x->now.bulk, m);
	}
	return rc < 0 ? writer_error(w, rc, "changing flags") : STEP_AGAIN;
}

static enum job_step run_bulk(struct writer *w, struct flags_job *j, struct flags_work *x)
{
	bool done = false;
	int rc;

	x->now = x->base;
	range_list_cut(&x->modified, x->now.modified_count, x->now.modified_last);
	if (x->now.bulk.phase == BULK_STAGE)
		return stage(w, j, x);
	rc = bulk_merge(w, &x->now.bulk, &done);
	if (rc < 0)
		return writer_error(w, rc, "changing flags");
	return done ? finish(j, x, NULL) : STEP_AGAIN;
}

static bool settled(struct store_job *job)
{
	struct flags_work *x = job->progress;
	const bool is = x->bulk && x->started && bulk_is_switched(&x->base.bulk);

	job->outcome = STORE_OK;
	return is && finish((struct flags_job *)job, x, NULL) == STEP_DONE;
}

static int start(struct writer *w, struct flags_job *j, struct mbox *m, struct flags_work **ret)
{
	struct flags_work *x = xcalloc(1, sizeof *x);
	uint32_t direct = bulk_limits.flags_direct;
	size_t sets = 0;
	int rc = 0;

	j->job.progress = x;
	range_list_normalize(&x->ranges, j->ranges, j->range_count, (uint32_t)(m->counts.uidnext - 1));
	if (j->keyword_count && j->mode != FLAGS_REPLACE)
		rc = keyset_count(w, m, &sets);
	if (sets > SETS_DIRECT && direct > SETS_DIRECT_PAGES)
		direct = SETS_DIRECT_PAGES;
	if (rc == 0)
		rc = bulk_is_needed(w, m, &x->ranges, direct, &x->bulk);
	if (rc == 0 && x->bulk)
		rc = bulk_begin(w, &x->base.bulk, m, &j->job);
	*ret = x;
	return rc;
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct flags_job *j = (struct flags_job *)job;
	struct flags_work *x = job->progress;
	struct mbox *m;
	int rc;

	if (x && x->bulk && x->started)
		return run_bulk(w, j, x);
	if (x)
		forget(job); /* a first slice that was rolled back */
	rc = writer_mbox(w, j->mailbox, &m);
	if (rc < 0)
		return writer_error(w, rc, "changing flags");
	if (!m || m->account != j->account)
		job->outcome = STORE_NO_MAILBOX;
	else if (!keyset_valid(j->keywords, j->keyword_count))
		job->outcome = STORE_BAD_REQUEST;
	if (job->outcome != STORE_OK)
		return STEP_DONE;
	if (writer_is_busy(w, m->id, job))
		return STEP_AGAIN;
	rc = start(w, j, m, &x);
	if (rc < 0)
		return writer_error(w, rc, "changing flags");
	return x->bulk ? run_bulk(w, j, x) : run_direct(w, j, x, m);
}

void flags_job_init(struct flags_job *j)
{
	*j = (struct flags_job){.unchanged_since = UINT64_MAX};
	store_job_init(&j->job, run);
	j->job.advance = advance;
	j->job.forget = forget;
	j->job.settled = settled;
}
