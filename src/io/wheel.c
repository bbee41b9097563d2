/* SPDX-License-Identifier: ISC
 * Deadlines of very many streams behind one timer. */
#include "io/wheel.h"

static void insert(struct wheel *w, struct wheel_entry *e)
{
	uint64_t tick = (e->due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	struct wheel_entry **slot;

	if (tick < w->tick)
		tick = w->tick;
	if (tick > w->tick + WHEEL_SLOTS - 1)
		tick = w->tick + WHEEL_SLOTS - 1;
	slot = &w->slots[tick % WHEEL_SLOTS];
	e->next = *slot;
	e->at = slot;
	if (e->next)
		e->next->at = &e->next;
	*slot = e;
	w->count++;
}

void wheel_clear(struct wheel *w, struct wheel_entry *e)
{
	if (!e->at)
		return;
	*e->at = e->next;
	if (e->next)
		e->next->at = e->at;
	e->at = NULL;
	e->next = NULL;
	w->count--;
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms, uint64_t now_ms)
{
	wheel_clear(w, e);
	if (w->count == 0)
		w->tick = now_ms / WHEEL_TICK_MS; /* nobody turned it while it was empty */
	e->due_ms = due_ms;
	insert(w, e);
}

struct wheel_entry *wheel_pop(struct wheel *w, uint64_t now_ms)
{
	while (w->count > 0 && w->tick <= now_ms / WHEEL_TICK_MS) {
		struct wheel_entry *e = w->slots[w->tick % WHEEL_SLOTS];

		if (!e) {
			w->tick++;
			continue;
		}
		wheel_clear(w, e);
		if (e->due_ms <= now_ms)
			return e;
		insert(w, e); /* in a later slot: this one's ticks are over, or lie a round ahead */
	}
	return NULL;
}

uint64_t wheel_next_ms(const struct wheel *w)
{
	for (uint64_t tick = w->tick; w->count > 0; tick++)
		if (w->slots[tick % WHEEL_SLOTS])
			return tick * WHEEL_TICK_MS;
	return UINT64_MAX;
}
