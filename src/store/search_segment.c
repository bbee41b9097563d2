/* SPDX-License-Identifier: ISC
 * Segments of a search index: written from what was gathered, joined when there are many of like size, so that a search looks
 * into few. */
#include "store/search_segment.h"

#include "store/search_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEGMENTS_MAX = 4096,
	JOIN = 8, /* so many of one size */
	JOIN_LARGE = 2, /* from here on as soon as they fit */
	LARGE_TIER = 4,
	TIER_BITS = 3, /* each size eight times the one below */
};

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int next_segment(struct sql *c, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_last);
	int rc = sql_step(st);

	*ret = rc > 0 ? sql_u64(st, 0) + 1 : 1;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int put_segment(struct sql *c, uint64_t segment, const uint64_t *ids, uint32_t docs)
{
	struct buf data = BUF_INIT(TRIGRAM_DOCS_MAX * 8 + 16);
	struct sql_stmt *st = sql_use(c, SQL_search_segment_insert);
	int rc;

	buf_append(&data, ids, docs * sizeof *ids);
	search_seal(&data);
	sql_bind_u64(st, 1, segment);
	sql_bind_u64(st, 2, docs);
	sql_bind_u64(st, 3, docs ? ids[docs - 1] : 0);
	sql_bind_bytes(st, 4, buf_view(&data));
	rc = sql_run(st);
	buf_fini(&data);
	return rc;
}

static int put_chunk(struct sql *c, uint64_t segment, struct chunk_writer *w)
{
	struct sql_stmt *st;
	int rc;

	if (!w->any)
		return 0;
	st = sql_use(c, SQL_search_posting_insert);
	search_seal(&w->bytes);
	sql_bind_u64(st, 1, search_posting_key(segment, w->first));
	sql_bind_bytes(st, 2, buf_view(&w->bytes));
	rc = w->bytes.overflow ? -EOVERFLOW : sql_run(st);
	chunk_reset(w);
	return rc;
}

static int put_posting(struct sql *c, uint64_t segment, struct chunk_writer *w, uint32_t trigram,
		       const struct doc_set *docs)
{
	chunk_add(w, trigram, docs);
	return chunk_is_full(w) ? put_chunk(c, segment, w) : 0;
}

/* ---- what was gathered ---- */

struct place {
	uint64_t id;
	uint16_t doc;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Numbers go by message id. */
static uint64_t *sort_ids(struct trigrams *t, const uint64_t *ids)
{
	struct place *places = xmalloc((t->docs + 1) * sizeof *places);
	uint16_t *numbers = xmalloc((t->docs + 1) * sizeof *numbers);
	uint64_t *sorted = xmalloc((t->docs + 1) * sizeof *sorted);

	for (uint32_t i = 0; i < t->docs; i++)
		places[i] = (struct place){ids[i], (uint16_t)i};
	qsort(places, t->docs, sizeof *places, compare_places);
	for (uint32_t i = 0; i < t->docs; i++) {
		numbers[places[i].doc] = (uint16_t)i;
		sorted[i] = places[i].id;
	}
	trigrams_sort(t, numbers);
	free(places);
	free(numbers);
	return sorted;
}

static int put_pairs(struct sql *c, uint64_t segment, const struct trigrams *t)
{
	struct chunk_writer w = {0};
	struct doc_set docs;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->n;) {
		uint32_t trigram = (uint32_t)(t->pairs[i] >> 16);

		doc_set_init(&docs, t->docs, false);
		for (; i < t->n && t->pairs[i] >> 16 == trigram; i++)
			doc_set_add(&docs, (uint32_t)(t->pairs[i] & 0xffff));
		rc = put_posting(c, segment, &w, trigram, &docs);
	}
	if (rc == 0)
		rc = put_chunk(c, segment, &w);
	buf_fini(&w.bytes);
	return rc;
}

int search_segment_write(struct sql *c, struct trigrams *t, const uint64_t *ids)
{
	uint64_t *sorted, segment;
	int rc = next_segment(c, &segment);

	if (rc < 0 || t->docs == 0)
		return rc;
	sorted = sort_ids(t, ids);
	rc = put_segment(c, segment, sorted, t->docs);
	free(sorted);
	if (rc == 0)
		rc = put_pairs(c, segment, t);
	trigrams_reset(t);
	return rc;
}

/* ---- joining ---- */

struct source {
	uint64_t id;
	uint32_t docs;
	uint64_t *ids;
	uint16_t *places; /* of its documents in the new segment */
	struct buf chunk;
	struct chunk_reader reader;
	uint64_t next_key; /* of chunks */
	bool over;
};

static unsigned tier(uint32_t docs)
{
	unsigned bits = 0;

	while (docs >> (bits + 1))
		bits++;
	return bits / TIER_BITS;
}

/* Segments to join, of one tier; 0: none. */
static size_t choose(struct source *all, size_t n)
{
	for (unsigned want = 0; want <= LARGE_TIER; want++) {
		size_t chosen = 0;
		uint32_t docs = 0;

		for (size_t i = 0; i < n; i++) {
			if (tier(all[i].docs) != want || docs + all[i].docs > TRIGRAM_DOCS_MAX)
				continue;
			docs += all[i].docs;
			if (i != chosen) {
				struct source swap = all[chosen];

				all[chosen] = all[i];
				all[i] = swap;
			}
			chosen++;
		}
		if (chosen >= (want == LARGE_TIER ? JOIN_LARGE : JOIN))
			return chosen;
	}
	return 0;
}

static int list_sources(struct sql *c, struct source *all, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_sizes);
	size_t n = 0;
	int rc;

	while ((rc = sql_step(st)) > 0 && n < SEGMENTS_MAX)
		all[n++] = (struct source){.id = sql_u64(st, 0), .docs = (uint32_t)sql_u64(st, 1)};
	sql_reset(st);
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

static int load_ids(struct sql *c, struct source *s)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_get);
	struct view ids;
	int rc;

	s->ids = xmalloc((s->docs + 1ULL) * sizeof *s->ids);
	s->places = xmalloc((s->docs + 1ULL) * sizeof *s->places);
	buf_init(&s->chunk, TRIGRAM_CHUNK_MAX + TRIGRAM_DOCS_MAX + 16);
	s->next_key = search_posting_key(s->id, 0);
	sql_bind_u64(st, 1, s->id);
	rc = sql_step(st);
	if (rc > 0 && search_unseal(sql_bytes(st, 1), &ids) && ids.n == s->docs * sizeof *s->ids)
		memcpy(s->ids, ids.p, ids.n);
	else
		rc = rc < 0 ? rc : -EUCLEAN;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* To the next posting. */
static int advance(struct sql *c, struct source *s)
{
	struct sql_stmt *st;
	struct view chunk;
	enum parse p = chunk_next(&s->reader);
	int rc;

	if (p != PARSE_MORE)
		return p == PARSE_DONE ? 0 : -EUCLEAN;
	st = sql_use(c, SQL_search_posting_next);
	sql_bind_u64(st, 1, s->next_key);
	sql_bind_u64(st, 2, search_posting_key(s->id, TRIGRAM_WILD));
	rc = sql_step(st);
	s->over = rc == 0;
	if (rc > 0 && search_unseal(sql_bytes(st, 1), &chunk)) {
		uint64_t key = sql_u64(st, 0);

		buf_reset(&s->chunk);
		buf_append_view(&s->chunk, chunk);
		chunk_reader_init(&s->reader, buf_view(&s->chunk),
				  (uint32_t)(key & ((1U << SEARCH_SEGMENT_SHIFT) - 1)));
		s->next_key = key + 1;
		rc = s->chunk.overflow || chunk_next(&s->reader) != PARSE_DONE ? -EUCLEAN : 0;
	} else {
		rc = rc > 0 ? -EUCLEAN : rc;
	}
	sql_reset(st);
	return rc;
}

/* Where each source's documents go: all ids in one order, each once. */
static uint32_t place_docs(struct source *sources, size_t n, uint64_t *ids)
{
	uint32_t count = 0, unique = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(ids + count, sources[i].ids, sources[i].docs * sizeof *ids);
		count += sources[i].docs;
	}
	qsort(ids, count, sizeof *ids, compare_ids);
	for (uint32_t i = 0; i < count; i++)
		if (i == 0 || ids[i] != ids[unique - 1])
			ids[unique++] = ids[i];
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < sources[i].docs; k++) {
			const uint64_t *at = bsearch(&sources[i].ids[k], ids, unique, sizeof *ids, compare_ids);

			sources[i].places[k] = (uint16_t)(at - ids);
		}
	return unique;
}

static int add_posting(const struct source *s, struct doc_set *to)
{
	struct doc_set from;

	if (!posting_read(s->reader.posting, s->docs, &from))
		return -EUCLEAN;
	for (uint32_t i = 0; i < (s->docs + 63) / 64; i++)
		for (uint64_t left = from.bits[i]; left; left &= left - 1)
			doc_set_add(to, s->places[i * 64 + (uint32_t)__builtin_ctzll(left)]);
	return 0;
}

static int join_postings(struct sql *c, uint64_t segment, struct source *sources, size_t n, uint32_t docs)
{
	struct chunk_writer w = {0};
	struct doc_set set;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = advance(c, &sources[i]);
	while (rc == 0) {
		uint32_t trigram = UINT32_MAX;

		for (size_t i = 0; i < n; i++)
			if (!sources[i].over && sources[i].reader.trigram < trigram)
				trigram = sources[i].reader.trigram;
		if (trigram == UINT32_MAX)
			break;
		doc_set_init(&set, docs, false);
		for (size_t i = 0; rc == 0 && i < n; i++) {
			if (sources[i].over || sources[i].reader.trigram != trigram)
				continue;
			rc = add_posting(&sources[i], &set);
			if (rc == 0)
				rc = advance(c, &sources[i]);
		}
		if (rc == 0)
			rc = put_posting(c, segment, &w, trigram, &set);
	}
	if (rc == 0)
		rc = put_chunk(c, segment, &w);
	buf_fini(&w.bytes);
	return rc;
}

static int drop_source(struct sql *c, const struct source *s)
{
	struct sql_stmt *st = sql_use(c, SQL_search_posting_delete);
	int rc;

	sql_bind_u64(st, 1, search_posting_key(s->id, 0));
	sql_bind_u64(st, 2, search_posting_key(s->id, TRIGRAM_WILD));
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(c, SQL_search_segment_delete);
	sql_bind_u64(st, 1, s->id);
	return sql_run(st);
}

static int join(struct sql *c, struct source *sources, size_t n)
{
	uint64_t segment, *ids = xmalloc(TRIGRAM_DOCS_MAX * sizeof *ids);
	uint32_t docs = 0;
	int rc = next_segment(c, &segment);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = load_ids(c, &sources[i]);
	if (rc == 0) {
		docs = place_docs(sources, n, ids);
		rc = put_segment(c, segment, ids, docs);
	}
	if (rc == 0)
		rc = join_postings(c, segment, sources, n, docs);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = drop_source(c, &sources[i]);
		free(sources[i].ids);
		free(sources[i].places);
		buf_fini(&sources[i].chunk);
	}
	free(ids);
	return rc < 0 ? rc : 1;
}

int search_segment_merge(struct sql *c)
{
	struct source *all = xcalloc(SEGMENTS_MAX, sizeof *all);
	size_t n = 0, chosen;
	int rc = list_sources(c, all, &n);

	chosen = rc == 0 ? choose(all, n) : 0;
	if (chosen)
		rc = join(c, all, chosen);
	free(all);
	return rc;
}

int search_segment_ids(struct sql *c, uint64_t **ret, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_list);
	uint64_t *ids = NULL;
	size_t n = 0;
	int rc;

	while ((rc = sql_step(st)) > 0) {
		struct view v;

		if (!search_unseal(sql_bytes(st, 2), &v) || v.n % sizeof *ids) {
			rc = -EUCLEAN;
			break;
		}
		ids = xrealloc(ids, (n + v.n / sizeof *ids + 1) * sizeof *ids);
		memcpy(ids + n, v.p, v.n);
		n += v.n / sizeof *ids;
	}
	sql_reset(st);
	if (rc < 0) {
		free(ids);
		return rc;
	}
	if (n)
		qsort(ids, n, sizeof *ids, compare_ids);
	*ret = ids;
	*ret_n = n;
	return 0;
}
