/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_BUCKET_H
#define POMBO_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* A bucket of tokens that limits a rate: `burst` at once, then one each `interval_ms`. Zeroed it is full. */
struct bucket {
	uint64_t full_at_ms; /* when it will be full again */
};

/* True: a token was there, and is taken. */
static inline bool bucket_take(struct bucket *b, uint64_t now_ms, uint64_t interval_ms, uint64_t burst)
{
	uint64_t full_at_ms = (b->full_at_ms > now_ms ? b->full_at_ms : now_ms) + interval_ms;

	if (full_at_ms - now_ms > burst * interval_ms)
		return false;
	b->full_at_ms = full_at_ms;
	return true;
}

#endif
