/* SPDX-License-Identifier: ISC
 * What clients were refused: counted up, found by hashed keys, bounded. */
#include "store/refusal.h"

#include "base/map.h"
#include "mail/address_canon.h"
#include "mail/ip.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_MAX = 1200,
	FIND_MAX = 1000,
	NETWORK_V4_BITS = 24,
	NETWORK_V6_BITS = 64,
	DROP_SLICE = 4 * REFUSAL_SLICE, /* more than one slice of a put can add */
	PRUNE_SLICE = 500,
};

/* ---- keys ---- */

static uint64_t hash_of(const struct store *s, struct view bytes)
{
	uint64_t key[2], hash;

	memcpy(key, s->secret, sizeof key);
	hash = map_hash_keyed(key, bytes) >> 1; /* 63 bits: a BIGINT */
	return hash ? hash : 1;
}

/* One spelling for what is the same address; of other texts the letters in lower case. */
static void fold(struct view text, struct buf *out)
{
	enum { FLAGS = ADDRESS_UTF8 | ADDRESS_LONG_LOCAL };
	struct address address;
	struct arena a;
	bool is_address;

	arena_init(&a, 8192);
	is_address = address_parse(text, FLAGS, &a, &address) && address_canon(address.local, address.domain, out);
	arena_fini(&a);
	if (!is_address)
		buf_append_lower(out, text);
}

static uint64_t key_of(const struct store *s, struct view text)
{
	_cleanup_(buf_fini) struct buf folded = BUF_INIT(KEY_MAX);

	if (text.n == 0)
		return 0;
	fold(text, &folded);
	return hash_of(s, buf_view(&folded));
}

void refusal_keys(const struct store *s, struct refusal *r)
{
	struct ip ip = {0};
	uint64_t all[6];

	r->sender_key = key_of(s, r->sender);
	r->recipient_key = key_of(s, r->recipient);
	r->message_key = key_of(s, r->message_id);
	if (ip_parse(r->client_ip, &ip))
		ip_to_network(&ip, NETWORK_V4_BITS, NETWORK_V6_BITS);
	all[0] = r->sender_key;
	all[1] = r->recipient_key;
	all[2] = r->code;
	all[3] = ip.is_v6;
	memcpy(&all[4], ip.bytes, sizeof ip.bytes);
	r->repeat_key = hash_of(s, view_from(all, sizeof all));
}

/* ---- writing ---- */

static int insert(struct writer *w, const struct refusal *r, uint64_t *ret_id)
{
	const struct view texts[] = {r->status, r->words,   r->sender, r->recipient, r->client_ip, r->client_name,
				     r->helo,   r->account, r->tls,    r->listener,  r->message_id};
	struct sql_stmt *st = sql_use(w->sql, SQL_refusal_insert);
	int rc;

	sql_bind_u64(st, 1, r->repeat_key);
	sql_bind_u64(st, 2, r->sender_key);
	sql_bind_u64(st, 3, r->recipient_key);
	sql_bind_u64(st, 4, r->message_key);
	sql_bind_i64(st, 5, r->first_ms);
	sql_bind_i64(st, 6, r->last_ms);
	sql_bind_u64(st, 7, r->times);
	sql_bind_u64(st, 8, r->session);
	sql_bind_i64(st, 9, r->code);
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		sql_bind_text(st, 10 + i, texts[i].p ? texts[i] : VIEW_EMPTY);
	rc = sql_step(st);
	if (rc > 0)
		*ret_id = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
}

/* The row that counts such ones now; *ret 0: none. */
static int find_row(struct writer *w, const struct refusal *r, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_refusal_latest);
	int64_t first_ms;
	int rc;

	*ret = 0;
	sql_bind_u64(st, 1, r->repeat_key);
	rc = sql_step(st);
	first_ms = rc > 0 ? sql_i64(st, 1) : 0;
	if (rc > 0 && r->last_ms >= first_ms && r->last_ms - first_ms < REFUSAL_REPEAT_MS)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* *ret_newest: the row's id where it is a new one. */
static int put(struct writer *w, const struct refusal *r, uint64_t *ret_newest)
{
	struct sql_stmt *st;
	uint64_t id;
	int rc = find_row(w, r, &id);

	if (rc < 0)
		return rc;
	if (id == 0)
		return insert(w, r, ret_newest);
	st = sql_use(w->sql, SQL_refusal_count);
	sql_bind_u64(st, 1, id);
	sql_bind_u64(st, 2, r->times);
	sql_bind_i64(st, 3, r->last_ms);
	sql_bind_u64(st, 4, r->session);
	return sql_run(st);
}

static int drop_before(struct writer *w, uint64_t id)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_refusal_drop);

	sql_bind_u64(st, 1, id);
	return sql_run(st);
}

/* The oldest rows make room, a bounded number at a time, more than were added. */
static int keep_bound(struct writer *w, uint64_t newest, uint64_t rows_max)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_refusal_oldest);
	uint64_t oldest, keep;
	int rc = sql_step(st);

	oldest = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	if (rc < 0 || newest < rows_max || oldest > newest - rows_max)
		return rc < 0 ? rc : 0;
	keep = newest - rows_max + 1;
	return drop_before(w, keep < oldest + DROP_SLICE ? keep : oldest + DROP_SLICE);
}

struct putting {
	size_t done, now_done;
};

static void advance_put(struct store_job *job)
{
	struct putting *x = job->progress;

	x->done = x->now_done;
}

static void forget_progress(struct store_job *job)
{
	free(job->progress);
	job->progress = NULL;
}

static enum job_step run_put(struct writer *w, struct store_job *job)
{
	struct refusal_put_job *j = (struct refusal_put_job *)job;
	uint64_t newest = 0;
	struct putting *x;
	size_t end;
	int rc = 0;

	if (!job->progress)
		job->progress = xcalloc(1, sizeof *x);
	x = job->progress;
	end = j->count - x->done < REFUSAL_SLICE ? j->count : x->done + REFUSAL_SLICE;
	for (size_t i = x->done; rc == 0 && i < end; i++)
		rc = put(w, &j->rows[i], &newest);
	if (rc == 0 && end == j->count && j->left_out)
		rc = put(w, &(struct refusal){.first_ms = j->now_ms, .last_ms = j->now_ms, .times = j->left_out},
			 &newest);
	if (rc == 0 && newest)
		rc = keep_bound(w, newest, j->rows_max);
	x->now_done = end;
	if (rc < 0)
		return writer_error(w, rc, "keeping refusals");
	return end < j->count ? STEP_AGAIN : STEP_DONE;
}

void refusal_put_job_init(struct refusal_put_job *j)
{
	*j = (struct refusal_put_job){.rows_max = REFUSAL_ROWS_MAX};
	store_job_init(&j->job, run_put);
	j->job.advance = advance_put;
	j->job.forget = forget_progress;
}

/* ---- the end of old ones ---- */

static enum job_step run_prune(struct writer *w, struct store_job *job)
{
	const struct refusal_prune_job *j = (const struct refusal_prune_job *)job;
	struct sql_stmt *st = sql_use(w->sql, SQL_refusal_ages);
	uint64_t upto = 0;
	size_t n = 0;
	int rc;

	sql_bind_u64(st, 1, 0);
	sql_bind_i64(st, 2, PRUNE_SLICE);
	while ((rc = sql_step(st)) > 0 && sql_i64(st, 1) < j->before_ms) {
		upto = sql_u64(st, 0);
		n++;
	}
	sql_reset(st);
	if (rc >= 0)
		rc = n ? drop_before(w, upto + 1) : 0;
	if (rc < 0)
		return writer_error(w, rc, "forgetting old refusals");
	return n == PRUNE_SLICE ? STEP_AGAIN : STEP_DONE;
}

void refusal_prune_job_init(struct refusal_prune_job *j)
{
	*j = (struct refusal_prune_job){0};
	store_job_init(&j->job, run_prune);
}

/* ---- finding ---- */

static int collect(struct store_reader *r, enum sql_id by, uint64_t key, uint64_t after, size_t max, uint64_t *ids,
		   size_t *count)
{
	struct sql_stmt *st = sql_use(r->sql, by);
	int rc;

	sql_bind_u64(st, 1, key);
	sql_bind_u64(st, 2, after);
	sql_bind_u64(st, 3, max);
	while ((rc = sql_step(st)) > 0)
		ids[(*count)++] = sql_u64(st, 0);
	sql_reset(st);
	return rc;
}

static int compare_ids(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static int get(struct store_reader *r, uint64_t id, struct arena *a, struct refusal *ret)
{
	struct view *const texts[] = {&ret->status,    &ret->words,       &ret->sender,    &ret->recipient,
				      &ret->client_ip, &ret->client_name, &ret->helo,      &ret->account,
				      &ret->tls,       &ret->listener,    &ret->message_id};
	struct sql_stmt *st = sql_use(r->sql, SQL_refusal_get);
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	if (rc > 0) {
		*ret = (struct refusal){.first_ms = sql_i64(st, 0),
					.last_ms = sql_i64(st, 1),
					.times = sql_u64(st, 2),
					.session = sql_u64(st, 3),
					.code = (uint16_t)sql_u64(st, 4)};
		for (unsigned i = 0; rc > 0 && i < ARRAY_LEN(texts); i++) {
			*texts[i] = arena_copy(a, sql_bytes(st, 5 + i));
			if (!texts[i]->p)
				rc = -ENOMEM;
		}
	}
	sql_reset(st);
	return rc;
}

static int find(struct store_reader *r, uint64_t key, uint64_t after, int64_t since_ms, size_t max, struct arena *a,
		struct refusal *ret, size_t *ret_count, uint64_t *ret_after, bool *ret_more)
{
	static const enum sql_id by[] = {SQL_refusal_of_sender, SQL_refusal_of_recipient, SQL_refusal_of_message};
	uint64_t *ids = arena_array(a, ARRAY_LEN(by) * (max + 1), sizeof *ids);
	size_t n = 0, looked = 0;
	int rc = ids ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(by); i++)
		rc = collect(r, by[i], key, after, max + 1, ids, &n);
	qsort(ids, rc == 0 ? n : 0, sizeof *ids, compare_ids);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		*ret_more = looked++ == max;
		if (*ret_more)
			break;
		rc = get(r, ids[i], a, &ret[*ret_count]);
		*ret_after = ids[i];
		*ret_count += rc > 0 && ret[*ret_count].last_ms >= since_ms;
	}
	return rc < 0 ? rc : 0;
}

enum store_outcome refusal_find(struct store_reader *r, struct view text, uint64_t after, int64_t since_ms, size_t max,
				struct arena *a, struct refusal *ret, size_t *ret_count, uint64_t *ret_after,
				bool *ret_more)
{
	enum store_outcome outcome = STORE_OK;
	int rc;

	if (after > INT64_MAX || max == 0 || max > FIND_MAX)
		return STORE_BAD_REQUEST;
	if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = view_sub(text, 1, text.n - 2);
	*ret_count = 0;
	*ret_after = after;
	*ret_more = false;
	if (text.n == 0)
		return STORE_OK;
	rc = reader_begin(r);
	if (rc == 0)
		rc = find(r, key_of(r->store, text), after, since_ms, max, a, ret, ret_count, ret_after, ret_more);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

enum store_outcome refusal_left_out(struct store_reader *r, int64_t since_ms, uint64_t *ret_count,
				    int64_t *ret_first_ms, int64_t *ret_last_ms)
{
	enum store_outcome outcome = STORE_OK;
	struct sql_stmt *st = sql_use(r->sql, SQL_refusal_left_out);
	int rc = reader_begin(r);

	*ret_count = 0;
	*ret_first_ms = *ret_last_ms = 0;
	sql_bind_i64(st, 1, since_ms);
	if (rc == 0)
		rc = sql_step(st);
	if (rc > 0) {
		*ret_count = sql_u64(st, 0);
		*ret_first_ms = sql_i64(st, 1);
		*ret_last_ms = sql_i64(st, 2);
	}
	sql_reset(st);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}
