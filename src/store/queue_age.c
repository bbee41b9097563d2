/* SPDX-License-Identifier: ISC
 * What is too old, what is late, and what the operator wants done: walks over the queue by message id, that is, by age. */
#include "store/queue_walk.h"

#include "base/id.h"
#include "store/store_private.h"
#include "store/trace_private.h"

#include <errno.h>

enum {
	SLICE = QUEUE_WALK_SLICE,
	AHEAD_S = 3600, /* an id so much later than now is of a clock that was ahead */
};

struct old_row {
	uint64_t id, message, lease;
	struct view recipient, domain;
	uint8_t notice, notify;
	bool held;
	int64_t queued_s; /* where that was asked for */
};

/* The next SLICE behind `after`, of messages up to `upto`. */
static int read_rows(struct writer *w, enum sql_id which, const struct queue_place *after, uint64_t upto,
		     struct arena *a, struct old_row **ret, size_t *ret_n)
{
	struct old_row *rows = *ret = arena_array(a, SLICE, sizeof *rows);
	struct sql_stmt *st = sql_use(w->sql, which);
	int rc;

	*ret_n = 0;
	if (!rows)
		return -ENOMEM;
	sql_bind_u64(st, 1, after->message);
	sql_bind_text(st, 2, queue_place_text(after));
	sql_bind_u64(st, 3, upto); /* of queue_old_until: a time */
	sql_bind_u64(st, 4, SLICE);
	while ((rc = sql_step(st)) > 0 && *ret_n < SLICE)
		rows[(*ret_n)++] = (struct old_row){.id = sql_u64(st, 0),
						    .message = sql_u64(st, 1),
						    .recipient = arena_copy(a, sql_bytes(st, 2)),
						    .held = sql_i64(st, 3) != 0,
						    .lease = sql_u64(st, 4),
						    .notice = (uint8_t)sql_u64(st, 5),
						    .notify = (uint8_t)sql_u64(st, 6),
						    .domain = arena_copy(a, sql_bytes(st, 7)),
						    .queued_s = which == SQL_queue_old_ahead ? sql_i64(st, 8) : 0};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int old_rows(struct writer *w, const struct queue_place *after, uint64_t upto, struct arena *a,
		    struct old_row **ret, size_t *ret_n)
{
	return read_rows(w, SQL_queue_old, after, upto, a, ret, ret_n);
}

/* The last words of those that tried; empty: it was never tried. */
static struct view last_words(struct writer *w, uint64_t id, struct arena *a)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_last_words);
	_cleanup_(buf_fini) struct buf words = BUF_INIT(2048);
	struct view copy;

	sql_bind_u64(st, 1, id);
	if (sql_step(st) > 0) {
		if (sql_i64(st, 1) && sql_bytes(st, 3).n)
			buf_printf(&words, "%lld %.*s ", (long long)sql_i64(st, 1), VIEW_FMT(sql_bytes(st, 2)));
		buf_append_view(&words, sql_bytes(st, 0));
	}
	sql_reset(st);
	copy = arena_copy(a, view_trim(buf_view(&words)));
	return copy.p ? copy : VIEW_EMPTY;
}

/* Ends a recipient: with a notice, or gone. */
static int end_row(struct writer *w, uint64_t id, enum queue_notice notice, enum trace_kind trace, const char *words,
		   int64_t wall_s, size_t *ret_notices)
{
	struct arena a;
	struct queue_row row = {0};
	int rc;

	arena_init(&a, 65536);
	rc = queue_row_get(w, id, &a, &row);
	if (rc > 0)
		rc = trace_add(w, &(struct trace_event){.message = row.message,
							.kind = trace,
							.address = row.recipient,
							.words = words ? view_from_cstr(words) : last_words(w, id, &a),
							.at_ms = wall_s * 1000});
	if (rc == 0 && row.id && queue_wants_notice(row.notify, (uint8_t)notice)) {
		struct sql_stmt *st = sql_use(w->sql, SQL_queue_end_as_is);

		sql_bind_u64(st, 1, id);
		sql_bind_i64(st, 2, QUEUE_NEVER_S);
		sql_bind_i64(st, 3, (int64_t)notice);
		rc = sql_run(st);
		++*ret_notices;
	} else if (rc == 0 && row.id) {
		rc = queue_row_drop(w, id, row.message);
	}
	if (rc == 0 && row.id)
		rc = queue_domain_settle(w, row.domain, QUEUE_AS_IT_WAS_S);
	arena_fini(&a);
	return rc;
}

/* ---- age ---- */

/* A walk's first pass is expiry, its second that of messages that are given up sooner, its third, from what the last job told of on, delays; a fourth is
 * for what came while the clock was ahead. */
enum { PASS_EXPIRY, PASS_UNTIL, PASS_DELAYS, PASS_AHEAD };

static bool is_patient(const struct queue_age_job *j, struct view domain)
{
	for (size_t i = 0; i < j->patient_count; i++) {
		struct view p = j->patient[i];

		if (view_eq_nocase(p, domain) ||
		    (p.n && p.p[0] == '.' && domain.n > p.n && view_ends_with_nocase(domain, p)))
			return true;
	}
	return false;
}

static int expire_some(struct writer *w, struct queue_age_job *j, struct queue_walk *x, struct arena *a)
{
	uint64_t upto = trace_id_at(j->wall_s - j->lifetime_s),
		 patient_upto = trace_id_at(j->wall_s - j->patient_lifetime_s);
	struct old_row *rows;
	size_t n;
	int rc = old_rows(w, &x->place, upto, a, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool waits = rows[i].notice == QUEUE_NO_NOTICE || rows[i].notice == QUEUE_DELAYED;

		x->place = queue_place_at(rows[i].message, rows[i].recipient);
		if (waits && rows[i].message > patient_upto && is_patient(j, rows[i].domain))
			continue;
		if (waits && !rows[i].held && !rows[i].lease)
			rc = end_row(w, rows[i].id, QUEUE_EXPIRED, TRACE_EXPIRED, NULL, j->wall_s, &j->ret_notices);
	}
	if (n < SLICE) {
		x->pass = PASS_UNTIL;
		x->place = (struct queue_place){0};
	}
	return rc;
}

static int until_some(struct writer *w, struct queue_age_job *j, struct queue_walk *x, struct arena *a)
{
	struct old_row *rows;
	size_t n;
	int rc = read_rows(w, SQL_queue_old_until, &x->place, (uint64_t)j->wall_s, a, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		x->place = queue_place_at(rows[i].message, rows[i].recipient);
		if ((rows[i].notice == QUEUE_NO_NOTICE || rows[i].notice == QUEUE_DELAYED) && !rows[i].held &&
		    !rows[i].lease)
			rc = end_row(w, rows[i].id, QUEUE_EXPIRED, TRACE_EXPIRED, NULL, j->wall_s, &j->ret_notices);
	}
	if (n < SLICE) {
		x->pass = PASS_DELAYS;
		x->place = (struct queue_place){0};
	}
	return rc;
}

#define DELAYS_TOLD "queue-delays-told" /* up to which message */
#define AHEAD_TOLD "queue-delays-told-ahead" /* up to when they came */

static int read_cursor(struct writer *w, const char *name, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_setting_number);
	int rc;

	sql_bind_text(st, 1, view_from_cstr(name));
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int write_cursor(struct writer *w, const char *name, uint64_t value)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_setting_set_number);

	sql_bind_text(st, 1, view_from_cstr(name));
	sql_bind_u64(st, 2, value);
	return sql_run(st);
}

static int mark_delayed(struct writer *w, struct queue_age_job *j, const struct old_row *row)
{
	struct sql_stmt *st;

	if (row->notice != QUEUE_NO_NOTICE || !queue_wants_notice(row->notify, QUEUE_DELAYED) ||
	    is_patient(j, row->domain))
		return 0;
	j->ret_notices++;
	st = sql_use(w->sql, SQL_queue_notice_set);
	sql_bind_u64(st, 1, row->id);
	sql_bind_i64(st, 2, QUEUE_DELAYED);
	return sql_run(st);
}

/* Everything between the last pass and delay_after_s ago hears of it once. *ret_more: there are more of them. */
static int delay_some(struct writer *w, struct queue_age_job *j, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	uint64_t upto = trace_id_at(j->wall_s - j->delay_after_s), told;
	struct old_row *rows;
	size_t n = 0;
	int rc = read_cursor(w, DELAYS_TOLD, &told);

	if (rc == 0 && told > trace_id_at(j->wall_s)) /* by a clock that was ahead */
		return write_cursor(w, DELAYS_TOLD, upto);
	if (rc < 0 || told >= upto)
		return rc;
	if (x->place.message <= told)
		x->place = (struct queue_place){.message = told + 1};
	rc = old_rows(w, &x->place, upto, a, &rows, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = mark_delayed(w, j, &rows[i]);
		x->place = queue_place_at(rows[i].message, rows[i].recipient);
	}
	*ret_more = n == SLICE;
	/* Of the last message of a full slice there may be more. */
	return rc < 0 ? rc : write_cursor(w, DELAYS_TOLD, *ret_more ? x->place.message - 1 : upto);
}

static int age_ahead(struct writer *w, struct queue_age_job *j, const struct old_row *row, int64_t told_s)
{
	int64_t lifetime_s = is_patient(j, row->domain) ? j->patient_lifetime_s : j->lifetime_s;

	if (row->notice != QUEUE_NO_NOTICE && row->notice != QUEUE_DELAYED)
		return 0;
	if (row->queued_s <= j->wall_s - lifetime_s)
		return row->held || row->lease
			   ? 0
			   : end_row(w, row->id, QUEUE_EXPIRED, TRACE_EXPIRED, NULL, j->wall_s, &j->ret_notices);
	return j->delay_after_s > 0 && row->queued_s > told_s && row->queued_s <= j->wall_s - j->delay_after_s
		   ? mark_delayed(w, j, row)
		   : 0;
}

/* The same two things, for those whose ids say nothing of their age. */
static int ahead_some(struct writer *w, struct queue_age_job *j, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	uint64_t told;
	struct old_row *rows;
	size_t n = 0;
	int rc = read_cursor(w, AHEAD_TOLD, &told);

	if (told > (uint64_t)j->wall_s)
		told = 0;
	if (x->place.message == 0)
		x->place.message = trace_id_at(j->wall_s + AHEAD_S);
	if (rc == 0)
		rc = read_rows(w, SQL_queue_old_ahead, &x->place, INT64_MAX, a, &rows, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = age_ahead(w, j, &rows[i], (int64_t)told);
		x->place = queue_place_at(rows[i].message, rows[i].recipient);
		x->count++;
	}
	*ret_more = n == SLICE;
	return rc < 0 || *ret_more || x->count == 0 || j->delay_after_s == 0
		   ? rc
		   : write_cursor(w, AHEAD_TOLD, (uint64_t)(j->wall_s - j->delay_after_s));
}

static int age_some(struct writer *w, struct store_job *job, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	struct queue_age_job *j = (struct queue_age_job *)job;
	int rc = 0;

	if (x->pass == PASS_EXPIRY) {
		rc = expire_some(w, j, x, a);
		*ret_more = true; /* delays are for the slices after */
	} else if (x->pass == PASS_UNTIL) {
		rc = until_some(w, j, x, a);
		*ret_more = true;
	} else if (x->pass == PASS_DELAYS) {
		if (j->delay_after_s > 0)
			rc = delay_some(w, j, x, a, ret_more);
		if (!*ret_more && j->ahead) {
			x->pass = PASS_AHEAD;
			x->place = (struct queue_place){0};
			*ret_more = true;
		}
	} else {
		rc = ahead_some(w, j, x, a, ret_more);
	}
	if (j->ret_notices)
		writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	return rc;
}

static enum job_step run_age(struct writer *w, struct store_job *job)
{
	return queue_walk_run(w, job, age_some, NULL, NULL, "ending what is too old");
}

void queue_age_job_init(struct queue_age_job *j)
{
	*j = (struct queue_age_job){0};
	store_job_init(&j->job, run_age);
	queue_walk_init(&j->job);
}

/* ---- the operator ---- */

static int set_hold(struct writer *w, const struct queue_row *row, bool held, int64_t next_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_hold);

	sql_bind_u64(st, 1, row->id);
	sql_bind_i64(st, 2, held);
	sql_bind_i64(st, 3, next_s);
	return sql_run(st);
}

static int event_of(struct writer *w, const struct queue_change_job *j, const struct queue_row *row,
		    enum trace_kind kind)
{
	return trace_add(w, &(struct trace_event){.message = row->message,
						  .kind = kind,
						  .address = row->recipient,
						  .words = VIEW_EMPTY,
						  .at_ms = j->wall_s * 1000});
}

static int change_waiting(struct writer *w, struct queue_change_job *j, const struct queue_row *row)
{
	size_t notices = 0;
	int rc;

	switch (j->change) {
	case QUEUE_RETRY:
	case QUEUE_RELEASE:
		rc = set_hold(w, row, false, j->wall_s);
		if (rc == 0)
			rc = event_of(w, j, row, j->change == QUEUE_RETRY ? TRACE_RETRIED : TRACE_RELEASED);
		return rc < 0 ? rc : queue_domain_settle(w, row->domain, QUEUE_UNKNOWN_S);
	case QUEUE_HOLD:
		rc = set_hold(w, row, true, QUEUE_NEVER_S);
		if (rc == 0)
			rc = event_of(w, j, row, TRACE_HELD);
		return rc < 0 ? rc : queue_domain_settle(w, row->domain, QUEUE_AS_IT_WAS_S);
	case QUEUE_BOUNCE:
		return end_row(w, row->id, QUEUE_RETURNED, TRACE_REMOVED, "returned to its sender", j->wall_s,
			       &notices);
	case QUEUE_REMOVE:
		return end_row(w, row->id, QUEUE_NO_NOTICE, TRACE_REMOVED, "", j->wall_s, &notices);
	}
	return -EINVAL;
}

/* Which of them it concerns: those under way can be held (what becomes of them still counts: it is what comes after that waits), removed or
 * bounced (their lease ends, its results no longer count), and are not retried; those that ended are as good as gone. */
static bool concerns(const struct queue_change_job *j, const struct queue_row *row)
{
	if (row->notice != QUEUE_NO_NOTICE && row->notice != QUEUE_DELAYED)
		return j->change == QUEUE_REMOVE;
	if (j->change == QUEUE_RETRY)
		return row->lease == 0 && !row->held;
	return j->change != QUEUE_RELEASE || row->held;
}

static int change_row(struct writer *w, struct queue_change_job *j, struct queue_walk *x, uint64_t id, struct arena *a)
{
	struct queue_row row;
	int rc = queue_row_get(w, id, a, &row);

	if (rc <= 0 || !concerns(j, &row))
		return rc < 0 ? rc : 0;
	x->count++;
	return change_waiting(w, j, &row);
}

static int change_some(struct writer *w, struct store_job *job, struct queue_walk *x, struct arena *a, bool *ret_more)
{
	struct queue_change_job *j = (struct queue_change_job *)job;
	struct old_row *rows;
	size_t n;
	int rc = old_rows(w, &x->place, j->message ? j->message : INT64_MAX, a, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = change_row(w, j, x, rows[i].id, a);
		x->place = queue_place_at(rows[i].message, rows[i].recipient);
	}
	x->pass++; /* slices */
	x->after += n; /* looked at */
	j->ret_more = n == SLICE;
	j->ret_looked_at = x->after;
	j->ret_place = x->place;
	*ret_more = j->ret_more && x->pass != j->slices;
	writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	return rc;
}

static enum job_step run_change(struct writer *w, struct store_job *job)
{
	struct queue_change_job *j = (struct queue_change_job *)job;
	const struct queue_walk from = {.place = j->message ? (struct queue_place){.message = j->message} : j->from};
	enum job_step step = queue_walk_run(w, job, change_some, &from, &j->ret_count, "changing the queue");

	if (step == STEP_DONE && j->ret_count == 0 && j->message)
		job->outcome = STORE_NO_MESSAGE;
	return step;
}

void queue_change_job_init(struct queue_change_job *j)
{
	*j = (struct queue_change_job){0};
	store_job_init(&j->job, run_change);
	queue_walk_init(&j->job);
}
