/* SPDX-License-Identifier: ISC
 * EXPUNGE: copies are marked gone; their entries are the tombstones until housekeeping prunes them. */
#include "store/mailbox_write.h"

#include "base/clock.h"
#include "store/bulk.h"
#include "store/expunge.h"
#include "store/mbox_walk.h"

#include <errno.h>
#include <stdlib.h>

struct expunge_work {
	struct range_list ranges;
	struct range_list expunged;
	bool bulk;
	bool started; /* a slice is durable */
	struct expunge_at {
		struct bulk bulk;
		uint32_t page;
		uint64_t modseq;
		size_t expunged_count;
		uint32_t expunged_last;
	} now, base;
};

static void forget(struct store_job *job)
{
	struct expunge_work *x = job->progress;

	range_list_fini(&x->ranges);
	range_list_fini(&x->expunged);
	free(x);
	job->progress = NULL;
}

static void advance(struct store_job *job)
{
	struct expunge_work *x = job->progress;

	x->now.expunged_count = x->expunged.count;
	x->now.expunged_last = x->expunged.count ? x->expunged.at[x->expunged.count - 1].last : 0;
	x->base = x->now;
	x->started = true;
}

int expunge_entry(struct writer *w, struct mbox *m, uint32_t i, uint64_t modseq)
{
	struct mbox_counts *c = &m->counts;
	struct facts_entry facts;
	struct state_entry e;
	struct page *page;
	uint32_t uid, at;
	int rc;

	page_get_state(&m->state.page, i, &e);
	uid = m->state.no * STATE_SLOTS + e.slot;
	rc = mbox_facts(w, m, uid, &page);
	if (rc < 0)
		return rc;
	at = page_find(page, uid % FACTS_SLOTS);
	if (at == page->count)
		return -EUCLEAN;
	page_get_facts(page, at, &facts);
	c->messages--;
	c->bytes -= facts.size_bytes;
	c->unseen -= !(e.flags & STORE_SEEN);
	c->deleted -= (e.flags & STORE_DELETED) != 0;
	e.gone = true;
	e.modseq = modseq;
	page_put_state(&m->state.page, &e);
	m->state.dirty = true;
	mbox_touch(w, m);
	if (!m->staging)
		return writer_use(w, m->account, -(int64_t)facts.size_bytes, -1);
	c->held_bytes -= (int64_t)facts.size_bytes;
	c->held_messages--;
	return 0;
}

int expunge_log(struct writer *w, const struct mbox *m, uint64_t modseq, uint32_t first_uid, uint32_t last_uid)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_expunge_log_insert);

	sql_bind_u64(st, 1, writer_count(w, COUNTER_EXPUNGE));
	sql_bind_u64(st, 2, m->id);
	sql_bind_u64(st, 3, modseq);
	sql_bind_i64(st, 4, clock_wall_s());
	sql_bind_u64(st, 5, first_uid);
	sql_bind_u64(st, 6, last_uid);
	return sql_run(st);
}

static int expunge_page(struct writer *w, const struct expunge_job *j, struct expunge_work *x, struct mbox *m)
{
	struct walk k = walk_begin(&x->ranges, m);
	uint32_t i;

	while (walk_next(&k, &m->state.page, &i)) {
		struct state_entry e;
		int rc;

		page_get_state(&m->state.page, i, &e);
		if (e.gone || (!j->all && !(e.flags & STORE_DELETED)))
			continue;
		if (x->now.modseq == 0)
			x->now.modseq = mbox_next_modseq(w, m);
		rc = expunge_entry(w, m, i, x->now.modseq);
		if (rc < 0)
			return rc;
		range_list_add(&x->expunged, m->state.no * STATE_SLOTS + e.slot);
	}
	return 0;
}

static int expunge_pages(struct writer *w, const struct expunge_job *j, struct expunge_work *x, struct mbox *m,
			 unsigned max_pages, bool *ret_done)
{
	bool found = true;
	int rc = 0;

	for (unsigned n = 0; n < max_pages && rc == 0 && found; n++) {
		rc = walk_page(w, m, &x->ranges, &x->now.page, &found);
		if (rc == 0 && found)
			rc = expunge_page(w, j, x, m);
	}
	*ret_done = !found;
	return rc;
}

static int log_all(struct writer *w, const struct expunge_work *x, const struct mbox *m)
{
	const struct range_list *l = &x->expunged;

	return l->count ? expunge_log(w, m, x->now.modseq, l->at[0].first, l->at[l->count - 1].last) : 0;
}

static enum job_step finish(struct expunge_job *j, struct expunge_work *x)
{
	if (!range_list_copy(&x->expunged, &j->job.results, &j->ret_expunged, &j->ret_expunged_count))
		j->job.outcome = STORE_LIMIT;
	return STEP_DONE;
}

static enum job_step run_direct(struct writer *w, struct expunge_job *j, struct expunge_work *x, struct mbox *m)
{
	bool done;
	int rc = expunge_pages(w, j, x, m, UINT32_MAX, &done);

	if (rc == 0)
		rc = log_all(w, x, m);
	j->ret_highestmodseq = m->counts.highestmodseq;
	return rc < 0 ? writer_error(w, rc, "expunging") : finish(j, x);
}

static enum job_step stage(struct writer *w, struct expunge_job *j, struct expunge_work *x)
{
	struct mbox *m;
	bool done = false;
	int rc = bulk_resume(w, &x->now.bulk, 0, &m);

	if (rc == 0)
		rc = expunge_pages(w, j, x, m, bulk_limits.expunge_slice, &done);
	if (rc == 0) {
		bulk_keep(&x->now.bulk, 0, m);
		mbox_touch(w, m);
		j->ret_highestmodseq = m->counts.highestmodseq;
	}
	if (rc == 0 && done)
		rc = log_all(w, x, m);
	if (rc == 0 && done)
		rc = bulk_switch(w, &x->now.bulk, m);
	return rc < 0 ? writer_error(w, rc, "expunging") : STEP_AGAIN;
}

static enum job_step run_bulk(struct writer *w, struct expunge_job *j, struct expunge_work *x)
{
	bool done = false;
	int rc;

	x->now = x->base;
	range_list_cut(&x->expunged, x->now.expunged_count, x->now.expunged_last);
	if (x->now.bulk.phase == BULK_STAGE)
		return stage(w, j, x);
	rc = bulk_merge(w, &x->now.bulk, &done);
	if (rc < 0)
		return writer_error(w, rc, "expunging");
	return done ? finish(j, x) : STEP_AGAIN;
}

static bool settled(struct store_job *job)
{
	struct expunge_work *x = job->progress;
	const bool is = x->bulk && x->started && bulk_is_switched(&x->base.bulk);

	job->outcome = STORE_OK;
	return is && finish((struct expunge_job *)job, x) == STEP_DONE;
}

static int start(struct writer *w, struct expunge_job *j, struct mbox *m, struct expunge_work **ret)
{
	struct expunge_work *x = xcalloc(1, sizeof *x);
	int rc;

	j->job.progress = x;
	range_list_normalize(&x->ranges, j->ranges, j->range_count, (uint32_t)(m->counts.uidnext - 1));
	rc = bulk_is_needed(w, m, &x->ranges, bulk_limits.expunge_direct, &x->bulk);
	if (rc == 0 && x->bulk)
		rc = bulk_begin(w, &x->base.bulk, m, &j->job);
	*ret = x;
	return rc;
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct expunge_job *j = (struct expunge_job *)job;
	struct expunge_work *x = job->progress;
	struct mbox *m;
	int rc;

	if (x && x->bulk && x->started)
		return run_bulk(w, j, x);
	if (x)
		forget(job); /* a first slice that was rolled back */
	rc = writer_mbox(w, j->mailbox, &m);
	if (rc < 0)
		return writer_error(w, rc, "expunging");
	if (!m || m->account != j->account) {
		job->outcome = STORE_NO_MAILBOX;
		return STEP_DONE;
	}
	if (writer_is_busy(w, m->id, job))
		return STEP_AGAIN;
	rc = start(w, j, m, &x);
	if (rc < 0)
		return writer_error(w, rc, "expunging");
	return x->bulk ? run_bulk(w, j, x) : run_direct(w, j, x, m);
}

void expunge_job_init(struct expunge_job *j)
{
	*j = (struct expunge_job){0};
	store_job_init(&j->job, run);
	j->job.advance = advance;
	j->job.forget = forget;
	j->job.settled = settled;
}
