/* SPDX-License-Identifier: ISC
 * The embedded SQL driver. WAL, synchronous=FULL; checkpoints are left to checkpoint.c.
 *
 * A statement's $1 would be a *named* parameter here, numbered by first appearance: prepare() rewrites it to ?1. */
#include "store/sql_sqlite.h"

#include "base/buf.h"
#include "store/sql_driver.h"
#include "store/sqlite_ahead.h"
#include "store/sqlite_wal.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

struct lite {
	struct sql base;
	sqlite3 *db;
	sqlite3_stmt *begin, *commit;
	uint64_t wal_pages;
	struct sqlite_ahead ahead;
	struct sqlite_wal wal;
};

struct lite_stmt {
	struct sql_stmt base;
	sqlite3_stmt *st;
};

static struct lite *lite(struct sql *c)
{
	return (struct lite *)c;
}

static sqlite3_stmt *raw(struct sql_stmt *st)
{
	return ((struct lite_stmt *)st)->st;
}

static int error_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return -EIO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	default:
		return -EPROTO;
	}
}

/* Statistics of the allocator cost a lock at each call. Has effect before SQLite's first use only. */
static void configure(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int run_text(struct lite *l, const char *text)
{
	int rc = sqlite3_exec(l->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : error_of(rc);
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct lite *l = ctx;

	(void)db;
	(void)name;
	l->wal_pages = (uint64_t)pages;
	return SQLITE_OK;
}

static int set_up(struct lite *l, const struct sql_options *o)
{
	struct buf text = BUF_INIT(4096);
	int on = 1;
	int rc;

	(void)sqlite3_extended_result_codes(l->db, 1);
	(void)sqlite3_busy_timeout(l->db, (int)o->busy_ms);
	/* The WAL keeps its size while it starts over, and after a crash of ours stays for the next process to read. */
	(void)sqlite3_file_control(l->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
	if (o->create)
		buf_append_cstr(&text, "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL;");
	buf_printf(&text, "PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-%u;",
		   o->mode == SQL_INDEX ? "NORMAL" : "FULL", o->cache_kib);
	/* Debian's build overwrites what it deletes, which doubles the cost of pruning. */
	buf_append_cstr(&text, "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;");
	/* All pages of a transaction are written by its commit (checkpoint.c holds a lock there). */
	buf_append_cstr(&text, o->mode == SQL_READER  ? "PRAGMA query_only=ON;"
			       : o->mode == SQL_INDEX ? "PRAGMA journal_size_limit=4194304;"
						      : "PRAGMA cache_spill=OFF;");
	rc = run_text(l, buf_cstr(&text));
	buf_fini(&text);
	if (rc == 0)
		(void)sqlite3_wal_hook(l->db, on_commit, l);
	return rc;
}

static void lite_close(struct sql *c)
{
	struct lite *l = lite(c);

	(void)sqlite3_finalize(l->begin);
	(void)sqlite3_finalize(l->commit);
	(void)sqlite3_close(l->db);
	sqlite_wal_end(&l->wal);
	free(l);
}

static int prepare_raw(struct lite *l, const char *text, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v3(l->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

	return rc == SQLITE_OK ? 0 : error_of(rc);
}

static int lite_open(const struct sql_options *o, struct sql **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (o->create ? SQLITE_OPEN_CREATE : 0);
	struct lite *l = xcalloc(1, sizeof *l);
	int rc;

	(void)pthread_once(&once, configure);
	rc = sqlite3_open_v2(o->path, &l->db, flags, NULL);
	rc = rc == SQLITE_OK ? set_up(l, o) : error_of(rc);
	if (rc == 0)
		rc = prepare_raw(l, o->mode == SQL_READER ? "BEGIN" : "BEGIN IMMEDIATE", &l->begin);
	if (rc == 0)
		rc = prepare_raw(l, "COMMIT", &l->commit);
	if (rc < 0) {
		lite_close(&l->base);
		return rc;
	}
	if (o->mode == SQL_WRITER && run_text(l, "SELECT 1 FROM sqlite_schema LIMIT 1") == 0)
		sqlite_wal_start(&l->wal, l->db);
	if (o->ahead_fd > 0)
		sqlite_ahead_start(&l->ahead, l->db, o->ahead_fd);
	*ret = &l->base;
	return 0;
}

static int run_raw(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : error_of(rc);
}

static int lite_begin(struct sql *c)
{
	return run_raw(lite(c)->begin);
}

static int lite_commit(struct sql *c)
{
	return run_raw(lite(c)->commit);
}

static int lite_rollback(struct sql *c)
{
	struct lite *l = lite(c);

	return sqlite3_get_autocommit(l->db) ? 0 : run_text(l, "ROLLBACK");
}

static int lite_exec(struct sql *c, const char *text)
{
	return run_text(lite(c), text);
}

static int lite_prepare(struct sql *c, const char *text, struct sql_stmt **ret)
{
	struct buf rewritten = BUF_INIT(65536);
	struct lite_stmt *st = xcalloc(1, sizeof *st);
	int rc;

	for (const char *p = text; *p; p++)
		buf_append_char(&rewritten, *p == '$' && ascii_is_digit(p[1]) ? '?' : *p);
	rc = prepare_raw(lite(c), buf_cstr(&rewritten), &st->st);
	buf_fini(&rewritten);
	if (rc < 0) {
		free(st);
		return rc;
	}
	st->base.sql = c;
	*ret = &st->base;
	return 0;
}

static void lite_finalize(struct sql_stmt *st)
{
	(void)sqlite3_finalize(raw(st));
	free(st);
}

static void lite_bind_i64(struct sql_stmt *st, unsigned n, int64_t value)
{
	(void)sqlite3_bind_int64(raw(st), (int)n, value);
}

static void lite_bind_bytes(struct sql_stmt *st, unsigned n, struct view value)
{
	(void)sqlite3_bind_blob64(raw(st), (int)n, value.n ? value.p : "", value.n, SQLITE_STATIC);
}

static void lite_bind_text(struct sql_stmt *st, unsigned n, struct view value)
{
	(void)sqlite3_bind_text64(raw(st), (int)n, value.n ? value.p : "", value.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void lite_bind_null(struct sql_stmt *st, unsigned n)
{
	(void)sqlite3_bind_null(raw(st), (int)n);
}

static int lite_step(struct sql_stmt *st)
{
	int rc = sqlite3_step(raw(st));

	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : error_of(rc);
}

static void lite_reset(struct sql_stmt *st)
{
	(void)sqlite3_reset(raw(st));
}

static int64_t lite_i64(struct sql_stmt *st, unsigned column)
{
	return sqlite3_column_int64(raw(st), (int)column);
}

static struct view lite_bytes(struct sql_stmt *st, unsigned column)
{
	const void *p = sqlite3_column_blob(raw(st), (int)column);

	return p ? view_from(p, (size_t)sqlite3_column_bytes(raw(st), (int)column)) : VIEW_EMPTY;
}

static bool lite_is_null(struct sql_stmt *st, unsigned column)
{
	return sqlite3_column_type(raw(st), (int)column) == SQLITE_NULL;
}

static int64_t lite_changes(struct sql *c)
{
	return sqlite3_changes64(lite(c)->db);
}

static const char *lite_error_text(struct sql *c)
{
	return sqlite3_errmsg(lite(c)->db);
}

int sql_sqlite_checkpoint(struct sql *c, uint64_t *ret_pages, uint64_t *ret_done)
{
	int pages = 0, done = 0;
	int rc = sqlite3_wal_checkpoint_v2(lite(c)->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &done);

	if (rc != SQLITE_OK)
		return error_of(rc);
	*ret_pages = pages < 0 ? 0 : (uint64_t)pages;
	*ret_done = done < 0 ? 0 : (uint64_t)done;
	return 0;
}

int sql_sqlite_empty_wal(struct sql *c)
{
	int rc = sqlite3_wal_checkpoint_v2(lite(c)->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : error_of(rc);
}

void sql_sqlite_close_whole(struct sql *c)
{
	int off = 0;

	(void)sqlite3_file_control(lite(c)->db, "main", SQLITE_FCNTL_PERSIST_WAL, &off);
}

uint64_t sql_sqlite_wal_pages(const struct sql *c)
{
	return ((const struct lite *)c)->wal_pages;
}

struct sqlite3 *sql_sqlite_handle(struct sql *c)
{
	return lite(c)->db;
}

const struct sql_driver sql_sqlite = {
    .name = "sqlite",
    .type_id = "INTEGER", /* only a column of just this type is the row's own key */
    .type_int = "INTEGER",
    .type_text = "TEXT",
    .type_bytes = "BLOB",
    .clustered = "WITHOUT ROWID",
    .open = lite_open,
    .close = lite_close,
    .begin = lite_begin,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .exec = lite_exec,
    .prepare = lite_prepare,
    .finalize = lite_finalize,
    .bind_i64 = lite_bind_i64,
    .bind_bytes = lite_bind_bytes,
    .bind_text = lite_bind_text,
    .bind_null = lite_bind_null,
    .step = lite_step,
    .reset = lite_reset,
    .i64 = lite_i64,
    .bytes = lite_bytes,
    .is_null = lite_is_null,
    .changes = lite_changes,
    .error_text = lite_error_text,
};
