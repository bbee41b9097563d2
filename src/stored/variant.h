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
 * Our signatures are left out and made anew where the message was handed in by one of ours, or made here; any other signature of the whole
 * message (DKIM, ARC) would break, so such a message has no variant. */
void variant_make(struct stored *sd, struct peer *peer, uint32_t id, uint64_t token);

#endif
