/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_GATHER_H
#define POMBO_STORED_GATHER_H

#include "mail/digest.h"
#include "stored/search.h"

/* What SORT and THREAD need of the messages that a search found: from the index's digests where it has them, else from the mail. A
 * slice at a time, on a reader thread. */
struct gathered {
	size_t at; /* its place among those found */
	uint32_t uid;
	int64_t internaldate_s; /* with GATHER_ARRIVAL, */
	uint64_t size_bytes; /* GATHER_SIZE, */
	int64_t sent_s; /* GATHER_SENT: RFC 5256 §2.2, */
	struct view keys[DIGEST_KEYS]; /* GATHER_KEYS, */
	struct digest_thread thread; /* GATHER_THREAD */
};
enum gather_what {
	GATHER_ARRIVAL = 1 << 0,
	GATHER_SIZE = 1 << 1,
	GATHER_SENT = 1 << 2,
	GATHER_KEYS = 1 << 3,
	GATHER_THREAD = 1 << 4,
};

enum { GATHER_MESSAGES_MAX = 1000000 }; /* more are not sorted */

/* Views last for the call. Messages come in any order, each at most once; those that are gone meanwhile do not come. */
typedef void gather_fn(void *ctx, const struct gathered *g);

struct gather {
	struct search search;
	unsigned what; /* of enum gather_what */
	gather_fn *take;
	void *ctx;
	size_t range; /* where in what was found the next page begins */
	uint32_t uid;
	size_t at;
	bool searching;
};

/* `take` is first called once the search is over, when search_found() says how many may come. */
void gather_init(struct gather *g, unsigned what, gather_fn *take, void *ctx);
void gather_fini(struct gather *g);
/* A slice of the search (g->search, to be set up by the caller), then of the gathering. */
must_check enum store_outcome gather_step(struct gather *g, struct store_reader *r, bool *ret_again);

#endif
