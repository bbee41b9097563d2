/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_IMAPD_H
#define POMBO_IMAPD_IMAPD_H

#include "front/front.h"

/* The process: what all sessions share besides what every front end has (front/front.h). The role (main.c) and the tests put it
 * together. */

/* What of pombo.conf the process obeys besides; a reload changes it under the sessions. */
struct imapd_settings {
	uint64_t max_message_bytes;
	uint64_t max_bytes_in_flight;
	bool unauthenticate; /* is offered */
	uint64_t progress_ms; /* a command that takes longer says now and then that it is under way */
};

struct imapd {
	struct front front; /* first */
	struct imapd_settings settings;
	uint64_t bytes_in_flight; /* of messages being appended, not yet credited by stored */
	struct event *progress; /* armed while some command waits for stored */
	struct event *turns; /* imapd_give_turns() */
};

/* `index` of several processes of the kind. */
void imapd_init(struct imapd *d, struct event_base *base, unsigned index, const struct conf *conf);
/* Closes every session at once, without a word. */
void imapd_fini(struct imapd *d);
void imapd_configure(struct imapd *d, const struct conf *conf);
/* What a stream of this protocol is allowed. */
extern const struct stream_limits imapd_stream_limits;

/* For session.c: bytes that go to stored without having been asked for yet; false: too many in all sessions. */
must_check bool imapd_take_room(struct imapd *d, uint64_t bytes);
void imapd_give_room(struct imapd *d, uint64_t bytes);
/* For command.c: some command waits; should it take long, its client hears of it (RFC 9585). */
void imapd_watch_progress(struct imapd *d);
/* Commands that wait for their turn (AWAIT_TURN) go on after the loop has looked at all connections. */
void imapd_give_turns(struct imapd *d);
/* For session.c: as front_protocol says. */
void imapd_on_store_msg(struct front *f, const struct mailbox_msg *m);
void imapd_on_store_room(struct front *f);

#endif
