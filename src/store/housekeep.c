/* SPDX-License-Identifier: ISC
 * Pruning what was expunged or deleted long ago, and the files that nothing names. */
#include "store/housekeep.h"

#include "store/content_private.h"
#include "store/mbox_walk.h"
#include "store/schema.h"
#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PRUNE_SLICE = 250, IDENTITIES_SLICE = 2000, UNDELETE_MIN_S = 3600 };

/* One slice of pruning. */
struct prune {
	struct writer *w;
	struct prune_job *j;
	unsigned left; /* so many messages may still go in this slice, or pages be looked at */
	uint64_t messages, bytes; /* gone in this slice */
};

static int drop_entry(struct prune *p, struct mbox *m, uint32_t i, const struct state_entry *e)
{
	uint32_t uid = m->state.no * STATE_SLOTS + e->slot, at;
	struct facts_entry facts;
	struct page *page;
	uint64_t bytes = 0;
	int rc = mbox_facts(p->w, m, uid, &page);

	if (rc < 0)
		return rc;
	at = page_find(page, uid % FACTS_SLOTS);
	if (at == page->count)
		return -EUCLEAN;
	page_get_facts(page, at, &facts);
	page_remove(page, at);
	m->facts.dirty = true;
	page_remove(&m->state.page, i);
	m->state.dirty = true;
	mbox_touch(p->w, m);
	if (e->has_uidl) {
		struct sql_stmt *st = sql_use(p->w->sql, SQL_uidl_delete);

		sql_bind_u64(st, 1, copy_key(m->id, uid));
		rc = sql_run(st);
	}
	if (rc == 0)
		rc = message_ref_drop(p->w, facts.message, &bytes);
	p->left--;
	p->messages++;
	p->bytes += bytes;
	return rc;
}

/* Entries of the page that went by `modseq` (or all of them: UINT64_MAX of a deleted mailbox), as long as there is something left of the slice. */
static int prune_page(struct prune *p, struct mbox *m, const struct range_list *range, uint64_t modseq, bool all)
{
	struct walk k = walk_begin(range, m);
	uint32_t i;

	while (p->left > 0 && walk_next(&k, &m->state.page, &i)) {
		struct state_entry e;
		int rc;

		page_get_state(&m->state.page, i, &e);
		if (!all && (!e.gone || e.modseq > modseq))
			continue;
		rc = drop_entry(p, m, i, &e);
		if (rc < 0)
			return rc;
		k.i--; /* the next entry has moved here */
	}
	return 0;
}

/* *ret_uid: where to go on, when nothing is left of the slice. */
static int prune_range(struct prune *p, struct mbox *m, struct uid_range range, uint64_t modseq, bool all,
		       uint32_t *ret_uid)
{
	struct range_list l = {&range, 1, 1};
	uint32_t next = 0;
	bool found = true;
	int rc = 0;

	*ret_uid = range.first;
	while (rc == 0 && p->left > 0 && found) {
		rc = walk_page(p->w, m, &l, &next, &found);
		if (rc < 0 || !found)
			break;
		if (m->state.no * STATE_SLOTS > range.first)
			*ret_uid = m->state.no * STATE_SLOTS;
		rc = prune_page(p, m, &l, modseq, all);
		p->left -= p->left > 0;
	}
	return rc;
}

/* ---- what was expunged ---- */

struct log_entry {
	uint64_t id, mailbox, modseq;
	struct uid_range range;
};

/* What was logged while the clock was ahead would keep all behind it: its time begins now. */
static int date_anew(struct prune *p, uint64_t first)
{
	struct sql_stmt *st = sql_use(p->w->sql, SQL_expunge_log_ahead);

	sql_bind_u64(st, 1, first);
	sql_bind_i64(st, 2, p->j->wall_s);
	return sql_run(st);
}

/* The oldest expunge, if it is due. 1, 0, negative errno. */
static int next_due(struct prune *p, int64_t before_s, struct log_entry *ret)
{
	struct sql_stmt *st = sql_use(p->w->sql, SQL_expunge_log_next);
	int rc = sql_step(st);
	int64_t wall_s = rc > 0 ? sql_i64(st, 5) : 0;

	if (rc > 0 && wall_s > p->j->wall_s) {
		uint64_t id = sql_u64(st, 0);

		sql_reset(st);
		rc = date_anew(p, id);
		return rc < 0 ? rc : 0;
	}
	if (rc > 0 && wall_s > before_s)
		rc = 0;
	if (rc > 0)
		*ret = (struct log_entry){sql_u64(st, 0),
					  sql_u64(st, 1),
					  sql_u64(st, 2),
					  {(uint32_t)sql_u64(st, 3), (uint32_t)sql_u64(st, 4)}};
	sql_reset(st);
	return rc;
}

static int delete_by_id(struct writer *w, enum sql_id id, uint64_t value)
{
	struct sql_stmt *st = sql_use(w->sql, id);

	sql_bind_u64(st, 1, value);
	return sql_run(st);
}

/* The next slice need not look again at what this one has looked at. */
static int note_begun(struct prune *p, const struct log_entry *entry, uint32_t uid)
{
	struct sql_stmt *st = sql_use(p->w->sql, SQL_expunge_log_begun);

	sql_bind_u64(st, 1, entry->id);
	sql_bind_u64(st, 2, uid);
	return sql_run(st);
}

/* 1: more of this entry is left (the slice is full, or a bulk job is at the mailbox). */
static int prune_entry(struct prune *p, const struct log_entry *entry)
{
	struct mbox *m;
	uint32_t uid;
	int rc = writer_mbox(p->w, entry->mailbox, &m);

	if (rc == 0 && m && writer_is_busy(p->w, m->id, &p->j->job))
		return 1;
	if (rc == 0 && m) {
		if (entry->modseq > m->counts.forgotten_modseq) {
			m->counts.forgotten_modseq = entry->modseq;
			mbox_touch(p->w, m);
		}
		rc = prune_range(p, m, entry->range, entry->modseq, false, &uid);
		if (rc == 0 && p->left == 0) {
			rc = note_begun(p, entry, uid);
			return rc < 0 ? rc : 1;
		}
	}
	/* The mailbox of an entry that finds none was deleted: it is pruned as a whole. */
	return rc < 0 ? rc : delete_by_id(p->w, SQL_expunge_log_delete, entry->id);
}

static int prune_expunged(struct prune *p, int64_t before_s, bool *ret_more)
{
	struct log_entry entry;
	int rc;

	*ret_more = false;
	while ((rc = next_due(p, before_s, &entry)) > 0 && p->left > 0) {
		rc = prune_entry(p, &entry);
		if (rc > 0)
			*ret_more = p->left == 0;
		if (rc != 0)
			return rc < 0 ? rc : 0;
		p->left--; /* an entry costs too */
	}
	*ret_more = rc > 0;
	return rc < 0 ? rc : 0;
}

/* ---- deleted mailboxes ---- */

static int next_gone(struct prune *p, int64_t before_s, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(p->w->sql, SQL_mailbox_gone_next);
	int rc;

	sql_bind_i64(st, 1, before_s);
	rc = sql_step(st);
	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc;
}

/* A slice of its import identities; *ret_left false when the rest is few enough to go with the mailbox. */
static int forget_imported(struct writer *w, uint64_t mailbox, bool *ret_left)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_imported_delete_some);
	int rc;

	sql_bind_u64(st, 1, mailbox);
	sql_bind_u64(st, 2, IDENTITIES_SLICE);
	rc = sql_run(st);
	*ret_left = rc == 0 && sql_changes(w->sql) > 0;
	return rc;
}

static int forget_mailbox(struct writer *w, uint64_t mailbox)
{
	static const enum sql_id ids[] = {SQL_keyset_delete_all, SQL_mailbox_count_delete, SQL_imported_delete_all,
					  SQL_annotation_delete_all, SQL_mailbox_delete};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(ids) && rc == 0; i++)
		rc = delete_by_id(w, ids[i], mailbox);
	return rc;
}

/* The copies of a mailbox that no session can open any more; its row goes last. */
static int prune_mailbox(struct prune *p, uint64_t mailbox)
{
	struct mbox *m = xcalloc(1, sizeof *m); /* not one of the writer's: it has no counts to keep */
	uint32_t uid;
	bool left;
	/* From here on nobody gets it back: half of it may be gone after this slice. */
	int rc = delete_by_id(p->w, SQL_gone_name_delete, mailbox);

	m->id = mailbox;
	m->listed = true;
	if (rc == 0)
		rc = prune_range(p, m, (struct uid_range){1, UINT32_MAX}, UINT64_MAX, true, &uid);
	if (rc == 0)
		rc = mbox_flush_pages(p->w, m);
	free(m);
	if (rc < 0 || p->left == 0)
		return rc;
	rc = forget_imported(p->w, mailbox, &left);
	if (rc == 0 && left)
		p->left = 0;
	return rc < 0 || left ? rc : forget_mailbox(p->w, mailbox);
}

static int prune_gone(struct prune *p, int64_t before_s, bool *ret_more)
{
	struct sql_stmt *st = sql_use(p->w->sql, SQL_mailbox_gone_ahead);
	uint64_t mailbox;
	int rc;

	sql_bind_i64(st, 1, p->j->wall_s);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	while ((rc = next_gone(p, before_s, &mailbox)) > 0 && p->left > 0) {
		rc = prune_mailbox(p, mailbox);
		if (rc < 0)
			return rc;
		if (p->left > 0)
			p->left--;
	}
	*ret_more = rc > 0;
	return rc < 0 ? rc : 0;
}

/* ---- the jobs ---- */

/* What earlier, durable slices dropped. */
struct pruned {
	uint64_t messages, bytes;
	uint64_t now_messages, now_bytes;
};

static void advance_prune(struct store_job *job)
{
	struct pruned *x = job->progress;

	x->messages += x->now_messages;
	x->bytes += x->now_bytes;
}

static void forget_prune(struct store_job *job)
{
	free(job->progress);
	job->progress = NULL;
}

static enum job_step run_prune(struct writer *w, struct store_job *job)
{
	struct prune_job *j = (struct prune_job *)job;
	struct prune p = {.w = w, .j = j, .left = PRUNE_SLICE};
	struct store_settings settings;
	struct pruned *x;
	int64_t before_s;
	bool more = false;
	int rc;

	if (!job->progress)
		job->progress = xcalloc(1, sizeof *x);
	x = job->progress;
	store_settings_get(w->store, NULL, &settings);
	before_s =
	    j->wall_s - (settings.undelete_s > UNDELETE_MIN_S && !j->hurry ? settings.undelete_s : UNDELETE_MIN_S);
	rc = prune_expunged(&p, before_s, &more);
	if (rc == 0 && !more && p.left > 0)
		rc = prune_gone(&p, before_s, &more);
	if (rc < 0)
		return writer_error(w, rc, "pruning");
	x->now_messages = p.messages;
	x->now_bytes = p.bytes;
	j->ret_messages = x->messages + p.messages;
	j->ret_bytes = x->bytes + p.bytes;
	return more ? STEP_AGAIN : STEP_DONE;
}

void prune_job_init(struct prune_job *j)
{
	*j = (struct prune_job){0};
	store_job_init(&j->job, run_prune);
	j->job.advance = advance_prune;
	j->job.forget = forget_prune;
}

static enum job_step run_migrate(struct writer *w, struct store_job *job)
{
	int rc = schema_slice(w->sql, &schema_migrations);

	(void)job;
	return rc < 0 ? writer_error(w, rc, "migrating") : rc > 0 ? STEP_AGAIN : STEP_DONE;
}

void migrate_job_init(struct migrate_job *j)
{
	*j = (struct migrate_job){0};
	store_job_init(&j->job, run_migrate);
}

/* ---- files ---- */

static bool take_unlink(struct store *s, uint64_t *ret_id, size_t *ret_left)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->unlink_count > 0;
	if (any)
		*ret_id = s->unlinks[--s->unlink_count];
	*ret_left = s->unlink_count;
	pthread_mutex_unlock(&s->lock);
	return any;
}

size_t housekeep_unlink(struct store *s, size_t max)
{
	size_t left = 0;
	uint64_t id;

	for (size_t i = 0; i < max && take_unlink(s, &id, &left); i++) {
		store_crash_point("content-unlink");
		/* One that stays is swept later. */
		(void)(content_unlink(s, id) < 0);
	}
	return left;
}

size_t housekeep_unlinks(struct store *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->unlink_count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* 1: an orphan of an earlier process. */
static int is_orphan(void *ctx, uint64_t id)
{
	struct store_reader *r = ctx;
	struct sql_stmt *st;
	int rc;

	if (id >= r->store->first_id)
		return 0; /* may be on its way to its commit */
	st = sql_use(r->sql, SQL_content_named);
	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	sql_reset(st);
	return rc < 0 ? rc : rc == 0;
}

enum store_outcome housekeep_sweep(struct store_reader *r, unsigned step, uint64_t *ret_removed)
{
	enum store_outcome outcome = STORE_OK;
	int rc = 0;

	*ret_removed = 0;
	if (step == 0)
		rc = content_clear_spool(r->store, ret_removed);
	if (rc == 0)
		rc = content_sweep(r->store, step, is_orphan, r, ret_removed);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	return outcome;
}
