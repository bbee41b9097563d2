/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_ROOM_H
#define POMBO_RELAYD_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* The connections there may be in all (max-outbound-connections), and what happens at that limit: destinations that have none stand in
 * line, and connections that have led to nothing for a while give way to them. So thousands of hosts that never answer cost the others
 * seconds, not the minutes that each may take. */
struct destination;
struct event;
struct relayd;
struct session;

/* A destination's place in line. */
struct room_place {
	TAILQ_ENTRY(room_place) link;
	struct destination *destination;
	bool waiting;
};

struct room {
	TAILQ_HEAD(, room_place) line;
	TAILQ_HEAD(, session) opening; /* oldest first */
	struct event *timer;
	unsigned connections; /* open or opening */
};

void room_init(struct relayd *r);
bool room_is_left(const struct relayd *r);
/* Nothing is known of who is dialled, and a quarter of all there may be is open: such ones get one connection each. */
bool room_is_getting_scarce(const struct relayd *r);
void room_stand_in_line(struct relayd *r, struct room_place *p);
void room_leave_line(struct relayd *r, struct room_place *p);

void room_session_opens(struct relayd *r, struct session *s);
/* It is ready, or will not be: it is not to give way any more. Harmless twice. */
void room_session_settled(struct relayd *r, struct session *s);
/* It is closed: the first in line gets its place. */
void room_session_over(struct relayd *r);

#endif
