/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_THREAD_H
#define POMBO_MAIL_THREAD_H

#include "base/mem.h"
#include "base/view.h"

/* THREAD's algorithms (RFC 5256 §3) over numbers: message ids and base subjects come as 64-bit keyed hashes, which nobody outside
 * can make collide. No recursion; memory is about 40 bytes a message and 56 a message id that is named. */
enum thread_algorithm { THREAD_REFERENCES, THREAD_ORDEREDSUBJECT };

enum {
	THREAD_REFS_MAX = 255, /* of one message */
	THREAD_MESSAGES_MAX = 4000000,
	THREAD_IDS_MAX = 8000000, /* named in all: references past them are as if absent */
	/* Looking for loops walks towards the root; a walk past this many steps in all makes no link. Real mail needs a few steps a
	 * message; a mailbox made to be slow is threaded less. */
	THREAD_STEPS_MAX = 50000000,
};

/* A message, in the order of sequence numbers. */
struct thread_message {
	uint32_t number; /* what is put out: a UID */
	bool is_reply; /* base_subject() */
	int64_t sent_s;
	uint64_t id; /* hash; 0: it has none */
	uint64_t subject; /* hash of the folded base subject; 0: empty */
	const uint64_t *refs; /* hashes, the parent last; none is 0 */
	uint32_t ref_count;
};

/* What a thread response is made of: numbers, and these. */
#define THREAD_OPEN 0u
#define THREAD_CLOSE UINT32_MAX

/* The forest as tokens: "(2)(3 6 (4 23)(44 7 96))" is OPEN 2 CLOSE OPEN 3 6 OPEN 4 23 CLOSE OPEN 44 7 96 CLOSE CLOSE. Freed by the
 * caller. NULL: more than THREAD_MESSAGES_MAX. */
must_check uint32_t *thread_build(enum thread_algorithm algorithm, const struct thread_message *messages,
				  uint32_t count, size_t *ret_tokens);

#endif
