/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_WRITER_H
#define POMBO_STORE_WRITER_H

#include "base/buf.h"
#include "base/map.h"
#include "store/group.h"
#include "store/page.h"
#include "store/quota.h"
#include "store/sql.h"

/* The writer's side of a group: its connection, and what it keeps in memory of mailboxes and accounts, so that a delivery reads
 * nothing. Counters and pages that jobs changed are written once, at the end of the group (writer_flush()). When a group is
 * rolled back everything kept is dropped. One thread. */

enum counter {
	COUNTER_ACCOUNT,
	COUNTER_MAILBOX,
	COUNTER_UIDVALIDITY,
	COUNTER_QUEUE,
	COUNTER_SEEN,
	COUNTER_EXPUNGE,
	COUNTER_LEASE,
	COUNTER_TRACE,
	COUNTER_COUNT
};

struct mbox_counts {
	uint64_t uidnext; /* up to 2^32 */
	uint64_t highestmodseq;
	uint64_t messages, unseen, deleted, bytes;
	uint32_t unseen_page; /* no state page before it holds an unseen message */
	uint64_t forgotten_modseq; /* expunges up to here are partly forgotten */
	int64_t held_bytes, held_messages; /* while staging: the account's use, to be added with the switch */
};

/* One page of a mailbox in memory. */
struct mbox_page {
	bool loaded, dirty, exists;
	uint32_t no;
	struct page page;
};

struct keysets;

struct mbox {
	uint64_t id, account;
	uint32_t uidvalidity;
	bool dirty; /* counts are to be written */
	bool listed; /* in writer.touched */
	bool staging; /* state pages are read from and written to uid_staged first */
	struct mbox_counts counts;
	struct mbox_page state, facts;
	struct keysets *keysets; /* NULL: not read yet */
	struct mbox *newer, *older; /* by last use */
};

struct acct {
	uint64_t id, inbox;
	struct quota limit, used;
	bool confirm; /* what it sends is summed up for it */
	bool dirty;
	bool listed;
	struct acct *newer, *older;
};

/* A bulk job's hold on a mailbox: other jobs on it are put off. Outlives rollbacks; ends with the job, or, when the job failed, once
 * what it staged is forgotten (writer_clean()). */
struct claim {
	uint64_t mailbox;
	const struct store_job *job; /* NULL: failed */
	bool clean;
};

/* How much of a bounded table there is, once it was counted. */
struct kept_total {
	bool known;
	uint64_t rows, bytes;
};

struct writer {
	struct store *store;
	struct sql *sql;
	struct map mboxes, accts; /* by id */
	struct mbox *newest, *oldest;
	struct acct *acct_newest, *acct_oldest;
	struct mbox **touched; /* in this group */
	size_t touched_count, touched_cap;
	struct acct **touched_accts;
	size_t touched_acct_count, touched_acct_cap;
	uint64_t counters[COUNTER_COUNT];
	bool counters_dirty[COUNTER_COUNT];
	struct claim *claims;
	size_t claim_count, claim_cap;
	bool directory_changed;
	int error; /* behind STEP_ERROR */
	enum store_outcome refusal; /* for error -ECANCELED */
	const char *error_what; /* static */
	struct buf error_text; /* of the last group that failed */
	struct store_change *changes;
	size_t change_count, change_cap;
	uint64_t *unlinks; /* content files this group lets go */
	size_t unlink_count, unlink_cap;
	size_t keyset_bytes; /* of all mailboxes in memory */
	struct buf scratch;
	uint64_t commit;
	struct store_group_time time; /* of the last group */
	struct kept_total sts, tls_counts;
	bool none_unreached; /* no queued recipient waits because a destination did not answer */
};

must_check int writer_open(struct store *s, bool create, struct writer **ret);
void writer_close(struct writer **w);
/* For a new store, within a transaction. */
must_check int writer_make_counters(struct writer *w, uint64_t first_uidvalidity);
/* Drops what is in memory and reads the counters. */
must_check int writer_reload(struct writer *w);

/* STEP_ERROR after a failed statement (rc < 0), or for data that makes no sense (-EUCLEAN). */
enum job_step writer_error(struct writer *w, int rc, const char *what);

/* STEP_ERROR too: the job has changed something before it saw that it must be refused. It is told `outcome`. */
enum job_step writer_refuse(struct writer *w, enum store_outcome outcome);

/* ---- what jobs use; int results are 0 or negative errno for writer_error() ---- */
must_check uint64_t writer_count(struct writer *w, enum counter counter); /* the next one */
void writer_changed(struct writer *w, const struct store_change *change);
void writer_unlink_later(struct writer *w, uint64_t content);

/* NULL: no such account. Stays valid until the end of the group. */
must_check int writer_acct(struct writer *w, uint64_t account, struct acct **ret);
/* After its row in `account` changed or went. */
void writer_forget_acct(struct writer *w, uint64_t account);
/* Adds to (or takes from) what the account uses. */
must_check int writer_use(struct writer *w, uint64_t account, int64_t bytes, int64_t messages);

/* NULL: no such mailbox, or deleted. Stays valid until the end of the group. */
must_check int writer_mbox(struct writer *w, uint64_t mailbox, struct mbox **ret);
/* The same if it is the account's, by name; "" is INBOX. */
must_check int writer_mbox_by_name(struct writer *w, uint64_t account, struct view name, struct mbox **ret);
void writer_forget_mbox(struct writer *w, uint64_t mailbox);
/* Is it held by a job other than `job`? Then STEP_AGAIN. */
bool writer_is_busy(const struct writer *w, uint64_t mailbox, const struct store_job *job);
void writer_claim(struct writer *w, uint64_t mailbox, const struct store_job *job);
void writer_release(struct writer *w, const struct store_job *job, bool failed); /* all of the job's */
/* At the start of a group: a slice of forgetting what failed jobs staged, or of ending what they had switched. */
must_check int writer_clean(struct writer *w);
/* Its pages, and unless it is staging its counts, will be written; a CHANGE_MAILBOX will be told. */
void mbox_touch(struct writer *w, struct mbox *m);
/* The next modseq, for all that one job does to the mailbox. */
uint64_t mbox_next_modseq(struct writer *w, struct mbox *m);

/* The page that holds `uid`, loaded (empty when there is none yet); a dirty one in its place is written first. */
must_check int mbox_state(struct writer *w, struct mbox *m, uint32_t uid, struct page **ret);
must_check int mbox_facts(struct writer *w, struct mbox *m, uint32_t uid, struct page **ret);
/* Writes the pages in memory that are dirty. */
must_check int mbox_flush_pages(struct writer *w, struct mbox *m);
/* And the counts, if they are. */
must_check int mbox_flush(struct writer *w, struct mbox *m);
/* The first state page from `from` to `last` that exists; *ret_found false when none. */
must_check int mbox_next_state(struct writer *w, struct mbox *m, uint32_t from, uint32_t last, bool *ret_found,
			       uint32_t *ret_no);

/* A new copy with the next UID and `born`/modseq = modseq. Counts it; the account's use too. */
struct new_copy {
	uint64_t message, size_bytes;
	int64_t internal_s, saved_s, sent_s;
	uint32_t prefix_off, prefix_bytes;
	uint32_t flags, keyset;
	bool has_uidl;
};
must_check int mbox_append(struct writer *w, struct mbox *m, const struct new_copy *copy, uint64_t modseq,
			   uint32_t *ret_uid);

/* Everything dirty is written. */
must_check int writer_flush(struct writer *w);
/* After a rollback. */
void writer_drop_caches(struct writer *w);
/* After a commit: nothing is "of this group" any more; the least used go when there are too many. */
void writer_settle(struct writer *w);

/* ---- keywords (keyset.c) ---- */
/* The id of this combination in the mailbox, made when it is new; 0 for no keywords. *ret_limit: too many. */
must_check int keyset_intern(struct writer *w, struct mbox *m, const struct view *words, size_t count, uint32_t *ret,
			     bool *ret_limit);
/* Words to be added to, or taken from, many combinations: sorted, each once, as the mailbox spells them. Good for one slice; `words` must
 * live as long. */
struct keyset_delta {
	struct view *words;
	size_t count;
	bool known; /* all of them are in use in the mailbox */
};
must_check int keyset_delta_init(struct writer *w, struct mbox *m, const struct view *words, size_t count,
				 struct keyset_delta *ret);
void keyset_delta_fini(struct keyset_delta *d);
/* The combination that `id` plus, or without, these words makes. */
must_check int keyset_change(struct writer *w, struct mbox *m, uint32_t id, bool add, struct keyset_delta *d,
			     uint32_t *ret, bool *ret_limit);
/* How many combinations the mailbox has. */
must_check int keyset_count(struct writer *w, struct mbox *m, size_t *ret);
/* "a b c"; owned by the mailbox's cache. */
must_check int keyset_words(struct writer *w, struct mbox *m, uint32_t id, struct view *ret);
void keyset_forget(struct writer *w, struct mbox *m);
/* Atoms of a sane length and number. */
bool keyset_valid(const struct view *words, size_t count);

/* ---- references (message_ref.c) ---- */
must_check int message_ref_add(struct writer *w, uint64_t message, int64_t by);
/* One less; the last takes header, content and index along, and names a content file for removal. */
must_check int message_ref_drop(struct writer *w, uint64_t message, uint64_t *ret_bytes);

#endif
