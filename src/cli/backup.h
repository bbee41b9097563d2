/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_BACKUP_H
#define POMBO_CLI_BACKUP_H

#include "cli/cli.h"

#include <jansson.h>

/* A backup folder (doc/backup.md): packs of message bytes, states. Every int is 0 or an exit status, the error printed. */
struct pack_entry {
	uint64_t id;
	uint32_t pack;
	uint64_t offset, length; /* of the record */
};

struct backup {
	char *path;
	int fd, packs_fd, states_fd;
	int lock_fd; /* pombo-backup */
	char **packs;
	int *pack_fds; /* opened when first read; or -1 */
	size_t n_packs;
	struct pack_entry *entries; /* by id */
	size_t n_entries;
};

/* `make`: a folder that is empty or not there becomes one; tmp files of a run that was killed are removed. Locked until closed, shared
 * unless `make`. */
must_check int backup_open(const char *path, bool make, struct backup *ret);
void backup_close(struct backup *b);
/* The store whose backup this is: written by the first run, compared by later ones. */
must_check int backup_claim(struct backup *b, struct view store);
const struct pack_entry *backup_find(const struct backup *b, uint64_t id);

/* One message: bytes hold all prefixes, the header block and the content. */
struct pack_message {
	uint64_t id, prefix_bytes, header_bytes, content_bytes;
};
/* Reads and checks one record; `bytes` gets the message's. */
must_check int backup_read_message(struct backup *b, const struct pack_entry *e, struct pack_message *ret,
				   struct buf *bytes);
/* Checks that each pack's index says what its records are. */
must_check int backup_check_packs(struct backup *b, uint64_t *ret_messages, uint64_t *ret_bytes);

struct pack_writer;
/* NAME.pack, under NAME.pack.tmp until it is finished. */
must_check int pack_begin(struct backup *b, const char *name, struct pack_writer **ret);
must_check int pack_message(struct pack_writer *w, const struct pack_message *m);
must_check int pack_bytes(struct pack_writer *w, struct view bytes); /* in pieces, all of it */
uint64_t pack_size(const struct pack_writer *w);
/* Durable afterwards. NULL-safe, sets NULL. */
must_check int pack_finish(struct pack_writer **w);
void pack_abandon(struct pack_writer **w);

/* ---- states ---- */
enum { STATE_NAME_BYTES = 24 };
/* "20260131T120000Z" */
void state_name(int64_t wall_s, char ret[STATE_NAME_BYTES]);
/* The names of all states, oldest first; free each and the list. */
must_check int backup_states(struct backup *b, char ***ret, size_t *ret_n);
void backup_states_free(char **names, size_t n);

struct state_copy {
	uint64_t mailbox, message, size, prefix_offset, prefix_bytes;
	uint32_t uid, flags;
	int64_t date_s;
	char *keywords, *uidl;
};
struct state_mailbox {
	uint64_t id, account;
	char *name;
	uint32_t special_use;
};
struct state {
	char name[STATE_NAME_BYTES]; /* proven: cut to fit; no name of a state is longer */
	int64_t taken_s;
	json_t *domains, *accounts, *aliases, *send_as, *subscriptions, *annotations; /* the lines as they are */
	struct state_mailbox *mailboxes;
	size_t n_mailboxes;
	struct state_copy *copies;
	size_t n_copies;
};
/* Adds the last line, with the checksum, to a list that stored wrote. */
must_check int state_seal(int fd);
/* Reads and checks a state. `name`: NULL for the newest. */
must_check int state_load(struct backup *b, const char *name, struct state *ret);
/* The same of an open file; `sealed`: with its last line. */
must_check int state_read(int fd, const char *name, bool sealed, struct state *ret);
void state_fini(struct state *s);
/* A mailbox's, by UID. */
const struct state_copy *state_copies_of(const struct state *s, uint64_t mailbox, size_t *ret_n);
const struct state_mailbox *state_mailbox_of(const struct state *s, uint64_t id);

#endif
