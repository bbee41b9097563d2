/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_STS_H
#define POMBO_STORE_STS_H

#include "store/group.h"

/* MTA-STS policies of other domains (RFC 8461 §3.3), kept over restarts: who could make us forget one could downgrade us. */
struct sts_kept {
	struct view id; /* of the DNS record it came with */
	struct view policy; /* as it was fetched */
	int64_t fetched_s, until_s;
};

enum { STS_STALE_MAX = 100 };
/* So many are kept, and so many bytes of them: then those that were fetched longest ago go. Who is written to has his fetched anew every day. */
enum { STS_KEPT_MAX = 20000, STS_BYTES_MAX = 32 * 1024 * 1024 };

/* STORE_NO_MESSAGE: there is none, or it has expired. Reader. */
must_check enum store_outcome sts_find(struct store_reader *r, struct view domain, int64_t wall_s, struct arena *a,
				       struct sts_kept *ret);
/* Domains whose policy holds and was fetched before that time, the oldest first. Reader. */
must_check enum store_outcome sts_stale(struct store_reader *r, int64_t fetched_before_s, int64_t wall_s,
					struct arena *a, struct view ret[STS_STALE_MAX], size_t *ret_count);

/* In place of the domain's former one; those that have expired go. */
struct sts_keep_job {
	struct store_job job;
	struct view domain;
	struct sts_kept kept;
	int64_t wall_s;
	size_t max; /* STS_KEPT_MAX, but in tests */
	size_t ret_dropped; /* others, because there were too many */
};
void sts_keep_job_init(struct sts_keep_job *j);

#endif
