/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SEQMAP_H
#define POMBO_IMAPD_SEQMAP_H

#include "base/mem.h"
#include "base/view.h"

/* The messages a session knows of: sequence numbers 1..count to UIDs (RFC 9051 §2.3.1), kept as runs of consecutive UIDs, so
 * that a mailbox without gaps costs eight bytes whatever its size. Numbers change only here, and only when the session
 * tells its client. */
struct seqmap_run {
	uint32_t uid, seq; /* of its first message; it ends where the next begins */
};

struct seqmap {
	struct seqmap_run *runs;
	uint32_t n, cap;
	uint32_t count; /* messages */
};

struct seqmap_span {
	uint32_t first, last; /* both in it */
};

void seqmap_fini(struct seqmap *m); /* {0} is an empty map; so it is afterwards */

/* Adds first..last at the end. False, and nothing done: not all above seqmap_last_uid(). */
must_check bool seqmap_append(struct seqmap *m, uint32_t first_uid, uint32_t last_uid);

/* 0: no such message. */
uint32_t seqmap_uid(const struct seqmap *m, uint32_t seq);
uint32_t seqmap_seq(const struct seqmap *m, uint32_t uid);
uint32_t seqmap_first_uid(const struct seqmap *m);
uint32_t seqmap_last_uid(const struct seqmap *m);

/* The messages whose UIDs lie in first..last are neighbours: their numbers. False: none. */
must_check bool seqmap_find(const struct seqmap *m, uint32_t first_uid, uint32_t last_uid,
			    struct seqmap_span *ret_seqs);

/* The runs of UIDs behind the numbers first..last, one by one: start with `*at` = first; false when over. */
must_check bool seqmap_next_uids(const struct seqmap *m, uint32_t *at, uint32_t last, struct seqmap_span *ret_uids);

/* Forgets the messages in `seqs`, which are ascending and apart; the numbers behind them move up. */
void seqmap_remove(struct seqmap *m, const struct seqmap_span *seqs, size_t n);

#endif
