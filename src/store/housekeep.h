/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_HOUSEKEEP_H
#define POMBO_STORE_HOUSEKEEP_H

#include "store/group.h"

/* Work that nobody waits for. */

/* Drops what was expunged, or lay in deleted mailboxes and accounts, before `wall_s` minus the undelete time, with the bytes
 * nobody refers to any more, in slices. To be handed in now and then (once a minute); usually finds nothing. Files of pruned
 * messages are removed by housekeep_unlink(). */
struct prune_job {
	struct store_job job;
	int64_t wall_s;
	bool hurry; /* space is needed: the undelete time is an hour */
	uint64_t ret_messages, ret_bytes;
};
void prune_job_init(struct prune_job *j);

/* The next slice of a migration that runs while serving. Finished at once when there is none. */
struct migrate_job {
	struct store_job job;
};
void migrate_job_init(struct migrate_job *j);

/* Removes files whose rows a durable commit has dropped; at most `max`. How many are left. Any thread, one at a time (a spool
 * thread). */
size_t housekeep_unlink(struct store *s, size_t max);
/* How many there are. Any thread. */
size_t housekeep_unlinks(struct store *s);

/* Removes files that no row names: what a crash left of messages that were never acknowledged. One content folder a call
 * (`step` 0…255; 0 clears the spool folder of an earlier process too). To be run through after start and once a day. */
must_check enum store_outcome housekeep_sweep(struct store_reader *r, unsigned step, uint64_t *ret_removed);

#endif
