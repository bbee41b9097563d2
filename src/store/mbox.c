/* SPDX-License-Identifier: ISC
 * Mailboxes as the writer sees them: counters and one page of each kind in memory, written once a group. */
#include "store/mbox.h"

#include "store/store_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	MBOXES_KEPT = 512, /* about 6 KiB each */
	KEYSETS_KEPT_BYTES = 16 * 1024 * 1024, /* and their keywords */
};

static void unlink_mbox(struct writer *w, struct mbox *m)
{
	*(m->newer ? &m->newer->older : &w->newest) = m->older;
	*(m->older ? &m->older->newer : &w->oldest) = m->newer;
	m->newer = m->older = NULL;
}

static void use(struct writer *w, struct mbox *m)
{
	m->older = w->newest;
	m->newer = NULL;
	*(m->older ? &m->older->newer : &w->oldest) = m;
	w->newest = m;
}

static void free_mbox(struct writer *w, struct mbox *m)
{
	keyset_forget(w, m);
	free(m);
}

void writer_forget_mbox(struct writer *w, uint64_t mailbox)
{
	struct mbox *m = map_u64_remove(&w->mboxes, mailbox);

	if (!m)
		return;
	for (size_t i = 0; i < w->touched_count; i++)
		if (w->touched[i] == m)
			w->touched[i] = w->touched[--w->touched_count];
	unlink_mbox(w, m);
	free_mbox(w, m);
}

static struct mbox *from_row(struct sql_stmt *st, uint64_t mailbox)
{
	struct mbox *m = xcalloc(1, sizeof *m);

	m->id = mailbox;
	m->account = sql_u64(st, 0);
	m->uidvalidity = (uint32_t)sql_u64(st, 1);
	m->counts = (struct mbox_counts){
	    .uidnext = sql_u64(st, 2),
	    .highestmodseq = sql_u64(st, 3),
	    .messages = sql_u64(st, 4),
	    .unseen = sql_u64(st, 5),
	    .deleted = sql_u64(st, 6),
	    .bytes = sql_u64(st, 7),
	    .unseen_page = (uint32_t)sql_u64(st, 8),
	    .forgotten_modseq = sql_u64(st, 9),
	};
	return m;
}

int writer_mbox(struct writer *w, uint64_t mailbox, struct mbox **ret)
{
	struct mbox *m = map_u64_get(&w->mboxes, mailbox);
	struct sql_stmt *st;
	int rc = 0;

	if (m) {
		unlink_mbox(w, m);
		use(w, m);
		*ret = m;
		return 0;
	}
	if (mailbox > MAILBOX_ID_MAX) {
		*ret = NULL;
		return 0;
	}
	st = sql_use(w->sql, SQL_mailbox_for_writer);
	sql_bind_u64(st, 1, mailbox);
	rc = sql_step(st);
	if (rc > 0) {
		m = from_row(st, mailbox);
		(void)map_u64_set(&w->mboxes, mailbox, m);
		use(w, m);
	}
	sql_reset(st);
	*ret = m;
	return rc < 0 ? rc : 0;
}

int writer_mbox_by_name(struct writer *w, uint64_t account, struct view name, struct mbox **ret)
{
	struct sql_stmt *st;
	struct acct *a;
	uint64_t mailbox = 0;
	int rc = writer_acct(w, account, &a);

	*ret = NULL;
	if (rc < 0 || !a)
		return rc;
	if (name.n == 0 || view_eq_lit(name, "INBOX"))
		return writer_mbox(w, a->inbox, ret);
	st = sql_use(w->sql, SQL_mailbox_by_name);
	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, name);
	rc = sql_step(st);
	if (rc > 0)
		mailbox = sql_u64(st, 0);
	sql_reset(st);
	return rc <= 0 ? rc : writer_mbox(w, mailbox, ret);
}

void mbox_touch(struct writer *w, struct mbox *m)
{
	if (!m->staging)
		m->dirty = true;
	if (m->listed)
		return;
	if (w->touched_count == w->touched_cap) {
		w->touched_cap = w->touched_cap ? w->touched_cap * 2 : 64;
		w->touched = xrealloc(w->touched, w->touched_cap * sizeof(struct mbox *));
	}
	w->touched[w->touched_count++] = m;
	m->listed = true;
}

uint64_t mbox_next_modseq(struct writer *w, struct mbox *m)
{
	mbox_touch(w, m);
	assert(m->counts.highestmodseq < PAGE_MODSEQ_MAX);
	return ++m->counts.highestmodseq;
}

/* ---- pages ---- */

static int write_state(struct writer *w, struct mbox *m)
{
	struct mbox_page *p = &m->state;
	struct state_summary sum;
	struct sql_stmt *st;

	if (p->page.count == 0 && !m->staging) {
		st = sql_use(w->sql, SQL_state_delete);
		sql_bind_u64(st, 1, state_key(m->id, p->no));
		p->exists = false;
		return sql_run(st);
	}
	page_summarize(&p->page, &sum);
	st = sql_use(w->sql, m->staging ? SQL_staged_put : p->exists ? SQL_state_update : SQL_state_insert);
	sql_bind_u64(st, 1, state_key(m->id, p->no));
	sql_bind_u64(st, 2, sum.maxmodseq);
	sql_bind_u64(st, 3, sum.live);
	sql_bind_u64(st, 4, sum.unseen);
	sql_bind_bytes(st, 5, page_image(&p->page));
	p->exists = true;
	return sql_run(st);
}

static int write_facts(struct writer *w, struct mbox *m)
{
	struct mbox_page *p = &m->facts;
	struct sql_stmt *st;

	if (p->page.count == 0) {
		st = sql_use(w->sql, SQL_facts_delete);
		sql_bind_u64(st, 1, facts_key(m->id, p->no));
		p->exists = false;
		return sql_run(st);
	}
	st = sql_use(w->sql, p->exists ? SQL_facts_update : SQL_facts_insert);
	sql_bind_u64(st, 1, facts_key(m->id, p->no));
	sql_bind_bytes(st, 2, page_image(&p->page));
	p->exists = true;
	return sql_run(st);
}

static int flush_page(struct writer *w, struct mbox *m, struct mbox_page *p)
{
	if (!p->dirty)
		return 0;
	p->dirty = false;
	return p == &m->state ? write_state(w, m) : write_facts(w, m);
}

int mbox_flush_pages(struct writer *w, struct mbox *m)
{
	int rc = flush_page(w, m, &m->state);

	return rc < 0 ? rc : flush_page(w, m, &m->facts);
}

/* Reads the page at `key`; *ret_found tells whether there was one. */
static int read_page(struct writer *w, enum sql_id id, uint64_t key, enum page_kind kind, struct page *p,
		     bool *ret_found)
{
	struct sql_stmt *st = sql_use(w->sql, id);
	int rc;

	sql_bind_u64(st, 1, key);
	rc = sql_step(st);
	*ret_found = rc > 0;
	if (rc > 0 && !page_load(p, kind, sql_bytes(st, 0)))
		rc = -EUCLEAN;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int turn_to(struct writer *w, struct mbox *m, struct mbox_page *p, enum page_kind kind, uint32_t no)
{
	bool found = false;
	int rc;

	if (p->loaded && p->no == no)
		return 0;
	rc = flush_page(w, m, p);
	if (rc < 0)
		return rc;
	p->loaded = false;
	p->no = no;
	page_init(&p->page, kind);
	if (kind == PAGE_STATE && m->staging)
		rc = read_page(w, SQL_staged_get, state_key(m->id, no), kind, &p->page, &found);
	if (rc == 0 && !found)
		rc = kind == PAGE_STATE ? read_page(w, SQL_state_get, state_key(m->id, no), kind, &p->page, &found)
					: read_page(w, SQL_facts_get, facts_key(m->id, no), kind, &p->page, &found);
	p->exists = found;
	p->loaded = rc == 0;
	return rc;
}

int mbox_state(struct writer *w, struct mbox *m, uint32_t uid, struct page **ret)
{
	*ret = &m->state.page;
	return turn_to(w, m, &m->state, PAGE_STATE, state_page_no(uid));
}

int mbox_facts(struct writer *w, struct mbox *m, uint32_t uid, struct page **ret)
{
	*ret = &m->facts.page;
	return turn_to(w, m, &m->facts, PAGE_FACTS, facts_page_no(uid));
}

int mbox_next_state(struct writer *w, struct mbox *m, uint32_t from, uint32_t last, bool *ret_found, uint32_t *ret_no)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_state_next);
	int rc = mbox_flush_pages(w, m);

	*ret_found = false;
	if (rc < 0)
		return rc;
	sql_bind_u64(st, 1, state_key(m->id, from));
	sql_bind_u64(st, 2, state_key(m->id, last));
	rc = sql_step(st);
	if (rc > 0) {
		*ret_found = true;
		*ret_no = (uint32_t)(sql_u64(st, 0) & 0xffffff);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* ---- a new copy ---- */

static int append_state(struct writer *w, struct mbox *m, uint32_t uid, const struct new_copy *copy, uint64_t modseq)
{
	struct state_entry e = {uid % STATE_SLOTS, copy->flags, false, copy->has_uidl, copy->keyset, modseq};
	struct page *p;
	int rc = mbox_state(w, m, uid, &p);

	if (rc == 0) {
		page_put_state(p, &e);
		m->state.dirty = true;
	}
	return rc;
}

static int append_facts(struct writer *w, struct mbox *m, uint32_t uid, const struct new_copy *copy, uint64_t modseq)
{
	struct facts_entry e = {
	    .slot = uid % FACTS_SLOTS,
	    .message = copy->message,
	    .size_bytes = copy->size_bytes,
	    .internal_s = copy->internal_s,
	    .saved_s = copy->saved_s,
	    .sent_s = copy->sent_s,
	    .prefix_off = copy->prefix_off,
	    .prefix_bytes = copy->prefix_bytes,
	    .born = modseq,
	};
	struct page *p;
	int rc = mbox_facts(w, m, uid, &p);

	if (rc == 0) {
		page_put_facts(p, &e);
		m->facts.dirty = true;
	}
	return rc;
}

int mbox_append(struct writer *w, struct mbox *m, const struct new_copy *copy, uint64_t modseq, uint32_t *ret_uid)
{
	uint32_t uid = (uint32_t)m->counts.uidnext;
	int rc;

	if (m->counts.uidnext > UINT32_MAX - 1)
		return -EOVERFLOW;
	mbox_touch(w, m);
	rc = append_state(w, m, uid, copy, modseq);
	if (rc == 0)
		rc = append_facts(w, m, uid, copy, modseq);
	if (rc < 0)
		return rc;
	m->counts.uidnext++;
	m->counts.messages++;
	m->counts.bytes += copy->size_bytes;
	if (!(copy->flags & STORE_SEEN)) {
		if (m->counts.unseen++ == 0)
			m->counts.unseen_page = state_page_no(uid);
	}
	if (copy->flags & STORE_DELETED)
		m->counts.deleted++;
	*ret_uid = uid;
	if (!m->staging)
		return writer_use(w, m->account, (int64_t)copy->size_bytes, 1);
	m->counts.held_bytes += (int64_t)copy->size_bytes;
	m->counts.held_messages++;
	return 0;
}

/* ---- the end of a group ---- */

static int write_counts(struct writer *w, const struct mbox *m)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_mailbox_count_set);

	sql_bind_u64(st, 1, m->id);
	sql_bind_u64(st, 2, m->counts.uidnext);
	sql_bind_u64(st, 3, m->counts.highestmodseq);
	sql_bind_u64(st, 4, m->counts.messages);
	sql_bind_u64(st, 5, m->counts.unseen);
	sql_bind_u64(st, 6, m->counts.deleted);
	sql_bind_u64(st, 7, m->counts.bytes);
	sql_bind_u64(st, 8, m->counts.unseen_page);
	sql_bind_u64(st, 9, m->counts.forgotten_modseq);
	return sql_run(st);
}

int mbox_flush(struct writer *w, struct mbox *m)
{
	int rc = mbox_flush_pages(w, m);

	if (rc < 0 || !m->dirty)
		return rc;
	rc = write_counts(w, m);
	m->dirty = false;
	writer_changed(w, &(struct store_change){
			      .kind = CHANGE_MAILBOX,
			      .account = m->account,
			      .mailbox = m->id,
			      .highestmodseq = m->counts.highestmodseq,
			      .uidnext = (uint32_t)m->counts.uidnext,
			  });
	return rc;
}

int mbox_flush_all(struct writer *w)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->touched_count; i++)
		rc = mbox_flush(w, w->touched[i]);
	return rc;
}

void mbox_drop_all(struct writer *w)
{
	while (w->oldest) {
		struct mbox *next = w->oldest->newer;

		free_mbox(w, w->oldest);
		w->oldest = next;
	}
	w->newest = NULL;
	map_fini(&w->mboxes);
	map_init(&w->mboxes);
	w->touched_count = 0;
}

void mbox_settle(struct writer *w)
{
	for (size_t i = 0; i < w->touched_count; i++)
		w->touched[i]->listed = false;
	w->touched_count = 0;
	while (w->mboxes.count > MBOXES_KEPT || w->keyset_bytes > KEYSETS_KEPT_BYTES)
		writer_forget_mbox(w, w->oldest->id);
}
