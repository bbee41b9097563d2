/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SEARCH_READ_H
#define POMBO_STORE_SEARCH_READ_H

#include "mail/digest.h"
#include "store/mailbox_read.h"

/* Asking an account's search index. It is never needed: where it is missing, behind or damaged these say that they know nothing, and
 * the mail itself is asked. Reader. */
struct search_reader;
void search_reader_free(struct search_reader **x);

/* UIDs of the mailbox below this one are in the index; 0: none. */
uint32_t search_indexed(struct store_reader *r, uint64_t account, uint64_t mailbox);

/* The digest records of 64 UIDs in one column. */
struct search_records {
	uint32_t page; /* uid / 64; UINT32_MAX at first: nothing */
	struct buf bytes;
	struct view records[64]; /* p == NULL: not there */
};
void search_records_init(struct search_records *x);
void search_records_fini(struct search_records *x);
/* The record of `uid`; false: it is not there. Reads a page when it is not the one `x` holds. */
must_check bool search_record(struct store_reader *r, uint64_t account, enum digest_column column, uint64_t mailbox,
			      uint32_t uid, struct search_records *x, struct view *ret);

/* Messages that may hold a text, of those that are indexed. */
struct search_candidates {
	const uint64_t *ids; /* ascending, in the arena */
	size_t count;
};
/* `folded`: as search_key_init() makes it, at least 3 bytes. False: nothing is known (any may hold it). */
must_check bool search_candidates(struct store_reader *r, uint64_t account, struct view folded, struct arena *a,
				  struct search_candidates *ret);
enum { SEARCH_CANDIDATES_MAX = 65536 }; /* more are not worth it: nothing is known */

/* A record made from the header block itself. `columns`: DIGEST_COLUMNS bufs. */
void search_digest(const struct store_reader *r, struct view header, struct buf *columns);

#endif
