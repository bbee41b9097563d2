/* SPDX-License-Identifier: ISC
 * What an asker has open. */
#include "ipc/asker.h"

#include <stdlib.h>

void asker_init(struct asker *a)
{
	a->channel = NULL;
	map_init(&a->requests);
}

bool asker_add(struct asker *a, struct asked *q, uint32_t id, void (*free_fn)(struct asked *q))
{
	if (map_u64_get(&a->requests, id))
		return false;
	*q = (struct asked){a, id, free_fn};
	(void)map_u64_set(&a->requests, id, q);
	return true;
}

void asked_remove(struct asked *q)
{
	(void)map_u64_remove(&q->asker->requests, q->id);
}

struct asked *asker_find(const struct asker *a, uint32_t id)
{
	return map_u64_get(&a->requests, id);
}

void asker_hold_back(struct channel *c)
{
	if (channel_is_full(c))
		channel_pause(c);
}

void asker_on_drain(void *ctx, struct channel *c)
{
	(void)ctx;
	channel_resume(c);
}

void asker_on_close(void *ctx, struct channel *c)
{
	struct asker *a = ctx;
	struct map_entry *e;

	(void)c;
	a->channel = NULL;
	while ((e = map_first(&a->requests))) {
		struct asked *q = map_value(e);

		q->free(q);
	}
	map_fini(&a->requests);
	free(a);
}

uint32_t asker_deadline(uint32_t wanted_ms, uint32_t min_ms, uint32_t max_ms)
{
	if (wanted_ms < min_ms)
		return min_ms;
	return wanted_ms > max_ms ? max_ms : wanted_ms;
}
