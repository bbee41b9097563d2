/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_DESTINATION_H
#define POMBO_RELAYD_DESTINATION_H

#include "relayd/policy.h"
#include "relayd/relayd.h"
#include "relayd/route.h"
#include "relayd/session.h"

/* Where mail goes: a domain's servers, or a route's host. Jobs wait here; sessions carry them. How many sessions there may be adapts: one
 * more for each message that went well, half as many after an error. One that cannot be reached is closed for a while. */

/* A whole job, into the list of its destination. */
void destination_take(struct relayd *r, struct job *j);
/* stored went: waiting jobs are dropped, transactions before the final dot broken off. */
void destinations_break_off(struct relayd *r);
/* Settings changed: hosts are looked up again, and what waits goes by the routes as they are now. What is under way ends as it began. `anew`:
 * ways are others, so failures until now say nothing. */
void destinations_reload(struct relayd *r, bool anew);

/* ---- for sessions ---- */

/* The next job that this session may carry, or NULL: then it idles. */
struct job *destination_next(struct destination *d);
bool destination_has_work(const struct destination *d);
/* A job back, in front: its connection broke before anything was decided. */
void destination_return(struct destination *d, struct job *j);
void destination_went_well(struct destination *d);
void destination_went_wrong(struct destination *d);
/* It greeted, and hung up on a message without having taken one (421, or with no word). For how many seconds it is closed for that, if it is: several in
 * a row, and destination_close() is to follow. */
must_check uint32_t destination_sent_away(struct destination *d);
/* Every job that waits is deferred. */
void destination_close(struct destination *d, const struct report_about *about, const struct fate *why);
/* No host of it could be reached, or none would have our mail: every job that waits is deferred (or failed). */
void destination_unreachable(struct destination *d, const struct report_about *about, const struct fate *why);
/* The session idles, or is over; it is freed by its caller. */
void destination_session_idle(struct destination *d, struct session *s);
/* An idle one is not any more, without taking a job. */
void destination_session_busy(struct destination *d, struct session *s);
void destination_session_over(struct destination *d, struct session *s);
/* A session that was dialling takes jobs now (`ready`), or has given up. Once a session. */
void destination_session_ready(struct destination *d, bool ready);
/* Looks what can be done for its waiting jobs: idle sessions, new ones. It may be gone afterwards. */
void destination_run(struct destination *d);
const struct route *destination_route(const struct destination *d);
struct view destination_name(const struct destination *d);
/* A name for what is reached or not, as stored keeps it: the same for whatever shares connections. */
struct view destination_id(const struct destination *d);
enum message_tls destination_tls(const struct destination *d);
struct relayd *destination_relayd(const struct destination *d);

#endif
