/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_STORED_H
#define POMBO_STORED_STORED_H

#include "ipc/role.h"
#include "store/group.h"
#include "stored/peer.h"
#include "stored/pool.h"

/* What another process may make us keep (bound.h). */
enum bound { BOUND_STS, BOUND_TLS_COUNTS, BOUND_EVENTS, BOUND_VARIANTS, BOUND_COUNT };
struct bounds {
	struct {
		uint64_t hits;
		int64_t told_day; /* the day after the one it was told on */
	} at[BOUND_COUNT];
	int64_t events_day; /* and how many bytes of events relayd has brought about on it */
	uint64_t events_bytes;
};

/* What the parts of this process share. Everything here belongs to the loop's thread. */
struct clock_watch;
struct event;
struct indexer;
struct judges;
struct refusals;
struct rotation;
struct sessions;
struct signer;
struct write_thread;

struct stored {
	struct role *role;
	struct store *store;
	struct completions *completions;
	struct write_thread *writer;
	struct pool *readers;
	struct store_reader **reader_connections; /* one a thread of `readers` */
	unsigned reader_count;
	struct pool *spoolers; /* write and sync large messages */
	struct indexer *indexer;
	struct judges *judges;
	struct sessions *sessions;
	struct smtp_link *smtp_peers; /* lists of all channels of a kind, to tell them things */
	struct mailbox_link *mailbox_peers;
	struct changes_op *changes_leaders[16]; /* mailbox_read.c: questions that others may wait with, by mailbox */
	struct cred_link *cred_peers;
	struct channel *dns; /* NULL: dnsd is away; asked with dns_call_x() */
	struct channel *fetch; /* NULL: fetchd is away; asked with fetch_call_x() */
	struct signer *signer;
	struct rotation *rotation;
	struct admin *admin;
	struct outbound *outbound;
	struct notices *notices;
	struct traces *traces;
	struct refusals *refusals;
	struct client_names *client_names;
	struct clock_watch *clock_watch;
	struct tls_reports *tls_reports;
	struct event *tick;
	struct upkeep *upkeep;
	struct bounds bounds;
	bool create; /* make the store instead of opening it */
	bool space_is_low;
	uint64_t messages; /* kept since start */
	uint64_t bytes_in_flight;
	unsigned rows_ahead; /* pages of rows that wait to be asked for */
	uint64_t head_bytes; /* of messages that come in, kept in memory until they are committed */
	uint64_t appends_bytes; /* of them, those of appends of several, all but the first of each */
	unsigned backups; /* under way: nothing is pruned, no file removed */
};

/* ---- writes (write.c): jobs for the writer thread ---- */
struct write {
	struct completion completion; /* `done` runs on the loop once the job is finished and durable */
	struct store_job *job;
	STAILQ_ENTRY(write) link;
};
must_check int write_thread_new(struct stored *sd, struct write_thread **ret);
/* Finishes what was given; after 3 s the rest is as a crash would leave it: whole slices are done, none is half done, nobody was told of the others. */
void write_thread_free(struct write_thread **w);
void write_put(struct write_thread *w, struct write *write);
/* The same for what nobody waits for: it goes with the next group that somebody waits for, or with one of its own after WRITE_LATER_MS. */
enum { WRITE_LATER_MS = 3 };
void write_put_later(struct write_thread *w, struct write *write);
/* Behind all that was given before, what can wait included. */
void write_put_behind(struct write_thread *w, struct write *write);
/* The longest transaction of late (base/longest.h). */
uint64_t write_longest_us(struct write_thread *w);

/* ---- work that nobody waits for (upkeep.c): pruning, files to remove; called once a second ---- */
void upkeep_tick(struct stored *sd);

/* ---- searching (mailbox_search.c): loads the charsets before the sandbox closes ---- */
must_check int search_prepare(void);

/* ---- what the store's changes mean for front ends (notice.c) ---- */
void notice_changes(struct stored *sd, const struct store_change *changes, size_t n);

/* ---- one file a channel list ---- */
must_check int smtp_peer_add(struct stored *sd, const char *kind, int fd); /* smtp_peer.c */
void smtp_peers_tell_space(struct stored *sd, bool low);
/* A grant ended that no process has shown yet: whichever of them has its session hears it. */
void smtp_peers_tell_grant_ended(struct stored *sd, struct view handle);
must_check int mailbox_peer_add(struct stored *sd, const char *kind, int fd); /* mailbox_peer.c */
/* bounce.c: notices to senders; recipients that ended, or grew old */
void notices_wake(struct stored *sd);
void notices_tick(struct stored *sd); /* once a second */
void traces_tick(struct stored *sd); /* once a second */
void clock_watch_tick(struct stored *sd); /* at the start, then once a second */
must_check int cred_peer_add(struct stored *sd, int fd); /* cred_peer.c */
void cred_peers_tell_changed(struct stored *sd, uint64_t account, uint64_t generation);
must_check int admin_listen(struct stored *sd, int fd); /* admin.c */
must_check int admin_add(struct stored *sd, int fd);
void admin_overview(struct stored *sd, struct view json);
void admin_reload_done(struct stored *sd, bool ok, struct view text);

#endif
