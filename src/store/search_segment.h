/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SEARCH_SEGMENT_H
#define POMBO_STORE_SEARCH_SEGMENT_H

#include "store/sql.h"
#include "store/trigram.h"

/* Writing segments of an index, within a transaction of the caller's. 0 or negative errno. */

/* The gathered documents, whose messages are ids[0…t->docs - 1], become a segment; `t` is used up. */
must_check int search_segment_write(struct sql *c, struct trigrams *t, const uint64_t *ids);
/* Joins segments of like size when there are many. 1: did; 0: nothing to join. */
must_check int search_segment_merge(struct sql *c);
/* All message ids in the index, ascending; freed by the caller. */
must_check int search_segment_ids(struct sql *c, uint64_t **ret, size_t *ret_n);

#endif
