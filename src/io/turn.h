/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_TURN_H
#define POMBO_IO_TURN_H

#include "base/buf.h"
#include "io/wheel.h"

#include <event2/event.h>
#include <event2/event_struct.h>

/* What the streams of one loop share: work that waits for the end of the turn, one timer, and memory that is
 * only used while a callback runs, so that a stream that idles needs none of its own. For src/io only. */
enum { TURN_SCRATCH_BYTES = 64 * 1024, TURN_WIRE_MAX = 1024 * 1024 };

struct turn_job {
	struct turn_job *next;
	void (*run)(struct turn_job *j);
	bool queued;
};

struct turn_deadline {
	struct wheel_entry entry; /* first: the wheel hands this back */
	void (*run)(struct turn_deadline *d, uint64_t now_ms);
};

struct turn {
	struct event_base *base;
	struct turn *next;
	unsigned refs;
	struct event end;
	struct event timer;
	struct event again; /* fires when the loop has looked at all connections */
	uint64_t timer_at_ms; /* 0: not armed */
	struct wheel wheel;
	struct turn_job *jobs;
	struct turn_job **jobs_tail;
	struct turn_job *later; /* those of `again` */
	struct turn_job **later_tail;
	char *input; /* TURN_SCRATCH_BYTES: what one read brought */
	char *plain; /* TURN_SCRATCH_BYTES: the same, decrypted */
	char *inflated; /* TURN_SCRATCH_BYTES: the same, unpacked; made when first needed */
	struct buf wire; /* what is encrypted and not written yet; empty between callbacks */
};

/* The one of this loop; made when there is none. */
struct turn *turn_ref(struct event_base *base);
void turn_unref(struct turn **t);
/* Runs the job after the events of this turn, before the loop waits again. Queued already: nothing happens. */
void turn_queue(struct turn *t, struct turn_job *j);
/* Runs the job when the loop has looked at all connections: who has more to do than is fair in one turn goes on there. */
void turn_queue_later(struct turn *t, struct turn_job *j);
void turn_set_deadline(struct turn *t, struct turn_deadline *d, uint64_t due_ms, uint64_t now_ms);
void turn_clear_deadline(struct turn *t, struct turn_deadline *d);

#endif
