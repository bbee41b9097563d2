/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_SESSION_H
#define POMBO_RELAYD_SESSION_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* One SMTP (or LMTP) connection as client: through a destination's hosts until one will have our mail, then job after job. */
struct destination;
struct hosts;

struct session_private;
struct session {
	LIST_ENTRY(session) link; /* the destination's */
	TAILQ_ENTRY(session) opening_link; /* room.h */
	uint64_t born_ms;
	bool is_opening;
	struct session_private *p;
};

struct session *session_new(struct destination *d, struct hosts *hosts);
void session_start(struct session *s);
/* An idle one: there is work. */
void session_go(struct session *s);
/* It is connected and greeted. */
bool session_is_ready(const struct session *s);
/* Connected, it waits for the other side, who has not said or taken anything for a while; until then it is reckoned with. */
enum { SESSION_SILENT_MS = 15000 };
bool session_is_silent(const struct session *s, uint64_t now_ms);
/* Where it has not even been greeted, others try the domain's other hosts first. */
void session_pass_over(struct session *s, uint64_t now_ms);
/* It has not led to anything for long, and others want a connection: what it was dialled for is deferred. */
void session_give_way(struct session *s);
/* The lease of its job has ended: hangs up, unless everything is sent already. */
void session_break_off(struct session *s);

#endif
