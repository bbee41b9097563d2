/* SPDX-License-Identifier: ISC
 * How often a message is referred to, and its end. No row means once: nothing is counted beside the bytes. */
#include "store/writer.h"

#include <errno.h>

int message_ref_add(struct writer *w, uint64_t message, int64_t by)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_ref_add);

	if (by == 0)
		return 0;
	sql_bind_u64(st, 1, message);
	sql_bind_i64(st, 2, by);
	return sql_run(st);
}

static int run_on(struct writer *w, enum sql_id id, uint64_t message)
{
	struct sql_stmt *st = sql_use(w->sql, id);

	sql_bind_u64(st, 1, message);
	return sql_run(st);
}

/* The last reference went. */
static int end(struct writer *w, uint64_t message, uint64_t *ret_bytes)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_message_parts);
	uint64_t content = 0;
	bool file = false;
	int rc;

	sql_bind_u64(st, 1, message);
	rc = sql_step(st);
	if (rc > 0) {
		content = sql_u64(st, 0);
		file = sql_i64(st, 1) != 0;
		*ret_bytes = sql_u64(st, 2) + sql_u64(st, 3);
	}
	sql_reset(st);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	rc = run_on(w, SQL_message_delete, message);
	if (rc == 0)
		rc = run_on(w, SQL_header_delete, message);
	if (rc == 0 && !file)
		rc = run_on(w, SQL_content_delete, content);
	if (rc == 0 && file)
		writer_unlink_later(w, content);
	return rc;
}

int message_ref_drop(struct writer *w, uint64_t message, uint64_t *ret_bytes)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_ref_get);
	int64_t refs = 1;
	int rc;

	*ret_bytes = 0;
	sql_bind_u64(st, 1, message);
	rc = sql_step(st);
	if (rc > 0)
		refs = sql_i64(st, 0);
	sql_reset(st);
	if (rc < 0)
		return rc;
	if (refs > 1)
		return run_on(w, SQL_ref_drop, message);
	rc = rc > 0 ? run_on(w, SQL_ref_delete, message) : 0;
	return rc < 0 ? rc : end(w, message, ret_bytes);
}
