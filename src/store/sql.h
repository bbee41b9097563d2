/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SQL_H
#define POMBO_STORE_SQL_H

#include "base/mem.h"
#include "base/view.h"

/* The thin interface to a database. Statements are those of statements.def, named by enum, written in the subset that SQLite
 * and PostgreSQL share: parameters $1…$n, BIGINT/TEXT/BYTEA values, ON CONFLICT, RETURNING, LIMIT; no rowid, no OR REPLACE, no
 * PRAGMA, no functions but COALESCE, MIN, MAX, SUM, COUNT, SUBSTR, LENGTH. A connection is used by one thread at a time and
 * prepares each statement once.
 *
 * Errors are negative errno, the same from every driver:
 *   -EEXIST   a UNIQUE or other constraint said no (the transaction can go on in SQLite; callers check first instead)
 *   -EAGAIN   serialization failure, or busy: roll back, run the whole transaction again
 *   -ENOSPC   disk full
 *   -EIO      writing or fsync failed, or the outcome of a commit is unknown: the store is fatal (writer)
 *   -EUCLEAN  the database is damaged
 *   -EROFS, -ENOMEM, -EPROTO (anything else)
 * sql_error_text() has the driver's words.
 *
 * A transaction is all or nothing, without savepoints: what must be left out of it is left out by running it again (group.h), which
 * is also the answer to -EAGAIN. So whatever runs inside one must be able to run twice. */
struct sql; /* one connection */
struct sql_stmt;

enum sql_id {
#define STATEMENT(name, text) SQL_##name,
#include "store/statements.def"
#undef STATEMENT
	SQL_STATEMENT_COUNT
};

enum sql_mode {
	SQL_WRITER,
	SQL_READER,
	SQL_INDEX, /* writes what can be made again: may lose its last commits with the machine's power, never more */
};

struct sql_options {
	const char *path; /* SQLite: the file */
	enum sql_mode mode;
	bool create;
	uint32_t cache_kib;
	uint32_t busy_ms;
	int ahead_fd; /* SQLite: see sqlite_ahead.h; 0: none */
};

/* A driver. Two are meant to exist; the rest of src/store sees only the functions below. */
struct sql_driver {
	const char *name;
	/* Words for the types in migrations: {id} {int} {text} {bytes} {clustered}. */
	const char *type_id, *type_int, *type_text, *type_bytes, *clustered;
	int (*open)(const struct sql_options *o, struct sql **ret);
	void (*close)(struct sql *c);
	int (*begin)(struct sql *c); /* a writer's takes the write lock at once; a reader's is read only */
	int (*commit)(struct sql *c);
	int (*rollback)(struct sql *c); /* also when the database has already rolled back */
	/* May hold several statements; for migrations. */
	int (*exec)(struct sql *c, const char *text);
	int (*prepare)(struct sql *c, const char *text, struct sql_stmt **ret);
	void (*finalize)(struct sql_stmt *st);
	void (*bind_i64)(struct sql_stmt *st, unsigned n, int64_t value); /* n from 1; failures show at step */
	void (*bind_bytes)(struct sql_stmt *st, unsigned n, struct view value); /* must live until sql_reset() */
	void (*bind_text)(struct sql_stmt *st, unsigned n, struct view value);
	void (*bind_null)(struct sql_stmt *st, unsigned n);
	int (*step)(struct sql_stmt *st); /* 1 a row, 0 the end, negative errno */
	void (*reset)(struct sql_stmt *st); /* also unbinds */
	int64_t (*i64)(struct sql_stmt *st, unsigned column); /* columns from 0; 0 for NULL */
	struct view (*bytes)(struct sql_stmt *st, unsigned column); /* until the next step or reset; empty for NULL */
	bool (*is_null)(struct sql_stmt *st, unsigned column);
	int64_t (*changes)(struct sql *c); /* rows the last statement changed */
	const char *(*error_text)(struct sql *c);
};
extern const struct sql_driver sql_sqlite;

must_check int sql_open(const struct sql_driver *driver, const struct sql_options *o, struct sql **ret);
void sql_close(struct sql **c);
must_check int sql_begin(struct sql *c);
must_check int sql_commit(struct sql *c);
int sql_rollback(struct sql *c);
must_check int sql_exec(struct sql *c, const char *text);
const char *sql_error_text(struct sql *c);
const struct sql_driver *sql_driver_of(const struct sql *c);

/* The prepared statement, ready to bind. Never NULL: a statement that cannot be prepared fails at its step. A statement is
 * used by one caller at a time, until sql_reset(). */
struct sql_stmt *sql_use(struct sql *c, enum sql_id id);
void sql_bind_i64(struct sql_stmt *st, unsigned n, int64_t value);
void sql_bind_u64(struct sql_stmt *st, unsigned n,
		  uint64_t value); /* above 2^63: NULL, which equals nothing, as no row has such a number */
void sql_bind_bytes(struct sql_stmt *st, unsigned n, struct view value);
void sql_bind_text(struct sql_stmt *st, unsigned n, struct view value);
void sql_bind_null(struct sql_stmt *st, unsigned n);
must_check int sql_step(struct sql_stmt *st);
/* Steps a statement that gives no row, and resets it: 0 or negative errno. */
must_check int sql_run(struct sql_stmt *st);
void sql_reset(struct sql_stmt *st);
int64_t sql_i64(struct sql_stmt *st, unsigned column);
uint64_t sql_u64(struct sql_stmt *st, unsigned column);
struct view sql_bytes(struct sql_stmt *st, unsigned column);
bool sql_is_null(struct sql_stmt *st, unsigned column);
int64_t sql_changes(struct sql *c);

#endif
