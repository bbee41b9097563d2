/* SPDX-License-Identifier: ISC
 * Remembers a number by a hashed key, for a bounded number of keys.
 *
 * A key lives in one of WAYS slots that its hash names. The table doubles while it may; after that a new key takes the slot with the
 * smallest number. */
#include "authd/recall.h"

#include <assert.h>
#include <stdlib.h>

enum { WAYS = 8, SLOTS_AT_FIRST = 64 };

static size_t power_of_two(size_t n)
{
	size_t p = SLOTS_AT_FIRST;

	while (p < n)
		p *= 2;
	return p;
}

void recall_init(struct recall *r, size_t max_keys)
{
	*r = (struct recall){.n = SLOTS_AT_FIRST, .max = power_of_two(max_keys)};
	r->slots = xcalloc(r->n, sizeof *r->slots);
}

void recall_fini(struct recall *r)
{
	free(r->slots);
	r->slots = NULL;
}

static struct recall_slot *first_of(const struct recall *r, uint64_t key)
{
	return &r->slots[(key >> 7) % (r->n / WAYS) * WAYS];
}

static struct recall_slot *find(const struct recall *r, uint64_t key)
{
	struct recall_slot *s = first_of(r, key);

	for (size_t i = 0; i < WAYS; i++)
		if (s[i].key == key)
			return &s[i];
	return NULL;
}

uint64_t *recall_find(struct recall *r, uint64_t key)
{
	struct recall_slot *s = find(r, key);

	return s ? &s->value : NULL;
}

/* A free slot for the key, else the one with the smallest number. */
static struct recall_slot *least(const struct recall *r, uint64_t key)
{
	struct recall_slot *s = first_of(r, key), *best = s;

	for (size_t i = 0; i < WAYS; i++) {
		if (s[i].key == 0)
			return &s[i];
		if (s[i].value < best->value)
			best = &s[i];
	}
	return best;
}

static void place(struct recall *r, struct recall_slot slot)
{
	struct recall_slot *s = least(r, slot.key);

	r->used += s->key == 0;
	*s = slot;
}

/* Twice the slots. Keys that shared WAYS slots part into two groups of them: each finds room. */
static void grow(struct recall *r)
{
	struct recall next = {.n = r->n * 2, .max = r->max};

	next.slots = xcalloc(next.n, sizeof *next.slots);
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].key)
			place(&next, r->slots[i]);
	assert(next.used == r->used);
	free(r->slots);
	*r = next;
}

uint64_t *recall_set(struct recall *r, uint64_t key)
{
	struct recall_slot *s = find(r, key);

	assert(key != 0);
	if (s)
		return &s->value;
	while (least(r, key)->key != 0 && r->n < r->max)
		grow(r);
	place(r, (struct recall_slot){.key = key});
	s = find(r, key);
	assert(s);
	return &s->value;
}

void recall_forget(struct recall *r, uint64_t key)
{
	struct recall_slot *s = find(r, key);

	if (s) {
		*s = (struct recall_slot){0, 0};
		r->used--;
	}
}
