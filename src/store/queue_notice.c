/* SPDX-License-Identifier: ISC
 * Messages about whose recipients the sender is to be told something, and the end of those nobody is told of. */
#include "store/queue_private.h"

#include "store/store_private.h"
#include "store/trace_private.h"

#include <errno.h>

enum { ITEMS_MAX = 1000, FATES_MAX = 20000, HEADER_MAX = 65536 };

static int next_message(struct store_reader *r, enum sql_id which, uint64_t after, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(r->sql, which);
	int rc;

	sql_bind_u64(st, 1, after);
	rc = sql_step(st);
	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc;
}

static int read_items(struct store_reader *r, uint64_t message, struct arena *a, struct queue_notices *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_queue_notices);
	int rc = 0;

	ret->items = arena_array(a, ITEMS_MAX, sizeof *ret->items);
	if (!ret->items)
		return -ENOMEM;
	sql_bind_u64(st, 1, message);
	sql_bind_i64(st, 2, ITEMS_MAX);
	while ((rc = sql_step(st)) > 0 && ret->count < ITEMS_MAX)
		ret->items[ret->count++] = (struct queue_noticed){
		    .id = sql_u64(st, 0),
		    .recipient = arena_copy(a, sql_bytes(st, 1)),
		    .orcpt = arena_copy(a, sql_bytes(st, 3)),
		    .notify = (uint8_t)sql_u64(st, 4),
		    .attempts = (uint32_t)sql_u64(st, 5),
		    .notice = (enum queue_notice)sql_u64(st, 6),
		    .last_reply = arena_copy(a, sql_bytes(st, 7)),
		    .code = (uint16_t)sql_u64(st, 8),
		    .status = arena_copy(a, sql_bytes(st, 9)),
		    .mta = arena_copy(a, sql_bytes(st, 10)),
		};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int read_part(struct store_reader *r, enum sql_id part, uint64_t id, size_t max, struct arena *a,
		     struct view *ret)
{
	struct sql_stmt *st = sql_use(r->sql, part);
	int rc;

	sql_bind_u64(st, 1, id);
	sql_bind_i64(st, 2, 1);
	sql_bind_u64(st, 3, max);
	rc = sql_step(st);
	*ret = rc > 0 ? arena_copy(a, sql_bytes(st, 0)) : VIEW_EMPTY;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int read_all(struct store_reader *r, uint64_t message, struct arena *a, struct queue_notices *ret)
{
	struct sql_stmt *st;
	int rc = queue_envelope_get(r->sql, message, a, &ret->envelope);
	uint64_t content = 0;
	bool inline_content = false;

	if (rc == 0)
		rc = read_items(r, message, a, ret);
	if (rc == 0)
		rc = read_part(r, SQL_header_part, message, HEADER_MAX, a, &ret->header);
	if (rc < 0)
		return rc;
	st = sql_use(r->sql, SQL_message_get);
	sql_bind_u64(st, 1, message);
	rc = sql_step(st);
	if (rc > 0) {
		content = sql_u64(st, 2);
		inline_content = sql_i64(st, 3) == 0;
	}
	sql_reset(st);
	ret->content = VIEW_EMPTY;
	if (rc > 0 && inline_content)
		rc = read_part(r, SQL_content_part, content, STORE_INLINE_MAX, a, &ret->content);
	return rc < 0 ? rc : 0;
}

enum store_outcome queue_next_notices(struct store_reader *r, uint64_t after, struct arena *a,
				      struct queue_notices *ret)
{
	enum store_outcome outcome = STORE_OK;
	uint64_t message = 0;
	int rc = reader_begin(r);

	*ret = (struct queue_notices){0};
	if (rc == 0)
		rc = next_message(r, SQL_queue_noticed, after, &message);
	if (rc == 0)
		outcome = STORE_NO_MESSAGE;
	else if (rc > 0)
		rc = read_all(r, message, a, ret);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

/* ---- summaries ---- */

static int read_fates(struct store_reader *r, uint64_t message, struct arena *a, struct queue_sum *ret)
{
	struct trace_event *events = arena_array(a, FATES_MAX, sizeof *events);
	struct sql_stmt *st = sql_use(r->sql, SQL_queue_fates);
	int rc;

	if (!events)
		return -ENOMEM;
	ret->events = events;
	sql_bind_u64(st, 1, message);
	sql_bind_i64(st, 2, FATES_MAX);
	while ((rc = sql_step(st)) > 0 && ret->count < FATES_MAX) {
		if (!trace_read(st, a, &events[ret->count]))
			break; /* it is long enough */
		ret->count++;
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome queue_next_sum(struct store_reader *r, uint64_t after, struct arena *a, struct queue_sum *ret)
{
	enum store_outcome outcome = STORE_OK;
	uint64_t message = 0;
	int rc = reader_begin(r);

	*ret = (struct queue_sum){0};
	if (rc == 0)
		rc = next_message(r, SQL_queue_summary_next, after, &message);
	if (rc == 0) {
		outcome = STORE_NO_MESSAGE;
	} else if (rc > 0) {
		rc = queue_envelope_get(r->sql, message, a, &ret->envelope);
		if (rc == 0)
			rc = read_part(r, SQL_header_part, message, HEADER_MAX, a, &ret->header);
		if (rc == 0)
			rc = read_fates(r, message, a, ret);
	}
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

static enum job_step run_settle(struct writer *w, struct store_job *job)
{
	struct queue_settle_job *j = (struct queue_settle_job *)job;
	int rc =
	    j->summary ? queue_summary_settle(w, j->message) : queue_notices_settle(w, j->message, j->told, j->count);

	if (rc > 0)
		rc = 0;
	for (size_t i = 0; rc == 0 && i < j->event_count; i++)
		rc = trace_add(w, &j->events[i]);
	return rc < 0 ? writer_error(w, rc, "ending recipients without a notice") : STEP_DONE;
}

void queue_settle_job_init(struct queue_settle_job *j)
{
	*j = (struct queue_settle_job){0};
	store_job_init(&j->job, run_settle);
}
