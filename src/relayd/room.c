/* SPDX-License-Identifier: ISC
 * Who gets a connection when there are as many as there may be. */
#include "relayd/room.h"

#include "base/clock.h"
#include "relayd/destination.h"

#include <event2/event.h>

enum { GIVE_WAY_MS = 5000 };

static uint64_t max_of(const struct relayd *r)
{
	return relayd_conf(r)->max_outbound_connections;
}

bool room_is_left(const struct relayd *r)
{
	return r->room.connections < max_of(r);
}

bool room_is_getting_scarce(const struct relayd *r)
{
	return (uint64_t)r->room.connections * 4 >= max_of(r);
}

static void look_again_at(struct relayd *r, uint64_t at_ms, uint64_t now_ms)
{
	uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
	struct timeval tv = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};

	(void)event_add(r->room.timer, &tv);
}

/* One for each who stands in line, the oldest first. */
static void make_room(struct relayd *r)
{
	uint64_t now_ms = clock_mono_ms();
	struct room_place *p;
	struct session *s;
	size_t wanted = 0;

	TAILQ_FOREACH (p, &r->room.line, link)
		wanted++;
	while (wanted-- > 0 && (s = TAILQ_FIRST(&r->room.opening))) {
		if (s->born_ms + GIVE_WAY_MS > now_ms) {
			look_again_at(r, s->born_ms + GIVE_WAY_MS, now_ms);
			return;
		}
		room_session_settled(r, s);
		session_give_way(s);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	make_room(ctx);
}

void room_init(struct relayd *r)
{
	TAILQ_INIT(&r->room.line);
	TAILQ_INIT(&r->room.opening);
	r->room.timer = event_new(r->base, -1, 0, on_timer, r);
}

void room_stand_in_line(struct relayd *r, struct room_place *p)
{
	if (p->waiting)
		return;
	p->waiting = true;
	TAILQ_INSERT_TAIL(&r->room.line, p, link);
	if (!event_pending(r->room.timer, EV_TIMEOUT, NULL))
		look_again_at(r, 0, 0);
}

void room_leave_line(struct relayd *r, struct room_place *p)
{
	if (p->waiting)
		TAILQ_REMOVE(&r->room.line, p, link);
	p->waiting = false;
}

void room_session_opens(struct relayd *r, struct session *s)
{
	r->room.connections++;
	s->born_ms = clock_mono_ms();
	s->is_opening = true;
	TAILQ_INSERT_TAIL(&r->room.opening, s, opening_link);
}

void room_session_settled(struct relayd *r, struct session *s)
{
	if (s->is_opening)
		TAILQ_REMOVE(&r->room.opening, s, opening_link);
	s->is_opening = false;
}

void room_session_over(struct relayd *r)
{
	struct room_place *p;

	r->room.connections--;
	while (room_is_left(r) && (p = TAILQ_FIRST(&r->room.line))) {
		room_leave_line(r, p);
		destination_run(p->destination);
	}
}
