/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_CACHE_H
#define POMBO_AUTHD_CACHE_H

#include "base/map.h"
#include "base/mem.h"

/* Which passwords were right lately, so that a mail program that logs in every minute costs no argon2 each time. Holds no password: a keyed MAC over
 * account, generation and password, under a key that lives in this process's memory only. */
enum { CACHE_MAC_BYTES = 16, CACHE_KEY_BYTES = 32, CACHE_ENTRIES_MAX = 10000, CACHE_LIFE_MS = 5 * 60 * 1000 };

struct cache_entry;
struct cache {
	uint8_t key[CACHE_KEY_BYTES];
	struct map entries;
	struct cache_entry *newest;
	struct cache_entry *oldest;
};

void cache_init(struct cache *c);
void cache_fini(struct cache *c);
/* `account` names it, also where it is none. */
void cache_mac(const struct cache *c, struct view account, uint64_t generation, struct view password,
	       uint8_t ret[CACHE_MAC_BYTES]);
must_check bool cache_has(struct cache *c, const uint8_t mac[CACHE_MAC_BYTES], uint64_t now_ms);
void cache_add(struct cache *c, const uint8_t mac[CACHE_MAC_BYTES], uint64_t account, uint64_t now_ms);
/* The account changed: nothing that was right counts any more. */
void cache_drop_account(struct cache *c, uint64_t account);

#endif
