/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_SESSION_H
#define POMBO_STORED_SESSION_H

#include "base/buf.h"
#include "base/mem.h"

/* Who may do what: grants that authd registered after a login, and the mailbox sessions opened with them. A grant is bound to
 * the first process that shows it, so that one taken-over front end cannot use another's. Bounded in number and age.
 * Loop thread only. */
struct peer;
struct sessions;

enum { GRANT_BYTES_MIN = 16, GRANT_BYTES_MAX = 32 };

struct grant {
	uint64_t account;
	uint64_t generation; /* of the account when granted */
	struct peer *holder; /* NULL until first shown */
	int64_t made_mono_s;
	unsigned sessions;
	struct view handle; /* points into the table's key */
	char *address;
};

struct session {
	uint64_t id;
	struct peer *peer;
	struct grant *grant;
	uint64_t watched_mailbox; /* 0: none */
	uint64_t told_modseq; /* highest modseq the front end knows of, or was told of */
	bool notice_due; /* `changed` was sent and not yet followed by a look */
	struct session *next_watcher;
	bool watches_account; /* all its mailboxes, names and subscriptions */
	bool hears_annotations;
	bool account_notice_due; /* as notice_due */
	struct session *next_account_watcher;
	struct op *long_read; /* op_read_long(); NULL: none */
	/* mailbox_rows.c */
	uint32_t rows_next; /* where its next page of rows begins, while it asks for nothing else; 0: nowhere */
	struct op *ahead; /* that page, read before it is asked for; NULL: none */
	void (*forget_ahead)(struct session *s); /* with `ahead`: lets go of it */
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions **ss);

/* False: too many grants, or the handle is no handle. */
must_check bool sessions_grant(struct sessions *ss, struct view handle, uint64_t account, uint64_t generation,
			       struct view address);
/* The grant, when it may be used by `peer` for the first time or again; NULL otherwise. */
struct grant *sessions_find_grant(struct sessions *ss, struct view handle, struct peer *peer);
void sessions_drop_grant(struct sessions *ss, struct grant *g);

/* NULL: too many, in all or by this grant. */
struct session *sessions_open(struct sessions *ss, struct grant *g, struct peer *peer);
/* Only for the peer that opened it; NULL for everybody else. */
struct session *sessions_find(struct sessions *ss, uint64_t id, const struct peer *peer);
void sessions_close(struct sessions *ss, struct session *s);
/* The peer's channel went: its sessions and grants end. */
void sessions_forget_peer(struct sessions *ss, struct peer *peer);
/* Ends every session and grant of the account whose generation is not `generation` (0: all), telling each first. */
void sessions_end_stale(struct sessions *ss, uint64_t account, uint64_t generation,
			void (*session_ended)(void *ctx, struct session *s),
			void (*grant_ended)(void *ctx, struct grant *g), void *ctx);

void sessions_watch(struct sessions *ss, struct session *s, uint64_t mailbox, uint64_t told_modseq);
/* For each session of the account that watches the mailbox, which is the account's, and was not told of `modseq` yet. What a session says that
 * it watches need not be its own. */
void sessions_notice(struct sessions *ss, uint64_t account, uint64_t mailbox, uint64_t modseq,
		     void (*tell)(void *ctx, struct session *s, uint64_t modseq), void *ctx);
/* The whole account is watched, or not. */
void sessions_watch_account(struct sessions *ss, struct session *s, bool on, bool annotations);
/* For each session that watches the account and has looked since it was told last. */
void sessions_notice_account(struct sessions *ss, uint64_t account, void (*tell)(void *ctx, struct session *s),
			     void *ctx);
/* For each session that hears of the account's annotations. */
void sessions_each_annotated(struct sessions *ss, uint64_t account, void (*tell)(void *ctx, struct session *s),
			     void *ctx);
size_t sessions_count(const struct sessions *ss);

#endif
