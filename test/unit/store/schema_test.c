/* SPDX-License-Identifier: ISC
 * Migrations: from nothing, from an older form, in slices, over restarts; and statements that both databases would understand. */
#include "store/schema.h"
#include "store/search_file.h"
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a small list of our own ---- */

enum { ROWS = 25, PER_SLICE = 10 };

/* Doubles v of ten rows a slice; the cursor is the last id done. */
static int double_some(struct sql *c, uint64_t *cursor)
{
	struct buf text = BUF_INIT(300);
	uint64_t last = *cursor + PER_SLICE;
	int rc;

	buf_printf(&text, "UPDATE thing SET v = v * 2 WHERE id > %llu AND id <= %llu", (unsigned long long)*cursor,
		   (unsigned long long)last);
	rc = sql_exec(c, buf_cstr(&text));
	buf_fini(&text);
	*cursor = last;
	return rc < 0 ? rc : last < ROWS;
}

static const struct migration list[] = {
    {"CREATE TABLE thing (id {id} NOT NULL PRIMARY KEY, v {int} NOT NULL, name {text});", NULL, false},
    {"ALTER TABLE thing ADD COLUMN extra {bytes};", double_some, false},
    {"CREATE TABLE other (a {int} NOT NULL, b {text} NOT NULL, PRIMARY KEY (a, b)) {clustered};", NULL, false},
    {NULL, double_some, true},
};

struct base {
	char dir[64];
	char path[100];
	struct sql *sql;
};

static void open_base(struct base *b)
{
	struct sql_options o = {b->path, SQL_WRITER, true, 1024, 1000};

	assert_int_equal(sql_open(&sql_sqlite, &o, &b->sql), 0);
}

static int start(void **state)
{
	struct base *b = calloc(1, sizeof *b);

	(void)snprintf(b->dir, sizeof b->dir, "/tmp/pombo-schema-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(b->path, sizeof b->path, "%s/x.db", b->dir);
	open_base(b);
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct base *b = *state;
	static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm"};

	sql_close(&b->sql);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[120];

		(void)snprintf(path, sizeof path, "%s/%s", b->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(b->dir);
	free(b);
	return 0;
}

static void check_version(struct base *b, uint64_t version, bool slicing)
{
	struct schema_state s;

	assert_int_equal(schema_read(b->sql, &s), 0);
	assert_int_equal(s.version, version);
	assert_int_equal(s.slicing, slicing);
}

static void fill(struct base *b)
{
	for (unsigned i = 1; i <= ROWS; i++) {
		char text[100];

		(void)snprintf(text, sizeof text, "INSERT INTO thing (id, v) VALUES (%u, %u)", i, i);
		assert_int_equal(sql_exec(b->sql, text), 0);
	}
}

static void test_forward(void **state)
{
	struct base *b = *state;
	struct migration_list first = {list, 1}, third = {list, 3}, all = {list, 4};

	check_version(b, 0, false);
	assert_int_equal(schema_migrate(b->sql, &first), 0);
	check_version(b, 1, false);
	fill(b);
	assert_int_equal(schema_migrate(b->sql, &third), 0);
	check_version(b, 3, false);
	assert_int_equal(sql_exec(b->sql, "INSERT INTO other SELECT MAX(v), 'x' FROM thing"), 0);
	/* 2 × 25: each row was doubled once. */
	assert_int_equal(sql_exec(b->sql, "INSERT INTO other VALUES (50, 'x')"), -EEXIST);
	assert_int_equal(schema_migrate(b->sql, &first), -ENOTSUP);
	/* The last one goes on while serving, also after a restart in the midst of it. */
	assert_int_equal(schema_migrate(b->sql, &all), 1);
	check_version(b, 4, true);
	assert_int_equal(schema_slice(b->sql, &all), 1);
	sql_close(&b->sql);
	open_base(b);
	assert_int_equal(schema_migrate(b->sql, &all), 1);
	assert_int_equal(schema_slice(b->sql, &all), 1);
	assert_int_equal(schema_slice(b->sql, &all), 0);
	check_version(b, 4, false);
	assert_int_equal(schema_slice(b->sql, &all), 0);
	assert_int_equal(sql_exec(b->sql, "INSERT INTO other SELECT SUM(v), 'sum' FROM thing"), 0);
	assert_int_equal(sql_exec(b->sql, "INSERT INTO other VALUES (1300, 'sum')"), -EEXIST); /* 4 × 325 */
}

/* A migration that fails leaves the version before it. */
static void test_failing(void **state)
{
	struct base *b = *state;
	static const struct migration bad[] = {
	    {"CREATE TABLE thing (id {id} NOT NULL PRIMARY KEY);", NULL, false},
	    {"CREATE TABLE second (id {id} NOT NULL PRIMARY KEY); CREATE TABLE thing (x {int});", NULL, false},
	};
	struct migration_list l = {bad, 2};

	assert_true(schema_migrate(b->sql, &l) < 0);
	check_version(b, 1, false);
	assert_true(sql_exec(b->sql, "INSERT INTO second VALUES (1)") < 0);
}

/* $2 before $1: numbered by name, not by place. */
static void test_parameters(void **state)
{
	struct base *b = *state;
	struct sql_stmt *st;

	check_version(b, 0, false);
	st = sql_use(b->sql, SQL_setting_set_number);
	sql_bind_text(st, 1, VIEW_LIT("n"));
	sql_bind_u64(st, 2, 7);
	assert_int_equal(sql_run(st), 0);
	assert_int_equal(sql_exec(b->sql, "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER)"), 0);
	assert_int_equal(sql_exec(b->sql, "INSERT INTO counter VALUES ('a', 1), ('b', 1)"), 0);
	st = sql_use(b->sql, SQL_counter_set); /* SET value = $2 WHERE name = $1 */
	sql_bind_text(st, 1, VIEW_LIT("b"));
	sql_bind_u64(st, 2, 9);
	assert_int_equal(sql_run(st), 0);
	st = sql_use(b->sql, SQL_counter_get);
	sql_bind_text(st, 1, VIEW_LIT("b"));
	assert_int_equal(sql_step(st), 1);
	assert_int_equal(sql_u64(st, 0), 9);
	sql_reset(st);
	/* A statement that cannot be prepared fails at its step, and works once it can. */
	st = sql_use(b->sql, SQL_queue_figures);
	assert_true(sql_run(st) < 0);
	assert_int_equal(
	    sql_exec(b->sql, "CREATE TABLE queue_recipient (id INTEGER PRIMARY KEY, message, attempts, lease, held)"),
	    0);
	assert_int_equal(sql_step(sql_use(b->sql, SQL_queue_figures)), 1);
	sql_reset(sql_use(b->sql, SQL_queue_figures));
}

/* ---- the real schema ---- */

/* Every statement can be prepared on a new store. */
static void test_statements(void **state)
{
	struct trial t;
	struct sql *c;
	struct buf path = BUF_INIT(200);

	(void)state;
	trial_start(&t);
	buf_printf(&path, "%s/pombo.db", t.dir);
	/* Those of search indexes run on files of their own. */
	assert_int_equal(
	    sql_open(&sql_sqlite, &(struct sql_options){buf_cstr(&path), SQL_INDEX, false, 1024, 1000}, &c), 0);
	assert_int_equal(schema_exec(c, search_tables), 0);
	sql_close(&c);
	assert_int_equal(
	    sql_open(&sql_sqlite, &(struct sql_options){buf_cstr(&path), SQL_READER, false, 1024, 1000}, &c), 0);
	for (unsigned i = 0; i < SQL_STATEMENT_COUNT; i++) {
		struct sql_stmt *st = sql_use(c, (enum sql_id)i);

		for (unsigned n = 1; n < 21; n++)
			sql_bind_i64(st, n, 1);
		/* Writing is refused on a reader; a statement that is wrong fails with something else. */
		if (sql_step(st) < 0 && !strstr(sql_error_text(c), "readonly"))
			fail_msg("statement %u: %s", i, sql_error_text(c));
		sql_reset(st);
	}
	sql_close(&c);
	buf_fini(&path);
	trial_end(&t);
}

static bool walks(sqlite3 *db, const char *name, const char *text)
{
	struct buf query = BUF_INIT(4096);
	sqlite3_stmt *st;
	bool found = false;

	buf_printf(&query, "EXPLAIN QUERY PLAN %s", text);
	for (size_t i = 0; i < query.n; i++)
		query.p[i] = query.p[i] == '$' ? '?' : query.p[i];
	if (sqlite3_prepare_v2(db, buf_cstr(&query), -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", name, sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW)
		found |= strncmp((const char *)sqlite3_column_text(st, 3), "SCAN ", 5) == 0;
	sqlite3_finalize(st);
	buf_fini(&query);
	return found;
}

/* What a million recipients, events or policies may stand in is found by an index. */
static void test_nothing_is_walked_through(void **state)
{
	static const struct {
		const char *name, *text;
	} statements[] = {
#define STATEMENT(name, text) {#name, text},
#include "store/statements.def"
#undef STATEMENT
	};
	/* The first three take a row or two of an index; the fourth says of itself that it counts them all; the last are of tables that are bounded, and
	 * counted once. */
	static const char *const may[] = {"queue_domain_first", "queue_unreached_any", "sts_oldest",
					  "queue_figures",      "sts_total",           "tls_count_total"};
	static const char *const tables[] = {"queue_", "trace_", "sts_", "tls_", "refusal_"};
	struct buf path = BUF_INIT(200);
	struct trial t;
	sqlite3 *db;

	(void)state;
	trial_start(&t);
	buf_printf(&path, "%s/pombo.db", t.dir);
	assert_int_equal(sqlite3_open_v2(buf_cstr(&path), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		const char *name = statements[i].name;
		bool ours = false;

		for (size_t k = 0; k < ARRAY_LEN(tables); k++)
			ours |= strncmp(name, tables[k], strlen(tables[k])) == 0;
		for (size_t k = 0; k < ARRAY_LEN(may); k++)
			ours &= strcmp(name, may[k]) != 0;
		if (ours && walks(db, name, statements[i].text))
			fail_msg("%s walks through a table", name);
	}
	sqlite3_close(db);
	buf_fini(&path);
	trial_end(&t);
}

/* Words that only one of the two databases knows. */
static void test_subset(void **state)
{
	static const char *const texts[] = {
#define STATEMENT(name, text) text,
#include "store/statements.def"
#undef STATEMENT
	};
	static const char *const foreign[] = {"OR REPLACE", "OR IGNORE", "PRAGMA",  "rowid",    "ROWID",       "GLOB",
					      "IFNULL",     "?",         "AUTOINC", "changes(", "::",          "ILIKE",
					      "NOW()",      "strftime",  "hex(",    "printf(",  "group_concat"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t k = 0; k < ARRAY_LEN(foreign); k++)
			if (strstr(texts[i], foreign[k]))
				fail_msg("%s: only one database knows %s", texts[i], foreign[k]);
}

/* A store that version 1 of the schema made, as it was dumped then: opens, reads back, goes on. */
static void test_fixture(void **state)
{
	static char text[1 << 20];
	struct trial t;
	struct box_status status;
	struct sql *c;
	struct buf path = BUF_INIT(200);
	struct view got;
	size_t n;
	FILE *f = fopen(FIXTURE, "r");

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	memset(&t, 0, sizeof t);
	trial_start(&t);
	store_reader_close(&t.reader);
	store_close(&t.store);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"pombo.db", "pombo.db-wal", "pombo.db-shm"};

		buf_reset(&path);
		buf_printf(&path, "%s/%s", t.dir, names[i]);
		(void)unlink(buf_cstr(&path));
	}
	buf_reset(&path);
	buf_printf(&path, "%s/pombo.db", t.dir);
	assert_int_equal(
	    sql_open(&sql_sqlite, &(struct sql_options){buf_cstr(&path), SQL_WRITER, true, 1024, 1000}, &c), 0);
	assert_int_equal(sql_exec(c, text), 0);
	sql_close(&c);
	assert_int_equal(store_open(&(struct store_options){.dir = t.dir}, &t.store, NULL), 0);
	assert_int_equal(store_reader_open(t.store, &t.reader), 0);
	trial_box(&t, 1, "INBOX", &status);
	assert_int_equal(status.exists, 2);
	assert_int_equal(status.uidnext, 4);
	assert_int_equal(status.keyword_count, 1);
	assert_string_equal(trial_uids(&t, 1, status.mailbox), "1,3");
	got = trial_read(&t, 1, status.mailbox, 3);
	assert_true(view_eq_lit(got, "Received: here\r\nSubject: third\r\n\r\nbody three\r\n"));
	assert_int_equal(trial_deliver(&t, 1, "", "A: b\r\n\r\n", VIEW_LIT("x"), NULL), STORE_OK);
	assert_string_equal(trial_uids(&t, 1, status.mailbox), "1,3:4");
	buf_fini(&path);
	trial_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_forward, start, end),
	    cmocka_unit_test_setup_teardown(test_failing, start, end),
	    cmocka_unit_test_setup_teardown(test_parameters, start, end),
	    cmocka_unit_test(test_statements),
	    cmocka_unit_test(test_subset),
	    cmocka_unit_test(test_nothing_is_walked_through),
	    cmocka_unit_test(test_fixture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
