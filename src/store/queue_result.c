/* SPDX-License-Identifier: ISC
 * What became of leased recipients: gone, waiting again, or ended with a notice due; and the events that say so. */
#include "store/queue_private.h"

#include "store/store_private.h"

#include <errno.h>

enum { ARENA_MAX = 1024 * 1024, WORDS_MAX = 2048 };

struct applying {
	struct writer *w;
	struct queue_result_job *j;
	struct arena arena;
	struct view domain; /* of the lease: all its recipients have the same */
	bool waits; /* one of them waits again */
};

struct view queue_words(struct arena *a, uint64_t code, struct view status, struct view text, struct view mta)
{
	_cleanup_(buf_fini) struct buf words = BUF_INIT(WORDS_MAX);

	if (code == 0 || mta.n == 0)
		return arena_copy(a, text);
	buf_printf(&words, "%u ", (unsigned)code);
	if (status.n)
		buf_printf(&words, "%.*s ", VIEW_FMT(status));
	buf_append_view(&words, text);
	return arena_copy(a, view_trim(buf_view(&words)));
}

static struct view words_of(struct applying *x, const struct queue_fate *f)
{
	struct view words = queue_words(&x->arena, f->code, f->status, f->text, x->j->mta);

	return words.p ? words : f->text;
}

static int add_event(struct applying *x, const struct queue_row *row, const struct queue_fate *f, enum trace_kind kind,
		     int64_t until_s)
{
	return trace_add(x->w, &(struct trace_event){
				   .message = row->message,
				   .kind = kind,
				   .address = row->recipient,
				   .peer = x->j->peer,
				   .tls = x->j->tls,
				   .words = words_of(x, f),
				   .at_ms = x->j->wall_s * 1000,
				   .until_s = until_s,
			       });
}

static int defer(struct applying *x, const struct queue_row *row, const struct queue_fate *f)
{
	struct sql_stmt *st = sql_use(x->w->sql, SQL_queue_defer);
	int64_t next_s = queue_next_s(&x->j->schedule, row->attempts + 1, x->j->wall_s, row->message, row->domain);
	int rc;

	sql_bind_u64(st, 1, row->id);
	sql_bind_i64(st, 2, next_s);
	sql_bind_text(st, 3, f->text);
	sql_bind_i64(st, 4, f->code);
	sql_bind_text(st, 5, f->status);
	sql_bind_text(st, 6, x->j->mta);
	sql_bind_i64(st, 7, QUEUE_NEVER_S);
	sql_bind_text(st, 8, x->j->closed_s > 0 ? x->j->destination : VIEW_EMPTY);
	x->w->none_unreached &= x->j->closed_s <= 0;
	rc = sql_run(st);
	return rc < 0 || x->j->quiet ? rc : add_event(x, row, f, TRACE_DEFERRED, row->held ? 0 : next_s);
}

/* Nothing more is to be sent; the sender is told, if he wants to be. */
static int finish(struct applying *x, const struct queue_row *row, const struct queue_fate *f, enum queue_notice notice)
{
	struct sql_stmt *st;

	if (!queue_wants_notice(row->notify, (uint8_t)notice))
		return queue_row_drop(x->w, row->id, row->message);
	x->j->ret_notices++;
	st = sql_use(x->w->sql, SQL_queue_end);
	sql_bind_u64(st, 1, row->id);
	sql_bind_i64(st, 2, QUEUE_NEVER_S);
	sql_bind_i64(st, 3, (int64_t)notice);
	sql_bind_text(st, 4, f->text);
	sql_bind_i64(st, 5, f->code);
	sql_bind_text(st, 6, f->status);
	sql_bind_text(st, 7, x->j->mta);
	return sql_run(st);
}

static int apply_outcome(struct applying *x, const struct queue_row *row, const struct queue_fate *f)
{
	int rc;

	switch (f->outcome) {
	case QUEUE_OUT_RELEASED:
		return queue_row_free(x->w, row->id, x->j->wall_s);
	case QUEUE_OUT_DEFERRED:
		return defer(x, row, f);
	case QUEUE_OUT_SENT:
		rc = add_event(x, row, f, TRACE_SENT, 0);
		if (rc < 0)
			return rc;
		return f->dsn_passed ? queue_row_drop(x->w, row->id, row->message) : finish(x, row, f, QUEUE_RELAYED);
	case QUEUE_OUT_FAILED:
		rc = add_event(x, row, f, TRACE_FAILED, 0);
		return rc < 0 ? rc : finish(x, row, f, QUEUE_FAILED);
	}
	return -EINVAL;
}

/* A fate counts only while its recipient still has the token; who waits has none (0). */
static int apply_fate(struct applying *x, const struct queue_fate *f)
{
	struct queue_row row;
	int rc = queue_row_get(x->w, f->id, &x->arena, &row);

	if (rc <= 0 || row.lease == 0 || row.lease != x->j->token)
		return rc < 0 ? rc : 0;
	if (!row.recipient.p || !row.domain.p)
		return -ENOMEM;
	x->domain = row.domain;
	x->waits |= f->outcome == QUEUE_OUT_RELEASED || f->outcome == QUEUE_OUT_DEFERRED;
	x->j->ret_counted++;
	return apply_outcome(x, &row, f);
}

static int64_t closed_of(const struct queue_result_job *j)
{
	if (j->closed_s > 0)
		return j->closed_s;
	return j->reached ? QUEUE_REACHED_S : QUEUE_UNKNOWN_S;
}

static int look(struct sql_stmt *st)
{
	int rc = sql_step(st);

	sql_reset(st);
	return rc;
}

/* It answers: does anybody wait for a later time because it did not? As a rule nobody waits for anything. */
static int note_reopened(struct applying *x)
{
	struct writer *w = x->w;
	struct sql_stmt *st;
	int rc;

	if (!x->j->reached || x->j->destination.n == 0 || w->none_unreached)
		return 0;
	st = sql_use(w->sql, SQL_queue_unreached);
	sql_bind_text(st, 1, x->j->destination);
	sql_bind_i64(st, 2, 1);
	rc = look(st);
	x->j->ret_reopened = rc > 0;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = look(sql_use(w->sql, SQL_queue_unreached_any));
	w->none_unreached = rc == 0;
	return rc < 0 ? rc : 0;
}

static enum job_step run_result(struct writer *w, struct store_job *job)
{
	struct queue_result_job *j = (struct queue_result_job *)job;
	struct applying x = {.w = w, .j = j};
	int rc = 0;

	j->ret_counted = j->ret_notices = 0;
	j->ret_reopened = false;
	arena_init(&x.arena, ARENA_MAX);
	for (size_t i = 0; rc == 0 && i < j->fate_count; i++)
		rc = apply_fate(&x, &j->fates[i]);
	if (rc == 0 && j->ret_counted)
		rc = x.waits || closed_of(j) != QUEUE_REACHED_S ? queue_domain_settle(w, x.domain, closed_of(j))
								: queue_domain_answered(w, x.domain);
	if (rc == 0 && j->ret_counted)
		rc = note_reopened(&x);
	arena_fini(&x.arena);
	if (j->ret_notices)
		writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	return rc < 0 ? writer_error(w, rc, "recording what became of queued mail") : STEP_DONE;
}

void queue_result_job_init(struct queue_result_job *j)
{
	*j = (struct queue_result_job){0};
	store_job_init(&j->job, run_result);
}
