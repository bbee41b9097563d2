/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_UNDELETE_H
#define POMBO_STORE_UNDELETE_H

#include "store/group.h"

/* Bringing back what was expunged or deleted, until it is pruned. */

/* When what of a mailbox was expunged: an entry an expunge, the oldest first. Reader. */
struct expunge_time {
	uint64_t modseq;
	int64_t wall_s;
};
must_check enum store_outcome undelete_times(struct store_reader *r, uint64_t account, uint64_t mailbox,
					     uint64_t after_modseq, size_t max, struct arena *a,
					     const struct expunge_time **ret, size_t *ret_count);

struct gone_mailbox {
	uint64_t mailbox;
	struct view name; /* that it had */
	int64_t gone_s;
	uint64_t messages, size_bytes;
};
/* The account's deleted mailboxes. Reader. */
must_check enum store_outcome undelete_mailboxes(struct store_reader *r, uint64_t account, uint64_t after, size_t max,
						 struct arena *a, const struct gone_mailbox **ret, size_t *ret_count);

/* Makes new copies, with new UIDs, of those of the UIDs that are expunged: the same flags without \Deleted, dates, POP3 id. What is not
 * expunged or already pruned is passed over. At most UNDELETE_MAX UIDs. Outcomes: STORE_NO_MAILBOX, STORE_LIMIT, STORE_NO_SPACE. */
enum { UNDELETE_MAX = 500 };
struct undelete_job {
	struct store_job job;
	uint64_t account, mailbox;
	const uint32_t *uids;
	size_t count;
	uint32_t ret_count;
};
void undelete_job_init(struct undelete_job *j);

/* A deleted mailbox is back, with all that was in it, under `name`. STORE_NO_MAILBOX: not there any more; STORE_EXISTS: the name is taken. */
struct undelete_mailbox_job {
	struct store_job job;
	uint64_t account, mailbox;
	struct view name;
};
void undelete_mailbox_job_init(struct undelete_mailbox_job *j);

#endif
