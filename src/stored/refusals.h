/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_REFUSALS_H
#define POMBO_STORED_REFUSALS_H

#include "base/bucket.h"
#include "ipc/msgs/smtp_msgs.h"
#include "stored/stored.h"

/* What front ends refused, gathered and written behind everything else, for `pombo trace` (doc/smtp.md). Best effort and bounded: nothing waits for it,
 * and what comes faster than `gate` (of one front end) lets it is only counted. */
void refusals_take(struct stored *sd, struct bucket *gate, const struct smtp_refusals *m);
/* Hands what was gathered to the writer, as the last thing before it ends. */
void refusals_write_all(struct stored *sd);

#endif
