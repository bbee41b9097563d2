/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SQL_SQLITE_H
#define POMBO_STORE_SQL_SQLITE_H

#include "store/sql.h"

/* What only the embedded driver has: its WAL. */

/* Copies what the WAL holds into the database as far as readers allow, without waiting for anybody. 0 with the WAL's length and how
 * much of it is copied; -EIO, -ENOSPC and so on. When both are equal the next write starts the WAL over. */
must_check int sql_sqlite_checkpoint(struct sql *c, uint64_t *ret_pages, uint64_t *ret_done);
/* Copies all of it and empties the WAL file: at open, when nobody else is there yet. What an earlier process could not sync, but the
 * system still shows, is then in the database and synced, or gone: later commits do not stand behind a hole. */
must_check int sql_sqlite_empty_wal(struct sql *c);
/* Lets the last connection that closes copy the WAL and remove it. */
void sql_sqlite_close_whole(struct sql *c);
/* Pages in the WAL after this writer's last commit. */
uint64_t sql_sqlite_wal_pages(const struct sql *c);
/* For tests: the handle behind it (struct sqlite3 *). */
struct sqlite3;
struct sqlite3 *sql_sqlite_handle(struct sql *c);

#endif
