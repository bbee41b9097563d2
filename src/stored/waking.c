/* SPDX-License-Identifier: ISC
 * Makes queued mail due when its destination answers again, or its way is another one. */
#include "stored/waking.h"

#include "base/clock.h"
#include "store/queue.h"
#include "stored/outbound.h"

#include <stddef.h>
#include <stdlib.h>

enum { DESTINATION_MAX = 2048, WHY_MAX = 512 };

struct waking {
	struct write write;
	struct queue_wake_job job;
	struct buf destination, why;
	struct stored *sd;
};

static void done(struct completion *c)
{
	struct waking *k = (struct waking *)((char *)c - offsetof(struct waking, write));
	struct stored *sd = k->sd;

	if (k->job.job.outcome != STORE_OK)
		log_event(LOG_LEVEL_ERROR, "not-made-due", store_outcome_name(k->job.job.outcome));
	store_job_fini(&k->job.job);
	buf_fini(&k->destination);
	buf_fini(&k->why);
	free(k);
	outbound_wake(sd);
}

void waking_begin(struct stored *sd, struct view destination, struct view who, const char *why)
{
	struct waking *k = xcalloc(1, sizeof *k);

	k->sd = sd;
	buf_init(&k->destination, DESTINATION_MAX);
	buf_append_view(&k->destination, destination);
	buf_init(&k->why, WHY_MAX);
	buf_printf(&k->why, "%.*s%s", VIEW_FMT(who), why);
	queue_wake_job_init(&k->job);
	k->job.wall_s = clock_wall_s();
	k->job.destination = buf_view(&k->destination);
	k->job.why = buf_cstr(&k->why);
	k->write.completion.done = done;
	k->write.job = &k->job.job;
	write_put(sd->writer, &k->write);
}
