/* SPDX-License-Identifier: ISC
 * A seeded hash map from bytes to pointers. */
#include "base/map.h"

#include "base/mem.h"
#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct map_entry {
	struct map_entry *next;
	void *value;
	uint64_t hash;
	size_t n;
	char key[];
};

static uint64_t seed[2];
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	random_bytes(seed, sizeof seed);
}

#define ROTL(x, b) (uint64_t)((x) << (b) | (x) >> (64 - (b)))

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

uint64_t map_hash(struct view in)
{
	(void)pthread_once(&seeded, make_seed);
	return map_hash_keyed(seed, in);
}

uint64_t map_hash_keyed(const uint64_t key[2], struct view in)
{
	uint64_t v[4], word;
	size_t i = 0;

	v[0] = key[0] ^ 0x736f6d6570736575ULL;
	v[1] = key[1] ^ 0x646f72616e646f6dULL;
	v[2] = key[0] ^ 0x6c7967656e657261ULL;
	v[3] = key[1] ^ 0x7465646279746573ULL;
	for (; i + 8 <= in.n; i += 8) {
		memcpy(&word, in.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)in.n << 56;
	for (size_t k = 0; i + k < in.n; k++)
		word |= (uint64_t)(unsigned char)in.p[i + k] << (8 * k);
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int k = 0; k < 4; k++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
	*m = (struct map){NULL, 0, 0};
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		while (m->buckets[i]) {
			struct map_entry *next = m->buckets[i]->next;

			free(m->buckets[i]);
			m->buckets[i] = next;
		}
	}
	free(m->buckets);
	map_init(m);
}

/* The link that points to the entry, or to where it would go. */
static struct map_entry **find_link(const struct map *m, struct view key, uint64_t hash)
{
	struct map_entry **link = &m->buckets[hash & (m->bucket_count - 1)];

	while (*link && !((*link)->hash == hash && view_eq(view_from((*link)->key, (*link)->n), key)))
		link = &(*link)->next;
	return link;
}

static void rehash(struct map *m, size_t bucket_count)
{
	struct map_entry **buckets = xcalloc(bucket_count, sizeof *buckets);

	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_entry *e = m->buckets[i];

		while (e) {
			struct map_entry *next = e->next;
			struct map_entry **head = &buckets[e->hash & (bucket_count - 1)];

			e->next = *head;
			*head = e;
			e = next;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = bucket_count;
}

void *map_get(const struct map *m, struct view key)
{
	struct map_entry *e = m->bucket_count ? *find_link(m, key, map_hash(key)) : NULL;

	return e ? e->value : NULL;
}

void *map_set(struct map *m, struct view key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_entry **link, *e;
	void *old;

	if (m->count >= m->bucket_count)
		rehash(m, m->bucket_count ? m->bucket_count * 2 : 16);
	link = find_link(m, key, hash);
	e = *link;
	if (!e) {
		e = xmalloc(sizeof *e + key.n);
		*e = (struct map_entry){NULL, NULL, hash, key.n};
		if (key.n)
			memcpy(e->key, key.p, key.n);
		*link = e;
		m->count++;
	}
	old = e->value;
	e->value = value;
	return old;
}

void *map_remove(struct map *m, struct view key)
{
	struct map_entry **link = m->bucket_count ? find_link(m, key, map_hash(key)) : NULL;
	struct map_entry *e = link ? *link : NULL;
	void *value;

	if (!e)
		return NULL;
	*link = e->next;
	value = e->value;
	free(e);
	m->count--;
	return value;
}

void *map_u64_get(const struct map *m, uint64_t key)
{
	return map_get(m, view_from(&key, sizeof key));
}

void *map_u64_set(struct map *m, uint64_t key, void *value)
{
	return map_set(m, view_from(&key, sizeof key), value);
}

void *map_u64_remove(struct map *m, uint64_t key)
{
	return map_remove(m, view_from(&key, sizeof key));
}

static struct map_entry *first_from(const struct map *m, size_t bucket)
{
	for (; bucket < m->bucket_count; bucket++)
		if (m->buckets[bucket])
			return m->buckets[bucket];
	return NULL;
}

struct map_entry *map_first(const struct map *m)
{
	return first_from(m, 0);
}

struct map_entry *map_next(const struct map *m, const struct map_entry *e)
{
	return e->next ? e->next : first_from(m, (e->hash & (m->bucket_count - 1)) + 1);
}

void *map_value(const struct map_entry *e)
{
	return e->value;
}

struct view map_key(const struct map_entry *e)
{
	return view_from(e->key, e->n);
}
