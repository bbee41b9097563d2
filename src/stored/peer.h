/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_PEER_H
#define POMBO_STORED_PEER_H

#include "ipc/channel.h"

#include <sys/queue.h>

struct op;
STAILQ_HEAD(op_list, op);

/* A process that asks us things, and where an answer goes. Work that outlives its asker holds a reply; when the
 * channel went meanwhile, the answer goes nowhere. Loop thread only. */
struct peer {
	struct channel *channel; /* NULL once it went */
	unsigned refs;
	unsigned requests; /* op.c: under way; too many stop reading from the channel (invariant 5) */
	bool is_cli; /* the operator: max-message-size is for others */
	bool is_submission; /* holds grants without sessions */
	/* op.c: its reads are begun, and answered, as fast as it takes the answers. Who sets it calls op_go_on(). */
	bool is_paced, going_on;
	unsigned reads; /* begun and not finished */
	struct op_list reads_waiting, answers_waiting;
};

struct reply {
	struct peer *peer;
	uint32_t id;
};

struct peer *peer_new(void); /* one reference: the channel's */
void peer_unref(struct peer **p);

/* Takes a reference; reply_end() gives it back. */
struct reply reply_to(struct peer *p, uint32_t id);
/* The channel to answer on, or NULL: nobody listens any more. */
struct channel *reply_channel(const struct reply *r);
void reply_end(struct reply *r);

#endif
