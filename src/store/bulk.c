/* SPDX-License-Identifier: ISC
 * Changes in slices that nobody sees half done: staged pages, one switch, and what a crash leaves of them. */
#include "store/bulk.h"

#include <errno.h>

struct bulk_limits bulk_limits = {
    .flags_direct = 400,
    .flags_slice = 250,
    .expunge_direct = 120,
    .expunge_slice = 100,
    .copy_direct = 1000,
    .copy_slice = 500,
    .merge = 250,
};

/* ---- while it runs ---- */

static int set_overlay(struct writer *w, uint64_t mailbox, bool on)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_overlay_set);

	sql_bind_u64(st, 1, mailbox);
	sql_bind_i64(st, 2, on);
	return sql_run(st);
}

int bulk_begin(struct writer *w, struct bulk *b, struct mbox *m, const struct store_job *job)
{
	int rc = mbox_flush(w, m);

	if (rc < 0)
		return rc;
	writer_claim(w, m->id, job);
	b->phase = BULK_STAGE;
	b->sides[b->side_count++] = (struct bulk_side){m->id, m->counts};
	return 0;
}

int bulk_resume(struct writer *w, const struct bulk *b, size_t side, struct mbox **ret)
{
	int rc = writer_mbox(w, b->sides[side].mailbox, ret);

	if (rc < 0 || !*ret)
		return rc < 0 ? rc : -EUCLEAN;
	(*ret)->staging = true;
	(*ret)->counts = b->sides[side].counts;
	return 0;
}

void bulk_keep(struct bulk *b, size_t side, const struct mbox *m)
{
	b->sides[side].counts = m->counts;
}

int bulk_switch(struct writer *w, struct bulk *b, struct mbox *m)
{
	int rc = mbox_flush_pages(w, m);

	if (rc == 0)
		rc = set_overlay(w, m->id, true);
	if (rc == 0)
		rc = writer_use(w, m->account, m->counts.held_bytes, m->counts.held_messages);
	if (rc < 0)
		return rc;
	m->counts.held_bytes = m->counts.held_messages = 0;
	m->staging = false;
	m->state.loaded = false;
	mbox_touch(w, m);
	b->phase = BULK_MERGE;
	return 0;
}

bool bulk_is_switched(const struct bulk *b)
{
	return b->phase == BULK_MERGE;
}

/* Up to bulk_limits.merge staged pages of the mailbox: the first and the last key; *ret_any false when there are none. */
static int staged_span(struct writer *w, uint64_t mailbox, bool *ret_any, uint64_t *ret_first, uint64_t *ret_last)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_staged_span);
	int rc;

	sql_bind_u64(st, 1, state_key(mailbox, 0));
	sql_bind_u64(st, 2, state_key(mailbox, 0xffffff));
	sql_bind_i64(st, 3, bulk_limits.merge);
	rc = sql_step(st);
	*ret_any = rc > 0 && !sql_is_null(st, 0);
	if (*ret_any) {
		*ret_first = sql_u64(st, 0);
		*ret_last = sql_u64(st, 1);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int run_span(struct writer *w, enum sql_id id, uint64_t first, uint64_t last)
{
	struct sql_stmt *st = sql_use(w->sql, id);

	sql_bind_u64(st, 1, first);
	sql_bind_u64(st, 2, last);
	return sql_run(st);
}

/* The slice that moves the last page also clears the overlay: where it is set there are staged pages. */
static int merge_side(struct writer *w, uint64_t mailbox, bool *ret_done)
{
	uint64_t first, last;
	bool any;
	int rc = staged_span(w, mailbox, &any, &first, &last);

	writer_forget_mbox(w, mailbox);
	if (rc == 0 && any)
		rc = run_span(w, SQL_staged_merge, first, last);
	if (rc == 0 && any)
		rc = run_span(w, SQL_staged_delete, first, last);
	if (rc == 0)
		rc = staged_span(w, mailbox, &any, &first, &last);
	*ret_done = rc == 0 && !any;
	return *ret_done ? set_overlay(w, mailbox, false) : rc;
}

int bulk_merge(struct writer *w, const struct bulk *b, bool *ret_done)
{
	*ret_done = false;
	for (size_t i = 0; i < b->side_count; i++) {
		bool done;
		int rc = merge_side(w, b->sides[i].mailbox, &done);

		if (rc < 0 || !done)
			return rc;
	}
	*ret_done = true;
	return 0;
}

int bulk_is_needed(struct writer *w, struct mbox *m, const struct range_list *ranges, uint32_t direct_pages, bool *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_state_count);
	uint32_t first, last;
	int rc;

	*ret = false;
	if (ranges->count == 0)
		return 0;
	first = state_page_no(ranges->at[0].first);
	last = state_page_no(ranges->at[ranges->count - 1].last);
	if (last - first < direct_pages)
		return 0;
	sql_bind_u64(st, 1, state_key(m->id, first));
	sql_bind_u64(st, 2, state_key(m->id, last));
	rc = sql_step(st);
	*ret = rc > 0 && sql_i64(st, 0) > direct_pages;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* ---- what is left of one that did not reach its switch ---- */

static int read_uidnext(struct writer *w, uint64_t mailbox, uint64_t *ret, bool *ret_overlay)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_overlay_get);
	int rc;

	*ret = UINT64_MAX;
	*ret_overlay = false;
	sql_bind_u64(st, 1, mailbox);
	rc = sql_step(st);
	if (rc > 0) {
		*ret = sql_u64(st, 0);
		*ret_overlay = sql_i64(st, 1) != 0;
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int read_facts(struct writer *w, uint64_t mailbox, uint32_t uid, struct facts_entry *ret, bool *ret_found)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_facts_get);
	struct page page;
	uint32_t i;
	int rc;

	*ret_found = false;
	sql_bind_u64(st, 1, facts_key(mailbox, facts_page_no(uid)));
	rc = sql_step(st);
	if (rc > 0 && page_load(&page, PAGE_FACTS, sql_bytes(st, 0))) {
		i = page_find(&page, uid % FACTS_SLOTS);
		*ret_found = i < page.count;
		if (*ret_found)
			page_get_facts(&page, i, ret);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* New copies on a staged page that never came to be: their references are given back. */
static int unrefer_page(struct writer *w, uint64_t key, uint64_t uidnext)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_staged_get);
	uint64_t mailbox = key >> 24;
	struct page page;
	bool found;
	int rc;

	sql_bind_u64(st, 1, key);
	rc = sql_step(st);
	found = rc > 0 && page_load(&page, PAGE_STATE, sql_bytes(st, 0));
	sql_reset(st);
	for (uint32_t i = 0; rc >= 0 && found && i < page.count; i++) {
		uint32_t uid = (uint32_t)(key & 0xffffff) * STATE_SLOTS + page_slot(&page, i);
		struct facts_entry facts;
		uint64_t bytes;
		bool there;

		if (uid < uidnext)
			continue;
		rc = read_facts(w, mailbox, uid, &facts, &there);
		if (rc == 0 && there)
			rc = message_ref_drop(w, facts.message, &bytes);
	}
	return rc < 0 ? rc : 0;
}

/* The first staged key from `from` to `last`; *ret_found false when none. */
static int staged_next(struct writer *w, uint64_t from, uint64_t last, bool *ret_found, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_staged_next);
	int rc;

	sql_bind_u64(st, 1, from);
	sql_bind_u64(st, 2, last);
	rc = sql_step(st);
	*ret_found = rc > 0;
	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int abandon(struct writer *w, uint64_t mailbox, uint64_t uidnext, bool *ret_done)
{
	uint64_t first, last, key;
	bool any;
	int rc = staged_span(w, mailbox, &any, &first, &last);

	*ret_done = rc == 0 && !any;
	if (rc < 0 || !any)
		return rc;
	for (key = first; rc == 0 && any && key <= last; key++) {
		rc = staged_next(w, key, last, &any, &key);
		if (rc == 0 && any)
			rc = unrefer_page(w, key, uidnext);
	}
	return rc < 0 ? rc : run_span(w, SQL_staged_delete, first, last);
}

int bulk_end(struct writer *w, uint64_t mailbox, bool *ret_done)
{
	uint64_t uidnext;
	bool overlay;
	int rc = read_uidnext(w, mailbox, &uidnext, &overlay);

	*ret_done = false;
	if (rc < 0)
		return rc;
	return overlay ? merge_side(w, mailbox, ret_done) : abandon(w, mailbox, uidnext, ret_done);
}

/* One transaction: a slice for the first mailbox that has staged pages. */
static int recover_slice(struct writer *w, bool *ret_more)
{
	uint64_t key;
	bool done;
	int rc = staged_next(w, 0, INT64_MAX, ret_more, &key);

	return rc < 0 || !*ret_more ? rc : bulk_end(w, key >> 24, &done);
}

int bulk_recover(struct writer *w)
{
	bool more = true;
	int rc = 0;

	while (rc == 0 && more) {
		rc = sql_begin(w->sql);
		if (rc == 0)
			rc = recover_slice(w, &more);
		if (rc == 0)
			rc = sql_commit(w->sql);
		if (rc < 0)
			(void)sql_rollback(w->sql);
	}
	return rc;
}
