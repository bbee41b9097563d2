/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_QUEUE_PRIVATE_H
#define POMBO_STORE_QUEUE_PRIVATE_H

#include "store/queue.h"
#include "store/writer.h"

/* What the jobs of the queue share. 0 or negative errno. */

#define QUEUE_NEVER_S ((int64_t)1 << 60) /* next_s of who is not to be sent to: held, ended */
#define QUEUE_PARKED_S (((int64_t)1 << 60) + 1) /* due_s of a domain whose window is full */

/* A recipient of the domain is due at due_s. */
must_check int queue_domain_is_due(struct writer *w, struct view domain, int64_t due_s);
/* Neither closed nor parked: mail for it may go at once. When it is due as things are; QUEUE_NEVER_S when nobody waits. */
must_check int queue_domain_is_open(struct writer *w, struct view domain, int64_t now_s, bool *ret, int64_t *ret_due_s);
/* queue_domain.closed_s, where it is no time: */
#define QUEUE_REACHED_S ((int64_t)-1) /* it answered when it was last tried */
#define QUEUE_UNKNOWN_S ((int64_t)0) /* nothing is known of it */
#define QUEUE_AS_IT_WAS_S ((int64_t)-2) /* argument only */
#define QUEUE_NOT_CLOSED_S ((int64_t)-3) /* argument only: as it was, but no longer closed */
/* Finds anew when the domain is due; closed until closed_s, or one of the four. A parked one stays so. */
must_check int queue_domain_settle(struct writer *w, struct view domain, int64_t closed_s);
/* It answered, and nobody has to wait for it now who did not before: cheaper. The row stays until it is due, also when nobody waits any more: whoever comes
 * next finds it as it is. */
must_check int queue_domain_answered(struct writer *w, struct view domain);
/* Finds anew when the domain is due, as settle does, and it is parked no longer. */
must_check int queue_domain_unpark(struct writer *w, struct view domain, int64_t closed_s);

/* Of a message that is in the queue; views into `a`. */
must_check int queue_envelope_get(struct sql *sql, uint64_t message, struct arena *a, struct queue_envelope *ret);
/* One row of queue_recipient; views into `a`. */
struct queue_row {
	uint64_t id, message, lease;
	struct view recipient, domain;
	uint8_t notify, notice;
	uint32_t attempts;
	bool held;
	int64_t next_s;
};
/* 1 found, 0 not there, negative errno. */
must_check int queue_row_get(struct writer *w, uint64_t id, struct arena *a, struct queue_row *ret);
/* Its lease is over: it waits again, or, where it was held meanwhile, is held. */
must_check int queue_row_free(struct writer *w, uint64_t id, int64_t now_s);
/* The recipient is gone; with the last one its message. Its domain is settled by the caller. */
must_check int queue_row_drop(struct writer *w, uint64_t id, uint64_t message);
/* Notices were given: rows that ended go, those that were delayed wait on; what became something else meanwhile stays as it is. */
must_check int queue_notices_settle(struct writer *w, uint64_t message, const struct queue_noticed *told, size_t n);
/* What the other side said, as it said it; what we say ourselves has no code or no `mta`. {NULL, 0} when the arena is full. */
struct view queue_words(struct arena *a, uint64_t code, struct view status, struct view text, struct view mta);
/* The summary was made: the message leaves the queue. 1 done, 0 none was due. */
must_check int queue_summary_settle(struct writer *w, uint64_t message);
/* queue_message.confirm */
enum queue_summary { QUEUE_NO_SUMMARY, QUEUE_SUMMARY_LATER, QUEUE_SUMMARY_DUE };
/* Does NOTIFY (0: not said) ask for a notice of this kind (RFC 3461 §4.1)? */
bool queue_wants_notice(uint8_t notify, uint8_t notice);

#endif
