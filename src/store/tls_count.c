/* SPDX-License-Identifier: ISC
 * Outcomes of TLS, by day and domain. */
#include "store/tls_count.h"

#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>

static int run_for(struct writer *w, enum sql_id which, int64_t day, const struct tls_count *c)
{
	struct sql_stmt *st = sql_use(w->sql, which);

	sql_bind_i64(st, 1, day);
	sql_bind_text(st, 2, c->domain);
	sql_bind_i64(st, 3, c->policy_type);
	sql_bind_text(st, 4, c->policy);
	sql_bind_text(st, 5, c->result);
	sql_bind_text(st, 6, c->mx);
	sql_bind_text(st, 7, c->mx_ip);
	sql_bind_text(st, 8, c->sending_ip);
	sql_bind_text(st, 9, c->reason);
	sql_bind_u64(st, 10, c->sessions);
	if (which == SQL_tls_count_add)
		sql_bind_text(st, 11, c->tlsa_base);
	return sql_run(st);
}

static int count_all(struct writer *w)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_tls_count_total);
	int rc = sql_step(st);

	if (rc > 0)
		w->tls_counts = (struct kept_total){true, sql_u64(st, 0), sql_u64(st, 1)};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int add(struct writer *w, struct tls_count_job *j, const struct tls_count *c)
{
	int rc = run_for(w, SQL_tls_count_more, j->day, c);

	if (rc < 0 || sql_changes(w->sql) > 0)
		return rc;
	if (w->tls_counts.rows >= j->max || w->tls_counts.bytes + c->policy.n > TLS_COUNT_BYTES_MAX) {
		j->ret_dropped++;
		return 0;
	}
	w->tls_counts.rows++;
	w->tls_counts.bytes += c->policy.n;
	return run_for(w, SQL_tls_count_add, j->day, c);
}

static enum job_step run_count(struct writer *w, struct store_job *job)
{
	struct tls_count_job *j = (struct tls_count_job *)job;
	int rc = w->tls_counts.known ? 0 : count_all(w);

	j->ret_dropped = 0;
	for (size_t i = 0; rc == 0 && i < j->count; i++)
		rc = add(w, j, &j->counts[i]);
	return rc < 0 ? writer_error(w, rc, "counting TLS") : STEP_DONE;
}

void tls_count_job_init(struct tls_count_job *j)
{
	*j = (struct tls_count_job){.max = TLS_COUNT_ROWS_MAX};
	store_job_init(&j->job, run_count);
}

static int next_domain(struct store_reader *r, int64_t before_day, int64_t after_day, struct view after_domain,
		       struct arena *a, struct tls_day *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_tls_day_next);
	int rc;

	sql_bind_i64(st, 1, before_day);
	sql_bind_i64(st, 2, after_day);
	sql_bind_text(st, 3, after_domain);
	rc = sql_step(st);
	if (rc > 0) {
		ret->day = sql_i64(st, 0);
		ret->domain = arena_copy(a, sql_bytes(st, 1));
	}
	sql_reset(st);
	return rc > 0 && !ret->domain.p ? -ENOMEM : rc;
}

static int read_counts(struct store_reader *r, struct arena *a, struct tls_day *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_tls_counts_of);
	int rc = 0;

	ret->counts = arena_array(a, TLS_REPORT_ROWS_MAX, sizeof *ret->counts);
	if (!ret->counts)
		return -ENOMEM;
	sql_bind_i64(st, 1, ret->day);
	sql_bind_text(st, 2, ret->domain);
	sql_bind_i64(st, 3, TLS_REPORT_ROWS_MAX);
	while (ret->count < TLS_REPORT_ROWS_MAX && (rc = sql_step(st)) > 0)
		ret->counts[ret->count++] = (struct tls_count){
		    .domain = ret->domain,
		    .policy_type = (uint8_t)sql_u64(st, 0),
		    .policy = arena_copy(a, sql_bytes(st, 1)),
		    .result = arena_copy(a, sql_bytes(st, 2)),
		    .mx = arena_copy(a, sql_bytes(st, 3)),
		    .mx_ip = arena_copy(a, sql_bytes(st, 4)),
		    .sending_ip = arena_copy(a, sql_bytes(st, 5)),
		    .reason = arena_copy(a, sql_bytes(st, 6)),
		    .sessions = sql_u64(st, 7),
		    .tlsa_base = arena_copy(a, sql_bytes(st, 8)),
		};
	sql_reset(st);
	for (size_t i = 0; rc >= 0 && i < ret->count; i++) {
		const struct tls_count *c = &ret->counts[i];

		if (!c->policy.p || !c->result.p || !c->mx.p || !c->mx_ip.p || !c->sending_ip.p || !c->reason.p ||
		    !c->tlsa_base.p)
			rc = -ENOMEM;
	}
	return rc < 0 ? rc : 0;
}

enum store_outcome tls_day_next(struct store_reader *r, int64_t before_day, int64_t after_day, struct view after_domain,
				struct arena *a, struct tls_day *ret)
{
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	*ret = (struct tls_day){0};
	if (rc == 0)
		rc = next_domain(r, before_day, after_day, after_domain, a, ret);
	if (rc == 0)
		outcome = STORE_NO_MESSAGE;
	else if (rc > 0)
		rc = read_counts(r, a, ret);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

static enum job_step run_forget(struct writer *w, struct store_job *job)
{
	struct tls_forget_job *j = (struct tls_forget_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_tls_forget);
	int rc;

	sql_bind_i64(st, 1, j->day);
	sql_bind_text(st, 2, j->domain);
	rc = sql_run(st);
	w->tls_counts.known = false;
	return rc < 0 ? writer_error(w, rc, "forgetting reported TLS counts") : STEP_DONE;
}

void tls_forget_job_init(struct tls_forget_job *j)
{
	*j = (struct tls_forget_job){0};
	store_job_init(&j->job, run_forget);
}
