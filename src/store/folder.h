/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_FOLDER_H
#define POMBO_STORE_FOLDER_H

#include "store/group.h"

/* The tree of mailbox names of an account: UTF-8 (NFC), "/" between levels, INBOX spelt so; mail/imap_mailbox.h makes and checks
 * them, this file refuses what is not UTF-8, empty, too long or has an empty level. */

enum folder_attribute {
	FOLDER_NOSELECT = 1 << 0, /* only a parent */
	FOLDER_DRAFTS = 1 << 1,
	FOLDER_SENT = 1 << 2,
	FOLDER_JUNK = 1 << 3,
	FOLDER_TRASH = 1 << 4,
	FOLDER_ARCHIVE = 1 << 5,
	FOLDER_FLAGGED = 1 << 6,
	FOLDER_ALL = 1 << 7,
	FOLDER_SPECIAL = 0xfe,
	FOLDER_SUBSCRIBED = 1 << 8,
	FOLDER_MISSING = 1 << 9, /* subscribed, but does not exist */
};

/* Outcomes: STORE_OK, STORE_EXISTS, STORE_NOT_ALLOWED, STORE_LIMIT, STORE_BAD_REQUEST (name). Missing parents are made too
 * (RFC 9051 §6.3.4). Special uses are moved here from the folders that had them. A \Noselect name becomes a mailbox. */
struct folder_create_job {
	struct store_job job;
	uint64_t account;
	struct view name;
	uint32_t special_use; /* of FOLDER_SPECIAL */
	bool by_operator; /* who restores: as many again may stand beside those that they will replace */
	uint64_t ret_mailbox;
	uint32_t ret_uidvalidity;
};
void folder_create_job_init(struct folder_create_job *j);

/* The messages go at once for every reader, their bytes after the undelete time. A name with children stays as \Noselect;
 * deleting such a name is STORE_IN_USE, deleting INBOX STORE_NOT_ALLOWED (RFC 9051 §6.3.5). */
struct folder_delete_job {
	struct store_job job;
	uint64_t account;
	struct view name;
	uint64_t ret_mailbox;
};
void folder_delete_job_init(struct folder_delete_job *j);

/* Children go along; ids, UIDs and UIDVALIDITY stay. Renaming INBOX moves its messages to a new mailbox and leaves INBOX
 * empty, its children where they are (RFC 9051 §6.3.6); that may take several groups. */
struct folder_rename_job {
	struct store_job job;
	uint64_t account;
	struct view from, to;
};
void folder_rename_job_init(struct folder_rename_job *j);

/* Any valid name may be subscribed to, also one that does not exist. */
struct folder_subscribe_job {
	struct store_job job;
	uint64_t account;
	struct view name;
	bool on;
};
void folder_subscribe_job_init(struct folder_subscribe_job *j);

struct folder_name {
	uint64_t mailbox; /* 0 with FOLDER_MISSING, and but for folder_states() with FOLDER_NOSELECT */
	struct view name;
	uint32_t attributes;
	uint32_t uidvalidity;
	/* folder_states() only */
	uint32_t uidnext, messages, unseen;
	uint64_t highestmodseq;
};
struct folder_names {
	const struct folder_name *names; /* in the order of bytes */
	size_t count;
	bool more;
};
/* Names after `after` ("" from the start), at most `max`. Reader. */
must_check enum store_outcome folder_list(struct store_reader *r, uint64_t account, struct view after, size_t max,
					  struct arena *a, struct folder_names *ret);
/* The same, and how things stand in each mailbox. */
must_check enum store_outcome folder_states(struct store_reader *r, uint64_t account, struct view after, size_t max,
					    struct arena *a, struct folder_names *ret);

#endif
