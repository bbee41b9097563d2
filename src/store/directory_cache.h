/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_CACHE_H
#define POMBO_STORE_DIRECTORY_CACHE_H

#include "store/directory.h"
#include "store/quota.h"

/* What was resolved before, in memory, for any thread. Answers are remembered under the generation that was read before their
 * snapshot was taken, and only if it still is the present one: a change of the directory raises it. Bounded: when full it starts anew. */
struct directory_cache;

struct directory_cache *directory_cache_new(void);
void directory_cache_free(struct directory_cache **c);
void directory_cache_clear(struct directory_cache *c);
uint64_t directory_cache_generation(struct directory_cache *c);

must_check bool directory_cache_find(struct directory_cache *c, struct view address, struct arena *a,
				     struct directory_result *ret);
void directory_cache_keep(struct directory_cache *c, uint64_t generation, struct view address,
			  const struct directory_result *result);

must_check bool directory_cache_find_sender(struct directory_cache *c, uint64_t account, struct view address,
					    bool *ret_may);
void directory_cache_keep_sender(struct directory_cache *c, uint64_t generation, uint64_t account, struct view address,
				 bool may);

/* Room of an account; known once an address led to it. */
void directory_cache_keep_usage(struct directory_cache *c, uint64_t generation, uint64_t account, struct quota used,
				struct quota limit);
/* After a commit: brings a known one up to date. */
void directory_cache_usage(struct directory_cache *c, uint64_t account, struct quota used, struct quota limit);
bool directory_cache_has_room(struct directory_cache *c, uint64_t account, struct quota more);

#endif
