/* SPDX-License-Identifier: ISC
 * Sees that the wall clock was set back, and mends what it left in the queue while it was ahead; after each start too, as that may have been
 * in an earlier life. */
#include "stored/stored.h"

#include "base/clock.h"
#include "store/queue.h"
#include "stored/outbound.h"

#include <stddef.h>
#include <stdlib.h>

enum { TELL_S = 60, CLOSED_MAX_S = 3600, MARGIN_S = 60 };

struct clock_watch {
	struct stored *sd;
	struct write write;
	struct queue_clock_job job;
	bool busy, due;
	int64_t ahead_s; /* of the monotonic clock, when it was most */
};

static int64_t ahead_s(void)
{
	return clock_wall_s() - (int64_t)(clock_mono_ms() / 1000);
}

static void mended(struct completion *c)
{
	struct clock_watch *k = (struct clock_watch *)((char *)c - offsetof(struct clock_watch, write));
	struct log_line l;

	if (k->job.job.outcome != STORE_OK) {
		log_event(LOG_LEVEL_ERROR, "queue-times-not-mended", store_outcome_name(k->job.job.outcome));
	} else if (k->job.ret_count) {
		log_begin(&l, LOG_LEVEL_WARNING, "queue-times-mended");
		log_u64(&l, "recipients", k->job.ret_count);
		log_end(&l);
	}
	store_job_fini(&k->job.job);
	k->busy = false;
	outbound_wake(k->sd);
}

/* Nothing in the queue waits for longer: attempts are that far apart (and a tenth), leases that long, destinations closed until then. */
static int64_t longest_s(const struct conf *conf)
{
	int64_t retry_s = (int64_t)(conf->retry_max / 1000), lease_s = (int64_t)(conf->lease_time / 1000);
	int64_t longest = retry_s + retry_s / 10;

	longest = lease_s > longest ? lease_s : longest;
	return (longest > CLOSED_MAX_S ? longest : CLOSED_MAX_S) + MARGIN_S;
}

static void mend(struct clock_watch *k)
{
	k->due = false;
	k->busy = true;
	queue_clock_job_init(&k->job);
	k->job.wall_s = clock_wall_s();
	k->job.longest_s = longest_s(role_conf(k->sd->role));
	k->write.completion.done = mended;
	k->write.job = &k->job.job;
	write_put(k->sd->writer, &k->write);
}

static void tell(enum log_level level, const char *event, int64_t seconds)
{
	struct log_line l;

	log_begin(&l, level, event);
	log_u64(&l, "seconds", (uint64_t)seconds);
	log_end(&l);
}

void clock_watch_tick(struct stored *sd)
{
	struct clock_watch *k = sd->clock_watch;
	int64_t now_s = ahead_s();

	if (!k) {
		sd->clock_watch = k = xcalloc(1, sizeof *k);
		k->sd = sd;
		k->due = true;
		k->ahead_s = now_s;
	}
	if (now_s < k->ahead_s - TELL_S) {
		tell(LOG_LEVEL_WARNING, "clock-set-back", k->ahead_s - now_s);
		k->ahead_s = now_s;
		k->due = true;
	} else if (now_s > k->ahead_s + TELL_S) { /* or the machine slept */
		tell(LOG_LEVEL_INFO, "clock-set-ahead", now_s - k->ahead_s);
	}
	if (now_s > k->ahead_s)
		k->ahead_s = now_s;
	if (k->due && !k->busy)
		mend(k);
}
