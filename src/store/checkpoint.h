/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_CHECKPOINT_H
#define POMBO_STORE_CHECKPOINT_H

#include "store/store.h"

/* Keeps the WAL short and ahead of need, off the commit path. A thread copies what the WAL holds into the database (PASSIVE: waits for
 * nobody) once it is long or the store is idle; new commits come in meanwhile, so the writer copies the short rest between two
 * groups, after which its next commit starts the WAL over. The thread also writes zeros behind the WAL's end before the writer
 * gets there: growing a file at each fsync halves the rate. */
struct checkpoint;

/* Without a thread (options.no_threads) all is done by checkpoint_between(). */
must_check int checkpoint_start(struct store *s, struct checkpoint **ret);
void checkpoint_stop(struct checkpoint **c);
/* The writer holds this while it commits, so that nobody lengthens the WAL at the same time. */
void checkpoint_lock(struct checkpoint *c);
void checkpoint_unlock(struct checkpoint *c);
/* After a commit, by the writer: the WAL now has so many pages. */
void checkpoint_note(struct checkpoint *c, uint64_t wal_pages);
/* By the writer, between groups: ends a checkpoint when one is due. 0 or negative errno. */
must_check int checkpoint_between(struct checkpoint *c);
uint64_t checkpoint_count(struct checkpoint *c);

#endif
