/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_OUTBOUND_PRIVATE_H
#define POMBO_STORED_OUTBOUND_PRIVATE_H

#include "ipc/msgs/relay_msgs.h"
#include "store/queue.h"
#include "stored/lanes.h"
#include "stored/stored.h"

#include <stdatomic.h>
#include <sys/queue.h>

/* What the parts of outbound.c share. */
struct outbound {
	struct stored *sd;
	struct peer *peer; /* NULL: no relayd */
	bool resumed;
	bool dirty; /* something may be due */
	bool leasing;
	bool waking_all, wake_again; /* one such job at a time (waking.c), and one more after it */
	unsigned credit;
	int64_t next_s; /* when something will be due */
	struct lanes lanes;
	LIST_HEAD(, given_variant) variants; /* variant.c: relayd has them open */
	_Atomic uint64_t variant_bytes; /* of these, and of those under way */
};

struct outbound *outbound_of(struct stored *sd);
void outbound_set_credit(struct outbound *o, unsigned jobs);

/* One leased message with its bytes; b->content_fd is the channel's then (outbound_send.c). */
void outbound_send_job(struct channel *c, const struct queue_lease *l, struct view sender, uint32_t lease_ms,
		       struct queue_bytes *b, struct arena *a);

#endif
