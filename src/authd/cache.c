/* SPDX-License-Identifier: ISC
 * Which passwords were right lately. */
#include "authd/cache.h"

#include "base/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct cache_entry {
	uint8_t mac[CACHE_MAC_BYTES];
	uint64_t account;
	uint64_t until_ms;
	struct cache_entry *newer;
	struct cache_entry *older;
};

void cache_init(struct cache *c)
{
	memset(c, 0, sizeof *c);
	random_bytes(c->key, sizeof c->key);
	map_init(&c->entries);
}

static void drop(struct cache *c, struct cache_entry *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
	(void)map_remove(&c->entries, view_from(e->mac, sizeof e->mac));
	free(e);
}

void cache_fini(struct cache *c)
{
	while (c->newest)
		drop(c, c->newest);
	map_fini(&c->entries);
	sodium_memzero(c->key, sizeof c->key);
}

void cache_mac(const struct cache *c, struct view account, uint64_t generation, struct view password,
	       uint8_t ret[CACHE_MAC_BYTES])
{
	crypto_generichash_state s;
	uint64_t account_bytes = account.n;

	(void)crypto_generichash_init(&s, c->key, sizeof c->key, CACHE_MAC_BYTES);
	(void)crypto_generichash_update(&s, (const unsigned char *)&account_bytes, sizeof account_bytes);
	(void)crypto_generichash_update(&s, (const unsigned char *)account.p, account.n);
	(void)crypto_generichash_update(&s, (const unsigned char *)&generation, sizeof generation);
	(void)crypto_generichash_update(&s, (const unsigned char *)password.p, password.n);
	(void)crypto_generichash_final(&s, ret, CACHE_MAC_BYTES);
	sodium_memzero(&s, sizeof s);
}

bool cache_has(struct cache *c, const uint8_t mac[CACHE_MAC_BYTES], uint64_t now_ms)
{
	struct cache_entry *e = map_get(&c->entries, view_from(mac, CACHE_MAC_BYTES));

	if (e && e->until_ms <= now_ms) {
		drop(c, e);
		e = NULL;
	}
	return e != NULL;
}

void cache_add(struct cache *c, const uint8_t mac[CACHE_MAC_BYTES], uint64_t account, uint64_t now_ms)
{
	struct cache_entry *e = map_get(&c->entries, view_from(mac, CACHE_MAC_BYTES));

	if (e)
		drop(c, e);
	else if (c->entries.count >= CACHE_ENTRIES_MAX)
		drop(c, c->oldest);
	e = xcalloc(1, sizeof *e);
	memcpy(e->mac, mac, sizeof e->mac);
	e->account = account;
	e->until_ms = now_ms + CACHE_LIFE_MS;
	e->older = c->newest;
	*(e->older ? &e->older->newer : &c->oldest) = e;
	c->newest = e;
	(void)map_set(&c->entries, view_from(e->mac, sizeof e->mac), e);
}

void cache_drop_account(struct cache *c, uint64_t account)
{
	for (struct cache_entry *e = c->newest, *older; e; e = older) {
		older = e->older;
		if (e->account == account)
			drop(c, e);
	}
}
