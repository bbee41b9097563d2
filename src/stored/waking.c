/* SPDX-License-Identifier: ISC
 * Makes queued mail due when its destination answers again, or its way is another one. */
#include "stored/waking.h"

#include "base/clock.h"
#include "store/queue.h"
#include "stored/bound.h"
#include "stored/outbound.h"
#include "stored/outbound_private.h"

#include <stddef.h>
#include <stdlib.h>

enum { DESTINATION_MAX = 2048, WHY_MAX = 512, EVENT_BYTES = 150 };

struct waking {
	struct write write;
	struct queue_wake_job job;
	struct buf destination, why;
	struct stored *sd;
	bool all;
};

static void done(struct completion *c)
{
	struct waking *k = (struct waking *)((char *)c - offsetof(struct waking, write));
	struct stored *sd = k->sd;
	struct outbound *o = outbound_of(sd);
	bool again = k->all && o->wake_again;

	if (k->job.job.outcome != STORE_OK)
		log_event(LOG_LEVEL_ERROR, "not-made-due", store_outcome_name(k->job.job.outcome));
	if (!k->job.quiet)
		bound_events_used(sd, EVENT_BYTES * k->job.ret_count);
	if (again) {
		o->waking_all = o->wake_again = false;
		waking_begin(sd, VIEW_EMPTY, VIEW_EMPTY, buf_cstr(&k->why));
	} else if (k->all) {
		o->waking_all = false;
	}
	store_job_fini(&k->job.job);
	buf_fini(&k->destination);
	buf_fini(&k->why);
	free(k);
	outbound_wake(sd);
}

void waking_begin(struct stored *sd, struct view destination, struct view who, const char *why)
{
	struct outbound *o = outbound_of(sd);
	struct waking *k;

	if (destination.n == 0 && o->waking_all) {
		o->wake_again = true;
		return;
	}
	k = xcalloc(1, sizeof *k);
	k->all = destination.n == 0;
	o->waking_all |= k->all;
	k->sd = sd;
	buf_init(&k->destination, DESTINATION_MAX);
	buf_append_view(&k->destination, destination);
	buf_init(&k->why, WHY_MAX);
	buf_printf(&k->why, "%.*s%s", VIEW_FMT(who), why);
	queue_wake_job_init(&k->job);
	k->job.wall_s = clock_wall_s();
	k->job.quiet = !bound_events_left(sd);
	k->job.destination = buf_view(&k->destination);
	k->job.why = buf_cstr(&k->why);
	k->write.completion.done = done;
	k->write.job = &k->job.job;
	write_put(sd->writer, &k->write);
}
