/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_TRACE_INDEX_H
#define POMBO_STORE_TRACE_INDEX_H

#include "store/group.h"
#include "store/trace.h"

/* Which messages have an address or a Message-ID among their events: made behind the deliveries' back, so that none of them pays for it.
 *
 * A segment covers some messages in order: the keys of their events, hashed, sorted, cut into rows of about 256. A look-up reads one row of
 * each segment. Messages younger than the last segment are looked through. What is committed long after its id was given (a slow
 * upload) may belong to a segment that is there already: trace_add() puts its keys aside, one by one. */
enum { TRACE_KEYS_MIN = 4096, TRACE_KEYS_MAX = 16384, TRACE_SEGMENT_AGE_S = 3600 };

struct trace_key {
	uint32_t hash;
	uint64_t message;
};
struct trace_segment_job {
	struct store_job job;
	uint64_t after, last; /* messages in between */
	struct trace_key *keys; /* sorted */
	size_t count;
	int64_t waits_since_s; /* when the last one was made; a small one follows after an hour */
};
void trace_segment_job_init(struct trace_segment_job *j);

/* Collects the next segment into `j`. STORE_NO_MESSAGE: it is too early for one. Reader. */
must_check enum store_outcome trace_collect(struct store_reader *r, int64_t wall_s, struct arena *a,
					    struct trace_segment_job *j, bool *ret_more);

/* Forgets the events of messages older than `before_s` that are not in the queue any more. In slices. */
struct trace_prune_job {
	struct store_job job;
	int64_t before_s;
};
void trace_prune_job_init(struct trace_prune_job *j);

#endif
