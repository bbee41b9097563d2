/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_NOTIFY_STATES_H
#define POMBO_IMAPD_NOTIFY_STATES_H

#include "imapd/session.h"

/* How all mailboxes of an account stand, and what two such pictures have for differences, as the responses that tell them
 * (RFC 5465 §5). */
struct notify_state {
	uint64_t mailbox; /* 0: does not exist (only subscribed) */
	struct view name;
	uint32_t attributes; /* of folders.h */
	uint32_t uidvalidity, uidnext, exists, unseen;
	uint64_t highestmodseq;
	bool touched; /* a name right below it came or went */
};

struct notify_states {
	struct notify_state *at; /* in the order of the names' bytes */
	uint32_t n, cap;
	struct arena names;
};

enum { NOTIFY_MAILBOXES_MAX = 8192 };

void notify_states_init(struct notify_states *st);
void notify_states_fini(struct notify_states *st);
/* False: too many. */
must_check bool notify_states_add(struct notify_states *st, const struct mailbox_state *m);
const struct notify_state *notify_states_find(const struct notify_states *st, struct view name);

/* Where a walk along both stands. */
struct notify_diff {
	uint32_t was, is;
};
struct notify;
/* Once before the walk. */
void notify_diff_begin(struct notify *n);
/* Writes what is to be told of the next name; false: there is none. */
bool notify_diff_next(struct session *s, struct notify *n);
/* The STATUS response of NOTIFY SET STATUS, when one is due for this mailbox (RFC 5465 §3.1). */
void notify_states_tell_status(struct session *s, const struct notify *n, const struct notify_state *is);

#endif
