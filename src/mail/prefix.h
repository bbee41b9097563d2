/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_PREFIX_H
#define POMBO_MAIL_PREFIX_H

#include "mail/received.h"

/* What stands before a stored message's header block, one for each recipient: Return-Path, Delivered-To, Received.
 *
 * A message is prefix + guard + header block + content, and what the peer sent must never be read as part of our last
 * field, nor our fields as part of a body:
 * - a header block whose first line starts with a blank would continue our field: the guard is an empty field of its
 *   own, which that line then continues;
 * - where there is nothing at all, the guard is the empty line that ends the header. */
struct prefix {
	struct view sender; /* as written in a command, without brackets; empty: the null path */
	struct view delivered_to; /* the same; empty: left out, as for a message that goes on to another server */
	const struct received *received;
};

/* Return-Path only where there is a delivered_to (RFC 5321 §4.4: final delivery only). */
void prefix_format(struct buf *out, const struct prefix *p);

/* The guard for a message that starts with `head`: its header block, or more. Static; empty as a rule. It stands right
 * before the header block, behind anything else of ours. */
struct view prefix_guard(struct view head);

#endif
