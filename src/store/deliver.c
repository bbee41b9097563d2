/* SPDX-License-Identifier: ISC
 * A new message: its rows, its copies, its queued recipients. The hot path: three inserts, and pages kept in memory. */
#include "store/deliver.h"

#include "store/content_private.h"
#include "store/deliver_private.h"
#include "store/queue_private.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <assert.h>
#include <errno.h>

static uint64_t content_of(const struct new_message *m)
{
	return m->file ? content_bytes(m->file) - m->file_offset : m->content.n;
}

static uint64_t header_of(const struct new_message *m)
{
	return (uint64_t)m->header_add.n + m->header.n;
}

uint64_t deliver_size(const struct new_message *m)
{
	return header_of(m) + content_of(m);
}

enum store_outcome deliver_check(struct writer *w, const struct new_message *m)
{
	if (store_space_is_low(w->store))
		return STORE_NO_SPACE;
	if (m->id == 0 || m->id > INT64_MAX)
		return STORE_BAD_REQUEST;
	if (m->file && (!content_is_placed(m->file) || m->file_offset > content_bytes(m->file)))
		return STORE_BAD_REQUEST;
	if (header_of(m) > STORE_HEADER_MAX || m->index.n > STORE_INDEX_MAX)
		return STORE_TOO_BIG;
	return !m->file && m->content.n > STORE_INLINE_MAX ? STORE_TOO_BIG : STORE_OK;
}

static int insert_message(struct writer *w, const struct new_message *m)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_message_insert);

	sql_bind_u64(st, 1, m->id);
	sql_bind_u64(st, 2, header_of(m));
	sql_bind_u64(st, 3, content_of(m));
	sql_bind_u64(st, 4, m->file ? content_id(m->file) : m->id);
	sql_bind_i64(st, 5, m->file != NULL);
	sql_bind_u64(st, 6, m->file ? m->file_offset : 0);
	sql_bind_bytes(st, 7, m->index);
	return sql_run(st);
}

/* The prefixes stand in w->scratch from 0 to `prefix_bytes`. */
static int insert_header(struct writer *w, const struct new_message *m)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_header_insert);
	size_t prefix_bytes = w->scratch.n;
	struct view header = m->header;

	if (m->header_add.n > 0) {
		buf_append_view(&w->scratch, m->header_add);
		buf_append_view(&w->scratch, m->header);
		header = view_sub(buf_view(&w->scratch), prefix_bytes, w->scratch.n);
	}
	if (w->scratch.overflow)
		return -EMSGSIZE;
	sql_bind_u64(st, 1, m->id);
	sql_bind_bytes(st, 2, header);
	sql_bind_bytes(st, 3, view_sub(buf_view(&w->scratch), 0, prefix_bytes));
	return sql_run(st);
}

int deliver_insert(struct writer *w, const struct new_message *m, size_t refs)
{
	struct sql_stmt *st;
	int rc = insert_message(w, m);

	if (rc == 0)
		rc = insert_header(w, m);
	if (rc == 0 && refs > 1)
		rc = message_ref_add(w, m->id, (int64_t)refs - 1);
	if (rc < 0 || m->file)
		return rc;
	st = sql_use(w->sql, SQL_content_insert);
	sql_bind_u64(st, 1, m->id);
	sql_bind_bytes(st, 2, m->content);
	return sql_run(st);
}

/* ---- deliver ---- */

/* Where one copy goes. STEP_DONE: job->outcome says whether it can. Changes nothing. */
static enum job_step find_box(struct writer *w, struct deliver_job *j, struct deliver_local *local)
{
	struct mbox *m = NULL;
	struct acct *a;
	uint64_t bytes = local->prefix.n + deliver_size(&j->message);
	int rc = writer_acct(w, local->account, &a);

	if (rc == 0 && !a) {
		j->job.outcome = STORE_STALE;
		return STEP_DONE;
	}
	if (rc == 0 && local->folder.n > 0)
		rc = writer_mbox_by_name(w, local->account, local->folder, &m);
	if (rc == 0 && !m)
		rc = writer_mbox(w, a->inbox, &m);
	if (rc < 0 || !m)
		return writer_error(w, rc < 0 ? rc : -EUCLEAN, "finding the mailbox");
	if (writer_is_busy(w, m->id, &j->job))
		return STEP_AGAIN;
	if (!local->ignore_quota && !quota_has_room(a->limit, a->used, (struct quota){bytes, 1}))
		j->job.outcome = STORE_OVER_QUOTA;
	else if (!keyset_valid(local->keywords, local->keyword_count))
		j->job.outcome = STORE_BAD_REQUEST;
	local->ret_mailbox = m->id;
	return STEP_DONE;
}

static enum job_step check_deliver(struct writer *w, struct deliver_job *j)
{
	j->job.outcome = deliver_check(w, &j->message);
	if (j->local_count + j->remote_count == 0)
		j->job.outcome = STORE_BAD_REQUEST;
	for (size_t i = 0; i < j->local_count && j->job.outcome == STORE_OK; i++) {
		enum job_step step = find_box(w, j, &j->locals[i]);

		if (step != STEP_DONE)
			return step;
	}
	return STEP_DONE;
}

static int deliver_copy(struct writer *w, const struct deliver_job *j, struct deliver_local *local, size_t prefix_off)
{
	struct new_copy copy = {
	    .message = j->message.id,
	    .size_bytes = local->prefix.n + deliver_size(&j->message),
	    .internal_s = j->wall_s,
	    .saved_s = j->wall_s,
	    .sent_s = j->message.sent_s,
	    .prefix_off = (uint32_t)prefix_off,
	    .prefix_bytes = (uint32_t)local->prefix.n,
	    .flags = local->flags,
	};
	struct mbox *m;
	bool limit;
	int rc = writer_mbox(w, local->ret_mailbox, &m);

	/* A mailbox that can hold no more keywords gets the message without them. */
	if (rc == 0)
		rc = keyset_intern(w, m, local->keywords, local->keyword_count, &copy.keyset, &limit);
	if (rc < 0)
		return rc;
	return mbox_append(w, m, &copy, mbox_next_modseq(w, m), &local->ret_uid);
}

/* Does the sender get a summary? Then the envelope stays until it is made. */
static int wants_summary(struct writer *w, const struct deliver_job *j, bool *ret)
{
	struct acct *a = NULL;
	int rc = j->account && j->sender.n ? writer_acct(w, j->account, &a) : 0;

	*ret = a && a->confirm;
	return rc;
}

static int queue_envelope(struct writer *w, const struct deliver_job *j, size_t prefix_off, enum queue_summary confirm)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_message_insert);

	sql_bind_u64(st, 1, j->message.id);
	sql_bind_u64(st, 2, j->account);
	sql_bind_text(st, 3, j->sender);
	sql_bind_text(st, 4, j->envid);
	sql_bind_i64(st, 5, j->ret);
	sql_bind_i64(st, 6, j->body);
	sql_bind_i64(st, 7, j->smtputf8);
	sql_bind_i64(st, 8, j->requiretls);
	sql_bind_i64(st, 9, j->wall_s);
	sql_bind_u64(st, 10, j->remote_prefix.n + deliver_size(&j->message));
	sql_bind_u64(st, 11, prefix_off);
	sql_bind_u64(st, 12, j->remote_prefix.n);
	sql_bind_i64(st, 13, (int64_t)confirm);
	sql_bind_i64(st, 14, j->own);
	sql_bind_i64(st, 15, j->long_lines);
	sql_bind_i64(st, 16, j->until_s);
	return sql_run(st);
}

/* Adds whoever was not there yet to those that are leased at once. */
static void note_leased(struct writer *w, struct deliver_job *j, const struct deliver_remote *r, uint64_t id)
{
	if (j->ret_lease && sql_changes(w->sql) > 0)
		j->ret_leased[j->ret_leased_count++] =
		    (struct queue_lease_rcpt){.id = id, .address = r->address, .orcpt = r->orcpt, .notify = r->notify};
}

static int queue_recipient(struct writer *w, struct deliver_job *j, const struct deliver_remote *r)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_recipient_insert);
	int64_t next_s = r->notice ? QUEUE_NEVER_S : j->ret_lease ? j->lease_until_s : j->wall_s;
	uint64_t id = writer_count(w, COUNTER_QUEUE);
	int rc;

	sql_bind_u64(st, 1, id);
	sql_bind_u64(st, 2, j->message.id);
	sql_bind_text(st, 3, r->address);
	sql_bind_text(st, 4, r->domain);
	sql_bind_text(st, 5, r->orcpt);
	sql_bind_i64(st, 6, r->notify);
	sql_bind_i64(st, 7, next_s);
	sql_bind_i64(st, 8, r->notice);
	sql_bind_text(st, 9, r->words);
	sql_bind_text(st, 10, r->status);
	sql_bind_text(st, 11, r->via);
	sql_bind_u64(st, 12, j->ret_lease);
	rc = sql_run(st);
	if (rc == 0)
		note_leased(w, j, r, id);
	return rc < 0 || r->notice || j->ret_lease ? rc : queue_domain_is_due(w, r->domain, next_s);
}

/* The token under which all of it goes at once, where that was asked for and the domain is open. */
static int lease_at_once(struct writer *w, struct deliver_job *j)
{
	int64_t due_s;
	bool open;
	int rc;

	j->ret_lease = 0;
	j->ret_leased_count = 0;
	if (!j->lease_until_s || j->remote_count == 0)
		return 0;
	rc = queue_domain_is_open(w, j->remotes[0].domain, j->wall_s, &open, &due_s);
	if (rc < 0 || !open)
		return rc;
	j->ret_leased = arena_array(&j->job.results, j->remote_count, sizeof *j->ret_leased);
	if (!j->ret_leased)
		return 0;
	j->ret_lease = writer_count(w, COUNTER_LEASE);
	return due_s <= j->lease_until_s ? 0 : queue_domain_is_due(w, j->remotes[0].domain, j->lease_until_s);
}

static int queue_all(struct writer *w, struct deliver_job *j, size_t prefix_off, bool summary)
{
	int rc;

	if (j->remote_count == 0 && !summary)
		return 0;
	rc = lease_at_once(w, j);
	if (rc == 0)
		rc = queue_envelope(w, j, prefix_off,
				    !summary          ? QUEUE_NO_SUMMARY
				    : j->remote_count ? QUEUE_SUMMARY_LATER
						      : QUEUE_SUMMARY_DUE);
	for (size_t i = 0; rc == 0 && i < j->remote_count; i++)
		rc = queue_recipient(w, j, &j->remotes[i]);
	if (!j->ret_lease)
		writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	return rc;
}

static enum job_step run_deliver(struct writer *w, struct store_job *job)
{
	struct deliver_job *j = (struct deliver_job *)job;
	enum job_step step = check_deliver(w, j);
	size_t off = 0;
	bool summary;
	int rc;

	if (step != STEP_DONE || job->outcome != STORE_OK)
		return step;
	rc = wants_summary(w, j, &summary);
	if (rc < 0)
		return writer_error(w, rc, "delivering");
	buf_reset(&w->scratch);
	for (size_t i = 0; i < j->local_count; i++)
		buf_append_view(&w->scratch, j->locals[i].prefix);
	buf_append_view(&w->scratch, j->remote_prefix);
	rc = deliver_insert(w, &j->message, j->local_count + (j->remote_count > 0 || summary));
	for (size_t i = 0; rc == 0 && i < j->local_count; i++) {
		rc = deliver_copy(w, j, &j->locals[i], off);
		off += j->locals[i].prefix.n;
	}
	if (rc == 0)
		rc = queue_all(w, j, off, summary);
	for (size_t i = 0; rc == 0 && i < j->event_count; i++)
		rc = trace_add(w, &j->events[i]);
	if (rc == 0 && j->notices_of)
		rc = queue_notices_settle(w, j->notices_of, j->told, j->told_count);
	if (rc == 0 && j->summary_of) {
		rc = queue_summary_settle(w, j->summary_of);
		if (rc == 0)
			return writer_refuse(w, STORE_NO_MESSAGE);
	}
	return rc < 0 ? writer_error(w, rc, "delivering") : STEP_DONE;
}

uint64_t deliver_lease(const struct deliver_job *j)
{
	return j->job.outcome == STORE_OK ? j->ret_lease : 0;
}

void deliver_job_init(struct deliver_job *j)
{
	*j = (struct deliver_job){0};
	store_job_init(&j->job, run_deliver);
}
