/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_TRIGRAM_H
#define POMBO_STORE_TRIGRAM_H

#include "base/buf.h"
#include "base/mem.h"

/* Which documents hold which three bytes of folded text. Pure. A document is a number in its segment; a posting is a trigram with the
 * documents that hold it, packed: few as distances, many as a bitmap. Postings of a segment lie in chunks, ascending. */
enum {
	TRIGRAM_WILD = 1 << 24, /* behind all trigrams: documents that may hold anything */
	TRIGRAM_DOCS_MAX = 16384, /* of a segment */
	TRIGRAM_PAIRS_MAX = 1 << 20, /* of documents being gathered: 16 MiB with the room to sort them */
	TRIGRAM_DOC_MAX = 1 << 18, /* distinct ones of a document; it is wild above */
	TRIGRAM_CHUNK_BYTES = 3500, /* a chunk is ended once it has so many */
	TRIGRAM_CHUNK_MAX = TRIGRAM_CHUNK_BYTES + TRIGRAM_DOCS_MAX / 8 + 64,
};

static inline uint32_t trigram_at(const char *p)
{
	return (uint32_t)(unsigned char)p[0] << 16 | (uint32_t)(unsigned char)p[1] << 8 | (unsigned char)p[2];
}

/* ---- gathering ---- */
struct trigrams {
	uint64_t *seen; /* one bit a trigram, of the document at hand */
	uint64_t *pairs, *spare; /* trigram << 16 | document */
	size_t n, doc_start;
	uint32_t docs;
	bool wild;
};
void trigrams_init(struct trigrams *t);
void trigrams_fini(struct trigrams *t);
void trigrams_reset(struct trigrams *t);
/* There may be no room for one more document. */
bool trigrams_is_full(const struct trigrams *t);
void trigrams_add(struct trigrams *t, struct view folded);
void trigrams_set_wild(struct trigrams *t);
/* The document is over; it got number t->docs - 1. */
void trigrams_end_doc(struct trigrams *t);
/* Gives document i the number places[i] and sorts. */
void trigrams_sort(struct trigrams *t, const uint16_t *places);

/* ---- a set of documents of one segment ---- */
struct doc_set {
	uint32_t docs; /* of the segment */
	uint64_t bits[TRIGRAM_DOCS_MAX / 64];
};
void doc_set_init(struct doc_set *s, uint32_t docs, bool all);
static inline void doc_set_add(struct doc_set *s, uint32_t doc)
{
	s->bits[doc / 64] |= 1ULL << doc % 64;
}
static inline bool doc_set_has(const struct doc_set *s, uint32_t doc)
{
	return s->bits[doc / 64] >> doc % 64 & 1;
}
void doc_set_and(struct doc_set *s, const struct doc_set *other);
void doc_set_or(struct doc_set *s, const struct doc_set *other);
uint32_t doc_set_count(const struct doc_set *s);

/* ---- chunks ---- */
struct chunk_writer {
	struct buf bytes;
	uint32_t first, last;
	bool any;
};
/* Adds a posting (ascending trigrams); the chunk is to be written out once chunk_is_full(). */
void chunk_add(struct chunk_writer *w, uint32_t trigram, const struct doc_set *docs);
bool chunk_is_full(const struct chunk_writer *w);
void chunk_reset(struct chunk_writer *w);

struct chunk_reader {
	struct view rest;
	uint32_t trigram; /* of the posting just read */
	struct view posting;
};
void chunk_reader_init(struct chunk_reader *r, struct view chunk, uint32_t first);
/* DONE: the next posting. MORE: that was all. BAD: damaged. */
must_check enum parse chunk_next(struct chunk_reader *r);
/* Into `ret`, which is emptied first. False: damaged. */
must_check bool posting_read(struct view posting, uint32_t docs, struct doc_set *ret);

#endif
