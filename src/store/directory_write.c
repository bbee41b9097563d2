/* SPDX-License-Identifier: ISC
 * Changes to domains, aliases and send-as. */
#include "store/directory_write.h"

#include "base/clock.h"
#include "store/address_form.h"
#include "store/directory.h"
#include "store/directory_write_private.h"

static void tell_directory(struct writer *w)
{
	writer_changed(w, &(struct store_change){.kind = CHANGE_DIRECTORY});
}

static enum job_step refuse(struct store_job *job, enum store_outcome outcome)
{
	job->outcome = outcome;
	return STEP_DONE;
}

/* One text bound, does a row come? */
static int has_row(struct writer *w, enum sql_id id, struct view text, bool *ret)
{
	struct sql_stmt *st = sql_use(w->sql, id);
	int rc;

	sql_bind_text(st, 1, text);
	rc = sql_step(st);
	*ret = rc > 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int run_text(struct writer *w, enum sql_id id, struct view text)
{
	struct sql_stmt *st = sql_use(w->sql, id);

	sql_bind_text(st, 1, text);
	return sql_run(st);
}

int directory_domain_kind(struct writer *w, struct view domain, enum domain_kind *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_domain_get);
	int rc;

	sql_bind_text(st, 1, domain);
	rc = sql_step(st);
	*ret = rc <= 0 ? DOMAIN_NONE : sql_bytes(st, 0).n ? DOMAIN_ALIAS : DOMAIN_REAL;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

int directory_account_id(struct writer *w, struct view address, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_account_by_address);
	int rc;

	*ret = 0;
	sql_bind_text(st, 1, address);
	rc = sql_step(st);
	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* ---- domains ---- */

static int insert_domain(struct writer *w, const struct domain_add_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_domain_insert);

	sql_bind_text(st, 1, j->domain);
	sql_bind_text(st, 2, j->alias_of);
	sql_bind_i64(st, 3, clock_wall_s());
	tell_directory(w);
	return sql_run(st);
}

static enum job_step run_domain_add(struct writer *w, struct store_job *job)
{
	struct domain_add_job *j = (struct domain_add_job *)job;
	enum domain_kind kind, of = DOMAIN_REAL;
	int rc;

	if (!address_form_domain_is_valid(j->domain))
		return refuse(job, STORE_BAD_REQUEST);
	rc = directory_domain_kind(w, j->domain, &kind);
	if (rc == 0 && j->alias_of.n > 0)
		rc = directory_domain_kind(w, j->alias_of, &of);
	if (rc < 0)
		return writer_error(w, rc, "adding a domain");
	if (kind != DOMAIN_NONE)
		return refuse(job, STORE_EXISTS);
	if (of != DOMAIN_REAL)
		return refuse(job, of == DOMAIN_NONE ? STORE_NO_DOMAIN : STORE_NOT_ALLOWED);
	rc = insert_domain(w, j);
	return rc < 0 ? writer_error(w, rc, "adding a domain") : STEP_DONE;
}

void domain_add_job_init(struct domain_add_job *j)
{
	*j = (struct domain_add_job){0};
	store_job_init(&j->job, run_domain_add);
}

static enum job_step run_domain_remove(struct writer *w, struct store_job *job)
{
	struct domain_remove_job *j = (struct domain_remove_job *)job;
	enum domain_kind kind;
	bool used = false;
	int rc = directory_domain_kind(w, j->domain, &kind);

	if (rc == 0)
		rc = has_row(w, SQL_domain_used, j->domain, &used);
	if (rc < 0)
		return writer_error(w, rc, "removing a domain");
	if (kind == DOMAIN_NONE)
		return refuse(job, STORE_NO_DOMAIN);
	if (used)
		return refuse(job, STORE_IN_USE);
	tell_directory(w);
	rc = run_text(w, SQL_domain_delete, j->domain);
	if (rc == 0)
		rc = run_text(w, SQL_dkim_forget_domain, j->domain);
	return rc < 0 ? writer_error(w, rc, "removing a domain") : STEP_DONE;
}

void domain_remove_job_init(struct domain_remove_job *j)
{
	*j = (struct domain_remove_job){0};
	store_job_init(&j->job, run_domain_remove);
}

/* ---- aliases ---- */

static int delete_alias(struct writer *w, struct view address)
{
	int rc = run_text(w, SQL_alias_targets_delete, address);

	return rc < 0 ? rc : run_text(w, SQL_alias_delete, address);
}

static int insert_alias(struct writer *w, const struct alias_add_job *j, struct view domain)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_alias_insert);
	int rc;

	sql_bind_text(st, 1, j->address);
	sql_bind_text(st, 2, domain);
	rc = sql_run(st);
	for (size_t i = 0; i < j->target_count && rc == 0; i++) {
		st = sql_use(w->sql, SQL_alias_target_insert);
		sql_bind_text(st, 1, j->address);
		sql_bind_u64(st, 2, i);
		sql_bind_text(st, 3, j->targets[i]);
		rc = sql_run(st);
	}
	return rc;
}

static enum store_outcome check_alias(const struct alias_add_job *j, struct view *ret_domain)
{
	struct view local;

	if (!address_form_split(j->address, &local, ret_domain) || j->address.n > STORE_ADDRESS_MAX)
		return STORE_BAD_REQUEST;
	if (local.n > 0 ? !address_form_is_valid(j->address) : !address_form_domain_is_valid(*ret_domain))
		return STORE_BAD_REQUEST;
	if (j->target_count == 0 || j->target_count > DIRECTORY_ALIAS_TARGETS_MAX)
		return j->target_count ? STORE_LIMIT : STORE_BAD_REQUEST;
	for (size_t i = 0; i < j->target_count; i++)
		if (!address_form_is_valid(j->targets[i]))
			return STORE_BAD_REQUEST;
	return STORE_OK;
}

static enum job_step run_alias_add(struct writer *w, struct store_job *job)
{
	struct alias_add_job *j = (struct alias_add_job *)job;
	struct view domain = VIEW_EMPTY;
	enum domain_kind kind;
	int rc;

	job->outcome = check_alias(j, &domain);
	if (job->outcome != STORE_OK)
		return STEP_DONE;
	rc = directory_domain_kind(w, domain, &kind);
	if (rc < 0)
		return writer_error(w, rc, "adding an alias");
	if (kind != DOMAIN_REAL)
		return refuse(job, kind == DOMAIN_NONE ? STORE_NO_DOMAIN : STORE_NOT_ALLOWED);
	tell_directory(w);
	rc = delete_alias(w, j->address);
	if (rc == 0)
		rc = insert_alias(w, j, domain);
	return rc < 0 ? writer_error(w, rc, "adding an alias") : STEP_DONE;
}

void alias_add_job_init(struct alias_add_job *j)
{
	*j = (struct alias_add_job){0};
	store_job_init(&j->job, run_alias_add);
}

static enum job_step run_alias_remove(struct writer *w, struct store_job *job)
{
	struct alias_remove_job *j = (struct alias_remove_job *)job;
	bool there;
	int rc = has_row(w, SQL_alias_get, j->address, &there);

	if (rc == 0 && !there)
		return refuse(job, STORE_NO_ALIAS);
	tell_directory(w);
	if (rc == 0)
		rc = delete_alias(w, j->address);
	return rc < 0 ? writer_error(w, rc, "removing an alias") : STEP_DONE;
}

void alias_remove_job_init(struct alias_remove_job *j)
{
	*j = (struct alias_remove_job){0};
	store_job_init(&j->job, run_alias_remove);
}

/* ---- send-as ---- */

static enum job_step run_send_as(struct writer *w, struct store_job *job)
{
	struct send_as_job *j = (struct send_as_job *)job;
	struct view local, domain;
	struct sql_stmt *st;
	uint64_t account;
	int rc;

	if (!address_form_split(j->as, &local, &domain) || j->as.n > STORE_ADDRESS_MAX ||
	    !address_form_domain_is_valid(domain))
		return refuse(job, STORE_BAD_REQUEST);
	rc = directory_account_id(w, j->address, &account);
	if (rc == 0 && account == 0)
		return refuse(job, STORE_NO_ACCOUNT);
	st = sql_use(w->sql, j->on ? SQL_send_as_insert : SQL_send_as_delete);
	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, j->as);
	tell_directory(w);
	rc = rc < 0 ? rc : sql_run(st);
	return rc < 0 ? writer_error(w, rc, "changing send-as") : STEP_DONE;
}

void send_as_job_init(struct send_as_job *j)
{
	*j = (struct send_as_job){0};
	store_job_init(&j->job, run_send_as);
}
