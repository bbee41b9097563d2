/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_BOUND_H
#define POMBO_STORED_BOUND_H

#include "stored/stored.h"

/* What another process may make stored keep has a bound (doc/limits.md). That one was reached is said once a day.
 * enum bound is in stored.h. */
/* `n` more were not kept, or made others go. */
void bound_reached(struct stored *sd, enum bound b, uint64_t n);
/* May events be written that are no recipient's end? Otherwise it was reached. */
enum { BOUND_EVENT_BYTES_A_DAY = 256 * 1024 * 1024 };
bool bound_events_left(struct stored *sd);
void bound_events_used(struct stored *sd, uint64_t bytes);

#endif
