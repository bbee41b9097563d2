/* SPDX-License-Identifier: ISC
 * Trigrams of texts, and packed postings. */
#include "store/trigram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_WORDS = (1 << 24) / 64, POSTING_LIST = 0, POSTING_BITMAP = 1, DIGIT_BITS = 13 };

/* ---- gathering ---- */

void trigrams_init(struct trigrams *t)
{
	*t = (struct trigrams){0};
	t->seen = xcalloc(SEEN_WORDS, sizeof *t->seen);
	t->pairs = xmalloc(TRIGRAM_PAIRS_MAX * sizeof *t->pairs);
	t->spare = xmalloc(TRIGRAM_PAIRS_MAX * sizeof *t->spare);
}

void trigrams_fini(struct trigrams *t)
{
	free(t->seen);
	free(t->pairs);
	free(t->spare);
	*t = (struct trigrams){0};
}

static void forget_doc(struct trigrams *t)
{
	for (size_t i = t->doc_start; i < t->n; i++)
		t->seen[t->pairs[i] >> 22] = 0;
}

void trigrams_reset(struct trigrams *t)
{
	forget_doc(t);
	t->n = t->doc_start = 0;
	t->docs = 0;
	t->wild = false;
}

bool trigrams_is_full(const struct trigrams *t)
{
	return t->n + TRIGRAM_DOC_MAX >= TRIGRAM_PAIRS_MAX || t->docs == TRIGRAM_DOCS_MAX;
}

void trigrams_set_wild(struct trigrams *t)
{
	t->wild = true;
}

void trigrams_add(struct trigrams *t, struct view folded)
{
	for (size_t i = 0; i + 3 <= folded.n && !t->wild; i++) {
		uint32_t trigram = trigram_at(folded.p + i);
		uint64_t *word = &t->seen[trigram / 64], bit = 1ULL << trigram % 64;

		if (*word & bit)
			continue;
		*word |= bit;
		t->pairs[t->n++] = (uint64_t)trigram << 16 | t->docs;
		t->wild = t->n - t->doc_start == TRIGRAM_DOC_MAX - 1;
	}
}

void trigrams_end_doc(struct trigrams *t)
{
	forget_doc(t);
	if (t->wild) {
		t->n = t->doc_start;
		t->pairs[t->n++] = (uint64_t)TRIGRAM_WILD << 16 | t->docs;
	}
	t->wild = false;
	t->doc_start = t->n;
	t->docs++;
}

static void sort_by(struct trigrams *t, unsigned shift)
{
	enum { BUCKETS = 1 << DIGIT_BITS };
	uint32_t *counts = xcalloc(BUCKETS, sizeof *counts), sum = 0;
	uint64_t *sorted = t->spare;

	for (size_t i = 0; i < t->n; i++)
		counts[t->pairs[i] >> shift & (BUCKETS - 1)]++;
	for (size_t i = 0; i < BUCKETS; i++) {
		uint32_t n = counts[i];

		counts[i] = sum;
		sum += n;
	}
	for (size_t i = 0; i < t->n; i++)
		sorted[counts[t->pairs[i] >> shift & (BUCKETS - 1)]++] = t->pairs[i];
	t->spare = t->pairs;
	t->pairs = sorted;
	free(counts);
}

void trigrams_sort(struct trigrams *t, const uint16_t *places)
{
	assert(t->docs <= TRIGRAM_DOCS_MAX && t->doc_start == t->n);
	for (size_t i = 0; i < t->n; i++)
		t->pairs[i] = (t->pairs[i] & ~0xffffULL) | places[t->pairs[i] & 0xffff];
	/* Documents need no order among themselves: a posting is made of a set. */
	sort_by(t, 16);
	sort_by(t, 16 + DIGIT_BITS);
}

/* ---- sets ---- */

static size_t words(uint32_t docs)
{
	return (docs + 63) / 64;
}

void doc_set_init(struct doc_set *s, uint32_t docs, bool all)
{
	s->docs = docs;
	memset(s->bits, all ? 0xff : 0, words(docs) * 8);
	if (all && docs % 64)
		s->bits[docs / 64] = (1ULL << docs % 64) - 1;
}

void doc_set_and(struct doc_set *s, const struct doc_set *other)
{
	for (size_t i = 0; i < words(s->docs); i++)
		s->bits[i] &= other->bits[i];
}

void doc_set_or(struct doc_set *s, const struct doc_set *other)
{
	for (size_t i = 0; i < words(s->docs); i++)
		s->bits[i] |= other->bits[i];
}

uint32_t doc_set_count(const struct doc_set *s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < words(s->docs); i++)
		n += (uint32_t)__builtin_popcountll(s->bits[i]);
	return n;
}

/* ---- chunks: varint distance of the trigram, varint length, posting; a posting: its kind, then documents ---- */

static void put_varint(struct buf *out, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_append_char(out, (char)(v | 0x80));
	buf_append_char(out, (char)v);
}

static bool get_varint(struct view *in, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned shift = 0; in->n && shift <= 28; shift += 7) {
		unsigned char c = (unsigned char)in->p[0];

		in->p++;
		in->n--;
		v |= (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static void put_list(struct buf *out, const struct doc_set *docs)
{
	uint32_t next = 0;

	buf_append_char(out, POSTING_LIST);
	for (size_t i = 0; i < words(docs->docs); i++)
		for (uint64_t left = docs->bits[i]; left; left &= left - 1) {
			uint32_t doc = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(left);

			put_varint(out, doc - next);
			next = doc + 1;
		}
}

static void put_bitmap(struct buf *out, const struct doc_set *docs)
{
	buf_append_char(out, POSTING_BITMAP);
	for (size_t i = 0; i < (docs->docs + 7) / 8; i++)
		buf_append_char(out, (char)(docs->bits[i / 8] >> 8 * (i % 8)));
}

void chunk_add(struct chunk_writer *w, uint32_t trigram, const struct doc_set *docs)
{
	struct buf posting = BUF_INIT(2 * TRIGRAM_DOCS_MAX);

	if (!w->any) {
		buf_fini(&w->bytes);
		buf_init(&w->bytes, TRIGRAM_CHUNK_MAX + TRIGRAM_DOCS_MAX);
		w->first = w->last = trigram;
		w->any = true;
	}
	if (doc_set_count(docs) > docs->docs / 8)
		put_bitmap(&posting, docs);
	else
		put_list(&posting, docs);
	put_varint(&w->bytes, trigram - w->last);
	put_varint(&w->bytes, (uint32_t)posting.n);
	buf_append_view(&w->bytes, buf_view(&posting));
	w->last = trigram;
	buf_fini(&posting);
}

bool chunk_is_full(const struct chunk_writer *w)
{
	return w->bytes.n >= TRIGRAM_CHUNK_BYTES;
}

void chunk_reset(struct chunk_writer *w)
{
	buf_reset(&w->bytes);
	w->any = false;
}

void chunk_reader_init(struct chunk_reader *r, struct view chunk, uint32_t first)
{
	*r = (struct chunk_reader){.rest = chunk, .trigram = first};
}

enum parse chunk_next(struct chunk_reader *r)
{
	uint32_t distance, n;

	if (r->rest.n == 0)
		return PARSE_MORE;
	if (!get_varint(&r->rest, &distance) || distance > TRIGRAM_WILD - r->trigram || !get_varint(&r->rest, &n) ||
	    n > r->rest.n || n == 0)
		return PARSE_BAD;
	r->trigram += distance;
	r->posting = view_sub(r->rest, 0, n);
	r->rest = view_sub(r->rest, n, r->rest.n);
	return PARSE_DONE;
}

static bool read_list(struct view in, struct doc_set *ret)
{
	uint32_t next = 0, distance;

	while (in.n) {
		if (!get_varint(&in, &distance) || next >= ret->docs || distance >= ret->docs - next)
			return false;
		doc_set_add(ret, next + distance);
		next += distance + 1;
	}
	return true;
}

bool posting_read(struct view posting, uint32_t docs, struct doc_set *ret)
{
	struct view in = view_sub(posting, 1, posting.n);

	if (posting.n == 0 || docs > TRIGRAM_DOCS_MAX)
		return false;
	doc_set_init(ret, docs, false);
	if (posting.p[0] == POSTING_LIST)
		return read_list(in, ret);
	if (posting.p[0] != POSTING_BITMAP || in.n != (docs + 7) / 8)
		return false;
	for (size_t i = 0; i < in.n; i++)
		ret->bits[i / 8] |= (uint64_t)(unsigned char)in.p[i] << 8 * (i % 8);
	return docs % 8 == 0 || (unsigned char)in.p[in.n - 1] >> docs % 8 == 0;
}
