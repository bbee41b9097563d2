/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_LANES_H
#define POMBO_STORED_LANES_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/queue.h"

/* What relayd has in hand, by domain. A domain whose window is full is parked, and looked at again when half of that is out. The window is
 * LANE_FULL jobs, and no more than a quarter of the room that is left (relayd's credit, which is for memory): a few slow domains with large messages
 * would have all of it otherwise, and nobody else's mail would move. So there is always some left for one more. Of a domain that has not answered yet
 * LANE_UNKNOWN jobs are out at most. */
enum { LANE_FULL = 200, LANE_UNKNOWN = 2, LANE_SHARE = 4, LANE_CHANGES_MAX = 64 };

struct lane;
struct lanes {
	struct map by_domain;
	struct map tokens; /* token -> lane, of jobs that are out */
	struct lane *changes; /* to be parked or unparked */
	unsigned room; /* jobs that relayd would still take, whoever's; kept up to date by the caller */
};

/* The window of a domain that answers, as long as there is that much room. */
unsigned lanes_window(const struct lanes *ls);
void lanes_init(struct lanes *ls);
void lanes_clear(struct lanes *ls); /* relayd went, and all its leases with it */
void lanes_leased(struct lanes *ls, const struct queue_lease *leases, size_t n);
/* Room for a job that is about to be leased; false: the domain's window is full. */
must_check bool lanes_reserve(struct lanes *ls, struct view domain);
/* It was, under this token; or, 0, it was not. Not after lanes_clear(). */
void lanes_reserved(struct lanes *ls, struct view domain, uint64_t token);
void lanes_token_is_over(struct lanes *ls, uint64_t token);
/* Who was parked for want of room goes on where there is enough by now. Once a second: looks at each lane, of which there are no more than jobs out. */
void lanes_look_again(struct lanes *ls);
/* Its domain answered, or did not. */
void lanes_reached(struct lanes *ls, uint64_t token, bool reached);

/* Domains to be parked or unparked by one job of the writer, who may still be at it when the lanes are cleared: the names are copies. */
struct lane_changes {
	struct lane *lanes[LANE_CHANGES_MAX];
	size_t count;
	struct view park[LANE_CHANGES_MAX], unpark[LANE_CHANGES_MAX];
	size_t park_count, unpark_count;
	struct arena arena;
};
static inline bool lanes_change(const struct lanes *ls)
{
	return ls->changes != NULL;
}
void lanes_take_changes(struct lanes *ls, struct lane_changes *ret);
/* The job is over; not after lanes_clear(). */
void lanes_changed(struct lanes *ls, const struct lane_changes *c, bool done);
void lane_changes_fini(struct lane_changes *c);

#endif
