/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_ASKER_H
#define POMBO_IPC_ASKER_H

#include "base/map.h"
#include "ipc/channel.h"

/* The other end of a channel whose requests are answered later, in any order (dnsd, fetchd): what it has open, until it goes. Roles embed
 * both structs as the first member of their own, on the heap. */
struct asker {
	struct channel *channel; /* NULL: it went */
	struct map requests; /* struct asked by id */
};

struct asked {
	struct asker *asker;
	uint32_t id;
	void (*free)(struct asked *q); /* stops its work, calls asked_remove(), frees it */
};

void asker_init(struct asker *a);
/* False: a request with this id is open already. */
must_check bool asker_add(struct asker *a, struct asked *q, uint32_t id, void (*free_fn)(struct asked *q));
void asked_remove(struct asked *q);
/* NULL: there is none. */
struct asked *asker_find(const struct asker *a, uint32_t id);

/* For the channel's handlers, whose ctx is the asker: at the end of on_msg; on_drain; on_close, which frees its requests and itself. */
void asker_hold_back(struct channel *c);
void asker_on_drain(void *ctx, struct channel *c);
void asker_on_close(void *ctx, struct channel *c);

/* A deadline as it was asked for, within bounds. */
uint32_t asker_deadline(uint32_t wanted_ms, uint32_t min_ms, uint32_t max_ms);

#endif
