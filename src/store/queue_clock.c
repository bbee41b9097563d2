/* SPDX-License-Identifier: ISC
 * What a clock that went ahead for a while, and back, left in the queue: times further ahead than any that is ever set. */
#include "store/queue_walk.h"

#include "store/store_private.h"
#include "store/trace_private.h"

#include <errno.h>

enum { SLICE = QUEUE_WALK_SLICE, SOON_S = 3600 };
enum { PASS_DOMAINS, PASS_MESSAGES };

static int64_t limit_s(const struct queue_clock_job *j)
{
	return j->wall_s + j->longest_s;
}

static int wait_no_longer(struct writer *w, const struct queue_clock_job *j, const struct queue_row *row)
{
	struct sql_stmt *st;
	int rc;

	if (row->lease) { /* it runs out as late as one of now would */
		st = sql_use(w->sql, SQL_queue_lease);
		sql_bind_u64(st, 1, row->id);
		sql_bind_u64(st, 2, row->lease);
		sql_bind_i64(st, 3, limit_s(j));
		return sql_run(st);
	}
	rc = queue_row_free(w, row->id, j->wall_s);
	return rc < 0 ? rc
		      : trace_add(w, &(struct trace_event){.message = row->message,
							   .kind = TRACE_RETRIED,
							   .address = row->recipient,
							   .words = VIEW_LIT("the clock was set back"),
							   .at_ms = j->wall_s * 1000});
}

/* Up to `max` recipients of the domain; *ret_n of them were looked at. */
static int look_at_domain(struct writer *w, const struct queue_clock_job *j, struct view domain, size_t max,
			  struct arena *a, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_ahead);
	uint64_t ids[SLICE];
	size_t n = 0;
	int rc;

	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, limit_s(j));
	sql_bind_i64(st, 3, QUEUE_NEVER_S);
	sql_bind_u64(st, 4, max);
	while ((rc = sql_step(st)) > 0 && n < max)
		ids[n++] = sql_u64(st, 0);
	sql_reset(st);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct queue_row row;

		rc = queue_row_get(w, ids[i], a, &row);
		if (rc > 0)
			rc = row.recipient.p ? wait_no_longer(w, j, &row) : -ENOMEM;
	}
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

struct ahead_domain {
	struct view name;
	int64_t due_s, closed_s;
};

static int next_domains(struct writer *w, struct view after, struct arena *a, struct ahead_domain *ret, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_after);
	int rc;

	*ret_n = 0;
	sql_bind_text(st, 1, after);
	sql_bind_i64(st, 2, SLICE);
	while ((rc = sql_step(st)) > 0 && *ret_n < SLICE)
		ret[(*ret_n)++] =
		    (struct ahead_domain){arena_copy(a, sql_bytes(st, 0)), sql_i64(st, 1), sql_i64(st, 2)};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int mend_domain(struct writer *w, const struct queue_clock_job *j, const struct ahead_domain *d, size_t changed)
{
	bool closed = d->closed_s > limit_s(j), late = d->due_s > limit_s(j) && d->due_s < QUEUE_NEVER_S;

	return closed || late || changed
		   ? queue_domain_settle(w, d->name, closed ? QUEUE_NOT_CLOSED_S : QUEUE_AS_IT_WAS_S)
		   : 0;
}

static int some_domains(struct writer *w, const struct queue_clock_job *j, struct queue_walk *x, struct arena *a)
{
	struct ahead_domain *domains = arena_array(a, SLICE, sizeof *domains);
	struct view after = arena_copy(a, queue_place_text(&x->place));
	size_t n = 0, left = SLICE;
	int rc = domains && after.p ? next_domains(w, after, a, domains, &n) : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < n && left > 0; i++) {
		size_t changed = 0;

		if (!domains[i].name.p)
			return -ENOMEM;
		rc = look_at_domain(w, j, domains[i].name, left, a, &changed);
		if (rc == 0)
			rc = mend_domain(w, j, &domains[i], changed);
		left -= changed;
		x->count += changed;
		if (left > 0) /* else there may be more of it */
			x->place = queue_place_at(0, domains[i].name);
	}
	if (n < SLICE && left > 0) {
		x->pass = PASS_MESSAGES;
		x->after = trace_id_at(j->wall_s + SOON_S);
	}
	return rc;
}

/* Their ids say that they came later than now, and will until the clock has caught up; what counts is then when they came. */
static int some_messages(struct writer *w, const struct queue_clock_job *j, struct queue_walk *x, bool *ret_more)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_messages_behind);
	uint64_t ids[SLICE];
	size_t n = 0;
	int rc;

	sql_bind_u64(st, 1, x->after);
	sql_bind_i64(st, 2, SLICE);
	while ((rc = sql_step(st)) > 0 && n < SLICE)
		ids[n++] = sql_u64(st, 0);
	sql_reset(st);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		st = sql_use(w->sql, SQL_queue_message_came);
		sql_bind_u64(st, 1, ids[i]);
		sql_bind_i64(st, 2, j->wall_s);
		rc = sql_run(st);
		x->after = ids[i];
	}
	*ret_more = n == SLICE;
	return rc < 0 ? rc : 0;
}

static int mend_some(struct writer *w, struct store_job *job, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	const struct queue_clock_job *j = (struct queue_clock_job *)job;

	*ret_more = true;
	return x->pass == PASS_DOMAINS ? some_domains(w, j, x, a) : some_messages(w, j, x, ret_more);
}

static enum job_step run_clock(struct writer *w, struct store_job *job)
{
	struct queue_clock_job *j = (struct queue_clock_job *)job;

	return queue_walk_run(w, job, mend_some, NULL, &j->ret_count, "mending the queue's times");
}

void queue_clock_job_init(struct queue_clock_job *j)
{
	*j = (struct queue_clock_job){0};
	store_job_init(&j->job, run_clock);
	queue_walk_init(&j->job);
}
