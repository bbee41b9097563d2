/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_ARRIVAL_H
#define POMBO_STORED_ARRIVAL_H

#include "ipc/msgs/smtp_msgs.h"
#include "store/deliver.h"

/* The job's events: one for the arrival, one a recipient and where it leads. Before copy_prefixes(): each local's `prefix` is the address still. `login`: who
 * handed it in, or empty. False: `a` is full. */
must_check bool arrival_events(struct deliver_job *j, const struct smtp_begin *envelope, struct view login,
			       struct view message_id, struct arena *a);

#endif
