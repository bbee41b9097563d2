/* SPDX-License-Identifier: ISC
 * APPEND: messages into one mailbox, all or none, and maybe one that they replace. */
#include "store/deliver_private.h"
#include "store/expunge.h"
#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>

enum { UIDL_MAX = 70 };

/* The copy that goes. */
struct replaced {
	struct mbox *mailbox;
	uint64_t size_bytes;
};

static struct append_more item(const struct append_job *j, size_t i)
{
	if (i > 0)
		return j->more[i - 1];
	return (struct append_more){j->message, j->internaldate_s, j->flags, j->keywords, j->keyword_count};
}

/* Entry of `uid` in m->state.page; *ret_there false: there is no such message. */
static int find_live(struct writer *w, struct mbox *m, uint32_t uid, uint32_t *ret_at, bool *ret_there)
{
	struct state_entry e;
	struct page *page;
	int rc = uid < m->counts.uidnext ? mbox_state(w, m, uid, &page) : 0;

	*ret_there = false;
	if (rc < 0 || uid >= m->counts.uidnext)
		return rc;
	*ret_at = page_find(page, uid % STATE_SLOTS);
	if (*ret_at == page->count)
		return 0;
	page_get_state(page, *ret_at, &e);
	*ret_there = !e.gone;
	return 0;
}

static int size_of(struct writer *w, struct mbox *m, uint32_t uid, uint64_t *ret)
{
	struct facts_entry facts;
	struct page *page;
	uint32_t at;
	int rc = mbox_facts(w, m, uid, &page);

	if (rc < 0)
		return rc;
	at = page_find(page, uid % FACTS_SLOTS);
	if (at == page->count)
		return -EUCLEAN;
	page_get_facts(page, at, &facts);
	*ret = facts.size_bytes;
	return 0;
}

/* STEP_DONE: job->outcome says whether it can go. */
static enum job_step check_replaced(struct writer *w, struct append_job *j, struct replaced *ret)
{
	bool there = false;
	uint32_t at;
	int rc;

	*ret = (struct replaced){0};
	if (j->replace_uid == 0)
		return STEP_DONE;
	rc = writer_mbox(w, j->replace_mailbox, &ret->mailbox);
	if (rc == 0 && ret->mailbox && ret->mailbox->account == j->account) {
		if (writer_is_busy(w, ret->mailbox->id, &j->job))
			return STEP_AGAIN;
		rc = find_live(w, ret->mailbox, j->replace_uid, &at, &there);
		if (rc == 0 && there)
			rc = size_of(w, ret->mailbox, j->replace_uid, &ret->size_bytes);
	}
	if (rc < 0)
		return writer_error(w, rc, "finding the message to replace");
	if (!there)
		j->job.outcome = STORE_NO_MESSAGE;
	return STEP_DONE;
}

/* RFC 1939 §7 */
static bool is_uidl(struct view id)
{
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~')
			return false;
	return id.n <= UIDL_MAX;
}

static enum store_outcome check_items(struct writer *w, const struct append_job *j, uint64_t *ret_bytes)
{
	*ret_bytes = 0;
	for (size_t i = 0; i <= j->more_count; i++) {
		struct append_more one = item(j, i);
		enum store_outcome outcome = deliver_check(w, &one.message);

		if (outcome != STORE_OK)
			return outcome;
		if (!keyset_valid(one.keywords, one.keyword_count))
			return STORE_BAD_REQUEST;
		*ret_bytes += deliver_size(&one.message);
	}
	if (!is_uidl(j->uidl) || (j->identity.n > 0 && j->identity.n != STORE_IDENTITY_BYTES))
		return STORE_BAD_REQUEST;
	return STORE_OK;
}

/* More is used than may be, the one that goes not counted. */
static bool is_over(const struct acct *a, const struct append_job *j, uint64_t bytes, uint64_t freed)
{
	struct quota more = {bytes > freed ? bytes - freed : 0, j->more_count + (j->replace_uid == 0)};

	return !quota_has_room(a->limit, a->used, more);
}

static enum job_step check(struct writer *w, struct append_job *j, struct mbox **ret, struct replaced *ret_replaced)
{
	enum job_step step = check_replaced(w, j, ret_replaced);
	struct acct *a;
	uint64_t bytes;
	int rc;

	if (step != STEP_DONE || j->job.outcome != STORE_OK)
		return step;
	j->job.outcome = check_items(w, j, &bytes);
	if (j->job.outcome != STORE_OK)
		return STEP_DONE;
	rc = writer_acct(w, j->account, &a);
	if (rc == 0)
		rc = writer_mbox_by_name(w, j->account, j->name, ret);
	if (rc < 0)
		return writer_error(w, rc, "finding the mailbox");
	if (!a || !*ret)
		j->job.outcome = STORE_NO_MAILBOX;
	else if (writer_is_busy(w, (*ret)->id, &j->job))
		return STEP_AGAIN;
	else if (!j->ignore_quota && is_over(a, j, bytes, ret_replaced->size_bytes))
		j->job.outcome = STORE_OVER_QUOTA;
	return STEP_DONE;
}

/* 1: it came before; 0; negative errno. */
static int was_imported(struct writer *w, const struct append_job *j, const struct mbox *m)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_imported_get);
	int rc;

	if (j->identity.n == 0)
		return 0;
	sql_bind_u64(st, 1, m->id);
	sql_bind_bytes(st, 2, j->identity);
	rc = sql_step(st);
	sql_reset(st);
	return rc;
}

static int remember_import(struct writer *w, const struct append_job *j, const struct mbox *m)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_imported_insert);

	if (j->identity.n == 0)
		return 0;
	sql_bind_u64(st, 1, m->id);
	sql_bind_bytes(st, 2, j->identity);
	return sql_run(st);
}

static int append_copy(struct writer *w, const struct append_job *j, const struct append_more *one, struct mbox *m,
		       uint32_t keyset, bool has_uidl, uint32_t *ret_uid)
{
	struct new_copy copy = {
	    .message = one->message.id,
	    .size_bytes = deliver_size(&one->message),
	    .internal_s = one->internaldate_s,
	    .saved_s = j->wall_s,
	    .sent_s = one->message.sent_s,
	    .flags = one->flags,
	    .keyset = keyset,
	    .has_uidl = has_uidl,
	};
	struct sql_stmt *st;
	int rc;

	buf_reset(&w->scratch);
	rc = deliver_insert(w, &one->message, 1);
	if (rc == 0)
		rc = mbox_append(w, m, &copy, mbox_next_modseq(w, m), ret_uid);
	if (rc < 0 || !has_uidl)
		return rc;
	st = sql_use(w->sql, SQL_uidl_insert);
	sql_bind_u64(st, 1, copy_key(m->id, *ret_uid));
	sql_bind_text(st, 2, j->uidl);
	return sql_run(st);
}

static int append_all(struct writer *w, struct append_job *j, struct mbox *m, const uint32_t *keysets)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i <= j->more_count; i++) {
		struct append_more one = item(j, i);
		uint32_t uid = 0;

		rc = append_copy(w, j, &one, m, keysets[i], i == 0 && j->uidl.n > 0, &uid);
		if (i == 0)
			j->ret_uid = uid;
	}
	return rc;
}

/* A combination that is made and then not used does no harm. */
static int intern_all(struct writer *w, const struct append_job *j, struct mbox *m, uint32_t *keysets, bool *ret_limit)
{
	int rc = 0;

	*ret_limit = false;
	for (size_t i = 0; rc == 0 && !*ret_limit && i <= j->more_count; i++) {
		struct append_more one = item(j, i);

		rc = keyset_intern(w, m, one.keywords, one.keyword_count, &keysets[i], ret_limit);
	}
	return rc;
}

static int drop_replaced(struct writer *w, const struct append_job *j, struct mbox *m)
{
	uint64_t modseq = mbox_next_modseq(w, m);
	bool there;
	uint32_t at;
	int rc = find_live(w, m, j->replace_uid, &at, &there);

	if (rc == 0 && !there)
		rc = -EUCLEAN; /* check_replaced() saw it */
	if (rc == 0)
		rc = expunge_entry(w, m, at, modseq);
	return rc < 0 ? rc : expunge_log(w, m, modseq, j->replace_uid, j->replace_uid);
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct append_job *j = (struct append_job *)job;
	struct replaced replaced;
	struct mbox *m = NULL;
	enum job_step step = check(w, j, &m, &replaced);
	uint32_t *keysets;
	bool limit = false;
	int rc;

	if (step != STEP_DONE || job->outcome != STORE_OK)
		return step;
	rc = was_imported(w, j, m);
	if (rc > 0) {
		job->outcome = STORE_EXISTS;
		return STEP_DONE;
	}
	keysets = xcalloc(j->more_count + 1, sizeof *keysets);
	if (rc == 0)
		rc = intern_all(w, j, m, keysets, &limit);
	if (rc == 0 && limit)
		job->outcome = STORE_LIMIT;
	else if (rc == 0)
		rc = append_all(w, j, m, keysets);
	free(keysets);
	if (rc == 0 && job->outcome == STORE_OK)
		rc = remember_import(w, j, m);
	if (rc == 0 && replaced.mailbox && job->outcome == STORE_OK)
		rc = drop_replaced(w, j, replaced.mailbox);
	j->ret_mailbox = m->id;
	j->ret_uidvalidity = m->uidvalidity;
	return rc < 0 ? writer_error(w, rc, "appending") : STEP_DONE;
}

void append_job_init(struct append_job *j)
{
	*j = (struct append_job){0};
	store_job_init(&j->job, run);
}

enum store_outcome imported_list(struct store_reader *r, uint64_t account, struct view name, struct view after,
				 size_t max, struct buf *out)
{
	enum store_outcome outcome = STORE_OK;
	struct sql_stmt *st;
	int rc = reader_begin(r);

	if (rc == 0) {
		st = sql_use(r->sql, SQL_imported_list);
		sql_bind_u64(st, 1, account);
		sql_bind_text(st, 2, name);
		sql_bind_bytes(st, 3, after);
		sql_bind_u64(st, 4, max);
		while ((rc = sql_step(st)) > 0)
			buf_append_view(out, sql_bytes(st, 0));
		sql_reset(st);
	}
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}
