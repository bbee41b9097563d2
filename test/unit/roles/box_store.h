/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_BOX_STORE_H
#define POMBO_TEST_BOX_STORE_H

#include "ipc/msgs/mailbox_msgs.h"

/* A stored that lives in the test: one account's mailboxes in memory, behind the mailbox channel (ipc/msgs/mailbox.def).
 * Answers come at once, in small pages, so that every page border is crossed. */
enum {
	BOX_MAX = 64,
	BOX_KEYWORDS_BYTES = 512,
	BOX_SESSIONS = 64,
	BOX_APPENDS = 8,
	BOX_ANNOTATIONS = 16,
	BOX_SAVEDATE_S = 1420134653
};

struct box_message {
	uint32_t uid;
	bool expunged;
	uint32_t flags;
	struct buf keywords; /* each with a space behind it */
	uint64_t modseq, created, id;
	int64_t date_s;
	struct buf bytes;
	uint32_t header_bytes;
	struct buf index;
};

struct box {
	struct buf name;
	uint64_t id;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	uint32_t attributes;
	bool gone;
	struct box_message *messages;
	uint32_t n;
};

struct box_session {
	uint64_t id;
	uint64_t watched;
	uint64_t told;
	bool watches_account, hears_annotations, account_notice_due;
};

struct box_append {
	uint32_t id;
	uint64_t session;
	struct buf name, bytes, keywords;
	uint32_t flags;
	bool has_date;
	int64_t date_s;
	uint64_t replace_mailbox;
	uint32_t replace_uid;
};

struct box_annotation {
	struct buf box, entry, value;
};

struct box_store {
	struct channel *channel;
	struct box boxes[BOX_MAX];
	size_t n;
	struct box_session sessions[BOX_SESSIONS];
	size_t session_count;
	struct box_append append; /* one at a time */
	struct box_append before[BOX_APPENDS]; /* messages of the same append that are whole */
	size_t before_count;
	struct box_annotation annotations[BOX_ANNOTATIONS];
	size_t annotation_count;
	uint64_t quota_used, quota_limit, quota_messages;
	struct mime_parser *parser;
	struct buf search_text;
	uint64_t commit, next_id, next_message;
	/* how it behaves */
	uint32_t page_rows, page_ranges, answer_ranges;
	bool mute; /* answers nothing */
	bool late; /* gives a session when box_store_give_session() is called */
	uint32_t late_id;
	bool no_credit;
	bool fail_states;
	uint8_t fail_code; /* 0: does what it is asked; else the next write fails with code - 1 */
	/* what it was asked */
	size_t asked, opened, closed, aborts, rows_asked, bytes_asked, flags_asked;
	struct buf program; /* of the last search */
};

/* `peer`: MAILBOX_PEER_IMAP or _POP. The other end of the socketpair in `*ret_fd`. INBOX is there, and Sent and Trash. */
void box_store_open(struct box_store *b, struct event_base *base, unsigned peer, int *ret_fd);
void box_store_close(struct box_store *b);
/* A message without anybody's asking: delivered. CRLF text. Returns its UID. */
uint32_t box_store_deliver(struct box_store *b, const char *box, struct view bytes, uint32_t flags);
/* A write of some other session, told to all that watch. */
void box_store_flag(struct box_store *b, const char *box, uint32_t uid, uint32_t flags);
void box_store_expunge(struct box_store *b, const char *box, uint32_t uid);
/* Some other session's changes of names. */
void box_store_create(struct box_store *b, const char *name);
void box_store_delete(struct box_store *b, const char *name);
void box_store_rename(struct box_store *b, const char *from, const char *to);
void box_store_subscribe(struct box_store *b, const char *name, bool on);
struct box *box_store_find(struct box_store *b, const char *name);
struct box_message *box_find(struct box *box, uint32_t uid);
uint32_t box_count(const struct box *box);
/* Ends a session as if its grant had ended. */
/* The session that was asked for last, with `late`. */
void box_store_give_session(struct box_store *b);
void box_store_end_session(struct box_store *b, size_t at);

#endif
