/* SPDX-License-Identifier: ISC
 * MTA-STS policies, kept. */
#include "store/sts.h"

#include "store/store_private.h"
#include "store/writer.h"

enum store_outcome sts_find(struct store_reader *r, struct view domain, int64_t wall_s, struct arena *a,
			    struct sts_kept *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_sts_find);
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, wall_s);
	if (rc == 0)
		rc = sql_step(st);
	if (rc == 0)
		outcome = STORE_NO_MESSAGE;
	if (rc > 0)
		*ret = (struct sts_kept){.id = arena_copy(a, sql_bytes(st, 0)),
					 .policy = arena_copy(a, sql_bytes(st, 1)),
					 .fetched_s = sql_i64(st, 2),
					 .until_s = sql_i64(st, 3)};
	sql_reset(st);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

enum store_outcome sts_stale(struct store_reader *r, int64_t fetched_before_s, int64_t wall_s, struct arena *a,
			     struct view ret[STS_STALE_MAX], size_t *ret_count)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_sts_stale);
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	*ret_count = 0;
	sql_bind_i64(st, 1, fetched_before_s);
	sql_bind_i64(st, 2, wall_s);
	sql_bind_i64(st, 3, STS_STALE_MAX);
	while (rc >= 0 && *ret_count < STS_STALE_MAX && (rc = sql_step(st)) > 0)
		ret[(*ret_count)++] = arena_copy(a, sql_bytes(st, 0));
	sql_reset(st);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

static enum job_step run_keep(struct writer *w, struct store_job *job)
{
	struct sts_keep_job *j = (struct sts_keep_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_sts_expire);
	int rc;

	sql_bind_i64(st, 1, j->wall_s);
	rc = sql_run(st);
	if (rc == 0) {
		st = sql_use(w->sql, SQL_sts_put);
		sql_bind_text(st, 1, j->domain);
		sql_bind_text(st, 2, j->kept.id);
		sql_bind_bytes(st, 3, j->kept.policy);
		sql_bind_i64(st, 4, j->kept.fetched_s);
		sql_bind_i64(st, 5, j->kept.until_s);
		rc = sql_run(st);
	}
	return rc < 0 ? writer_error(w, rc, "keeping an MTA-STS policy") : STEP_DONE;
}

void sts_keep_job_init(struct sts_keep_job *j)
{
	*j = (struct sts_keep_job){0};
	store_job_init(&j->job, run_keep);
}
