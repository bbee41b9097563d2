/* SPDX-License-Identifier: ISC
 * Bounds of what other processes make us keep: counted, and told of once a day. */
#include "stored/bound.h"

#include "base/clock.h"

static int64_t today(void)
{
	return (int64_t)(clock_mono_ms() / 86400000); /* a clock that is never set */
}

void bound_reached(struct stored *sd, enum bound b, uint64_t n)
{
	static const char *const words[BOUND_COUNT] = {
	    [BOUND_STS] = "MTA-STS policies: those fetched longest ago go",
	    [BOUND_TLS_COUNTS] = "counts for TLS reports: what is new is not counted",
	    [BOUND_EVENTS] = "events of today: that mail was deferred or made due is not written down",
	    [BOUND_VARIANTS] = "7-bit variants of messages: some wait",
	};
	struct log_line l;

	sd->bounds.at[b].hits += n;
	if (sd->bounds.at[b].told_day > today())
		return;
	sd->bounds.at[b].told_day = today() + 1;
	log_begin(&l, LOG_LEVEL_WARNING, "bound-reached");
	log_cstr(&l, "of", words[b]);
	log_u64(&l, "times", sd->bounds.at[b].hits);
	log_end(&l);
}

bool bound_events_left(struct stored *sd)
{
	if (sd->bounds.events_day != today()) {
		sd->bounds.events_day = today();
		sd->bounds.events_bytes = 0;
	}
	if (sd->bounds.events_bytes < BOUND_EVENT_BYTES_A_DAY)
		return true;
	bound_reached(sd, BOUND_EVENTS, 1);
	return false;
}

void bound_events_used(struct stored *sd, uint64_t bytes)
{
	sd->bounds.events_bytes += bytes;
}
