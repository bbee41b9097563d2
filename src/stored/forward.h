/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_FORWARD_H
#define POMBO_STORED_FORWARD_H

#include "base/arena.h"
#include "mail/srs.h"
#include "store/store.h"

/* Mail that an alias of ours leads to another server: what it is sent under, and how a loop is known. A recipient that is forwarded carries the
 * address of ours that it came by (`via`) in the queue; the rest is made when it is sent, so that what comes back finds the day it was sent on. */

struct forward {
	bool srs; /* the setting */
	struct view srs_domain; /* the setting; empty: the domain of `via` */
};

/* The sender to send under: `sender` itself when it is null, ours, or cannot be rewritten; otherwise an SRS address. A sender of ours is one whose
 * domain is. `r`: of the calling thread. STORE_OK or STORE_TEMPORARY. */
must_check enum store_outcome forward_sender(struct store *s, struct store_reader *r, const struct forward *f,
					     struct view via, struct view sender, struct arena *a, struct view *ret);

/* "Delivered-To: VIA", to stand in front of a forwarded message: should it come back to `via`, it is not forwarded again. What is not ASCII of `via`
 * is written as utf-8-addr-xtext (RFC 6533 §3): the field must not ask for SMTPUTF8 where the message does not. */
struct view forward_mark(struct view via, struct arena *a);
/* Has a message with this header been forwarded through `via` before? */
must_check bool forward_has_mark(struct view header, struct view via, struct arena *a);

/* Where mail to an SRS address of ours goes. Any thread. */
must_check enum srs_verdict forward_reverse(struct store *s, struct view local, struct arena *a, struct view *ret);

#endif
