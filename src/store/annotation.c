/* SPDX-License-Identifier: ISC
 * Annotations of mailboxes and accounts. */
#include "store/annotation.h"

#include "store/folder_private.h"
#include "store/store_private.h"

#include <errno.h>

struct owner {
	int64_t id; /* as the table has it */
	bool there;
	uint32_t special_use;
};

static int find_owner(struct sql *sql, uint64_t account, struct view name, struct owner *ret)
{
	struct sql_stmt *st;
	int rc;

	*ret = (struct owner){-(int64_t)account, true, 0};
	if (name.n == 0)
		return 0;
	st = sql_use(sql, SQL_annotated_mailbox);
	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, name);
	rc = sql_step(st);
	ret->there = rc > 0;
	if (rc > 0) {
		ret->id = sql_i64(st, 0);
		ret->special_use = (uint32_t)sql_u64(st, 1);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* ---- changing ---- */

static int read_sum(struct writer *w, enum sql_id id, int64_t key, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, id);
	int rc;

	sql_bind_i64(st, 1, key);
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* 1, 0, negative errno. */
static int exists(struct writer *w, int64_t owner, struct view entry)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_annotation_get);
	int rc;

	sql_bind_i64(st, 1, owner);
	sql_bind_text(st, 2, entry);
	rc = sql_step(st);
	sql_reset(st);
	return rc;
}

/* How many there would be; an entry that is named twice counts twice. */
static int count_after(struct writer *w, const struct annotate_job *j, int64_t owner, uint64_t *ret, bool *ret_grows)
{
	uint64_t count;
	int rc = read_sum(w, SQL_annotation_count, owner, &count);

	*ret_grows = false;
	for (size_t i = 0; rc >= 0 && i < j->count; i++) {
		rc = exists(w, owner, j->changes[i].entry);
		if (rc == 0 && !j->changes[i].remove) {
			count++;
			*ret_grows = true;
		} else if (rc > 0 && j->changes[i].remove) {
			count -= count > 0;
		}
	}
	*ret = count;
	return rc < 0 ? rc : 0;
}

/* Of the account and all its mailboxes. */
static int bytes_now(struct writer *w, uint64_t account, uint64_t *ret)
{
	uint64_t own = 0, others = 0;
	int rc = read_sum(w, SQL_annotation_bytes_own, -(int64_t)account, &own);

	if (rc == 0)
		rc = read_sum(w, SQL_annotation_bytes, (int64_t)account, &others);
	*ret = own + others;
	return rc;
}

int annotation_check_copy(struct writer *w, uint64_t account, uint64_t mailbox, enum store_outcome *ret)
{
	uint64_t all, more = 0;
	int rc = bytes_now(w, account, &all);

	if (rc == 0)
		rc = read_sum(w, SQL_annotation_bytes_own, (int64_t)mailbox, &more);
	if (rc == 0 && more && all + more > ANNOTATIONS_BYTES_MAX)
		*ret = STORE_LIMIT;
	else if (rc == 0 && more && store_space_is_low(w->store))
		*ret = STORE_NO_SPACE;
	return rc;
}

static bool adds(const struct annotate_job *j)
{
	for (size_t i = 0; i < j->count; i++)
		if (!j->changes[i].remove)
			return true;
	return false;
}

/* What is replaced is not taken off: the limit is no exact one. */
static int bytes_after(struct writer *w, const struct annotate_job *j, uint64_t *ret)
{
	int rc = bytes_now(w, j->account, ret);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < j->count; i++)
		*ret += j->changes[i].remove ? 0 : j->changes[i].value.n;
	return 0;
}

static enum store_outcome check_changes(const struct annotate_job *j)
{
	for (size_t i = 0; i < j->count; i++) {
		if (j->changes[i].entry.n == 0 || j->changes[i].entry.n > ANNOTATION_ENTRY_MAX)
			return STORE_BAD_REQUEST;
		if (!j->changes[i].remove && j->changes[i].value.n > ANNOTATION_VALUE_MAX)
			return STORE_TOO_BIG;
	}
	return STORE_OK;
}

static int check(struct writer *w, struct annotate_job *j, const struct owner *owner)
{
	uint64_t count, bytes;
	bool grows;
	int rc;

	j->job.outcome = owner->there ? check_changes(j) : STORE_NO_MAILBOX;
	if (j->job.outcome == STORE_OK && j->sets_special_use &&
	    (owner->id < 0 || (j->special_use & ~(uint32_t)FOLDER_SPECIAL)))
		j->job.outcome = STORE_NOT_ALLOWED;
	if (j->job.outcome == STORE_OK && adds(j) && store_space_is_low(w->store))
		j->job.outcome = STORE_NO_SPACE;
	if (j->job.outcome != STORE_OK)
		return 0;
	rc = count_after(w, j, owner->id, &count, &grows);
	if (rc == 0)
		rc = bytes_after(w, j, &bytes);
	if (rc == 0 && ((grows && count > ANNOTATIONS_MAX) || bytes > ANNOTATIONS_BYTES_MAX))
		j->job.outcome = STORE_LIMIT;
	return rc;
}

static int apply(struct writer *w, int64_t owner, const struct annotation_change *c)
{
	struct sql_stmt *st = sql_use(w->sql, c->remove ? SQL_annotation_delete : SQL_annotation_put);

	sql_bind_i64(st, 1, owner);
	sql_bind_text(st, 2, c->entry);
	if (!c->remove)
		sql_bind_bytes(st, 3, c->value);
	return sql_run(st);
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct annotate_job *j = (struct annotate_job *)job;
	struct owner owner;
	int rc = find_owner(w->sql, j->account, j->name, &owner);

	if (rc == 0)
		rc = check(w, j, &owner);
	if (rc == 0 && job->outcome != STORE_OK)
		return STEP_DONE;
	for (size_t i = 0; rc == 0 && i < j->count; i++)
		rc = apply(w, owner.id, &j->changes[i]);
	if (rc == 0 && j->sets_special_use)
		rc = folder_set_special_use(w, j->account, (uint64_t)owner.id, j->special_use);
	if (rc == 0 && j->sets_special_use)
		folder_tell_names(w, j->account);
	return rc < 0 ? writer_error(w, rc, "annotating") : STEP_DONE;
}

void annotate_job_init(struct annotate_job *j)
{
	*j = (struct annotate_job){0};
	store_job_init(&j->job, run);
}

/* ---- reading ---- */

static int collect(struct sql_stmt *st, size_t max, size_t max_bytes, struct arena *a, struct annotation *at,
		   struct annotations *ret)
{
	size_t bytes = 0;
	int rc;

	while ((rc = sql_step(st)) > 0) {
		struct annotation *one = &at[ret->count];

		if (ret->count == max || bytes >= max_bytes) {
			ret->more = true;
			return 0;
		}
		*one = (struct annotation){arena_copy(a, sql_bytes(st, 0)), arena_copy(a, sql_bytes(st, 1))};
		if (!one->entry.p || !one->value.p)
			return -EMSGSIZE;
		bytes += one->value.n;
		ret->count++;
	}
	return rc;
}

static int list(struct store_reader *r, int64_t owner, struct view after, size_t max, size_t max_bytes, struct arena *a,
		struct annotations *ret)
{
	struct annotation *at = arena_array(a, max, sizeof *at);
	struct sql_stmt *st = sql_use(r->sql, SQL_annotation_list);
	int rc = at ? 0 : -EMSGSIZE;

	ret->at = at;
	sql_bind_i64(st, 1, owner);
	sql_bind_text(st, 2, after);
	if (rc == 0)
		rc = collect(st, max, max_bytes, a, at, ret);
	sql_reset(st);
	return rc;
}

enum store_outcome annotation_list(struct store_reader *r, uint64_t account, struct view name, struct view after,
				   size_t max, size_t max_bytes, struct arena *a, struct annotations *ret)
{
	enum store_outcome outcome = STORE_OK;
	struct owner owner = {0};
	int rc = reader_begin(r);

	*ret = (struct annotations){0};
	if (rc == 0)
		rc = find_owner(r->sql, account, name, &owner);
	if (rc == 0 && !owner.there)
		outcome = STORE_NO_MAILBOX;
	else if (rc == 0)
		rc = list(r, owner.id, after, max, max_bytes, a, ret);
	ret->special_use = owner.special_use;
	if (rc < 0)
		outcome = rc == -EMSGSIZE ? STORE_TOO_BIG : reader_failed(r, rc);
	reader_end(r);
	return outcome;
}
