/* SPDX-License-Identifier: ISC
 * The part of the SQL interface that is the same for every driver: the statement cache and thin calls through it. */
#include "store/sql_driver.h"

#include <stdlib.h>

static const char *const statement_text[SQL_STATEMENT_COUNT] = {
#define STATEMENT(name, text) [SQL_##name] = text,
#include "store/statements.def"
#undef STATEMENT
};

int sql_open(const struct sql_driver *driver, const struct sql_options *o, struct sql **ret)
{
	struct sql *c;
	int rc = driver->open(o, &c);

	if (rc < 0)
		return rc;
	c->driver = driver;
	*ret = c;
	return 0;
}

static void finalize(struct sql_stmt *st)
{
	if (!st)
		return;
	if (st->sql)
		st->sql->driver->finalize(st);
	else
		free(st);
}

void sql_close(struct sql **c)
{
	if (!*c)
		return;
	for (size_t i = 0; i < SQL_STATEMENT_COUNT; i++)
		finalize((*c)->cache[i]);
	(*c)->driver->close(*c);
	*c = NULL;
}

int sql_begin(struct sql *c)
{
	return c->driver->begin(c);
}

int sql_commit(struct sql *c)
{
	return c->driver->commit(c);
}

int sql_rollback(struct sql *c)
{
	return c->driver->rollback(c);
}

int sql_exec(struct sql *c, const char *text)
{
	return c->driver->exec(c, text);
}

const char *sql_error_text(struct sql *c)
{
	return c->driver->error_text(c);
}

const struct sql_driver *sql_driver_of(const struct sql *c)
{
	return c->driver;
}

struct sql_stmt *sql_use(struct sql *c, enum sql_id id)
{
	struct sql_stmt *st = c->cache[id];
	int rc;

	if (st && st->sql)
		return st;
	finalize(st); /* it failed before: try again */
	c->cache[id] = NULL;
	rc = c->driver->prepare(c, statement_text[id], &st);
	if (rc < 0) {
		st = xcalloc(1, sizeof *st);
		st->error = rc;
	}
	c->cache[id] = st;
	return st;
}

void sql_bind_i64(struct sql_stmt *st, unsigned n, int64_t value)
{
	if (st->sql)
		st->sql->driver->bind_i64(st, n, value);
}

void sql_bind_u64(struct sql_stmt *st, unsigned n, uint64_t value)
{
	if (value > INT64_MAX)
		sql_bind_null(st, n);
	else
		sql_bind_i64(st, n, (int64_t)value);
}

void sql_bind_bytes(struct sql_stmt *st, unsigned n, struct view value)
{
	if (st->sql)
		st->sql->driver->bind_bytes(st, n, value);
}

void sql_bind_text(struct sql_stmt *st, unsigned n, struct view value)
{
	if (st->sql)
		st->sql->driver->bind_text(st, n, value);
}

void sql_bind_null(struct sql_stmt *st, unsigned n)
{
	if (st->sql)
		st->sql->driver->bind_null(st, n);
}

int sql_step(struct sql_stmt *st)
{
	return st->sql ? st->sql->driver->step(st) : st->error;
}

int sql_run(struct sql_stmt *st)
{
	int rc = sql_step(st);

	sql_reset(st);
	return rc > 0 ? 0 : rc;
}

void sql_reset(struct sql_stmt *st)
{
	if (st->sql)
		st->sql->driver->reset(st);
}

int64_t sql_i64(struct sql_stmt *st, unsigned column)
{
	return st->sql->driver->i64(st, column);
}

uint64_t sql_u64(struct sql_stmt *st, unsigned column)
{
	int64_t value = sql_i64(st, column);

	return value < 0 ? 0 : (uint64_t)value;
}

struct view sql_bytes(struct sql_stmt *st, unsigned column)
{
	return st->sql->driver->bytes(st, column);
}

bool sql_is_null(struct sql_stmt *st, unsigned column)
{
	return st->sql->driver->is_null(st, column);
}

int64_t sql_changes(struct sql *c)
{
	return c->driver->changes(c);
}
