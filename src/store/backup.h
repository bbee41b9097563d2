/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_BACKUP_H
#define POMBO_STORE_BACKUP_H

#include "base/buf.h"
#include "store/group.h"

/* What a backup reads (doc/backup.md). */
struct backup_counts {
	uint64_t accounts, mailboxes, copies;
};
/* Writes all there is but message bytes into `fd`, as lines of JSON, in one snapshot. STORE_NO_SPACE when the file cannot be
 * written. Takes as long as that takes: some seconds a million copies. Reader. */
must_check enum store_outcome backup_list(struct store_reader *r, int fd, int64_t now_s, struct backup_counts *ret);

/* Lengths of a message's parts. STORE_NO_MESSAGE. */
struct backup_message {
	uint64_t id, prefix_bytes, header_bytes, content_bytes;
	struct view bytes; /* all of it, in the arena, when it is at most `max`; else p is NULL */
};
must_check enum store_outcome backup_read(struct store_reader *r, uint64_t id, size_t max, struct arena *a,
					  struct backup_message *ret);
/* A window of the bytes, cut at the end. */
must_check enum store_outcome backup_bytes(struct store_reader *r, uint64_t id, uint64_t offset, size_t length,
					   struct buf *out);

/* Gives staged folders their names, and lets those go that had them; in one step. Names that exist without being mailboxes (\Noselect)
 * give way. STORE_NO_MAILBOX: a `from` is missing. Writer. */
struct replaced_folder {
	struct view from, to;
	uint32_t special_use; /* 0: that of the one replaced */
};
struct folder_replace_job {
	struct store_job job;
	uint64_t account;
	const struct replaced_folder *folders;
	size_t count;
};
void folder_replace_job_init(struct folder_replace_job *j);

#endif
