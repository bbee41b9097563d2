/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SQLITE_WAL_H
#define POMBO_STORE_SQLITE_WAL_H

#include <sqlite3.h>

/* Writing to the WAL for one connection of the embedded driver, which writes a commit as a 24-byte header and a page by turns, a system call each.
 * Here what follows on what came before is gathered and written at once: before the sync that makes the commit durable, and before anything
 * else is done with the file. */
enum { SQLITE_WAL_GATHER_BYTES = 128 * 1024 };

struct sqlite_wal {
	sqlite3_io_methods methods; /* first: found by the file they are of */
	const sqlite3_io_methods *real;
	char *gathered; /* NULL: not started */
	int n;
	sqlite3_int64 offset; /* of `gathered` in the file */
};

/* Of a connection that syncs every commit, once it has read from the database. `w` outlives the connection, then sqlite_wal_end(). */
void sqlite_wal_start(struct sqlite_wal *w, sqlite3 *db);
void sqlite_wal_end(struct sqlite_wal *w);

#endif
