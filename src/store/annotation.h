/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_ANNOTATION_H
#define POMBO_STORE_ANNOTATION_H

#include "store/group.h"

/* Annotations (RFC 5464): values under names, of a mailbox (by name, \Noselect ones too) or, with name "", of the account. They
 * stay with the mailbox when it is renamed and go when it is gone for good. Entries are lower case, mail/imap_metadata.h checks
 * them; values are any bytes. */
enum {
	ANNOTATION_ENTRY_MAX = 1024, /* bytes */
	ANNOTATION_VALUE_MAX = 65536,
	ANNOTATIONS_MAX = 100, /* of one mailbox, or of the account */
	ANNOTATIONS_BYTES_MAX = 16 << 20, /* values of all mailboxes of an account */
};

struct annotation_change {
	struct view entry, value;
	bool remove;
};

/* All or nothing. Outcomes: STORE_NO_MAILBOX; STORE_TOO_BIG (a value), STORE_LIMIT (too many); STORE_NO_SPACE; STORE_NOT_ALLOWED (a special use
 * where there can be none). */
struct annotate_job {
	struct store_job job;
	uint64_t account;
	struct view name;
	const struct annotation_change *changes;
	size_t count;
	bool sets_special_use;
	uint32_t special_use; /* of FOLDER_SPECIAL; each is taken from the mailbox that had it */
};
void annotate_job_init(struct annotate_job *j);

/* May all annotations of `mailbox` be there once more? *ret: STORE_LIMIT, STORE_NO_SPACE; else as it was. Writer; int results as in writer.h. */
struct writer;
must_check int annotation_check_copy(struct writer *w, uint64_t account, uint64_t mailbox, enum store_outcome *ret);

struct annotation {
	struct view entry, value;
};
struct annotations {
	const struct annotation *at; /* in the order of bytes */
	size_t count;
	uint32_t special_use;
	bool more;
};
/* Those behind the entry `after` ("" from the start), at most `max`, and no more than about `max_bytes` of values. Reader. */
must_check enum store_outcome annotation_list(struct store_reader *r, uint64_t account, struct view name,
					      struct view after, size_t max, size_t max_bytes, struct arena *a,
					      struct annotations *ret);

#endif
