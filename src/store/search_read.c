/* SPDX-License-Identifier: ISC
 * Reading an account's search index. Each reader keeps the connection to the one it asked last. */
#include "store/search_read.h"

#include "store/search_file.h"
#include "store/trigram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TRIGRAMS_MAX = 24, SEGMENTS_MAX = 4096 };

struct search_reader {
	struct sql *sql; /* NULL: there was none */
	uint64_t account, generation;
};

void search_reader_free(struct search_reader **x)
{
	if (!*x)
		return;
	sql_close(&(*x)->sql);
	free(*x);
	*x = NULL;
}

static void damaged(struct store_reader *r, uint64_t account)
{
	atomic_store(&r->store->search_damaged, account);
	search_reader_free(&r->search);
}

/* The account's index, in a snapshot that leave() ends; NULL: there is none to ask. */
static struct sql *enter(struct store_reader *r, uint64_t account)
{
	uint64_t generation = atomic_load(&r->store->search_generation);
	int rc;

	if (r->search && (r->search->account != account || r->search->generation != generation))
		search_reader_free(&r->search);
	if (!r->search) {
		struct sql *sql;

		rc = search_file_open(r->store, account, false, &sql);
		if (rc == -EUCLEAN)
			atomic_store(&r->store->search_damaged, account);
		if (rc < 0)
			return NULL;
		r->search = xcalloc(1, sizeof *r->search);
		*r->search = (struct search_reader){sql, account, generation};
	}
	rc = sql_begin(r->search->sql);
	if (rc < 0) {
		search_reader_free(&r->search);
		return NULL;
	}
	return r->search->sql;
}

/* rc: what the work inside came to. */
static void leave(struct store_reader *r, uint64_t account, int rc)
{
	if (sql_commit(r->search->sql) < 0)
		(void)sql_rollback(r->search->sql);
	if (rc == -EUCLEAN)
		damaged(r, account);
	else if (rc < 0)
		search_reader_free(&r->search);
}

uint32_t search_indexed(struct store_reader *r, uint64_t account, uint64_t mailbox)
{
	struct arena a;
	struct box_status status;
	struct sql *c;
	struct sql_stmt *st;
	uint32_t uidnext = 0;
	int rc;

	arena_init(&a, 4 << 20);
	if (box_status(r, account, mailbox, &a, &status) == STORE_OK && (c = enter(r, account))) {
		st = sql_use(c, SQL_search_box_get);
		sql_bind_u64(st, 1, mailbox);
		rc = sql_step(st);
		if (rc > 0 && sql_u64(st, 0) == status.uidvalidity && sql_u64(st, 1) <= status.uidnext)
			uidnext = (uint32_t)sql_u64(st, 1);
		sql_reset(st);
		leave(r, account, rc);
	}
	arena_fini(&a);
	return uidnext;
}

void search_digest(const struct store_reader *r, struct view header, struct buf *columns)
{
	uint64_t key[2];

	search_hash_key(r->store, key);
	digest_make(header, key, columns);
}

/* ---- digests ---- */

void search_records_init(struct search_records *x)
{
	*x = (struct search_records){.page = UINT32_MAX};
	buf_init(&x->bytes, SEARCH_FACTS_SLOTS * (DIGEST_RECORD_MAX + 8) + 64);
}

void search_records_fini(struct search_records *x)
{
	buf_fini(&x->bytes);
}

/* u8 slot, u16 length, record */
static bool split(struct search_records *x, struct view in)
{
	while (in.n) {
		size_t n;

		if (in.n < 3 || (unsigned char)in.p[0] >= SEARCH_FACTS_SLOTS)
			return false;
		n = (size_t)(unsigned char)in.p[1] | (size_t)(unsigned char)in.p[2] << 8;
		if (n > in.n - 3)
			return false;
		x->records[(unsigned char)in.p[0]] = view_sub(in, 3, n);
		in = view_sub(in, 3 + n, in.n);
	}
	return true;
}

static int load(struct sql *c, uint64_t key, struct search_records *x)
{
	struct sql_stmt *st = sql_use(c, SQL_search_facts_get);
	struct view bytes;
	int rc;

	sql_bind_u64(st, 1, key);
	rc = sql_step(st);
	if (rc > 0) {
		buf_append_view(&x->bytes, sql_bytes(st, 0));
		if (x->bytes.overflow || !search_unseal(buf_view(&x->bytes), &bytes) || !split(x, bytes)) {
			memset(x->records, 0, sizeof x->records);
			rc = -EUCLEAN;
		}
	}
	sql_reset(st);
	return rc;
}

bool search_record(struct store_reader *r, uint64_t account, enum digest_column column, uint64_t mailbox, uint32_t uid,
		   struct search_records *x, struct view *ret)
{
	uint32_t page = uid / SEARCH_FACTS_SLOTS;

	if (x->page != page) {
		struct sql *c = enter(r, account);

		x->page = page;
		buf_reset(&x->bytes);
		memset(x->records, 0, sizeof x->records);
		if (c)
			leave(r, account, load(c, search_facts_key(column, mailbox, page), x));
	}
	*ret = x->records[uid % SEARCH_FACTS_SLOTS];
	return ret->p != NULL;
}

/* ---- candidates ---- */

struct wanted {
	uint32_t trigrams[TRIGRAMS_MAX];
	size_t count;
};

static bool is_wanted(const struct wanted *w, uint32_t trigram)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->trigrams[i] == trigram)
			return true;
	return false;
}

/* Those of a long text: some from all of it. */
static void want(struct wanted *w, struct view folded)
{
	size_t n = folded.n - 2, step = (n + TRIGRAMS_MAX - 1) / TRIGRAMS_MAX;

	w->count = 0;
	for (size_t i = 0; i < n && w->count < TRIGRAMS_MAX; i += step)
		if (!is_wanted(w, trigram_at(folded.p + i)))
			w->trigrams[w->count++] = trigram_at(folded.p + i);
}

/* 1: `ret` holds the documents with the trigram (perhaps none); negative errno. */
static int find_posting(struct sql *c, uint64_t segment, uint32_t docs, uint32_t trigram, struct doc_set *ret)
{
	struct sql_stmt *st = sql_use(c, SQL_search_posting_find);
	struct chunk_reader reader;
	struct view chunk;
	enum parse p = PARSE_MORE;
	int rc;

	doc_set_init(ret, docs, false);
	sql_bind_u64(st, 1, search_posting_key(segment, 0));
	sql_bind_u64(st, 2, search_posting_key(segment, trigram));
	rc = sql_step(st);
	if (rc > 0 && !search_unseal(sql_bytes(st, 1), &chunk))
		rc = -EUCLEAN;
	if (rc > 0) {
		chunk_reader_init(&reader, chunk, (uint32_t)(sql_u64(st, 0) & ((1U << SEARCH_SEGMENT_SHIFT) - 1)));
		while ((p = chunk_next(&reader)) == PARSE_DONE && reader.trigram < trigram)
			continue;
		if (p == PARSE_BAD ||
		    (p == PARSE_DONE && reader.trigram == trigram && !posting_read(reader.posting, docs, ret)))
			rc = -EUCLEAN;
	}
	sql_reset(st);
	return rc < 0 ? rc : 1;
}

static int find_docs(struct sql *c, uint64_t segment, uint32_t docs, const struct wanted *w, struct doc_set *ret)
{
	struct doc_set posting;
	int rc = 1;

	doc_set_init(ret, docs, true);
	for (size_t i = 0; rc > 0 && i < w->count && doc_set_count(ret); i++) {
		rc = find_posting(c, segment, docs, w->trigrams[i], &posting);
		if (rc > 0)
			doc_set_and(ret, &posting);
	}
	if (rc > 0)
		rc = find_posting(c, segment, docs, TRIGRAM_WILD, &posting);
	if (rc > 0)
		doc_set_or(ret, &posting);
	return rc;
}

struct id_list {
	uint64_t *ids;
	size_t count;
};

/* 1; 0: too many; negative errno. */
static int add_ids(struct id_list *l, const struct doc_set *docs, struct view ids)
{
	uint32_t n = doc_set_count(docs);

	if (ids.n != docs->docs * 8ULL)
		return -EUCLEAN;
	if (l->count + n > SEARCH_CANDIDATES_MAX)
		return 0;
	for (uint32_t i = 0; n && i < docs->docs; i++)
		if (doc_set_has(docs, i))
			memcpy(&l->ids[l->count++], ids.p + 8ULL * i, 8);
	return 1;
}

/* The segments are listed before postings are looked for: one statement at a time. */
struct segment {
	uint64_t id;
	uint32_t docs;
};

static int list_segments(struct sql *c, struct segment *list, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_sizes);
	size_t n = 0;
	int rc;

	while ((rc = sql_step(st)) > 0 && n < SEGMENTS_MAX) {
		list[n] = (struct segment){sql_u64(st, 0), (uint32_t)sql_u64(st, 1)};
		if (list[n].docs > TRIGRAM_DOCS_MAX)
			rc = -EUCLEAN;
		n++;
		if (rc < 0)
			break;
	}
	sql_reset(st);
	*ret_n = n;
	return rc < 0 ? rc : rc > 0 ? -EUCLEAN : 0;
}

static int search_segment(struct sql *c, const struct segment *s, const struct wanted *w, struct id_list *l)
{
	struct doc_set docs;
	struct sql_stmt *st;
	struct view ids;
	int rc = find_docs(c, s->id, s->docs, w, &docs);

	if (rc <= 0 || doc_set_count(&docs) == 0)
		return rc;
	st = sql_use(c, SQL_search_segment_get);
	sql_bind_u64(st, 1, s->id);
	rc = sql_step(st);
	if (rc > 0)
		rc = search_unseal(sql_bytes(st, 1), &ids) ? add_ids(l, &docs, ids) : -EUCLEAN;
	else
		rc = rc < 0 ? rc : -EUCLEAN;
	sql_reset(st);
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x < y ? -1 : x > y;
}

bool search_candidates(struct store_reader *r, uint64_t account, struct view folded, struct arena *a,
		       struct search_candidates *ret)
{
	struct sql *c = folded.n >= 3 ? enter(r, account) : NULL;
	struct segment *segments;
	struct id_list l = {NULL, 0};
	struct wanted w;
	size_t n = 0;
	int rc;

	if (!c)
		return false;
	segments = xcalloc(SEGMENTS_MAX, sizeof *segments);
	l.ids = xmalloc(SEARCH_CANDIDATES_MAX * sizeof *l.ids);
	want(&w, folded);
	rc = list_segments(c, segments, &n);
	rc = rc < 0 ? rc : 1;
	for (size_t i = 0; rc > 0 && i < n; i++)
		rc = search_segment(c, &segments[i], &w, &l);
	leave(r, account, rc);
	if (rc > 0) {
		qsort(l.ids, l.count, sizeof *l.ids, compare_ids);
		ret->ids = (const uint64_t *)(const void *)arena_copy(a, view_from(l.ids, l.count * sizeof *l.ids)).p;
		ret->count = l.count;
		rc = ret->ids || l.count == 0;
	}
	free(segments);
	free(l.ids);
	return rc > 0;
}
