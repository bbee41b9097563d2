/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_OUTBOUND_H
#define POMBO_STORED_OUTBOUND_H

#include "store/deliver.h"
#include "stored/stored.h"

/* The way to relayd (doc/queue.md). Loop thread only. */
must_check int outbound_add(struct stored *sd, int fd); /* relayd's channel */
/* Recipients were queued, or may be due. */
void outbound_wake(struct stored *sd);
void outbound_tick(struct stored *sd); /* once a second */

/* Lease at once: a message that came in memory and is queued for one domain, of which little enough is out, is leased in the commit that keeps it
 * and goes to relayd with the bytes at hand. It spares a second commit and reading it back. Everything else waits to be leased. */
struct outbound_offer {
	struct peer *peer; /* relayd as it was; NULL: it waits */
};
/* Before the writer gets the job, which is complete; sets its lease_until_s. */
void outbound_offer(struct stored *sd, struct deliver_job *j, struct outbound_offer *ret);
/* After it, whatever its outcome. Once for each offer. */
void outbound_kept(struct stored *sd, const struct deliver_job *j, struct outbound_offer *offer);

#endif
