/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_ARRIVAL_H
#define POMBO_STORED_ARRIVAL_H

#include "ipc/msgs/smtp_msgs.h"
#include "store/deliver.h"
#include "stored/handed_in.h"

/* How a message came. */
struct arrival {
	const struct smtp_begin *envelope;
	struct view login; /* who handed it in, or empty */
	struct view message_id;
	enum handed_in_by by;
	struct view signatures; /* signer.h; or empty: nothing was to be signed */
	const struct view *looped; /* aliases that it does not go through again, and nobody hears of it */
	size_t looped_count;
};
/* The job's events: one for the arrival, one a recipient and where it leads. Before copy_prefixes(): each local's `prefix` is the address still. False:
 * `a` is full. */
must_check bool arrival_events(struct deliver_job *j, const struct arrival *how, struct arena *a);
/* The same for a message that we made: `first`, of which one is TRACE_MADE, then one a recipient. */
must_check bool arrival_made(struct deliver_job *j, const struct trace_event *first, size_t count, struct arena *a);

#define ARRIVAL_LOOP_TEXT "this message loops: it was forwarded from this address before"

#endif
