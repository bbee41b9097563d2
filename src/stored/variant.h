/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_VARIANT_H
#define POMBO_STORED_VARIANT_H

#include "stored/stored.h"

/* The 7-bit variant of a leased message (mail/sevenbit.h), for a server without 8BITMIME. Nothing of it is kept: it is made anew when the message
 * goes to such a server again.
 *
 *     token ─▶ message (reader) ─▶ variant, into a spool file ─▶ ours: policyd ─▶ signed anew ─▶ relayd
 *                  └─ signed by others, or in itself: never ◀──────┘
 *
 * All that relayd has at a time have a bound; more wait. A variant's bytes are gone when its lease ends, also where relayd keeps the descriptor.
 *
 * Our signatures are left out and made anew where the message was handed in by one of ours, or made here; any other signature of the whole
 * message (DKIM, ARC) would break, so such a message has no variant. */
void variant_make(struct stored *sd, struct peer *peer, uint32_t id, uint64_t token);
void variant_over(struct stored *sd, uint64_t token); /* its lease; harmless where it has none */
void variants_over(struct stored *sd); /* relayd went */

#endif
