/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICY_JUDGEMENT_H
#define POMBO_POLICY_JUDGEMENT_H

#include "base/arena.h"
#include "base/mem.h"
#include "mail/dsn_status.h"

/* Whose message it is. */
enum judgement_purpose {
	JUDGEMENT_STRANGER, /* came from another server */
	JUDGEMENT_SUBMISSION, /* handed in by a user: must be complete, and is completed (RFC 6409 §8) */
	JUDGEMENT_INDEX, /* APPEND, import: is what it is; only size counts */
	JUDGEMENT_TRUSTED, /* from a trusted network, or made by ourselves */
};

enum {
	JUDGEMENT_ADDRESSES_MAX = 100,
	JUDGEMENT_TEXT_MAX = 998, /* of subject and message_id: a line (RFC 5322 §2.1.1) */
	JUDGEMENT_ADDRESS_MAX = 320,
	JUDGEMENT_ARENA_BYTES = 8 * 1024 * 1024, /* enough for any header of a legal size */
};

struct judgement_input {
	enum judgement_purpose purpose;
	uint64_t message_id;
	struct view sender; /* of the envelope; empty: the null sender */
	struct view hostname;
	int64_t wall_s;
	uint32_t max_hops;
	uint32_t max_header_bytes;
	/* The message's first bytes: all of it, or more than max_header_bytes. */
	struct view head;
};

/* Views point into the head, or into the arena. */
struct judgement {
	struct verdict refusal; /* code 0: it is taken, and what follows is set */
	size_t header_bytes; /* of the header block, its empty line included */
	struct view
	    header_add; /* complete lines to stand before the header block, or the empty line of one that there is not */
	struct view separator; /* to stand before a header block that would continue what we write before it */
	struct view message_id; /* with its brackets; empty when there is none */
	struct view subject; /* decoded */
	const struct view *from; /* every well-formed address of From and Sender */
	size_t from_count;
	int64_t date_s;
};

void judgement_make(const struct judgement_input *in, struct arena *a, struct judgement *ret);

#endif
