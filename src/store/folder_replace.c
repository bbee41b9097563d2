/* SPDX-License-Identifier: ISC
 * Folders of a restore that take the places of others, and deleted ones that come back. */
#include "store/backup.h"
#include "store/folder_private.h"
#include "store/store_private.h"
#include "store/undelete.h"

#include "base/clock.h"

#include <errno.h>

/* ---- replacing ---- */

static int special_use_of(struct writer *w, uint64_t mailbox, uint32_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_special_use);
	int rc;

	sql_bind_u64(st, 1, mailbox);
	rc = sql_step(st);
	*ret = rc > 0 ? (uint32_t)sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* `old` is what has the name now. */
static int replace_one(struct writer *w, uint64_t account, const struct replaced_folder *f,
		       const struct folder_node *from, const struct folder_node *old)
{
	struct acct *a = NULL;
	struct sql_stmt *st;
	uint32_t special_use = f->special_use, had = 0;
	int rc = 0;

	if (old->there)
		rc = special_use_of(w, old->id, &had);
	if (rc == 0 && old->there)
		rc = folder_let_go(w, old->id);
	else if (rc == 0)
		rc = folder_make_parents(w, account, f->to);
	if (rc == 0) {
		st = sql_use(w->sql, SQL_folder_rename);
		sql_bind_u64(st, 1, from->id);
		sql_bind_text(st, 2, f->to);
		rc = sql_run(st);
	}
	if (rc == 0 && view_eq_lit(f->to, "INBOX"))
		rc = writer_acct(w, account, &a);
	if (rc == 0 && a)
		a->inbox = from->id;
	special_use = special_use ? special_use : had;
	return rc == 0 && special_use ? folder_set_special_use(w, account, from->id, special_use) : rc;
}

/* STEP_DONE: job->outcome says whether all can be replaced. Changes nothing. */
static enum job_step check_replace(struct writer *w, struct folder_replace_job *j)
{
	struct acct *a;
	int rc = writer_acct(w, j->account, &a);

	if (rc == 0 && !a)
		j->job.outcome = STORE_NO_ACCOUNT;
	for (size_t i = 0; i < j->count && rc == 0 && j->job.outcome == STORE_OK; i++) {
		struct folder_node from, old;

		rc = folder_node_find(w, j->account, j->folders[i].from, &from);
		if (rc == 0)
			rc = folder_node_find(w, j->account, j->folders[i].to, &old);
		if (rc < 0)
			break;
		if (!from.there || from.noselect)
			j->job.outcome = STORE_NO_MAILBOX;
		else if (!folder_name_is_valid(j->folders[i].to))
			j->job.outcome = STORE_BAD_REQUEST;
		else if (writer_is_busy(w, from.id, &j->job) || (old.there && writer_is_busy(w, old.id, &j->job)))
			return STEP_AGAIN;
	}
	return rc < 0 ? writer_error(w, rc, "replacing folders") : STEP_DONE;
}

static enum job_step run_replace(struct writer *w, struct store_job *job)
{
	struct folder_replace_job *j = (struct folder_replace_job *)job;
	enum job_step step = check_replace(w, j);
	int rc = 0;

	if (step != STEP_DONE || job->outcome != STORE_OK)
		return step;
	for (size_t i = 0; i < j->count && rc == 0; i++) {
		struct folder_node from, old;

		rc = folder_node_find(w, j->account, j->folders[i].from, &from);
		if (rc == 0)
			rc = folder_node_find(w, j->account, j->folders[i].to, &old);
		if (rc == 0 && !from.there)
			return writer_refuse(w, STORE_BAD_REQUEST); /* named twice */
		if (rc == 0)
			rc = replace_one(w, j->account, &j->folders[i], &from, &old);
	}
	folder_tell_names(w, j->account);
	return rc < 0 ? writer_error(w, rc, "replacing folders") : STEP_DONE;
}

void folder_replace_job_init(struct folder_replace_job *j)
{
	*j = (struct folder_replace_job){0};
	store_job_init(&j->job, run_replace);
}

/* ---- undeleting ---- */

/* 1: it is deleted, and not due to be pruned; 0; negative errno. */
static int can_be_back(struct writer *w, const struct undelete_mailbox_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_undelete_mailbox_get);
	struct store_settings settings;
	int64_t gone_s = 0;
	int rc;

	store_settings_get(w->store, NULL, &settings);
	sql_bind_u64(st, 1, j->mailbox);
	sql_bind_u64(st, 2, j->account);
	rc = sql_step(st);
	if (rc > 0)
		gone_s = sql_i64(st, 0);
	sql_reset(st);
	/* Pruning will begin with it any time; where it has begun already, the name is gone. */
	return rc > 0 && gone_s + settings.undelete_s <= clock_wall_s() ? 0 : rc;
}

static int bring_back(struct writer *w, const struct undelete_mailbox_job *j, const struct folder_node *old)
{
	struct sql_stmt *st;
	struct mbox *m = NULL;
	int rc = old->there ? folder_delete_row(w, old->id) : folder_make_parents(w, j->account, j->name);

	if (rc == 0) {
		st = sql_use(w->sql, SQL_undelete_mailbox);
		sql_bind_u64(st, 1, j->mailbox);
		sql_bind_text(st, 2, j->name);
		rc = sql_run(st);
	}
	if (rc == 0) {
		st = sql_use(w->sql, SQL_gone_name_delete);
		sql_bind_u64(st, 1, j->mailbox);
		rc = sql_run(st);
	}
	if (rc == 0)
		rc = writer_mbox(w, j->mailbox, &m);
	if (rc == 0 && !m)
		rc = -EUCLEAN;
	return rc < 0 ? rc : writer_use(w, j->account, (int64_t)m->counts.bytes, (int64_t)m->counts.messages);
}

static enum job_step run_undelete_mailbox(struct writer *w, struct store_job *job)
{
	struct undelete_mailbox_job *j = (struct undelete_mailbox_job *)job;
	struct folder_node old;
	int rc = can_be_back(w, j);

	if (rc == 0) {
		job->outcome = STORE_NO_MAILBOX;
		return STEP_DONE;
	}
	if (rc > 0)
		rc = folder_check_new(w, j->account, j->name, STORE_FOLDERS_MAX, &old, &job->outcome);
	if (rc == 0 && job->outcome == STORE_OK) {
		rc = bring_back(w, j, &old);
		folder_tell_names(w, j->account);
	}
	return rc < 0 ? writer_error(w, rc, "undeleting a folder") : STEP_DONE;
}

void undelete_mailbox_job_init(struct undelete_mailbox_job *j)
{
	*j = (struct undelete_mailbox_job){0};
	store_job_init(&j->job, run_undelete_mailbox);
}
