/* SPDX-License-Identifier: ISC
 * One recipient's row and its domain's: what every job of the queue does with them. */
#include "store/queue_private.h"

#include "base/map.h"
#include "store/store_private.h"

#include <errno.h>

/* ---- schedule ---- */

int64_t queue_next_s(const struct queue_schedule *s, uint32_t attempts, int64_t now_s, uint64_t message,
		     struct view domain)
{
	/* In units of `first_s`, which is a minute as a rule. */
	static const uint16_t steps[] = {1, 2, 5, 10, 20, 40, 60, 120, 180, 240};
	size_t at = attempts == 0 ? 0 : attempts - 1;
	int64_t wait_s, spread;
	uint64_t h = message * 0x9e3779b97f4a7c15ULL + attempts;

	if (at >= ARRAY_LEN(steps))
		at = ARRAY_LEN(steps) - 1;
	wait_s = s->first_s * steps[at];
	if (wait_s > s->max_s)
		wait_s = s->max_s;
	/* ± 10 %, the same for all recipients of a message in a domain: they stay together. */
	for (size_t i = 0; i < domain.n; i++)
		h = (h ^ (unsigned char)domain.p[i]) * 0x100000001b3ULL;
	spread = wait_s / 5;
	if (spread > 0)
		wait_s += (int64_t)((h >> 20) % (uint64_t)(spread + 1)) - spread / 2;
	return now_s + (wait_s > 0 ? wait_s : 1);
}

bool queue_wants_notice(uint8_t notify, uint8_t notice)
{
	enum { NEVER = 1, SUCCESS = 2, FAILURE = 4, DELAY = 8 };

	switch ((enum queue_notice)notice) {
	case QUEUE_FAILED:
	case QUEUE_EXPIRED:
	case QUEUE_RETURNED:
		return notify == 0 || notify & FAILURE;
	case QUEUE_DELAYED:
		return notify == 0 || notify & DELAY;
	case QUEUE_RELAYED:
	case QUEUE_DELIVERED:
	case QUEUE_EXPANDED:
		return notify & SUCCESS;
	case QUEUE_NO_NOTICE:
	case QUEUE_NOTICES:
		break;
	}
	return false;
}

/* ---- domains ---- */

int queue_domain_is_due(struct writer *w, struct view domain, int64_t due_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_put);

	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, due_s);
	sql_bind_i64(st, 3, QUEUE_PARKED_S);
	return sql_run(st);
}

/* 1 found. */
static int get_domain(struct writer *w, struct view domain, int64_t *ret_due_s, int64_t *ret_closed_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_get);
	int rc;

	sql_bind_text(st, 1, domain);
	rc = sql_step(st);
	if (rc > 0) {
		*ret_due_s = sql_i64(st, 0);
		*ret_closed_s = sql_i64(st, 1);
	}
	sql_reset(st);
	return rc;
}

int queue_domain_is_open(struct writer *w, struct view domain, int64_t now_s, bool *ret, int64_t *ret_due_s)
{
	int64_t closed_s;
	int rc = get_domain(w, domain, ret_due_s, &closed_s);

	*ret = rc == 0 || (rc > 0 && *ret_due_s != QUEUE_PARKED_S && closed_s <= now_s);
	if (rc == 0)
		*ret_due_s = QUEUE_NEVER_S;
	return rc < 0 ? rc : 0;
}

static int set_domain(struct writer *w, struct view domain, int64_t due_s, int64_t closed_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_set);

	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, due_s > closed_s ? due_s : closed_s);
	sql_bind_i64(st, 3, closed_s);
	return sql_run(st);
}

static int settle(struct writer *w, struct view domain, int64_t closed_s, bool unpark)
{
	int64_t due_s = 0, was_due_s = 0, was_closed_s = 0;
	struct sql_stmt *st;
	bool any;
	int rc = get_domain(w, domain, &was_due_s, &was_closed_s);

	if (rc <= 0)
		return rc;
	if (closed_s == QUEUE_NOT_CLOSED_S)
		closed_s = was_closed_s > 0 ? QUEUE_UNKNOWN_S : was_closed_s;
	if (closed_s == QUEUE_AS_IT_WAS_S)
		closed_s = was_closed_s;
	st = sql_use(w->sql, SQL_queue_first_due);
	sql_bind_text(st, 1, domain);
	rc = sql_step(st);
	any = rc > 0;
	if (any)
		due_s = sql_i64(st, 0);
	sql_reset(st);
	if (rc < 0)
		return rc;
	if (!any) {
		st = sql_use(w->sql, SQL_queue_domain_delete);
		sql_bind_text(st, 1, domain);
		return sql_run(st);
	}
	if (was_due_s == QUEUE_PARKED_S && !unpark)
		due_s = QUEUE_PARKED_S;
	if (due_s == was_due_s && closed_s == was_closed_s)
		return 0;
	return set_domain(w, domain, due_s, closed_s);
}

int queue_domain_settle(struct writer *w, struct view domain, int64_t closed_s)
{
	return settle(w, domain, closed_s, false);
}

int queue_domain_answered(struct writer *w, struct view domain)
{
	int64_t due_s, closed_s;
	int rc = get_domain(w, domain, &due_s, &closed_s);

	if (rc <= 0 || closed_s == QUEUE_REACHED_S)
		return rc < 0 ? rc : 0;
	return closed_s > 0 ? settle(w, domain, QUEUE_REACHED_S, false) : set_domain(w, domain, due_s, QUEUE_REACHED_S);
}

int queue_domain_unpark(struct writer *w, struct view domain, int64_t closed_s)
{
	return settle(w, domain, closed_s, true);
}

/* ---- recipients ---- */

int queue_row_get(struct writer *w, uint64_t id, struct arena *a, struct queue_row *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_get);
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	if (rc > 0)
		*ret = (struct queue_row){
		    .id = id,
		    .message = sql_u64(st, 0),
		    .recipient = arena_copy(a, sql_bytes(st, 1)),
		    .domain = arena_copy(a, sql_bytes(st, 2)),
		    .lease = sql_u64(st, 3),
		    .notify = (uint8_t)sql_u64(st, 4),
		    .attempts = (uint32_t)sql_u64(st, 5),
		    .held = sql_i64(st, 6) != 0,
		    .notice = (uint8_t)sql_u64(st, 7),
		    .next_s = sql_i64(st, 8),
		};
	sql_reset(st);
	return rc;
}

static int run_by_id(struct writer *w, enum sql_id statement, uint64_t id)
{
	struct sql_stmt *st = sql_use(w->sql, statement);

	sql_bind_u64(st, 1, id);
	return sql_run(st);
}

int queue_row_free(struct writer *w, uint64_t id, int64_t now_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_free);

	sql_bind_u64(st, 1, id);
	sql_bind_i64(st, 2, now_s);
	sql_bind_i64(st, 3, QUEUE_NEVER_S);
	return sql_run(st);
}

/* 1: the message has left the queue; 0: `statement` found none to delete. */
static int drop_message(struct writer *w, enum sql_id statement, uint64_t message)
{
	uint64_t bytes;
	int rc = run_by_id(w, statement, message);

	if (rc < 0 || sql_changes(w->sql) == 0)
		return rc;
	rc = message_ref_drop(w, message, &bytes);
	return rc < 0 ? rc : 1;
}

int queue_summary_settle(struct writer *w, uint64_t message)
{
	return drop_message(w, SQL_queue_summary_delete, message);
}

/* With the last recipient the message leaves the queue, or its summary is due. (The statements look for others.) */
static int settle_message(struct writer *w, uint64_t message)
{
	int rc = drop_message(w, SQL_queue_message_delete, message);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = run_by_id(w, SQL_queue_summary_due, message);
	if (rc == 0 && sql_changes(w->sql) > 0)
		writer_changed(w, &(struct store_change){.kind = CHANGE_QUEUE});
	return rc;
}

int queue_row_drop(struct writer *w, uint64_t id, uint64_t message)
{
	int rc = run_by_id(w, SQL_queue_delete, id);

	return rc < 0 ? rc : settle_message(w, message);
}

int queue_notices_settle(struct writer *w, uint64_t message, const struct queue_noticed *told, size_t n)
{
	struct arena a;
	bool dropped = false;
	int rc = 0;

	arena_init(&a, 65536);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct queue_row row;

		arena_reset(&a);
		rc = queue_row_get(w, told[i].id, &a, &row);
		/* Who was told of as delayed may have come to an end meanwhile: that is another notice. */
		if (rc <= 0 || row.message != message || row.notice != told[i].notice)
			continue;
		if (row.notice == QUEUE_DELAYED) {
			struct sql_stmt *st = sql_use(w->sql, SQL_queue_notice_set);

			sql_bind_u64(st, 1, row.id);
			sql_bind_i64(st, 2, QUEUE_NO_NOTICE);
			rc = sql_run(st);
			continue;
		}
		dropped = true;
		rc = run_by_id(w, SQL_queue_delete, row.id);
		if (rc == 0)
			rc = queue_domain_settle(w, row.domain, QUEUE_AS_IT_WAS_S);
	}
	if (rc >= 0 && dropped)
		rc = settle_message(w, message);
	arena_fini(&a);
	return rc < 0 ? rc : 0;
}
