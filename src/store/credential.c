/* SPDX-License-Identifier: ISC
 * Verifiers of passwords, and the networks from which an account has logged in before. */
#include "store/credential.h"

#include "store/directory_private.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>

enum { AGAIN_AFTER_S = 3600 };

/* ---- reading ---- */

static int read_row(struct store_reader *r, uint64_t account, struct arena *a, struct credential *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_credential_get);
	struct credential_verifiers *v = &ret->verifiers;
	int rc;

	sql_bind_u64(st, 1, account);
	rc = sql_step(st);
	if (rc > 0) {
		ret->account = account;
		ret->address = arena_copy(a, sql_bytes(st, 0));
		ret->disabled = sql_i64(st, 1) != 0;
		ret->generation = sql_u64(st, 2);
		v->argon2 = arena_copy(a, sql_bytes(st, 3));
		v->scram_salt = arena_copy(a, sql_bytes(st, 4));
		v->scram_iterations = (uint32_t)sql_u64(st, 5);
		v->scram_stored_key = arena_copy(a, sql_bytes(st, 6));
		v->scram_server_key = arena_copy(a, sql_bytes(st, 7));
		if (!v->scram_server_key.p || !ret->address.p || !v->argon2.p || !v->scram_salt.p ||
		    !v->scram_stored_key.p)
			rc = -EMSGSIZE;
	}
	sql_reset(st);
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
}

enum store_outcome credential_read(struct store_reader *r, struct view user, struct arena *a, struct credential *ret)
{
	enum store_outcome outcome;
	uint64_t account;
	int rc = reader_begin(r);

	outcome = rc < 0 ? reader_failed(r, rc) : directory_login_in(r, user, a, &account, &ret->name);
	if (outcome == STORE_OK) {
		rc = read_row(r, account, a, ret);
		outcome = rc < 0 ? reader_failed(r, rc) : STORE_OK;
	}
	reader_end(r);
	return outcome;
}

static int collect_seen(struct store_reader *r, uint64_t cursor, size_t max, struct arena *a,
			struct credential_seen *items, size_t *ret_count, uint64_t *ret_next)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_seen_list);
	uint64_t last = 0;
	size_t count = 0;
	int rc;

	sql_bind_u64(st, 1, cursor ? cursor : INT64_MAX);
	while ((rc = sql_step(st)) > 0 && count < max) {
		items[count].account = sql_u64(st, 1);
		items[count].network = arena_copy(a, sql_bytes(st, 2));
		items[count].wall_s = sql_i64(st, 3);
		if (!items[count].network.p)
			break;
		last = sql_u64(st, 0);
		count++;
	}
	sql_reset(st);
	*ret_count = count;
	*ret_next = rc > 0 ? last : 0;
	return rc < 0 ? rc : rc > 0 && count == 0 ? -EMSGSIZE : 0;
}

enum store_outcome credential_seen_list(struct store_reader *r, uint64_t cursor, size_t max, struct arena *a,
					const struct credential_seen **ret, size_t *ret_count, uint64_t *ret_next)
{
	struct credential_seen *items = arena_array(a, max, sizeof *items);
	enum store_outcome outcome = STORE_TOO_BIG;
	int rc;

	if (!items || max == 0)
		return STORE_TOO_BIG;
	rc = reader_begin(r);
	if (rc == 0)
		rc = collect_seen(r, cursor, max, a, items, ret_count, ret_next);
	outcome = rc == -EMSGSIZE ? STORE_TOO_BIG : rc < 0 ? reader_failed(r, rc) : STORE_OK;
	reader_end(r);
	*ret = items;
	return outcome;
}

/* ---- a login ---- */

/* When it was last remembered; 0: never. */
static int last_seen(struct writer *w, const struct login_seen_job *j, int64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_seen_get);
	int rc;

	sql_bind_u64(st, 1, j->account);
	sql_bind_text(st, 2, j->network);
	rc = sql_step(st);
	*ret = rc > 0 ? sql_i64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* Under a new id, so that ids follow time; then the oldest beyond the bound goes. */
static int remember(struct writer *w, const struct login_seen_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_seen_put);
	int rc;

	sql_bind_u64(st, 1, writer_count(w, COUNTER_SEEN));
	sql_bind_u64(st, 2, j->account);
	sql_bind_text(st, 3, j->network);
	sql_bind_i64(st, 4, j->wall_s);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_seen_trim);
	sql_bind_u64(st, 1, j->account);
	sql_bind_i64(st, 2, CREDENTIAL_NETWORKS_MAX);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_account_login);
	sql_bind_u64(st, 1, j->account);
	sql_bind_i64(st, 2, j->wall_s);
	return sql_run(st);
}

static enum job_step run_seen(struct writer *w, struct store_job *job)
{
	struct login_seen_job *j = (struct login_seen_job *)job;
	struct acct *a;
	int64_t last = 0;
	int rc = writer_acct(w, j->account, &a);

	if (rc == 0 && (!a || j->network.n == 0 || j->network.n > 64)) {
		job->outcome = a ? STORE_BAD_REQUEST : STORE_NO_ACCOUNT;
		return STEP_DONE;
	}
	if (rc == 0)
		rc = last_seen(w, j, &last);
	if (rc == 0 && (last == 0 || j->wall_s >= last + AGAIN_AFTER_S || j->wall_s < last))
		rc = remember(w, j);
	return rc < 0 ? writer_error(w, rc, "remembering a login") : STEP_DONE;
}

void login_seen_job_init(struct login_seen_job *j)
{
	*j = (struct login_seen_job){0};
	store_job_init(&j->job, run_seen);
}
