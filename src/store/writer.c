/* SPDX-License-Identifier: ISC
 * What the writer keeps in memory between statements: accounts, counters, claims; and the end of a group. */
#include "store/writer.h"

#include "store/bulk.h"
#include "store/mbox.h"
#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ACCTS_KEPT = 4096, SCRATCH_MAX = 8 * 1024 * 1024 };

static const char *const counter_names[COUNTER_COUNT] = {
    [COUNTER_ACCOUNT] = "account", [COUNTER_MAILBOX] = "mailbox", [COUNTER_UIDVALIDITY] = "uidvalidity",
    [COUNTER_QUEUE] = "queue",     [COUNTER_SEEN] = "seen",       [COUNTER_EXPUNGE] = "expunge",
    [COUNTER_LEASE] = "lease",     [COUNTER_TRACE] = "trace",
};

int writer_open(struct store *s, bool create, struct writer **ret)
{
	struct writer *w = xcalloc(1, sizeof *w);
	struct buf path = BUF_INIT(8192);
	struct sql_options o = {store_path(s, "pombo.db", &path), SQL_WRITER, create, s->options.writer_cache_kib,
				10000};
	int rc = sql_open(s->driver, &o, &w->sql);

	buf_fini(&path);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->store = s;
	map_init(&w->mboxes);
	map_init(&w->accts);
	buf_init(&w->scratch, SCRATCH_MAX);
	buf_init(&w->error_text, 4096);
	*ret = w;
	return 0;
}

static void drop_accts(struct writer *w)
{
	while (w->acct_oldest) {
		struct acct *next = w->acct_oldest->newer;

		free(w->acct_oldest);
		w->acct_oldest = next;
	}
	w->acct_newest = NULL;
	map_fini(&w->accts);
	map_init(&w->accts);
}

void writer_close(struct writer **w)
{
	struct writer *x = *w;

	if (!x)
		return;
	mbox_drop_all(x);
	drop_accts(x);
	map_fini(&x->mboxes);
	map_fini(&x->accts);
	buf_fini(&x->scratch);
	buf_fini(&x->error_text);
	free(x->touched);
	free(x->touched_accts);
	free(x->claims);
	free(x->changes);
	free(x->unlinks);
	sql_close(&x->sql);
	free(x);
	*w = NULL;
}

enum job_step writer_error(struct writer *w, int rc, const char *what)
{
	w->error = rc;
	w->error_what = what;
	return STEP_ERROR;
}

enum job_step writer_refuse(struct writer *w, enum store_outcome outcome)
{
	w->refusal = outcome;
	return writer_error(w, -ECANCELED, "a job was refused");
}

/* ---- counters ---- */

static int load_counters(struct writer *w)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		struct sql_stmt *st = sql_use(w->sql, SQL_counter_get);
		int rc;

		sql_bind_text(st, 1, view_from_cstr(counter_names[i]));
		rc = sql_step(st);
		if (rc > 0)
			w->counters[i] = sql_u64(st, 0);
		sql_reset(st);
		if (rc <= 0)
			return rc < 0 ? rc : -EUCLEAN;
		w->counters_dirty[i] = false;
	}
	return 0;
}

int writer_make_counters(struct writer *w, uint64_t first_uidvalidity)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		struct sql_stmt *st = sql_use(w->sql, SQL_counter_make);
		int rc;

		sql_bind_text(st, 1, view_from_cstr(counter_names[i]));
		sql_bind_u64(st, 2, i == COUNTER_UIDVALIDITY ? first_uidvalidity : 0);
		rc = sql_run(st);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int flush_counters(struct writer *w)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		struct sql_stmt *st;
		int rc;

		if (!w->counters_dirty[i])
			continue;
		st = sql_use(w->sql, SQL_counter_set);
		sql_bind_text(st, 1, view_from_cstr(counter_names[i]));
		sql_bind_u64(st, 2, w->counters[i]);
		rc = sql_run(st);
		if (rc < 0)
			return rc;
		w->counters_dirty[i] = false;
	}
	return 0;
}

uint64_t writer_count(struct writer *w, enum counter counter)
{
	w->counters_dirty[counter] = true;
	return ++w->counters[counter];
}

/* ---- changes, files to remove, claims ---- */

/* Room for one more element. */
static void *grow(void *p, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 16;
	return xrealloc(p, *cap * size);
}

void writer_changed(struct writer *w, const struct store_change *change)
{
	w->changes = grow(w->changes, w->change_count, &w->change_cap, sizeof *w->changes);
	w->changes[w->change_count++] = *change;
	if (change->kind == CHANGE_DIRECTORY)
		w->directory_changed = true;
}

void writer_unlink_later(struct writer *w, uint64_t content)
{
	w->unlinks = grow(w->unlinks, w->unlink_count, &w->unlink_cap, sizeof *w->unlinks);
	w->unlinks[w->unlink_count++] = content;
}

bool writer_is_busy(const struct writer *w, uint64_t mailbox, const struct store_job *job)
{
	for (size_t i = 0; i < w->claim_count; i++)
		if (w->claims[i].mailbox == mailbox && w->claims[i].job != job)
			return true;
	return false;
}

void writer_claim(struct writer *w, uint64_t mailbox, const struct store_job *job)
{
	for (size_t i = 0; i < w->claim_count; i++)
		if (w->claims[i].mailbox == mailbox && w->claims[i].job == job)
			return;
	w->claims = grow(w->claims, w->claim_count, &w->claim_cap, sizeof *w->claims);
	w->claims[w->claim_count++] = (struct claim){mailbox, job, false};
}

void writer_release(struct writer *w, const struct store_job *job, bool failed)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->claim_count; i++) {
		struct claim claim = w->claims[i];

		if (claim.job == job && !failed)
			continue;
		if (claim.job == job)
			claim.job = NULL;
		w->claims[kept++] = claim;
	}
	w->claim_count = kept;
}

int writer_clean(struct writer *w)
{
	int rc = 0;

	for (size_t i = 0; i < w->claim_count && rc == 0; i++)
		if (!w->claims[i].job)
			rc = bulk_end(w, w->claims[i].mailbox, &w->claims[i].clean);
	return rc;
}

/* Claims of failed jobs that this group has cleaned up after. */
static void drop_clean_claims(struct writer *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->claim_count; i++)
		if (w->claims[i].job || !w->claims[i].clean)
			w->claims[kept++] = w->claims[i];
	w->claim_count = kept;
}

/* ---- accounts ---- */

static void acct_unlink(struct writer *w, struct acct *a)
{
	*(a->newer ? &a->newer->older : &w->acct_newest) = a->older;
	*(a->older ? &a->older->newer : &w->acct_oldest) = a->newer;
	a->newer = a->older = NULL;
}

static void acct_use(struct writer *w, struct acct *a)
{
	a->older = w->acct_newest;
	a->newer = NULL;
	*(a->older ? &a->older->newer : &w->acct_oldest) = a;
	w->acct_newest = a;
}

int writer_acct(struct writer *w, uint64_t account, struct acct **ret)
{
	struct acct *a = map_u64_get(&w->accts, account);
	struct sql_stmt *st;
	int rc;

	if (a) {
		acct_unlink(w, a);
		acct_use(w, a);
		*ret = a;
		return 0;
	}
	st = sql_use(w->sql, SQL_account_for_writer);
	sql_bind_u64(st, 1, account);
	rc = sql_step(st);
	if (rc > 0) {
		a = xcalloc(1, sizeof *a);
		a->id = account;
		a->limit = (struct quota){sql_u64(st, 0), sql_u64(st, 4)};
		a->used = (struct quota){sql_u64(st, 1), sql_u64(st, 2)};
		a->inbox = sql_u64(st, 3);
		a->confirm = sql_i64(st, 5) != 0;
		(void)map_u64_set(&w->accts, account, a);
		acct_use(w, a);
	}
	sql_reset(st);
	*ret = a;
	return rc < 0 ? rc : 0;
}

void writer_forget_acct(struct writer *w, uint64_t account)
{
	struct acct *a = map_u64_remove(&w->accts, account);

	if (!a)
		return;
	for (size_t i = 0; i < w->touched_acct_count; i++)
		if (w->touched_accts[i] == a)
			w->touched_accts[i] = w->touched_accts[--w->touched_acct_count];
	acct_unlink(w, a);
	free(a);
}

static uint64_t add_clamped(uint64_t value, int64_t by)
{
	if (by < 0 && value < (uint64_t)-by)
		return 0;
	return value + (uint64_t)by;
}

int writer_use(struct writer *w, uint64_t account, int64_t bytes, int64_t messages)
{
	struct acct *a;
	int rc = writer_acct(w, account, &a);

	if (rc < 0 || !a)
		return rc;
	a->used.bytes = add_clamped(a->used.bytes, bytes);
	a->used.messages = add_clamped(a->used.messages, messages);
	if (!a->listed) {
		w->touched_accts =
		    grow(w->touched_accts, w->touched_acct_count, &w->touched_acct_cap, sizeof(struct acct *));
		w->touched_accts[w->touched_acct_count++] = a;
		a->listed = true;
	}
	a->dirty = true;
	return 0;
}

static int flush_acct(struct writer *w, struct acct *a)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_usage_set);

	if (!a->dirty)
		return 0;
	sql_bind_u64(st, 1, a->id);
	sql_bind_u64(st, 2, a->used.bytes);
	sql_bind_u64(st, 3, a->used.messages);
	a->dirty = false;
	return sql_run(st);
}

/* ---- the end of a group ---- */

int writer_flush(struct writer *w)
{
	int rc = mbox_flush_all(w);

	for (size_t i = 0; rc == 0 && i < w->touched_acct_count; i++)
		rc = flush_acct(w, w->touched_accts[i]);
	return rc < 0 ? rc : flush_counters(w);
}

static void forget_group(struct writer *w)
{
	w->touched_count = 0;
	w->touched_acct_count = 0;
	w->unlink_count = 0;
	w->directory_changed = false;
}

void writer_drop_caches(struct writer *w)
{
	forget_group(w);
	w->change_count = 0;
	mbox_drop_all(w);
	drop_accts(w);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		w->counters_dirty[i] = false;
	w->none_unreached = false;
	w->sts = w->tls_counts = (struct kept_total){0};
}

int writer_reload(struct writer *w)
{
	writer_drop_caches(w);
	return load_counters(w);
}

void writer_settle(struct writer *w)
{
	for (size_t i = 0; i < w->touched_acct_count; i++)
		w->touched_accts[i]->listed = false;
	mbox_settle(w);
	drop_clean_claims(w);
	forget_group(w);
	while (w->accts.count > ACCTS_KEPT)
		writer_forget_acct(w, w->acct_oldest->id);
	if (w->scratch.cap > 256 * 1024)
		buf_fini(&w->scratch);
}
