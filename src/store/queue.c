/* SPDX-License-Identifier: ISC
 * Listing what waits for other servers. */
#include "store/queue_private.h"

#include "store/sql.h"
#include "store/store_private.h"

#include <errno.h>

static bool read_item(struct sql_stmt *st, struct arena *a, struct queue_item *ret)
{
	*ret = (struct queue_item){
	    .message_id = sql_u64(st, 0),
	    .recipient = arena_copy(a, sql_bytes(st, 1)),
	    .sender = arena_copy(a, sql_bytes(st, 2)),
	    .size_bytes = sql_u64(st, 3),
	    .queued_s = sql_i64(st, 4),
	    .next_s = sql_i64(st, 5) >= QUEUE_NEVER_S ? 0 : sql_i64(st, 5),
	    .attempts = (uint32_t)sql_u64(st, 6),
	    .held = sql_i64(st, 7) != 0,
	    .last_reply = queue_words(a, sql_u64(st, 11), sql_bytes(st, 12), sql_bytes(st, 8), sql_bytes(st, 13)),
	    .mta = arena_copy(a, sql_bytes(st, 13)),
	    .leased = sql_i64(st, 9) != 0,
	    .closed_s = sql_i64(st, 14),
	    .ended = sql_i64(st, 10) != 0 && sql_i64(st, 10) != QUEUE_DELAYED,
	};
	return ret->recipient.p && ret->sender.p && ret->last_reply.p && ret->mta.p;
}

static int collect(struct sql_stmt *st, struct arena *a, struct queue_item *items, size_t max, size_t *ret_count,
		   bool *ret_more)
{
	int rc;

	while ((rc = sql_step(st)) > 0) {
		*ret_more = *ret_count == max || !read_item(st, a, &items[*ret_count]);
		if (*ret_more)
			break;
		++*ret_count;
	}
	sql_reset(st);
	return rc < 0 ? rc : *ret_more && *ret_count == 0 ? -EMSGSIZE : 0;
}

enum store_outcome queue_list(struct store_reader *r, uint64_t after_message, struct view after_recipient, size_t max,
			      struct arena *a, const struct queue_item **ret, size_t *ret_count, bool *ret_more)
{
	struct queue_item *items = arena_array(a, max, sizeof *items);
	struct sql_stmt *st = sql_use(r->sql, SQL_queue_list);
	enum store_outcome outcome;
	int rc;

	if (!items || max == 0 || after_message > INT64_MAX)
		return STORE_BAD_REQUEST;
	*ret = items;
	*ret_count = 0;
	*ret_more = false;
	rc = reader_begin(r);
	sql_bind_u64(st, 1, after_message);
	sql_bind_text(st, 2, after_recipient);
	if (rc == 0)
		rc = collect(st, a, items, max, ret_count, ret_more);
	outcome = rc == -EMSGSIZE ? STORE_TOO_BIG : rc < 0 ? reader_failed(r, rc) : STORE_OK;
	reader_end(r);
	return outcome;
}

enum store_outcome queue_figures(struct store_reader *r, struct queue_figures *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_queue_figures);
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	rc = rc < 0 ? rc : sql_step(st);
	if (rc > 0)
		*ret = (struct queue_figures){sql_u64(st, 0), sql_u64(st, 1), sql_u64(st, 2), sql_u64(st, 3),
					      sql_u64(st, 4)};
	if (rc <= 0)
		outcome = reader_failed(r, rc);
	sql_reset(st);
	reader_end(r);
	return outcome;
}
