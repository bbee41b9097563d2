/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_MAILDROP_H
#define POMBO_POPD_MAILDROP_H

#include "base/mem.h"
#include "base/view.h"

/* The messages of a session as they were at login: message n is at[n - 1], whatever happens to the mailbox. */
struct maildrop_message {
	uint32_t uid;
	bool deleted; /* DELE */
	uint64_t size_bytes;
};

struct maildrop {
	uint64_t mailbox; /* stored's id */
	struct maildrop_message *at;
	uint32_t n, cap;
};

struct maildrop_span {
	uint32_t first, last; /* UIDs, both in it */
};

void maildrop_fini(struct maildrop *d);
/* False: the UID is not above all before. */
must_check bool maildrop_add(struct maildrop *d, uint32_t uid, uint64_t size_bytes);
/* NULL: no such message, or it is deleted. */
struct maildrop_message *maildrop_get(const struct maildrop *d, uint32_t number);
/* Those not deleted. */
uint32_t maildrop_count(const struct maildrop *d, uint64_t *ret_bytes);
/* The number of a UID; 0: none. */
uint32_t maildrop_number(const struct maildrop *d, uint32_t uid);
/* The next run of deleted messages from index `*at` on, as UIDs (those between are no messages); false: no more. */
must_check bool maildrop_next_deleted(const struct maildrop *d, uint32_t *at, struct maildrop_span *ret);
void maildrop_reset(struct maildrop *d);

#endif
