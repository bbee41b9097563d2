/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_TRACE_PRIVATE_H
#define POMBO_STORE_TRACE_PRIVATE_H

#include "store/sql.h"
#include "store/trace.h"

/* What events and their index share. */
struct writer;

/* The first id that can have been given at that time. */
uint64_t trace_id_at(int64_t wall_s);
/* A row of SQL_trace_of and its like; false: the arena is full. */
bool trace_read(struct sql_stmt *st, struct arena *a, struct trace_event *ret);
/* Is the message of this row (SQL_trace_since) to be found by `text`? */
bool trace_has(struct sql_stmt *st, struct view text);
/* The last message that a segment covers; 0: none. */
must_check int trace_indexed(struct sql *c, uint64_t *ret);
/* For an event of a message that a segment may cover already. */
must_check int trace_note_late(struct writer *w, const struct trace_event *e);
/* Messages behind `after` that may have `text`, ascending, at least `enough` if there are so many; all up to *ret_upto were looked at, and
 * from there on segments (if *ret_upto is below the last) or the events themselves say more. Within a reader's transaction. */
must_check int trace_look_up(struct store_reader *r, struct view text, uint64_t after, size_t enough, struct arena *a,
			     uint64_t **ret, size_t *ret_count, uint64_t *ret_upto);

#endif
