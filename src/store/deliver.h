/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DELIVER_H
#define POMBO_STORE_DELIVER_H

#include "store/content.h"
#include "store/group.h"
#include "store/trace.h"

/* The bytes of one new message: header block (header_add + header) and content, each kept once however many copies there
 * are. Content is either inline (at most STORE_INLINE_MAX bytes) or in a placed file from `file_offset` to its end. */
struct new_message {
	uint64_t id; /* store_next_id() */
	struct view header_add; /* fields to stand in front, or empty */
	struct view header; /* with its empty line */
	struct view content; /* when file is NULL */
	const struct content_file *file;
	uint64_t file_offset;
	struct view index; /* mail/mime_index.h, encoded, of header_add + header + content */
	int64_t sent_s; /* the Date field's time, for SORT */
};

struct queue_lease_rcpt;

/* A copy into one account. */
struct deliver_local {
	uint64_t account;
	struct view folder; /* empty, or no such folder: INBOX */
	struct view mailbox; /* the account's address, for trace */
	struct view prefix; /* Return-Path … Received of this copy, and a separator where the header block needs one */
	uint32_t flags;
	const struct view *keywords;
	size_t keyword_count;
	bool ignore_quota; /* one of several members behind one address: a full one keeps nobody's mail out */
	uint64_t ret_mailbox;
	uint32_t ret_uid;
};

/* A recipient on another server. */
struct deliver_remote {
	struct view address; /* as it goes into RCPT TO */
	struct view domain; /* its canonical domain: the queue's key */
	struct view orcpt;
	struct view via; /* the address of ours that it is forwarded through, or empty */
	uint8_t notify;
	/* enum queue_notice: nothing to send, the sender is to be told that, and these; address may be one of ours */
	uint8_t notice;
	struct view status, words;
};

/* One accepted message: every copy and every queued recipient in one commit. The caller has put together those that are the same.
 * Outcomes: STORE_OK; STORE_STALE an account is gone since it was resolved; STORE_OVER_QUOTA one is over quota (nothing was
 * delivered to anybody: the client asks again and hears it at RCPT); STORE_NO_SPACE; STORE_TOO_BIG; STORE_TEMPORARY. */
struct deliver_job {
	struct store_job job;
	struct new_message message;
	int64_t wall_s; /* INTERNALDATE, and when it was queued */
	struct deliver_local *locals;
	size_t local_count;
	/* The envelope of the queued part. */
	const struct deliver_remote *remotes;
	size_t remote_count;
	struct view remote_prefix; /* our Received field */
	struct view sender;
	struct view envid;
	uint64_t account; /* who submitted it; 0: nobody */
	uint8_t ret, body;
	bool smtputf8, requiretls;
	bool own; /* handed in by one of ours, or made here: we may sign it */
	bool long_lines; /* over 998 octets (RFC 5321 §4.5.3.1.6) */
	int64_t until_s; /* given up then, if not before as everything else is; 0: no sooner */
	const struct trace_event *events; /* written with it */
	size_t event_count;
	/* Not 0: the recipients on other servers, all of one domain and none with a notice due, are leased until then in the same commit, if the domain
	 * is open; then `ret_lease` is the token, and ret_leased (in job.results) who has it. Otherwise ret_lease is 0. */
	int64_t lease_until_s;
	uint64_t ret_lease; /* of the last attempt, whatever came of it: ask deliver_lease() */
	struct queue_lease_rcpt *ret_leased;
	size_t ret_leased_count;
	/* The message is a notice: the recipients it tells of are done with, in the same commit. */
	uint64_t notices_of; /* the message it is about; 0: it is no notice */
	const struct queue_noticed *told;
	size_t told_count;
	/* The message is the summary of this one (0: of none), which leaves the queue. */
	uint64_t summary_of;
};
void deliver_job_init(struct deliver_job *j);
/* The token under which the finished job's recipients are leased; 0: they are not, or nothing was kept. */
uint64_t deliver_lease(const struct deliver_job *j);

/* A further message of the same APPEND. */
struct append_more {
	struct new_message message;
	int64_t internaldate_s;
	uint32_t flags;
	const struct view *keywords;
	size_t keyword_count;
};

/* IMAP APPEND, and import: a message, or several in one commit (RFC 3502), into one mailbox by name. With replace_uid, that
 * message of replace_mailbox is expunged in the same commit, and the quota counts it as gone (RFC 8508). Outcomes also:
 * STORE_NO_MAILBOX, STORE_LIMIT (keywords), STORE_NO_MESSAGE (the one to replace). */
struct append_job {
	struct store_job job;
	uint64_t account;
	struct view name;
	struct new_message message;
	int64_t internaldate_s;
	int64_t wall_s; /* now: SAVEDATE */
	uint32_t flags;
	const struct view *keywords;
	size_t keyword_count;
	const struct append_more *more;
	size_t more_count;
	uint64_t replace_mailbox;
	uint32_t replace_uid; /* 0: none */
	struct view uidl; /* import only, of the first: a POP3 id to keep; empty: made by the store */
	struct view identity; /* the same; STORE_IDENTITY_BYTES; STORE_EXISTS when it came into this mailbox before */
	bool ignore_quota;
	uint64_t ret_mailbox;
	uint32_t ret_uidvalidity, ret_uid; /* of the first; the others follow without a gap */
};
void append_job_init(struct append_job *j);

/* The identities that imports brought into a mailbox, one behind the other, in the order of bytes, behind `after`; at most `max`. */
enum { STORE_IDENTITY_BYTES = 16 };
must_check enum store_outcome imported_list(struct store_reader *r, uint64_t account, struct view name,
					    struct view after, size_t max, struct buf *out);

#endif
