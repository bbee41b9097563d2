/* SPDX-License-Identifier: ISC
 * The life of messages, event by event. */
#include "store/trace.h"

#include "store/queue_private.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>

enum { LOOK_AT_MAX = 20000 };

const char *trace_kind_name(enum trace_kind kind)
{
	static const char *const names[TRACE_KINDS] = {
	    [TRACE_RECEIVED] = "received",   [TRACE_DELIVERED] = "delivered", [TRACE_QUEUED] = "queued",
	    [TRACE_SENT] = "sent",           [TRACE_DEFERRED] = "deferred",   [TRACE_FAILED] = "failed",
	    [TRACE_EXPIRED] = "expired",     [TRACE_REMOVED] = "removed",     [TRACE_HELD] = "held",
	    [TRACE_RELEASED] = "released",   [TRACE_RETRIED] = "retried",     [TRACE_NOTICE] = "notice",
	    [TRACE_NO_NOTICE] = "no-notice", [TRACE_SUMMARY] = "summary",
	};

	return kind < TRACE_KINDS && names[kind] ? names[kind] : "unknown";
}

int trace_add(struct writer *w, const struct trace_event *e)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_insert);

	sql_bind_u64(st, 1, e->message);
	sql_bind_u64(st, 2, writer_count(w, COUNTER_TRACE));
	sql_bind_i64(st, 3, e->at_ms);
	sql_bind_i64(st, 4, (int64_t)e->kind);
	sql_bind_text(st, 5, e->address.p ? e->address : VIEW_EMPTY);
	sql_bind_text(st, 6, e->peer.p ? e->peer : VIEW_EMPTY);
	sql_bind_text(st, 7, e->tls.p ? e->tls : VIEW_EMPTY);
	sql_bind_text(st, 8, e->words.p ? e->words : VIEW_EMPTY);
	return sql_run(st);
}

bool trace_read(struct sql_stmt *st, struct arena *a, struct trace_event *ret)
{
	*ret = (struct trace_event){
	    .message = sql_u64(st, 0),
	    .at_ms = sql_i64(st, 2),
	    .kind = (enum trace_kind)sql_u64(st, 3),
	    .address = arena_copy(a, sql_bytes(st, 4)),
	    .peer = arena_copy(a, sql_bytes(st, 5)),
	    .tls = arena_copy(a, sql_bytes(st, 6)),
	    .words = arena_copy(a, sql_bytes(st, 7)),
	};
	return ret->address.p && ret->peer.p && ret->tls.p && ret->words.p;
}

enum store_outcome trace_of(struct store_reader *r, uint64_t message, uint64_t after_seq, size_t max, struct arena *a,
			    const struct trace_event **ret, size_t *ret_count, uint64_t *ret_last_seq, bool *ret_more)
{
	struct trace_event *events = arena_array(a, max, sizeof *events);
	struct sql_stmt *st = sql_use(r->sql, SQL_trace_of);
	enum store_outcome outcome = STORE_OK;
	int rc;

	if (!events || max == 0 || message > INT64_MAX)
		return STORE_BAD_REQUEST;
	*ret = events;
	*ret_count = 0;
	*ret_more = false;
	rc = reader_begin(r);
	sql_bind_u64(st, 1, message);
	sql_bind_u64(st, 2, after_seq);
	while (rc == 0 && (rc = sql_step(st)) > 0) {
		*ret_more = *ret_count == max || !trace_read(st, a, &events[*ret_count]);
		if (*ret_more)
			break;
		*ret_last_seq = sql_u64(st, 1);
		++*ret_count;
		rc = 0;
	}
	sql_reset(st);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

static bool is_in(struct sql_stmt *st, struct view text)
{
	struct view id = sql_bytes(st, 3);

	if (view_eq_nocase(sql_bytes(st, 2), text))
		return true;
	if (sql_u64(st, 1) != TRACE_RECEIVED)
		return false;
	if (view_eq(id, text))
		return true;
	return id.n == text.n + 2 && id.p[0] == '<' && view_eq(view_sub(id, 1, text.n), text);
}

enum store_outcome trace_find(struct store_reader *r, uint64_t after, struct view text, uint64_t *ret, size_t max,
			      size_t *ret_count, uint64_t *ret_after, bool *ret_more)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_trace_since);
	enum store_outcome outcome = STORE_OK;
	size_t seen = 0;
	int rc;

	if (after > INT64_MAX || max == 0)
		return STORE_BAD_REQUEST;
	*ret_count = 0;
	*ret_more = false;
	*ret_after = after;
	rc = reader_begin(r);
	sql_bind_u64(st, 1, after);
	while (rc == 0 && (rc = sql_step(st)) > 0) {
		uint64_t message = sql_u64(st, 0);

		/* A page ends between messages, so that the next one begins with whole ones. */
		if (message != *ret_after && (seen >= LOOK_AT_MAX || *ret_count == max)) {
			*ret_more = true;
			break;
		}
		*ret_after = message;
		seen++;
		if (is_in(st, text) && (*ret_count == 0 || ret[*ret_count - 1] != message))
			ret[(*ret_count)++] = message;
		rc = 0;
	}
	sql_reset(st);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}
