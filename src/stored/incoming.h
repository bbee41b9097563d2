/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_INCOMING_H
#define POMBO_STORED_INCOMING_H

#include "ipc/msgs/judge_msgs.h"
#include "store/deliver.h"
#include "stored/stored.h"

/* The bytes of one message on their way in: gathered in memory up to 64 KiB, beyond that in a spool file that the spool
 * threads write and sync; then judged by policyd. What becomes of the judged message is its owner's business.
 *
 *     RECEIVING ──incoming_end()──▶ SYNCING (large ones) ──▶ JUDGING ──▶ done(…) ──▶ owner … incoming_free()
 *         └── over the limit, disk full: done(…) at once; later bytes are dropped
 *
 * The owner may free at any time; work that runs on a spool thread is waited for here. Loop thread only. */
struct incoming;

enum incoming_end {
	INCOMING_JUDGED, /* answer: judged */
	INCOMING_REFUSED, /* answer: refused */
	INCOMING_TEMPORARY, /* no policyd, spool trouble */
	INCOMING_NO_SPACE,
	INCOMING_TOO_BIG,
};

struct incoming_handlers {
	/* Once. `answer` is policyd's, for the first two ends; valid during the call. */
	void (*done)(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer);
	/* The sender may send so many bytes more. */
	void (*more)(void *ctx, struct incoming *in, uint32_t bytes);
};

enum {
	INCOMING_FREE_CREDIT = 262144, /* bytes a sender may send before the first `more` */
	INCOMING_MEMORY_FACTOR =
	    4, /* times max-bytes-in-flight: what all messages may hold in memory; others are temporary failures then */
};

struct incoming *incoming_new(struct stored *sd, uint64_t message_id, uint64_t max_bytes,
			      const struct incoming_handlers *handlers, void *ctx);
void incoming_data(struct incoming *in, struct view bytes);
/* No more bytes. `question`: everything but message_id and message; copied. */
void incoming_finish(struct incoming *in, const struct judge_judge *question);
/* The message as the store wants it, from the judge's answer; views point into `in`, header_add and index into `a`.
 * False: the answer does not fit the message (policyd is odd), or `a` is full. */
must_check bool incoming_message(struct incoming *in, const struct judge_judged *judged, struct arena *a,
				 struct new_message *ret);
/* `kept`: a durable commit names the message; otherwise its file goes. NULL-safe, sets NULL. */
void incoming_free(struct incoming **in, bool kept);
uint64_t incoming_bytes(const struct incoming *in);
/* What has come and is kept in memory: all of a small message, or more than the header of a large one may take. */
struct view incoming_head(const struct incoming *in);

#endif
