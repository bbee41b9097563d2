/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SEARCH_FILE_H
#define POMBO_STORE_SEARCH_FILE_H

#include "base/buf.h"
#include "mail/digest.h"
#include "store/sql.h"
#include "store/store_private.h"

/* An account's search index, search/ACCOUNT.db: what src/store/search_write.c and search_read.c share (doc/search.md). It can be
 * made anew from the mail at any time: whatever is odd about it is answered by doing so. */
enum {
	SEARCH_FORM = 1, /* of what lies in the file; another: it is made anew */
	SEARCH_SEGMENT_SHIFT = 25, /* posting's key: segment << 25 | first trigram */
	SEARCH_FACTS_SLOTS = 64, /* UIDs in a page of digests */
};

extern const char search_tables[]; /* for schema_exec() */

/* 0; -ENOENT: there is none; -EUCLEAN: not one of this store and form; other negative errno. */
must_check int search_file_open(struct store *s, uint64_t account, bool write, struct sql **ret);
bool search_file_exists(struct store *s, uint64_t account);
/* The file is gone; open connections go on with what they have, and are found stale by store->search_generation. */
void search_file_drop(struct store *s, uint64_t account);
/* Makes the folder where it is missing. 0 or negative errno. */
must_check int search_folder_make(struct store *s);

/* Bytes with a sum behind them, as every row keeps them. */
void search_seal(struct buf *bytes);
must_check bool search_unseal(struct view sealed, struct view *ret);

/* The key of digest_make(): the same for the life of the store. */
void search_hash_key(const struct store *s, uint64_t ret[2]);

static inline uint64_t search_posting_key(uint64_t segment, uint32_t trigram)
{
	return segment << SEARCH_SEGMENT_SHIFT | trigram;
}
static inline uint64_t search_facts_key(enum digest_column column, uint64_t mailbox, uint32_t page)
{
	return (uint64_t)column << 58 | mailbox << 26 | page;
}

#endif
