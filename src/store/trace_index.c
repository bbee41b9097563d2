/* SPDX-License-Identifier: ISC
 * The index behind `pombo trace ADDRESS`: segments of hashed keys; and the end of old events. */
#include "store/trace_index.h"

#include "base/id.h"
#include "base/map.h"
#include "store/store_private.h"
#include "store/trace_private.h"
#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_MAX = 1000,
	KEY_BYTES = 12,
	PART_KEYS = 256,
	PARTS_MAX = 256, /* of a segment: its rows' ids are segment * PARTS_MAX + part */
	SETTLED_S = 120, /* messages younger than this may still be on their way */
	LATE_S = 60,
	PRUNE_EVENTS = 1000,
	PRUNE_SEGMENTS = 4,
	LATE_SLICES = 64, /* of the hashes of trace_late */
	ID_BITS_BELOW_MS = 22,
};

uint64_t trace_id_at(int64_t wall_s)
{
	int64_t ms = wall_s * 1000 - id_wall_us(0) / 1000;

	return ms <= 0 ? 0 : (uint64_t)ms << ID_BITS_BELOW_MS;
}

/* ---- keys ---- */

static uint32_t hash_of(const struct store *s, struct view text)
{
	char folded[KEY_MAX];
	uint64_t key[2];
	size_t n = text.n < sizeof folded ? text.n : sizeof folded;

	memcpy(key, s->secret, sizeof key);
	for (size_t i = 0; i < n; i++)
		folded[i] = ascii_lower(text.p[i]);
	return (uint32_t)map_hash_keyed(key, view_from(folded, n));
}

/* What a message can be found by: the addresses of its arrival and of where it went, and its Message-ID without brackets. */
static size_t texts_of(enum trace_kind kind, struct view address, struct view peer, struct view words,
		       struct view ret[3])
{
	size_t n = 0;
	bool begins = kind == TRACE_RECEIVED || kind == TRACE_MADE;

	if (!begins && kind != TRACE_DELIVERED && kind != TRACE_QUEUED && kind != TRACE_FAILED)
		return 0;
	if (address.n)
		ret[n++] = address;
	if (peer.n && (kind == TRACE_DELIVERED || kind == TRACE_QUEUED))
		ret[n++] = peer;
	if (begins && words.n > 2 && words.p[0] == '<' && words.p[words.n - 1] == '>')
		ret[n++] = view_sub(words, 1, words.n - 2);
	else if (begins && words.n)
		ret[n++] = words;
	return n;
}

bool trace_has(struct sql_stmt *st, struct view text)
{
	struct view texts[3];
	size_t n;

	if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = view_sub(text, 1, text.n - 2);
	n = texts_of((enum trace_kind)sql_u64(st, 1), sql_bytes(st, 2), sql_bytes(st, 4), sql_bytes(st, 3), texts);
	for (size_t i = 0; i < n; i++)
		if (view_eq_nocase(texts[i], text))
			return true;
	return false;
}

int trace_note_late(struct writer *w, const struct trace_event *e)
{
	struct view texts[3];
	size_t n;
	int rc = 0;

	if (e->message >= trace_id_at(e->at_ms / 1000 - LATE_S))
		return 0;
	n = texts_of(e->kind, e->address, e->peer, e->words, texts);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct sql_stmt *st = sql_use(w->sql, SQL_trace_late_insert);

		sql_bind_u64(st, 1, hash_of(w->store, texts[i]));
		sql_bind_u64(st, 2, e->message);
		rc = sql_run(st);
	}
	return rc;
}

/* ---- a new segment ---- */

int trace_indexed(struct sql *c, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(c, SQL_setting_number);
	int rc;

	sql_bind_text(st, 1, VIEW_LIT("trace-indexed"));
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int compare_keys(const void *x, const void *y)
{
	const struct trace_key *a = x, *b = y;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->message < b->message ? -1 : a->message > b->message;
}

static size_t sorted_once(struct trace_key *keys, size_t n)
{
	size_t kept = 0;

	qsort(keys, n, sizeof *keys, compare_keys);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_keys(&keys[i], &keys[kept - 1]) != 0)
			keys[kept++] = keys[i];
	return kept;
}

/* Messages from j->after on, whole ones, until the segment is full. */
static int collect(struct store_reader *r, uint64_t upto, struct trace_segment_job *j, size_t max)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_trace_since);
	size_t whole = 0; /* keys of messages before the one at hand */
	uint64_t at = j->after;
	int rc;

	sql_bind_u64(st, 1, j->after);
	while ((rc = sql_step(st)) > 0) {
		struct view texts[3];
		uint64_t message = sql_u64(st, 0);
		size_t n;

		if (message != at) {
			j->last = at;
			whole = j->count;
			if (message > upto || j->count >= TRACE_KEYS_MAX)
				break;
			at = message;
		}
		n = texts_of((enum trace_kind)sql_u64(st, 1), sql_bytes(st, 2), sql_bytes(st, 4), sql_bytes(st, 3),
			     texts);
		for (size_t i = 0; i < n && j->count < max; i++)
			j->keys[j->count++] = (struct trace_key){hash_of(r->store, texts[i]), message};
	}
	sql_reset(st);
	if (rc == 0)
		j->last = at;
	else
		j->count = whole;
	return rc < 0 ? rc : 0;
}

enum store_outcome trace_collect(struct store_reader *r, int64_t wall_s, struct arena *a, struct trace_segment_job *j,
				 bool *ret_more)
{
	enum { MAX = TRACE_KEYS_MAX + 40000 /* one message more */ };
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	j->keys = arena_array(a, MAX, sizeof *j->keys);
	j->count = 0;
	if (rc == 0)
		rc = j->keys ? trace_indexed(r->sql, &j->after) : -ENOMEM;
	j->last = j->after;
	if (rc == 0)
		rc = collect(r, trace_id_at(wall_s - SETTLED_S), j, MAX);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	if (outcome != STORE_OK)
		return outcome;
	*ret_more = j->count >= TRACE_KEYS_MAX;
	/* A small one only when it has waited: a quiet server makes one an hour at most. */
	if (j->last == j->after || (j->count < TRACE_KEYS_MIN && wall_s - j->waits_since_s < TRACE_SEGMENT_AGE_S))
		return STORE_NO_MESSAGE;
	j->count = sorted_once(j->keys, j->count);
	return STORE_OK;
}

static int put_part(struct writer *w, uint64_t id, const struct trace_key *keys, size_t n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_part_insert);

	buf_reset(&w->scratch);
	for (size_t i = 0; i < n; i++) {
		buf_append(&w->scratch, &keys[i].hash, 4);
		buf_append(&w->scratch, &keys[i].message, 8);
	}
	if (w->scratch.overflow)
		return -EMSGSIZE;
	sql_bind_u64(st, 1, id);
	sql_bind_bytes(st, 2, buf_view(&w->scratch));
	return sql_run(st);
}

static size_t part_of(uint32_t hash, size_t parts)
{
	return (size_t)((uint64_t)hash * parts >> 32);
}

static int put_segment(struct writer *w, const struct trace_segment_job *j)
{
	size_t parts = j->count / PART_KEYS + 1 < PARTS_MAX ? j->count / PART_KEYS + 1 : PARTS_MAX;
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_segment_insert);
	uint64_t id;
	int rc;

	sql_bind_u64(st, 1, j->last);
	sql_bind_u64(st, 2, parts);
	rc = sql_step(st);
	id = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	rc = 0;
	for (size_t i = 0; rc == 0 && i < j->count;) {
		size_t end = i, part = part_of(j->keys[i].hash, parts);

		while (end < j->count && part_of(j->keys[end].hash, parts) == part)
			end++;
		rc = put_part(w, id * PARTS_MAX + part, j->keys + i, end - i);
		i = end;
	}
	return rc;
}

static enum job_step run_segment(struct writer *w, struct store_job *job)
{
	struct trace_segment_job *j = (struct trace_segment_job *)job;
	struct sql_stmt *st;
	uint64_t cursor;
	int rc = trace_indexed(w->sql, &cursor);

	if (rc == 0 && cursor != j->after) {
		job->outcome = STORE_STALE;
		return STEP_DONE;
	}
	if (rc == 0 && j->count)
		rc = put_segment(w, j);
	st = sql_use(w->sql, SQL_setting_set_number);
	sql_bind_text(st, 1, VIEW_LIT("trace-indexed"));
	sql_bind_u64(st, 2, j->last);
	if (rc == 0)
		rc = sql_run(st);
	return rc < 0 ? writer_error(w, rc, "indexing the life of messages") : STEP_DONE;
}

void trace_segment_job_init(struct trace_segment_job *j)
{
	*j = (struct trace_segment_job){0};
	store_job_init(&j->job, run_segment);
}

/* ---- looking up ---- */

struct found {
	uint64_t *ids;
	size_t count, max;
};

static void add_found(struct found *f, uint64_t message)
{
	if (f->count < f->max)
		f->ids[f->count++] = message;
}

static int find_in_part(struct sql *c, uint64_t id, uint32_t hash, uint64_t after, struct found *f)
{
	struct sql_stmt *st = sql_use(c, SQL_trace_part_get);
	struct view data = VIEW_EMPTY;
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	if (rc > 0)
		data = sql_bytes(st, 0);
	for (size_t at = 0; at + KEY_BYTES <= data.n; at += KEY_BYTES) {
		struct trace_key k;

		memcpy(&k.hash, data.p + at, 4);
		memcpy(&k.message, data.p + at + 4, 8);
		if (k.hash == hash && k.message > after)
			add_found(f, k.message);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int find_in_segments(struct sql *c, uint32_t hash, uint64_t after, size_t enough, struct found *f,
			    uint64_t *ret_upto)
{
	struct sql_stmt *st = sql_use(c, SQL_trace_segments);
	int rc;

	sql_bind_u64(st, 1, after);
	while ((rc = sql_step(st)) > 0) {
		*ret_upto = sql_u64(st, 1);
		rc =
		    find_in_part(c, sql_u64(st, 0) * PARTS_MAX + part_of(hash, (size_t)sql_u64(st, 2)), hash, after, f);
		if (rc < 0 || f->count >= enough)
			break;
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int find_late(struct sql *c, uint32_t hash, uint64_t after, uint64_t upto, struct found *f)
{
	struct sql_stmt *st = sql_use(c, SQL_trace_late);
	int rc;

	sql_bind_u64(st, 1, hash);
	sql_bind_u64(st, 2, after);
	sql_bind_u64(st, 3, upto);
	while ((rc = sql_step(st)) > 0)
		add_found(f, sql_u64(st, 0));
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int compare_ids(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

int trace_look_up(struct store_reader *r, struct view text, uint64_t after, size_t enough, struct arena *a,
		  uint64_t **ret, size_t *ret_count, uint64_t *ret_upto)
{
	struct found f = {.max = enough + 2 * TRACE_KEYS_MAX + 40000};
	uint64_t cursor, upto = after;
	uint32_t hash;
	int rc = trace_indexed(r->sql, &cursor);

	if (text.n > 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = view_sub(text, 1, text.n - 2);
	hash = hash_of(r->store, text);
	*ret_count = 0;
	*ret_upto = cursor > after ? cursor : after;
	if (rc < 0 || cursor <= after)
		return rc;
	f.ids = arena_array(a, f.max, sizeof *f.ids);
	if (!f.ids)
		return -ENOMEM;
	rc = find_in_segments(r->sql, hash, after, enough, &f, &upto);
	if (rc == 0 && f.count < enough)
		upto = cursor; /* all segments were read */
	if (rc == 0)
		rc = find_late(r->sql, hash, after, upto, &f);
	qsort(f.ids, f.count, sizeof *f.ids, compare_ids);
	*ret = f.ids;
	*ret_count = f.count;
	*ret_upto = upto;
	return rc;
}

/* ---- the end of old events ---- */

/* How far this pass has come. What is still in the queue keeps its events. */
struct pruning {
	uint64_t after, now_after;
	bool events_done, now_events_done;
	uint32_t late_done, now_late_done; /* slices */
};

/* The message at which a slice ends; *ret 0: it is the last slice. */
static int slice_end(struct writer *w, uint64_t after, uint64_t before, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_slice_end);
	int rc;

	sql_bind_u64(st, 1, after);
	sql_bind_u64(st, 2, before);
	sql_bind_i64(st, 3, PRUNE_EVENTS);
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int prune_events(struct writer *w, uint64_t before, struct pruning *x)
{
	struct sql_stmt *st;
	uint64_t end;
	int rc = slice_end(w, x->after, before, &end);

	x->now_events_done = end == 0;
	if (end == 0)
		end = before ? before - 1 : 0;
	st = sql_use(w->sql, SQL_trace_prune);
	sql_bind_u64(st, 1, x->after);
	sql_bind_u64(st, 2, end);
	x->now_after = end;
	return rc < 0 ? rc : sql_run(st);
}

static int prune_late(struct writer *w, uint64_t before, uint32_t slice)
{
	const uint64_t hashes = (UINT64_C(1) << 32) / LATE_SLICES;
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_late_delete);

	sql_bind_u64(st, 1, slice * hashes);
	sql_bind_u64(st, 2, slice * hashes + hashes - 1);
	sql_bind_u64(st, 3, before);
	return sql_run(st);
}

/* 1: a segment went; 0: no old one is left. */
static int prune_segment(struct writer *w, uint64_t before)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_trace_segment_old);
	uint64_t id = 0;
	int rc;

	sql_bind_u64(st, 1, before);
	rc = sql_step(st);
	if (rc > 0)
		id = sql_u64(st, 0);
	sql_reset(st);
	if (rc <= 0)
		return rc;
	st = sql_use(w->sql, SQL_trace_part_delete);
	sql_bind_u64(st, 1, id * PARTS_MAX);
	sql_bind_u64(st, 2, id * PARTS_MAX + PARTS_MAX - 1);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_trace_segment_delete);
	sql_bind_u64(st, 1, id);
	rc = sql_run(st);
	return rc < 0 ? rc : 1;
}

static void advance_prune(struct store_job *job)
{
	struct pruning *x = job->progress;

	x->after = x->now_after;
	x->events_done = x->now_events_done;
	x->late_done = x->now_late_done;
}

static void forget_prune(struct store_job *job)
{
	free(job->progress);
	job->progress = NULL;
}

static enum job_step run_prune(struct writer *w, struct store_job *job)
{
	const struct trace_prune_job *j = (const struct trace_prune_job *)job;
	uint64_t before = trace_id_at(j->before_s);
	struct pruning *x;
	int rc = 0;

	if (!job->progress)
		job->progress = xcalloc(1, sizeof *x);
	x = job->progress;
	x->now_after = x->after;
	x->now_events_done = x->events_done;
	x->now_late_done = x->late_done;
	if (!x->events_done) {
		rc = prune_events(w, before, x);
		return rc < 0 ? writer_error(w, rc, "forgetting old events") : STEP_AGAIN;
	}
	for (size_t i = 0; i < PRUNE_SEGMENTS && (i == 0 || rc > 0); i++)
		rc = prune_segment(w, before);
	if (rc > 0)
		return STEP_AGAIN;
	x->now_late_done = x->late_done + 1;
	if (rc == 0)
		rc = prune_late(w, before, x->late_done);
	if (rc < 0)
		return writer_error(w, rc, "forgetting old events");
	return x->now_late_done < LATE_SLICES ? STEP_AGAIN : STEP_DONE;
}

void trace_prune_job_init(struct trace_prune_job *j)
{
	*j = (struct trace_prune_job){0};
	store_job_init(&j->job, run_prune);
	j->job.advance = advance_prune;
	j->job.forget = forget_prune;
}
