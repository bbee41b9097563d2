/* SPDX-License-Identifier: ISC
 * The frames of a commit in one write. */
#include "store/sqlite_wal.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct sqlite_wal *wal_of(sqlite3_file *f)
{
	return (struct sqlite_wal *)(uintptr_t)f->pMethods;
}

/* What could not be written is lost to the commit, which fails. */
static int flush(struct sqlite_wal *w, sqlite3_file *f)
{
	int n = w->n;

	w->n = 0;
	return n ? w->real->xWrite(f, w->gathered, n, w->offset) : SQLITE_OK;
}

static int write_wal(sqlite3_file *f, const void *from, int n, sqlite3_int64 offset)
{
	struct sqlite_wal *w = wal_of(f);
	int rc = SQLITE_OK;

	if (offset != w->offset + w->n || n > SQLITE_WAL_GATHER_BYTES - w->n)
		rc = flush(w, f);
	if (rc != SQLITE_OK || n > SQLITE_WAL_GATHER_BYTES)
		return rc != SQLITE_OK ? rc : w->real->xWrite(f, from, n, offset);
	if (w->n == 0)
		w->offset = offset;
	memcpy(w->gathered + w->n, from, (size_t)n);
	w->n += n;
	return SQLITE_OK;
}

static int read_wal(sqlite3_file *f, void *to, int n, sqlite3_int64 offset)
{
	struct sqlite_wal *w = wal_of(f);
	int rc = flush(w, f);

	return rc != SQLITE_OK ? rc : w->real->xRead(f, to, n, offset);
}

static int sync_wal(sqlite3_file *f, int flags)
{
	struct sqlite_wal *w = wal_of(f);
	int rc = flush(w, f);

	return rc != SQLITE_OK ? rc : w->real->xSync(f, flags);
}

static int truncate_wal(sqlite3_file *f, sqlite3_int64 n)
{
	struct sqlite_wal *w = wal_of(f);
	int rc = flush(w, f);

	return rc != SQLITE_OK ? rc : w->real->xTruncate(f, n);
}

static int size_of_wal(sqlite3_file *f, sqlite3_int64 *ret)
{
	struct sqlite_wal *w = wal_of(f);
	int rc = flush(w, f);

	return rc != SQLITE_OK ? rc : w->real->xFileSize(f, ret);
}

/* Nothing that counts is left: what was not synced is no commit. */
static int close_wal(sqlite3_file *f)
{
	struct sqlite_wal *w = wal_of(f);

	w->n = 0;
	f->pMethods = w->real;
	return w->real->xClose(f);
}

void sqlite_wal_start(struct sqlite_wal *w, sqlite3 *db)
{
	sqlite3_file *f = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK || !f || !f->pMethods)
		return;
	*w = (struct sqlite_wal){
	    .methods = *f->pMethods, .real = f->pMethods, .gathered = xmalloc(SQLITE_WAL_GATHER_BYTES)};
	w->methods.xWrite = write_wal;
	w->methods.xRead = read_wal;
	w->methods.xSync = sync_wal;
	w->methods.xTruncate = truncate_wal;
	w->methods.xFileSize = size_of_wal;
	w->methods.xClose = close_wal;
	f->pMethods = &w->methods;
}

void sqlite_wal_end(struct sqlite_wal *w)
{
	free(w->gathered);
	w->gathered = NULL;
}
