/* SPDX-License-Identifier: ISC
 * Making, changing and removing accounts. */
#include "store/directory_write.h"

#include "base/clock.h"
#include "store/address_form.h"
#include "store/directory_write_private.h"
#include "store/folder_private.h"
#include "store/store_private.h"

#include <errno.h>

static enum job_step refuse(struct store_job *job, enum store_outcome outcome)
{
	job->outcome = outcome;
	return STEP_DONE;
}

static void tell(struct writer *w, uint64_t account, uint64_t generation, bool gone)
{
	writer_changed(w, &(struct store_change){
			      .kind = CHANGE_ACCOUNT, .account = account, .generation = generation, .gone = gone});
}

static void tell_directory(struct writer *w)
{
	writer_changed(w, &(struct store_change){.kind = CHANGE_DIRECTORY});
}

static void bind_verifiers(struct sql_stmt *st, unsigned n, const struct credential_verifiers *v)
{
	sql_bind_text(st, n, v->argon2);
	sql_bind_bytes(st, n + 1, v->scram_salt);
	sql_bind_u64(st, n + 2, v->scram_iterations);
	sql_bind_bytes(st, n + 3, v->scram_stored_key);
	sql_bind_bytes(st, n + 4, v->scram_server_key);
}

static bool verifiers_are_valid(const struct credential_verifiers *v)
{
	return v->argon2.n <= 256 && v->scram_salt.n <= 64 && v->scram_stored_key.n <= 32 &&
	       v->scram_server_key.n <= 32 && view_is_utf8(v->argon2);
}

static bool quota_is_valid(struct quota q)
{
	return q.bytes <= INT64_MAX && q.messages <= INT64_MAX;
}

/* ---- making ---- */

static int insert_account(struct writer *w, struct account_add_job *j, struct view domain)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_account_insert);
	struct store_settings settings;
	int rc;

	store_settings_get(w->store, NULL, &settings);
	j->ret_account = writer_count(w, COUNTER_ACCOUNT);
	sql_bind_u64(st, 1, j->ret_account);
	sql_bind_text(st, 2, j->address);
	sql_bind_text(st, 3, domain);
	sql_bind_u64(st, 4, j->has_quota ? j->quota.bytes : settings.default_quota_bytes);
	sql_bind_i64(st, 5, clock_wall_s());
	bind_verifiers(st, 6, &j->verifiers);
	sql_bind_u64(st, 11, j->quota.messages);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_usage_insert);
	sql_bind_u64(st, 1, j->ret_account);
	rc = sql_run(st);
	return rc < 0 ? rc : folder_make_defaults(w, j->ret_account);
}

static enum job_step run_add(struct writer *w, struct store_job *job)
{
	struct account_add_job *j = (struct account_add_job *)job;
	struct view local, domain;
	enum domain_kind kind;
	uint64_t account;
	int rc;

	if (!address_form_is_valid(j->address) || !address_form_split(j->address, &local, &domain) ||
	    !verifiers_are_valid(&j->verifiers) || !quota_is_valid(j->quota))
		return refuse(job, STORE_BAD_REQUEST);
	rc = directory_domain_kind(w, domain, &kind);
	if (rc == 0)
		rc = directory_account_id(w, j->address, &account);
	if (rc < 0)
		return writer_error(w, rc, "adding an account");
	if (kind != DOMAIN_REAL)
		return refuse(job, kind == DOMAIN_NONE ? STORE_NO_DOMAIN : STORE_NOT_ALLOWED);
	if (account)
		return refuse(job, STORE_EXISTS);
	tell_directory(w);
	rc = insert_account(w, j, domain);
	return rc < 0 ? writer_error(w, rc, "adding an account") : STEP_DONE;
}

void account_add_job_init(struct account_add_job *j)
{
	*j = (struct account_add_job){0};
	store_job_init(&j->job, run_add);
}

/* ---- removing ---- */

static int delete_rows(struct writer *w, uint64_t account)
{
	static const enum sql_id ids[] = {SQL_send_as_delete_all, SQL_seen_delete_all, SQL_usage_delete,
					  SQL_account_delete};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(ids) && rc == 0; i++) {
		struct sql_stmt *st = sql_use(w->sql, ids[i]);

		sql_bind_u64(st, 1, account);
		rc = sql_run(st);
	}
	return rc;
}

static enum job_step run_remove(struct writer *w, struct store_job *job)
{
	struct account_remove_job *j = (struct account_remove_job *)job;
	bool busy = false;
	int rc = directory_account_id(w, j->address, &j->ret_account);

	if (rc == 0 && j->ret_account == 0)
		return refuse(job, STORE_NO_ACCOUNT);
	if (rc == 0)
		rc = folder_drop_all(w, j->ret_account, &busy);
	if (rc == 0 && busy)
		return STEP_AGAIN;
	writer_forget_acct(w, j->ret_account);
	if (rc == 0)
		rc = delete_rows(w, j->ret_account);
	tell(w, j->ret_account, 0, true);
	tell_directory(w);
	return rc < 0 ? writer_error(w, rc, "removing an account") : STEP_DONE;
}

void account_remove_job_init(struct account_remove_job *j)
{
	*j = (struct account_remove_job){0};
	store_job_init(&j->job, run_remove);
}

/* ---- changing ---- */

/* A statement whose $1 is the account and which returns the new generation. */
static int bump(struct writer *w, struct sql_stmt *st, uint64_t account, uint64_t *ret_generation)
{
	int rc;

	sql_bind_u64(st, 1, account);
	rc = sql_step(st);
	if (rc > 0)
		*ret_generation = sql_u64(st, 0);
	sql_reset(st);
	if (rc > 0)
		tell(w, account, *ret_generation, false);
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
}

static enum job_step run_password(struct writer *w, struct store_job *job)
{
	struct account_password_job *j = (struct account_password_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_account_password);
	int rc;

	if (!verifiers_are_valid(&j->verifiers))
		return refuse(job, STORE_BAD_REQUEST);
	rc = directory_account_id(w, j->address, &j->ret_account);
	if (rc == 0 && j->ret_account == 0)
		return refuse(job, STORE_NO_ACCOUNT);
	bind_verifiers(st, 2, &j->verifiers);
	if (rc == 0)
		rc = bump(w, st, j->ret_account, &j->ret_generation);
	return rc < 0 ? writer_error(w, rc, "changing a password") : STEP_DONE;
}

void account_password_job_init(struct account_password_job *j)
{
	*j = (struct account_password_job){0};
	store_job_init(&j->job, run_password);
}

static enum job_step run_enable(struct writer *w, struct store_job *job)
{
	struct account_enable_job *j = (struct account_enable_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_account_enable);
	int rc = directory_account_id(w, j->address, &j->ret_account);

	if (rc == 0 && j->ret_account == 0)
		return refuse(job, STORE_NO_ACCOUNT);
	sql_bind_i64(st, 2, !j->on);
	if (rc == 0)
		rc = bump(w, st, j->ret_account, &j->ret_generation);
	return rc < 0 ? writer_error(w, rc, "changing an account") : STEP_DONE;
}

void account_enable_job_init(struct account_enable_job *j)
{
	*j = (struct account_enable_job){0};
	store_job_init(&j->job, run_enable);
}

static enum job_step run_quota(struct writer *w, struct store_job *job)
{
	struct account_quota_job *j = (struct account_quota_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_account_quota);
	struct acct *a = NULL;
	uint64_t account;
	int rc = directory_account_id(w, j->address, &account);

	if (!quota_is_valid(j->quota))
		return refuse(job, STORE_BAD_REQUEST);
	if (rc == 0)
		rc = writer_acct(w, account, &a);
	if (rc == 0 && !a)
		return refuse(job, STORE_NO_ACCOUNT);
	if (rc == 0) {
		a->limit.bytes = j->has_bytes ? j->quota.bytes : a->limit.bytes;
		a->limit.messages = j->has_messages ? j->quota.messages : a->limit.messages;
		sql_bind_u64(st, 1, account);
		sql_bind_u64(st, 2, a->limit.bytes);
		sql_bind_u64(st, 3, a->limit.messages);
		rc = sql_run(st);
	}
	tell_directory(w); /* quotas are remembered beside addresses */
	return rc < 0 ? writer_error(w, rc, "changing a quota") : STEP_DONE;
}

static enum job_step run_confirm(struct writer *w, struct store_job *job)
{
	struct account_confirm_job *j = (struct account_confirm_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_account_confirm_set);
	struct acct *a = NULL;
	uint64_t account;
	int rc = directory_account_id(w, j->address, &account);

	if (rc == 0 && account == 0)
		return refuse(job, STORE_NO_ACCOUNT);
	sql_bind_u64(st, 1, account);
	sql_bind_i64(st, 2, j->on);
	if (rc == 0)
		rc = sql_run(st);
	if (rc == 0)
		rc = writer_acct(w, account, &a);
	if (rc == 0 && a)
		a->confirm = j->on;
	return rc < 0 ? writer_error(w, rc, "changing an account") : STEP_DONE;
}

void account_confirm_job_init(struct account_confirm_job *j)
{
	*j = (struct account_confirm_job){0};
	store_job_init(&j->job, run_confirm);
}

void account_quota_job_init(struct account_quota_job *j)
{
	*j = (struct account_quota_job){0};
	store_job_init(&j->job, run_quota);
}
