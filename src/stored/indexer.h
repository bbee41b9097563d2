/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_INDEXER_H
#define POMBO_STORED_INDEXER_H

#include "base/mem.h"
#include "store/store.h"

/* A thread of low priority that keeps the search indexes up to date (store/search_write.h): after start it looks at every account,
 * later at those that something came into, a moment after it came. One account at a time, in slices. */
struct indexer;

must_check int indexer_new(struct store *s, struct indexer **ret);
/* Ends after the slice under way. NULL-safe, sets NULL. */
void indexer_free(struct indexer **x);
/* Something changed in a mailbox of the account. */
void indexer_touch(struct indexer *x, uint64_t account);

/* The account's index (0: all accounts') is to be made anew. False: the last such request is still under way. */
must_check bool indexer_rebuild(struct indexer *x, uint64_t account);
struct indexer_progress {
	bool running;
	uint64_t accounts, accounts_done, accounts_failed;
	uint64_t messages, messages_done; /* of the account at hand */
	uint64_t messages_all; /* done, of all accounts */
};
void indexer_progress(struct indexer *x, struct indexer_progress *ret);

#endif
