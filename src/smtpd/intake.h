/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_INTAKE_H
#define POMBO_SMTPD_INTAKE_H

#include "mail/dsn_status.h"
#include "smtpd/smtpd.h"

/* A message's bytes on their way from the client to stored (ipc/msgs/smtp.def). Up to INTAKE_CHUNK are held until the
 * message is whole and then go out at once; a longer one, or any one while `max-bytes-in-flight` is passed, is streamed,
 * within the credit that stored gives. A message that cannot be kept is read to its end and dropped. */
enum {
	INTAKE_CHUNK = 65536,
	INTAKE_CREDIT = 262144,
	INTAKE_VERDICT_MS = 5 * 60 * 1000, /* RFC 5321 §4.5.3.2.6: clients wait 10 minutes */
};

struct intake {
	struct buf held;
	uint64_t size_bytes;
	uint64_t dropped_bytes;
	uint64_t credit_bytes;
	uint32_t call_id; /* of the message at stored; 0: stored does not know of it (any more) */
	bool open; /* init was called, fini was not */
	bool begun;
	bool ended; /* stored has all of it */
	struct view
	    message_id; /* where it is refused and its header was at hand; the transaction's, or of the answer at hand */
	struct verdict fault; /* why it will not be kept; code 0: nothing yet */
};

/* Of s->tx->intake. */
void intake_init(struct session *s);
/* Forgets the message, at stored too unless it had all of it. */
void intake_fini(struct session *s);
/* How many bytes intake_take() takes now; 0: none before stored has room (the session is stalled then). */
size_t intake_room(struct session *s);
void intake_take(struct session *s, struct view bytes);
/* The first fault stays. The text is static, or in the transaction's arena. */
void intake_fail(struct session *s, const struct verdict *v);
/* A message is to be refused: takes its Message-ID out of `text`, where that is its beginning. */
void intake_note_header(struct session *s, struct view text);
/* Counts bytes of a message that is lost already; false when it is time to hang up. */
must_check bool intake_drop(struct session *s, size_t n);
/* The message is whole: hands on the rest. True: done, or failed (fault); stored's verdict comes to
 * data_verdict(). False: no room, the session is stalled. */
must_check bool intake_finish(struct session *s);

#endif
