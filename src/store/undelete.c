/* SPDX-License-Identifier: ISC
 * Bringing back expunged messages. (Deleted mailboxes: folder.c.) */
#include "store/undelete.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/box.h"
#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is ---- */

enum store_outcome undelete_times(struct store_reader *r, uint64_t account, uint64_t mailbox, uint64_t after_modseq,
				  size_t max, struct arena *a, const struct expunge_time **ret, size_t *ret_count)
{
	struct expunge_time *times = arena_array(a, max, sizeof *times);
	struct sql_stmt *st;
	enum store_outcome outcome;
	struct box box;
	size_t n = 0;
	int rc = times ? reader_begin(r) : -ENOMEM;

	rc = rc < 0 ? rc : box_read(r, account, mailbox, &box);
	if (rc > 0) {
		st = sql_use(r->sql, SQL_undelete_times);
		sql_bind_u64(st, 1, mailbox);
		sql_bind_u64(st, 2, after_modseq);
		sql_bind_u64(st, 3, max);
		while ((rc = sql_step(st)) > 0 && n < max)
			times[n++] = (struct expunge_time){sql_u64(st, 0), sql_i64(st, 1)};
		sql_reset(st);
		rc = rc < 0 ? rc : 1;
	}
	outcome = box_outcome(r, rc);
	reader_end(r);
	*ret = times;
	*ret_count = n;
	return outcome;
}

enum store_outcome undelete_mailboxes(struct store_reader *r, uint64_t account, uint64_t after, size_t max,
				      struct arena *a, const struct gone_mailbox **ret, size_t *ret_count)
{
	struct gone_mailbox *items = arena_array(a, max, sizeof *items);
	enum store_outcome outcome = STORE_OK;
	struct sql_stmt *st;
	size_t n = 0;
	int rc = items ? reader_begin(r) : -ENOMEM;

	if (rc == 0) {
		st = sql_use(r->sql, SQL_undelete_mailboxes);
		sql_bind_u64(st, 1, account);
		sql_bind_u64(st, 2, after);
		sql_bind_u64(st, 3, max);
		while ((rc = sql_step(st)) > 0 && n < max)
			items[n++] = (struct gone_mailbox){sql_u64(st, 0), arena_copy(a, sql_bytes(st, 1)),
							   sql_i64(st, 2), sql_u64(st, 3), sql_u64(st, 4)};
		sql_reset(st);
	}
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	*ret = items;
	*ret_count = n;
	return outcome;
}

/* ---- messages ---- */

/* One copy to be made, read before anything is written. */
struct picked {
	uint32_t uid;
	struct state_entry state;
	struct facts_entry facts;
};

/* 1: it is expunged and still there; 0; negative errno. */
static int pick(struct writer *w, struct mbox *m, uint32_t uid, struct picked *p)
{
	struct page *page;
	uint32_t i;
	int rc = mbox_state(w, m, uid, &page);

	if (rc < 0)
		return rc;
	i = page_find(page, uid % STATE_SLOTS);
	if (i == page->count)
		return 0;
	page_get_state(page, i, &p->state);
	p->uid = uid;
	if (!p->state.gone)
		return 0;
	rc = mbox_facts(w, m, uid, &page);
	if (rc < 0)
		return rc;
	i = page_find(page, uid % FACTS_SLOTS);
	if (i == page->count)
		return -EUCLEAN;
	page_get_facts(page, i, &p->facts);
	return 1;
}

/* The POP3 id that it had, stored or made (box_rows.c), is a stored one now. */
static int keep_uidl(struct writer *w, const struct mbox *m, const struct picked *p, uint32_t uid)
{
	struct buf text = BUF_INIT(128);
	char id[ID_TEXT_BYTES + 1];
	struct sql_stmt *st;
	int rc = 1;

	if (p->state.has_uidl) {
		st = sql_use(w->sql, SQL_uidl_get);
		sql_bind_u64(st, 1, copy_key(m->id, p->uid));
		rc = sql_step(st);
		buf_append_view(&text, sql_bytes(st, 0));
		sql_reset(st);
	} else {
		id_format(p->facts.message, id);
		buf_printf(&text, "%s-%llx.%x", id, (unsigned long long)m->id, p->uid);
	}
	if (rc > 0) {
		st = sql_use(w->sql, SQL_uidl_insert);
		sql_bind_u64(st, 1, copy_key(m->id, uid));
		sql_bind_text(st, 2, buf_view(&text));
		rc = sql_run(st);
	} else if (rc == 0) {
		rc = -EUCLEAN;
	}
	buf_fini(&text);
	return rc;
}

static int bring_back(struct writer *w, struct mbox *m, const struct picked *p, uint64_t modseq)
{
	const struct new_copy copy = {
	    .message = p->facts.message,
	    .size_bytes = p->facts.size_bytes,
	    .internal_s = p->facts.internal_s,
	    .saved_s = clock_wall_s(),
	    .sent_s = p->facts.sent_s,
	    .prefix_off = p->facts.prefix_off,
	    .prefix_bytes = p->facts.prefix_bytes,
	    .flags = p->state.flags & ~(uint32_t)STORE_DELETED,
	    .keyset = p->state.keyset,
	    .has_uidl = true,
	};
	uint32_t uid;
	int rc = mbox_append(w, m, &copy, modseq, &uid);

	if (rc == 0)
		rc = message_ref_add(w, p->facts.message, 1);
	return rc < 0 ? rc : keep_uidl(w, m, p, uid);
}

static enum job_step run_undelete(struct writer *w, struct store_job *job)
{
	struct undelete_job *j = (struct undelete_job *)job;
	struct picked *picked;
	struct mbox *m;
	size_t n = 0;
	int rc = writer_mbox(w, j->mailbox, &m);

	if (rc < 0)
		return writer_error(w, rc, "undeleting");
	if (!m || m->account != j->account)
		job->outcome = STORE_NO_MAILBOX;
	else if (j->count > UNDELETE_MAX)
		job->outcome = STORE_LIMIT;
	else if (writer_is_busy(w, m->id, job))
		return STEP_AGAIN;
	if (job->outcome != STORE_OK)
		return STEP_DONE;
	picked = xcalloc(j->count + 1, sizeof *picked);
	for (size_t i = 0; i < j->count && rc >= 0; i++) {
		rc = pick(w, m, j->uids[i], &picked[n]);
		n += rc > 0;
	}
	if (rc >= 0 && n > 0) {
		uint64_t modseq = mbox_next_modseq(w, m);

		rc = 0;
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = bring_back(w, m, &picked[i], modseq);
	}
	free(picked);
	j->ret_count = (uint32_t)n;
	return rc < 0 ? writer_error(w, rc, "undeleting") : STEP_DONE;
}

void undelete_job_init(struct undelete_job *j)
{
	*j = (struct undelete_job){0};
	store_job_init(&j->job, run_undelete);
}
