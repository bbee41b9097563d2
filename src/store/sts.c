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

static int count_all(struct writer *w)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_sts_total);
	int rc = sql_step(st);

	if (rc > 0)
		w->sts = (struct kept_total){true, sql_u64(st, 0), sql_u64(st, 1)};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int expire(struct writer *w, int64_t wall_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_sts_expired);
	int rc;

	sql_bind_i64(st, 1, wall_s);
	rc = sql_step(st);
	sql_reset(st);
	if (rc <= 0)
		return rc;
	w->sts.known = false;
	st = sql_use(w->sql, SQL_sts_expire);
	sql_bind_i64(st, 1, wall_s);
	return sql_run(st);
}

static int put(struct writer *w, const struct sts_keep_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_sts_bytes);
	int rc;

	sql_bind_text(st, 1, j->domain);
	rc = sql_step(st);
	if (rc > 0)
		w->sts.bytes -= sql_u64(st, 0);
	else
		w->sts.rows++;
	sql_reset(st);
	if (rc < 0)
		return rc;
	w->sts.bytes += j->kept.policy.n;
	st = sql_use(w->sql, SQL_sts_put);
	sql_bind_text(st, 1, j->domain);
	sql_bind_text(st, 2, j->kept.id);
	sql_bind_bytes(st, 3, j->kept.policy);
	sql_bind_i64(st, 4, j->kept.fetched_s);
	sql_bind_i64(st, 5, j->kept.until_s);
	return sql_run(st);
}

/* The one that was fetched longest ago, but not the one that has just come. 1: it is gone. */
static int drop_oldest(struct writer *w, const struct sts_keep_job *j, struct arena *a)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_sts_oldest);
	struct view domain = VIEW_EMPTY;
	uint64_t bytes = 0;
	int rc;

	sql_bind_text(st, 1, j->domain);
	rc = sql_step(st);
	if (rc > 0) {
		domain = arena_copy(a, sql_bytes(st, 0));
		bytes = sql_u64(st, 1);
	}
	sql_reset(st);
	if (rc <= 0)
		return rc;
	st = sql_use(w->sql, SQL_sts_delete);
	sql_bind_text(st, 1, domain);
	rc = sql_run(st);
	w->sts.rows--;
	w->sts.bytes -= bytes;
	return rc < 0 ? rc : 1;
}

static enum job_step run_keep(struct writer *w, struct store_job *job)
{
	struct sts_keep_job *j = (struct sts_keep_job *)job;
	struct arena a;
	int rc = expire(w, j->wall_s);

	j->ret_dropped = 0;
	if (rc == 0 && !w->sts.known)
		rc = count_all(w);
	if (rc == 0)
		rc = put(w, j);
	arena_init(&a, 65536);
	while (rc == 0 && (w->sts.rows > j->max || w->sts.bytes > STS_BYTES_MAX) && (rc = drop_oldest(w, j, &a)) > 0) {
		j->ret_dropped++;
		arena_reset(&a);
		rc = 0;
	}
	arena_fini(&a);
	return rc < 0 ? writer_error(w, rc, "keeping an MTA-STS policy") : STEP_DONE;
}

void sts_keep_job_init(struct sts_keep_job *j)
{
	*j = (struct sts_keep_job){.max = STS_KEPT_MAX};
	store_job_init(&j->job, run_keep);
}
