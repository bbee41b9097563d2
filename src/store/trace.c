/* SPDX-License-Identifier: ISC
 * The life of messages, event by event. */
#include "store/trace.h"

#include "store/store_private.h"
#include "store/trace_private.h"
#include "store/writer.h"

#include <errno.h>

enum { LOOK_AT_MAX = 20000, FIND_ARENA_MAX = 4 * 1024 * 1024 };

const char *trace_kind_name(enum trace_kind kind)
{
	static const char *const names[TRACE_KINDS] = {
	    [TRACE_RECEIVED] = "received",   [TRACE_DELIVERED] = "delivered", [TRACE_QUEUED] = "queued",
	    [TRACE_SENT] = "sent",           [TRACE_DEFERRED] = "deferred",   [TRACE_FAILED] = "failed",
	    [TRACE_EXPIRED] = "expired",     [TRACE_REMOVED] = "removed",     [TRACE_HELD] = "held",
	    [TRACE_RELEASED] = "released",   [TRACE_RETRIED] = "retried",     [TRACE_NOTICE] = "notice",
	    [TRACE_NO_NOTICE] = "no-notice", [TRACE_SUMMARY] = "summary",     [TRACE_MADE] = "made",
	};

	return kind < TRACE_KINDS && names[kind] ? names[kind] : "unknown";
}

int trace_add(struct writer *w, const struct trace_event *e)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_insert);
	int rc;

	sql_bind_u64(st, 1, e->message);
	sql_bind_u64(st, 2, writer_count(w, COUNTER_TRACE));
	sql_bind_i64(st, 3, e->at_ms);
	sql_bind_i64(st, 4, (int64_t)e->kind);
	sql_bind_text(st, 5, e->address.p ? e->address : VIEW_EMPTY);
	sql_bind_text(st, 6, e->peer.p ? e->peer : VIEW_EMPTY);
	sql_bind_text(st, 7, e->tls.p ? e->tls : VIEW_EMPTY);
	sql_bind_text(st, 8, e->words.p ? e->words : VIEW_EMPTY);
	sql_bind_i64(st, 9, e->until_s);
	sql_bind_text(st, 10, e->notes.p ? e->notes : VIEW_EMPTY);
	rc = sql_run(st);
	return rc < 0 ? rc : trace_note_late(w, e);
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
	    .until_s = sql_i64(st, 8),
	    .notes = arena_copy(a, sql_bytes(st, 9)),
	};
	return ret->address.p && ret->peer.p && ret->tls.p && ret->words.p && ret->notes.p;
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

/* Does a message that the index names really have it? 1 yes. */
static int has_text(struct store_reader *r, uint64_t message, struct view text)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_trace_events);
	int rc;

	sql_bind_u64(st, 1, message);
	while ((rc = sql_step(st)) > 0 && !trace_has(st, text))
		;
	sql_reset(st);
	return rc;
}

/* Out of the index; *ret_after: how far. */
static int find_indexed(struct store_reader *r, struct view text, struct arena *a, uint64_t *ret, size_t max,
			size_t *ret_count, uint64_t *ret_after, bool *ret_more)
{
	uint64_t *ids = NULL, upto;
	size_t n;
	int rc = trace_look_up(r, text, *ret_after, max, a, &ids, &n, &upto);

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		if (*ret_count == max) {
			*ret_more = true;
			return 0;
		}
		rc = has_text(r, ids[i], text);
		if (rc > 0)
			ret[(*ret_count)++] = ids[i];
		*ret_after = ids[i];
	}
	if (rc < 0)
		return rc;
	*ret_after = upto;
	return 0;
}

/* What no segment covers yet is looked through, a bounded number of events a call. */
static int find_young(struct store_reader *r, struct view text, uint64_t *ret, size_t max, size_t *ret_count,
		      uint64_t *ret_after, bool *ret_more)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_trace_since);
	size_t seen = 0;
	int rc;

	sql_bind_u64(st, 1, *ret_after);
	while ((rc = sql_step(st)) > 0) {
		uint64_t message = sql_u64(st, 0);

		/* A page ends between messages, so that the next one begins with whole ones. */
		if (message != *ret_after && (seen >= LOOK_AT_MAX || *ret_count == max)) {
			*ret_more = true;
			break;
		}
		*ret_after = message;
		seen++;
		if (trace_has(st, text) && (*ret_count == 0 || ret[*ret_count - 1] != message))
			ret[(*ret_count)++] = message;
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome trace_find(struct store_reader *r, uint64_t after, struct view text, uint64_t *ret, size_t max,
			      size_t *ret_count, uint64_t *ret_after, bool *ret_more)
{
	enum store_outcome outcome = STORE_OK;
	struct arena a;
	uint64_t indexed;
	int rc;

	if (after > INT64_MAX || max == 0)
		return STORE_BAD_REQUEST;
	*ret_count = 0;
	*ret_more = false;
	*ret_after = after;
	arena_init(&a, FIND_ARENA_MAX);
	rc = reader_begin(r);
	if (rc == 0)
		rc = trace_indexed(r->sql, &indexed);
	if (rc == 0 && indexed > after)
		rc = find_indexed(r, text, &a, ret, max, ret_count, ret_after, ret_more);
	if (rc == 0 && !*ret_more && *ret_after < indexed)
		*ret_more = true;
	if (rc == 0 && !*ret_more)
		rc = find_young(r, text, ret, max, ret_count, ret_after, ret_more);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	arena_fini(&a);
	return outcome;
}
