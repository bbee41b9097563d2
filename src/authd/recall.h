/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_RECALL_H
#define POMBO_AUTHD_RECALL_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* Remembers a number by a hashed key, for a bounded number of keys. When there is no room it forgets the smallest number of
 * those nearby: make the number say what is worth keeping. Keys are hashes under a secret (map_hash()), never 0. */
struct recall_slot {
	uint64_t key; /* 0: free */
	uint64_t value;
};

struct recall {
	struct recall_slot *slots;
	size_t n; /* slots; a power of two */
	size_t used;
	size_t max;
};

/* `max_keys` is rounded up to a power of two. Starts small and grows. */
void recall_init(struct recall *r, size_t max_keys);
void recall_fini(struct recall *r);
/* NULL when it is not (or no longer) known. Valid until the next recall_set(). */
uint64_t *recall_find(struct recall *r, uint64_t key);
/* The number's place: a new key starts with 0. Never NULL; valid until the next recall_set(). */
uint64_t *recall_set(struct recall *r, uint64_t key);
void recall_forget(struct recall *r, uint64_t key);

#endif
