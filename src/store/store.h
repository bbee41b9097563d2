/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_STORE_H
#define POMBO_STORE_STORE_H

#include "base/arena.h"
#include "base/mem.h"

/* The store of one node: a folder with the database (SQLite: pombo.db, its -wal and -shm), content/, spool/ and lock.
 *
 * Threads. `struct store` may be named from any thread, but its functions belong to three kinds of callers:
 *   writer   one thread at a time: store_group_run(), store_between_groups() and nothing else of the write side;
 *   reader   whoever holds a struct store_reader; a reader is used by one thread at a time;
 *   any      functions that say so: they take a short lock of their own and run no SQL.
 * store_open() starts one thread of its own (checkpoints) unless told otherwise; store_close() ends it. */
struct store;
struct store_reader;

/* What became of a request. The daemon maps it to a reply; nothing here is worded for a peer. */
enum store_outcome {
	STORE_OK,
	STORE_TEMPORARY, /* database or disk trouble; try again later */
	STORE_NO_MAILBOX,
	STORE_EXISTS,
	STORE_NOT_ALLOWED, /* a name or state that forbids it: DELETE INBOX, a \Noselect name, the last domain … */
	STORE_OVER_QUOTA,
	STORE_TOO_BIG,
	STORE_NO_MESSAGE, /* no such UID, or pruned */
	STORE_NO_SPACE, /* disk full, or below the reserve */
	STORE_IN_USE, /* has children, accounts, aliases … */
	STORE_BAD_REQUEST,
	STORE_LIMIT, /* too many folders, keywords, targets … */
	STORE_NO_ACCOUNT,
	STORE_NO_DOMAIN,
	STORE_NO_ALIAS,
	STORE_STALE, /* what the request was based on has changed (an account gone since RCPT): ask again */
};
const char *store_outcome_name(enum store_outcome outcome); /* "over-quota", for logs */

/* first..last, both in it. Ascending and apart from each other where a list of them is an answer. */
struct uid_range {
	uint32_t first, last;
};

/* Bits of a message's flags, as everywhere (mail/imap_flags.h without \Recent). */
enum store_flag {
	STORE_SEEN = 1 << 0,
	STORE_ANSWERED = 1 << 1,
	STORE_FLAGGED = 1 << 2,
	STORE_DELETED = 1 << 3,
	STORE_DRAFT = 1 << 4,
	STORE_FLAGS_ALL = 31,
};

enum {
	STORE_INLINE_MAX = 65536, /* content up to here lies in the database, above in a file */
	STORE_HEADER_MAX = 1048576,
	STORE_INDEX_MAX = 524288,
	STORE_NAME_MAX = 1000, /* bytes of a mailbox name */
	STORE_ADDRESS_MAX = 320,
	STORE_KEYWORD_MAX = 255, /* bytes of one keyword */
	STORE_KEYWORDS_PER_MESSAGE_MAX = 256,
	STORE_KEYWORDS_PER_MAILBOX_MAX = 4096,
	STORE_FOLDERS_MAX = 10000, /* per account */
	STORE_FOLDERS_STAGED_MAX = 2 * STORE_FOLDERS_MAX + 64, /* while a restore puts others beside them */
	STORE_RANGES_MAX = 8192, /* ranges in one request or answer */
};

struct store_options {
	const char *dir; /* the store's own folder, e.g. /var/lib/pombo/store */
	bool create; /* make it; fails with -EEXIST when there is one */
	bool no_threads; /* no checkpoint thread: store_between_groups() does all of it (tests, command line) */
	uint32_t node; /* 0…63, part of message ids */
	uint32_t checkpoint_pages; /* 0: 10,000 */
	uint32_t writer_cache_kib; /* page cache of the writer; 0: 8192 */
	uint32_t reader_cache_kib; /* of each reader; 0: 2048 */
};

/* Settings that a reload may change. Copied. */
struct store_settings {
	uint64_t disk_reserve_bytes;
	uint64_t default_quota_bytes; /* of new accounts; 0: none */
	int64_t undelete_s; /* expunged mail is kept so long; at least an hour whatever is said */
	char delimiter; /* in user+detail@; 0: none */
	struct view postmaster; /* canonical address, or empty: the first account made */
	struct view
	    hostname; /* ours; its postmaster is the first domain's, as it signs our notices. Empty: not known */
};

/* Opens under an exclusive lock (DIR/lock, held until close or death), ends what a crash left half-done, migrates the schema
 * forward as far as must be before serving. 0, or: -EBUSY another process has it, for 5 s by now; -ENOENT none there; -EEXIST;
 * -ENOTSUP made by a newer pombo; -EUCLEAN not a store or damaged; other negative errno. `*ret_why` (may be NULL): a
 * sentence for the operator, static or owned by nobody else until the next store_open() in this thread. */
must_check int store_open(const struct store_options *options, struct store **ret, const char **ret_why);
/* All readers must be closed. Ends the checkpoint thread, checkpoints, unlocks. NULL-safe, sets NULL. */
void store_close(struct store **s);
void store_set(struct store *s, const struct store_settings *settings); /* any thread */

must_check int store_reader_open(struct store *s, struct store_reader **ret);
void store_reader_close(struct store_reader **r);
/* Reads of `r` that begin after this see at least commit `commit`. (SQLite: always so; a replica would wait.) */
must_check enum store_outcome store_reader_see(struct store_reader *r, uint64_t commit);
/* The environment's words behind the last STORE_TEMPORARY, for the log. Valid until r's next call. */
const char *store_reader_error(const struct store_reader *r);

/* After this is true nothing is acknowledged any more and the process must exit: an fsync failed, or the database said
 * that what it wrote may not be there. Any thread. */
bool store_is_fatal(const struct store *s);
/* Why. Valid once fatal. */
const char *store_fatal_text(const struct store *s);
/* Free space is below the reserve: refuse new mail (452), go on reading, deleting and flagging. Looks at the file system at
 * most once a second. Any thread. */
bool store_space_is_low(struct store *s);

/* The next message id, greater than any this store ever gave. Any thread. */
uint64_t store_next_id(struct store *s);
/* 32 random bytes that live as long as the store. */
struct view store_secret(const struct store *s);
/* When it was made (wall clock, seconds). */
int64_t store_created_s(const struct store *s);

struct store_figures {
	uint64_t commits, jobs, replays; /* since open */
	uint64_t wal_pages; /* in the WAL now */
	uint64_t checkpoints;
	uint64_t database_bytes, free_bytes;
	uint32_t schema_version;
};
void store_figures(struct store *s, struct store_figures *ret); /* any thread */

/* Named points where a crash test ends the process: before and after each step that doc/guarantees.md names. NULL (nothing
 * happens) unless a test sets it before store_open(). */
extern void (*store_crash_hook)(const char *point);
static inline void store_crash_point(const char *point)
{
	if (__builtin_expect(store_crash_hook != NULL, 0))
		store_crash_hook(point);
}

#endif
