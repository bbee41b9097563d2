/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_MAILBOX_READ_H
#define POMBO_STORE_MAILBOX_READ_H

#include "base/buf.h"
#include "store/quota.h"
#include "store/store.h"

/* Reading mailboxes (box_…: the names with mailbox_ are those of the channel list). Each call takes a snapshot,
 * copies the answer out, and ends the snapshot before it returns. An answer is
 * a page: ask again with uid_from = next until next is 0; each page is a snapshot of its own and says its highestmodseq.
 * `account` is the session's: a mailbox of another account is STORE_NO_MAILBOX, like one that does not exist. Results lie in
 * the caller's arena: give it 4 MiB. A full arena ends the page early; STORE_TOO_BIG when not even one row fits. */

struct box_status {
	uint64_t mailbox;
	uint32_t uidvalidity, uidnext, exists, unseen, deleted;
	uint32_t first_unseen_uid; /* 0: none */
	uint64_t size_bytes;
	uint64_t highestmodseq;
	const struct view *keywords; /* in use here */
	size_t keyword_count;
};
/* By name, from counters: costs the same whatever the size. For SELECT and STATUS. */
must_check enum store_outcome box_open(struct store_reader *r, uint64_t account, struct view name, struct arena *a,
				       struct box_status *ret);
/* The same by id. */
must_check enum store_outcome box_status(struct store_reader *r, uint64_t account, uint64_t mailbox, struct arena *a,
					 struct box_status *ret);

struct box_uids {
	uint64_t highestmodseq;
	uint32_t uidnext;
	const struct uid_range *ranges; /* the UIDs that exist */
	size_t count;
	uint32_t next;
};
must_check enum store_outcome box_uids(struct store_reader *r, uint64_t account, uint64_t mailbox, uint32_t uid_from,
				       size_t max_ranges, struct arena *a, struct box_uids *ret);

/* What of each message; as in the `fields` of msgs/mailbox.def. */
enum row_field {
	ROW_FLAGS = 1 << 0, /* and keywords */
	ROW_MODSEQ = 1 << 1,
	ROW_INTERNALDATE = 1 << 2,
	ROW_SIZE = 1 << 3, /* and prefix_bytes */
	ROW_HEADER = 1 << 4, /* prefix and header block */
	ROW_INDEX = 1 << 5,
	ROW_MESSAGE = 1 << 6, /* the whole message when it has at most inline_max bytes */
	ROW_UIDL = 1 << 7,
	ROW_MESSAGE_ID = 1 << 8,
	ROW_SAVEDATE = 1 << 9,
	ROW_SENTDATE = 1 << 10,
	ROW_ENVELOPE = 1 << 11, /* without ROW_INDEX: `index` holds this text, no parts (mime_index_trim()) */
	ROW_BODYSTRUCTURE = 1 << 12, /* the same */
};
struct rows_query {
	uint64_t account, mailbox;
	const struct uid_range *ranges; /* ascending; any UIDs, also ones that do not exist */
	size_t range_count;
	uint32_t uid_from;
	uint32_t fields;
	uint64_t changed_since; /* only rows with a greater modseq; 0: all */
	bool with_expunged; /* also rows that were expunged and not yet pruned */
	uint32_t inline_max;
	size_t max_rows, max_bytes; /* the page ends at the first row that passes one of them */
};
struct box_row {
	uint32_t uid;
	bool expunged; /* its modseq is that of the expunge */
	uint32_t flags;
	struct view keywords; /* joined by one space, in a fixed order */
	uint64_t modseq;
	int64_t internaldate_s, savedate_s, sent_s;
	uint64_t size_bytes; /* prefix + header block + content: RFC822.SIZE */
	uint32_t prefix_bytes; /* what stands before the header block; offsets of the index count from behind it */
	uint32_t header_bytes; /* header block with its empty line, without the prefix; with HEADER, INDEX or MESSAGE */
	struct view header; /* prefix + header block */
	struct view index;
	struct view message; /* p == NULL when larger than inline_max */
	struct view uidl; /* 1 to 70 characters of 0x21…0x7e; unique in the store's life */
	uint64_t message_id; /* the same for every copy */
};
struct box_rows {
	uint64_t highestmodseq;
	const struct box_row *rows; /* ascending UID */
	size_t count;
	uint32_t next;
};
must_check enum store_outcome box_rows(struct store_reader *r, const struct rows_query *q, struct arena *a,
				       struct box_rows *ret);

/* The same without a copy: `fn` hears each row as it is read; its views are valid during the call only. False ends the page before that
 * row; STORE_TOO_BIG when it was the first. Keywords lie in the arena. */
typedef bool box_row_fn(void *ctx, const struct box_row *row);
struct box_rows_end {
	uint64_t highestmodseq;
	uint32_t next;
};
must_check enum store_outcome box_rows_each(struct store_reader *r, const struct rows_query *q, struct arena *a,
					    box_row_fn *fn, void *ctx, struct box_rows_end *ret);

/* Bytes of one message as it is read, from `offset`, at most `length`; expunged ones too until they are pruned. */
must_check enum store_outcome box_bytes(struct store_reader *r, uint64_t account, uint64_t mailbox, uint32_t uid,
					uint64_t offset, uint32_t length, struct buf *out, uint64_t *ret_size_bytes);

struct box_change {
	uint32_t uid;
	uint32_t flags;
	struct view keywords;
	uint64_t modseq;
	bool is_new; /* came after `since`; else its flags changed */
};
/* What happened after modseq `since` to UIDs from uid_from up to (without) next. After pruning, `vanished` may name UIDs that
 * never existed or went before `since` (RFC 7162 §3.2.5.1 lets us); what still exists is never in it. */
struct box_changes {
	uint64_t highestmodseq;
	uint32_t uidnext;
	bool mailbox_gone; /* deleted; nothing else is set */
	const struct uid_range *vanished;
	size_t vanished_count;
	const struct box_change *rows;
	size_t count;
	uint32_t next;
};
struct changes_query {
	uint64_t account, mailbox;
	uint64_t since;
	uint32_t uid_from;
	bool all; /* `vanished` also names those that came after `since` */
	size_t max_rows;
};
must_check enum store_outcome box_changes(struct store_reader *r, const struct changes_query *q, struct arena *a,
					  struct box_changes *ret);

struct quota_usage {
	struct quota used, limit;
};
must_check enum store_outcome quota_read(struct store_reader *r, uint64_t account, struct quota_usage *ret);

#endif
