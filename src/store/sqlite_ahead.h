/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SQLITE_AHEAD_H
#define POMBO_STORE_SQLITE_AHEAD_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Reading ahead for one connection of the embedded driver.
 *
 * A walk through one of the message tables meets a page of it every few pages of the file: the others' lie between. The kernel takes that for
 * reading at random, and a cold walk waits for the disk once a page. Here such a walk is recognized (reads that took as long as a disk
 * takes, ascending, close to each other), and the kernel is told to fetch what comes next, some MiB at once. Nothing is read here. */
struct sqlite_ahead {
	sqlite3_io_methods methods; /* first: found by the file they are of */
	const sqlite3_io_methods *real;
	int fd;
	uint64_t last; /* where the last slow read was */
	unsigned slow; /* slow reads close to each other */
	unsigned reads; /* since the kernel was told last */
	uint64_t until; /* it was told to fetch up to here; 0: nothing */
};

/* Of the connection's main file. `fd`: the same file, open for reading as long as any connection of the process is (closing it lets go of
 * SQLite's locks); -1: do nothing. `a` outlives the connection. */
void sqlite_ahead_start(struct sqlite_ahead *a, sqlite3 *db, int fd);

/* What a read at `offset` means, for the test: true with what to fetch. */
bool sqlite_ahead_note(struct sqlite_ahead *a, uint64_t offset, bool slow, uint64_t *ret_from, uint64_t *ret_bytes);

#endif
