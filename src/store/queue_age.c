/* SPDX-License-Identifier: ISC
 * What is too old, what is late, and what the operator wants done: walks over the queue by message id, that is, by age. */
#include "store/queue_private.h"

#include "base/id.h"
#include "store/store_private.h"
#include "store/trace_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 200, ARENA_MAX = 4 * 1024 * 1024 };

struct old_row {
	uint64_t id, message, lease;
	struct view recipient, domain;
	uint8_t notice, notify;
	bool held;
};

/* How far a walk has come: behind this recipient. */
struct place {
	uint64_t message;
	char recipient[320]; /* proven: set_place() */
	size_t recipient_n;
};

static void set_place(struct place *p, const struct old_row *row)
{
	struct view recipient = view_sub(row->recipient, 0, sizeof p->recipient);

	*p = (struct place){.message = row->message, .recipient_n = recipient.n};
	memcpy(p->recipient, recipient.p, recipient.n);
}

/* The next SLICE behind `after`, of messages up to `upto`. */
static int old_rows(struct writer *w, const struct place *after, uint64_t upto, struct arena *a, struct old_row **ret,
		    size_t *ret_n)
{
	struct old_row *rows = *ret = arena_array(a, SLICE, sizeof *rows);
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_old);
	int rc;

	*ret_n = 0;
	if (!rows)
		return -ENOMEM;
	sql_bind_u64(st, 1, after->message);
	sql_bind_text(st, 2, view_from(after->recipient, after->recipient_n));
	sql_bind_u64(st, 3, upto);
	sql_bind_u64(st, 4, SLICE);
	while ((rc = sql_step(st)) > 0 && *ret_n < SLICE)
		rows[(*ret_n)++] = (struct old_row){.id = sql_u64(st, 0),
						    .message = sql_u64(st, 1),
						    .recipient = arena_copy(a, sql_bytes(st, 2)),
						    .held = sql_i64(st, 3) != 0,
						    .lease = sql_u64(st, 4),
						    .notice = (uint8_t)sql_u64(st, 5),
						    .notify = (uint8_t)sql_u64(st, 6),
						    .domain = arena_copy(a, sql_bytes(st, 7))};
	sql_reset(st);
	return rc < 0 ? rc : 0;
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

/* How far the running pass has come: first expiry, then, from what the last pass told of on, delays. */
struct aging {
	struct place at, now_at;
	bool expired_all, now_expired_all;
};

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

static int expire_some(struct writer *w, struct queue_age_job *j, struct aging *x, struct arena *a)
{
	uint64_t upto = trace_id_at(j->wall_s - j->lifetime_s),
		 patient_upto = trace_id_at(j->wall_s - j->patient_lifetime_s);
	struct old_row *rows;
	size_t n;
	int rc = old_rows(w, &x->at, upto, a, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool waits = rows[i].notice == QUEUE_NO_NOTICE || rows[i].notice == QUEUE_DELAYED;

		set_place(&x->now_at, &rows[i]);
		if (waits && rows[i].message > patient_upto && is_patient(j, rows[i].domain))
			continue;
		if (waits && !rows[i].held && !rows[i].lease)
			rc = end_row(w, rows[i].id, QUEUE_EXPIRED, TRACE_EXPIRED, NULL, j->wall_s, &j->ret_notices);
	}
	if (n < SLICE) {
		x->now_expired_all = true;
		x->now_at = (struct place){0};
	}
	return rc;
}

static int read_cursor(struct writer *w, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_setting_number);
	int rc;

	sql_bind_text(st, 1, VIEW_LIT("queue-delays-told"));
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int write_cursor(struct writer *w, uint64_t value)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_setting_set_number);

	sql_bind_text(st, 1, VIEW_LIT("queue-delays-told"));
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
static int delay_some(struct writer *w, struct queue_age_job *j, struct aging *x, struct arena *a, bool *ret_more)
{
	uint64_t upto = trace_id_at(j->wall_s - j->delay_after_s), told;
	struct old_row *rows;
	size_t n = 0;
	int rc = read_cursor(w, &told);

	if (rc < 0 || told >= upto)
		return rc;
	if (x->at.message <= told)
		x->at = (struct place){.message = told + 1};
	rc = old_rows(w, &x->at, upto, a, &rows, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = mark_delayed(w, j, &rows[i]);
		set_place(&x->now_at, &rows[i]);
	}
	*ret_more = n == SLICE;
	/* Of the last message of a full slice there may be more. */
	return rc < 0 ? rc : write_cursor(w, *ret_more ? x->now_at.message - 1 : upto);
}

static void advance_age(struct store_job *job)
{
	struct aging *x = job->progress;

	x->at = x->now_at;
	x->expired_all = x->now_expired_all;
}

static void forget_progress(struct store_job *job)
{
	free(job->progress);
	job->progress = NULL;
}

static enum job_step run_age(struct writer *w, struct store_job *job)
{
	struct queue_age_job *j = (struct queue_age_job *)job;
	struct aging *x;
	struct arena a;
	bool more = false;
	int rc = 0;

	if (!job->progress)
		job->progress = xcalloc(1, sizeof *x);
	x = job->progress;
	x->now_at = x->at;
	x->now_expired_all = x->expired_all;
	arena_init(&a, ARENA_MAX);
	if (!x->expired_all)
		rc = expire_some(w, j, x, &a);
	else if (j->delay_after_s > 0)
		rc = delay_some(w, j, x, &a, &more);
	arena_fini(&a);
	if (j->ret_notices)
		writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	if (!x->expired_all)
		more = true; /* delays are for the slices after */
	return rc < 0 ? writer_error(w, rc, "ending what is too old") : more ? STEP_AGAIN : STEP_DONE;
}

void queue_age_job_init(struct queue_age_job *j)
{
	*j = (struct queue_age_job){0};
	store_job_init(&j->job, run_age);
	j->job.advance = advance_age;
	j->job.forget = forget_progress;
}

/* ---- the operator ---- */

struct changing {
	struct place at, now_at;
	uint64_t count, now_count;
};

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
		return end_row(w, row->id, QUEUE_FAILED, TRACE_REMOVED, "returned to its sender", j->wall_s, &notices);
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

static int change_row(struct writer *w, struct queue_change_job *j, struct changing *x, uint64_t id, struct arena *a)
{
	struct queue_row row;
	int rc = queue_row_get(w, id, a, &row);

	if (rc <= 0 || !concerns(j, &row))
		return rc < 0 ? rc : 0;
	x->now_count++;
	return change_waiting(w, j, &row);
}

static int change_some(struct writer *w, struct queue_change_job *j, struct changing *x, struct arena *a,
		       bool *ret_more)
{
	struct old_row *rows;
	size_t n;
	int rc = old_rows(w, &x->at, j->message ? j->message : INT64_MAX, a, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = change_row(w, j, x, rows[i].id, a);
		set_place(&x->now_at, &rows[i]);
	}
	*ret_more = n == SLICE;
	return rc;
}

static void advance_change(struct store_job *job)
{
	struct changing *x = job->progress;

	x->at = x->now_at;
	x->count = x->now_count;
}

static enum job_step run_change(struct writer *w, struct store_job *job)
{
	struct queue_change_job *j = (struct queue_change_job *)job;
	struct changing *x;
	struct arena a;
	bool more = false;
	int rc;

	if (!job->progress) {
		job->progress = x = xcalloc(1, sizeof *x);
		x->at.message = j->message;
	}
	x = job->progress;
	x->now_at = x->at;
	x->now_count = x->count;
	arena_init(&a, ARENA_MAX);
	rc = change_some(w, j, x, &a, &more);
	arena_fini(&a);
	j->ret_count = x->now_count;
	writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	if (rc == 0 && !more && j->ret_count == 0 && j->message)
		job->outcome = STORE_NO_MESSAGE;
	return rc < 0 ? writer_error(w, rc, "changing the queue") : more ? STEP_AGAIN : STEP_DONE;
}

void queue_change_job_init(struct queue_change_job *j)
{
	*j = (struct queue_change_job){0};
	store_job_init(&j->job, run_change);
	j->job.advance = advance_change;
	j->job.forget = forget_progress;
}
