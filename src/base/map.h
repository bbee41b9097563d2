/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_MAP_H
#define POMBO_BASE_MAP_H

#include "base/view.h"

/* Hash map from bytes (copied) to a pointer the caller owns. Keyed with a random seed per process, so
 * that nobody can choose colliding keys. Not for threads. Integer keys: map_u64_*. */
struct map_entry;
struct map {
	struct map_entry **buckets;
	size_t count;
	size_t bucket_count;
};

void map_init(struct map *m);
void map_fini(struct map *m); /* frees keys, not values */
void *map_get(const struct map *m, struct view key); /* NULL when absent */
void *map_set(struct map *m, struct view key, void *value); /* the value replaced, or NULL */
void *map_remove(struct map *m, struct view key); /* the value removed, or NULL */
void *map_u64_get(const struct map *m, uint64_t key);
void *map_u64_set(struct map *m, uint64_t key, void *value);
void *map_u64_remove(struct map *m, uint64_t key);
/* Walk: `for (struct map_entry *e = map_first(m); e; e = map_next(m, e))`; the map must not change
 * meanwhile, except that the current entry may be removed after its successor was taken. */
struct map_entry *map_first(const struct map *m);
struct map_entry *map_next(const struct map *m, const struct map_entry *e);
void *map_value(const struct map_entry *e);
struct view map_key(const struct map_entry *e);

/* 64 keyed bits over `v` (SipHash-2-4 with the process's seed). */
uint64_t map_hash(struct view v);
/* The same with a key of the caller's, for hashes that are kept. */
uint64_t map_hash_keyed(const uint64_t key[2], struct view v);

#endif
