/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_WAKING_H
#define POMBO_STORED_WAKING_H

#include "base/view.h"

/* Queued mail that waits for a later time without need becomes due, and outbound looks at it (store/queue.h: queue_wake_job). */
struct stored;

/* `destination`: those whom it did not answer for; empty: all. `who` and `why` together are for `pombo trace`. Copied. */
void waking_begin(struct stored *sd, struct view destination, struct view who, const char *why);

#endif
