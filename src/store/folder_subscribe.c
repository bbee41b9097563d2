/* SPDX-License-Identifier: ISC
 * Subscribing to mailbox names. */
#include "store/folder_private.h"

int folder_set_subscribed(struct writer *w, uint64_t account, struct view name, bool on)
{
	struct sql_stmt *st = sql_use(w->sql, on ? SQL_subscribe : SQL_unsubscribe);

	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, name);
	return sql_run(st);
}

static enum job_step run_subscribe(struct writer *w, struct store_job *job)
{
	struct folder_subscribe_job *j = (struct folder_subscribe_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_subscription_count);
	uint64_t count = 0;
	int rc;

	if (!folder_name_is_valid(j->name)) {
		job->outcome = STORE_BAD_REQUEST;
		return STEP_DONE;
	}
	sql_bind_u64(st, 1, j->account);
	rc = sql_step(st);
	if (rc > 0)
		count = sql_u64(st, 0);
	sql_reset(st);
	if (rc > 0 && j->on && count >= STORE_FOLDERS_MAX) {
		job->outcome = STORE_LIMIT;
		return STEP_DONE;
	}
	rc = rc < 0 ? rc : folder_set_subscribed(w, j->account, j->name, j->on);
	folder_tell_names(w, j->account);
	return rc < 0 ? writer_error(w, rc, "subscribing") : STEP_DONE;
}

void folder_subscribe_job_init(struct folder_subscribe_job *j)
{
	*j = (struct folder_subscribe_job){0};
	store_job_init(&j->job, run_subscribe);
}
