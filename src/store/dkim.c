/* SPDX-License-Identifier: ISC
 * The rows of our DKIM keys. */
#include "store/dkim.h"

#include "store/directory_write_private.h"
#include "store/sql.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>
#include <string.h>

enum { SELECTOR_MAX = 63, PUBLIC_KEY_MAX = 1024 };

/* ---- reading ---- */

struct rows {
	struct dkim_row *items;
	size_t n, cap;
};

static bool copy(struct arena *a, struct view v, struct view *ret)
{
	*ret = arena_copy(a, v);
	return ret->p != NULL;
}

static bool grow(struct rows *rows, struct arena *a)
{
	size_t cap = rows->cap ? rows->cap * 2 : 16;
	struct dkim_row *more;

	if (rows->n < rows->cap)
		return true;
	more = arena_array(a, cap, sizeof *more);
	if (!more)
		return false;
	if (rows->n)
		memcpy(more, rows->items, rows->n * sizeof *more);
	rows->items = more;
	rows->cap = cap;
	return true;
}

static int collect(struct sql_stmt *st, struct arena *a, struct rows *rows)
{
	int rc;

	while ((rc = sql_step(st)) > 0) {
		struct dkim_row row = {.algorithm = (uint8_t)sql_u64(st, 2),
				       .state = (enum dkim_state)sql_u64(st, 3),
				       .created_s = sql_i64(st, 5),
				       .since_s = sql_i64(st, 6)};

		if (row.state >= DKIM_STATES)
			continue;
		if (!grow(rows, a) || !copy(a, sql_bytes(st, 0), &row.domain) ||
		    !copy(a, sql_bytes(st, 1), &row.selector) || !copy(a, sql_bytes(st, 4), &row.public_key)) {
			rc = -EMSGSIZE;
			break;
		}
		rows->items[rows->n++] = row;
	}
	sql_reset(st);
	return rc;
}

enum store_outcome dkim_list(struct store_reader *r, struct view domain, struct arena *a, const struct dkim_row **ret,
			     size_t *ret_count)
{
	struct rows rows = {NULL, 0, 0};
	enum store_outcome outcome;
	int rc = reader_begin(r);

	if (rc == 0) {
		struct sql_stmt *st = sql_use(r->sql, domain.n ? SQL_dkim_of_domain : SQL_dkim_all);

		if (domain.n)
			sql_bind_text(st, 1, domain);
		rc = collect(st, a, &rows);
	}
	outcome = rc == -EMSGSIZE ? STORE_TOO_BIG : rc < 0 ? reader_failed(r, rc) : STORE_OK;
	reader_end(r);
	*ret = rows.items;
	*ret_count = rows.n;
	return outcome;
}

/* ---- changes ---- */

static enum job_step refuse(struct store_job *job, enum store_outcome outcome)
{
	job->outcome = outcome;
	return STEP_DONE;
}

static int count_keys(struct writer *w, const struct dkim_job *j, uint64_t *ret_all, uint64_t *ret_same)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_dkim_of_domain);
	int rc;

	*ret_all = *ret_same = 0;
	sql_bind_text(st, 1, j->domain);
	while ((rc = sql_step(st)) > 0) {
		++*ret_all;
		*ret_same += view_eq(sql_bytes(st, 1), j->selector);
	}
	sql_reset(st);
	return rc;
}

static int retire(struct writer *w, const struct dkim_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_dkim_retire);

	sql_bind_text(st, 1, j->domain);
	sql_bind_u64(st, 2, j->algorithm);
	sql_bind_i64(st, 3, j->wall_s);
	return sql_run(st);
}

static int insert(struct writer *w, const struct dkim_job *j)
{
	bool signs = j->change == DKIM_ADD_SIGNING;
	int rc = signs ? retire(w, j) : 0;
	struct sql_stmt *st = sql_use(w->sql, SQL_dkim_insert);

	if (rc < 0)
		return rc;
	sql_bind_text(st, 1, j->domain);
	sql_bind_text(st, 2, j->selector);
	sql_bind_u64(st, 3, j->algorithm);
	sql_bind_u64(st, 4, signs ? DKIM_SIGNS : DKIM_WAITS);
	sql_bind_bytes(st, 5, j->public_key);
	sql_bind_i64(st, 6, j->wall_s);
	return sql_run(st);
}

static enum job_step add(struct writer *w, struct dkim_job *j)
{
	enum domain_kind kind;
	uint64_t all = 0, same = 0;
	int rc;

	if (j->selector.n == 0 || j->selector.n > SELECTOR_MAX || j->public_key.n == 0 ||
	    j->public_key.n > PUBLIC_KEY_MAX)
		return refuse(&j->job, STORE_BAD_REQUEST);
	rc = directory_domain_kind(w, j->domain, &kind);
	if (rc == 0)
		rc = count_keys(w, j, &all, &same);
	if (rc == 0 && kind == DOMAIN_NONE)
		return refuse(&j->job, STORE_NO_DOMAIN);
	if (rc == 0 && (same > 0 || all >= DKIM_KEYS_PER_DOMAIN_MAX))
		return refuse(&j->job, same > 0 ? STORE_EXISTS : STORE_LIMIT);
	if (rc == 0)
		rc = insert(w, j);
	return rc < 0 ? writer_error(w, rc, "adding a DKIM key") : STEP_DONE;
}

/* Whether it waits still; its algorithm. */
static int find_waiting(struct writer *w, struct dkim_job *j, bool *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_dkim_of_domain);
	int rc;

	*ret = false;
	sql_bind_text(st, 1, j->domain);
	while ((rc = sql_step(st)) > 0) {
		if (view_eq(sql_bytes(st, 1), j->selector) && sql_u64(st, 3) == DKIM_WAITS) {
			j->algorithm = (uint8_t)sql_u64(st, 2);
			*ret = true;
		}
	}
	sql_reset(st);
	return rc;
}

static enum job_step activate(struct writer *w, struct dkim_job *j)
{
	struct sql_stmt *st;
	bool waits = false;
	int rc = find_waiting(w, j, &waits);

	if (rc == 0 && waits)
		rc = retire(w, j);
	if (rc == 0 && waits) {
		st = sql_use(w->sql, SQL_dkim_activate);
		sql_bind_text(st, 1, j->domain);
		sql_bind_text(st, 2, j->selector);
		sql_bind_i64(st, 3, j->wall_s);
		rc = sql_run(st);
	}
	return rc < 0 ? writer_error(w, rc, "taking up a DKIM key") : STEP_DONE;
}

static enum job_step forget(struct writer *w, struct dkim_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_dkim_forget);
	int rc;

	sql_bind_text(st, 1, j->domain);
	sql_bind_text(st, 2, j->selector);
	rc = sql_run(st);
	return rc < 0 ? writer_error(w, rc, "forgetting a DKIM key") : STEP_DONE;
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct dkim_job *j = (struct dkim_job *)job;

	writer_changed(w, &(struct store_change){.kind = CHANGE_DIRECTORY});
	switch (j->change) {
	case DKIM_ADD:
	case DKIM_ADD_SIGNING:
		return add(w, j);
	case DKIM_ACTIVATE:
		return activate(w, j);
	case DKIM_FORGET:
		return forget(w, j);
	}
	return refuse(job, STORE_BAD_REQUEST);
}

void dkim_job_init(struct dkim_job *j)
{
	*j = (struct dkim_job){0};
	store_job_init(&j->job, run);
}
