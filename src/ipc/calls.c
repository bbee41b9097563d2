/* SPDX-License-Identifier: ISC
 * Pending calls by id: open addressing, linear probing, no tombstones. */
#include "ipc/calls.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void calls_init(struct calls *t)
{
	*t = (struct calls){0};
}

void calls_fini(struct calls *t)
{
	free(t->table);
	calls_init(t);
}

/* Ids are given in order, so the lowest bits spread them best. */
static size_t home(const struct calls *t, uint32_t id)
{
	return id & (t->cap - 1);
}

static void put(struct calls *t, const struct call *call)
{
	size_t at = home(t, call->id), far = 0;

	for (; t->table[at].id; far++) {
		assert(t->table[at].id != call->id);
		at = (at + 1) & (t->cap - 1);
	}
	if (far > t->far)
		t->far = far;
	t->table[at] = *call;
	t->n++;
}

static void grow(struct calls *t)
{
	struct calls bigger = {.cap = t->cap ? t->cap * 2 : 16};

	bigger.table = xcalloc(bigger.cap, sizeof *bigger.table);
	for (size_t i = 0; i < t->cap; i++)
		if (t->table[i].id)
			put(&bigger, &t->table[i]);
	free(t->table);
	*t = bigger;
}

void calls_add(struct calls *t, const struct call *call)
{
	assert(call->id);
	if (t->n * 2 >= t->cap)
		grow(t);
	put(t, call);
}

struct call *calls_find(const struct calls *t, uint32_t id)
{
	if (!t->n || !id)
		return NULL;
	for (size_t at = home(t, id); t->table[at].id; at = (at + 1) & (t->cap - 1))
		if (t->table[at].id == id)
			return &t->table[at];
	return NULL;
}

/* Closes the gap at `hole`: every later call of the run that may stand there moves up. Calls that come in order all stand in their places, and the
 * run is as long as the table is full: only as far as any was ever put is it looked at. */
static void close_gap(struct calls *t, size_t hole)
{
	size_t mask = t->cap - 1;

	for (size_t at = (hole + 1) & mask; t->table[at].id && ((at - hole) & mask) <= t->far; at = (at + 1) & mask) {
		size_t from_home = (at - home(t, t->table[at].id)) & mask;

		if (from_home >= ((at - hole) & mask)) {
			t->table[hole] = t->table[at];
			hole = at;
		}
	}
	t->table[hole] = (struct call){0};
	if (--t->n == 0)
		t->far = 0;
}

bool calls_take(struct calls *t, uint32_t id, struct call *ret)
{
	struct call *c = calls_find(t, id);

	if (!c)
		return false;
	*ret = *c;
	close_gap(t, (size_t)(c - t->table));
	return true;
}

bool calls_take_expired(struct calls *t, uint64_t now_ms, size_t *cursor, struct call *ret)
{
	/* Taking moves later calls up to the place just emptied, so the cursor stays on it. */
	for (; t->n && *cursor < t->cap; ++*cursor) {
		struct call *c = &t->table[*cursor];

		if (c->id && c->deadline_ms <= now_ms) {
			*ret = *c;
			close_gap(t, *cursor);
			return true;
		}
	}
	return false;
}

uint64_t calls_next_deadline(const struct calls *t)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; t->n && i < t->cap; i++)
		if (t->table[i].id && t->table[i].deadline_ms < next)
			next = t->table[i].deadline_ms;
	return next;
}
