/* SPDX-License-Identifier: ISC
 * Who waits for a later time without need: the destination answers again, or the way to it is another one. */
#include "store/queue_walk.h"

#include "store/store_private.h"

#include <errno.h>

static int some_ids(struct writer *w, const struct queue_wake_job *j, uint64_t after, uint64_t *ids, size_t *ret_n)
{
	bool all = j->destination.n == 0;
	struct sql_stmt *st = sql_use(w->sql, all ? SQL_queue_behind : SQL_queue_unreached);
	int rc;

	*ret_n = 0;
	if (all)
		sql_bind_u64(st, 1, after);
	else /* each loses the mark that it is found by */
		sql_bind_text(st, 1, j->destination);
	sql_bind_i64(st, 2, QUEUE_WALK_SLICE);
	while ((rc = sql_step(st)) > 0 && *ret_n < QUEUE_WALK_SLICE)
		ids[(*ret_n)++] = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int tell(struct writer *w, const struct queue_wake_job *j, const struct queue_row *row)
{
	return trace_add(w, &(struct trace_event){.message = row->message,
						  .kind = TRACE_RETRIED,
						  .address = row->recipient,
						  .words = view_from_cstr(j->why),
						  .at_ms = j->wall_s * 1000});
}

static bool waits(const struct queue_row *row)
{
	return row->lease == 0 && !row->held && (row->notice == QUEUE_NO_NOTICE || row->notice == QUEUE_DELAYED);
}

static int wake(struct writer *w, const struct queue_wake_job *j, struct queue_walk *x, const struct queue_row *row)
{
	bool later = row->next_s > j->wall_s;
	int rc = queue_row_free(w, row->id, later ? j->wall_s : row->next_s);

	if (rc == 0 && later) {
		x->count++;
		rc = j->quiet ? 0 : tell(w, j, row);
	}
	return rc < 0 ? rc : queue_domain_settle(w, row->domain, QUEUE_NOT_CLOSED_S);
}

static int wake_some(struct writer *w, struct store_job *job, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	const struct queue_wake_job *j = (struct queue_wake_job *)job;
	uint64_t *ids = arena_array(a, QUEUE_WALK_SLICE, sizeof *ids);
	size_t n = 0, woken = 0;
	int rc = ids ? some_ids(w, j, x->after, ids, &n) : -ENOMEM;

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct queue_row row;

		x->after = ids[i];
		rc = queue_row_get(w, ids[i], a, &row);
		if (rc <= 0 || !waits(&row))
			continue;
		rc = row.recipient.p && row.domain.p ? wake(w, j, x, &row) : -ENOMEM;
		woken++;
	}
	*ret_more = n == QUEUE_WALK_SLICE && (woken > 0 || j->destination.n == 0);
	return rc < 0 ? rc : 0;
}

static enum job_step run_wake(struct writer *w, struct store_job *job)
{
	struct queue_wake_job *j = (struct queue_wake_job *)job;

	return queue_walk_run(w, job, wake_some, NULL, &j->ret_count, "making queued mail due");
}

void queue_wake_job_init(struct queue_wake_job *j)
{
	*j = (struct queue_wake_job){0};
	store_job_init(&j->job, run_wake);
	queue_walk_init(&j->job);
}
