/* SPDX-License-Identifier: ISC
 * Opening and closing the store, its lock, settings, ids, free space, and the end of trust in the disk. */
#include "store/store_private.h"

#include "base/clock.h"
#include "base/random.h"
#include "store/bulk.h"
#include "store/checkpoint.h"
#include "store/content_private.h"
#include "store/directory_cache.h"
#include "store/schema.h"
#include "store/sql_sqlite.h"
#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

void (*store_crash_hook)(const char *point);

enum { PATH_BYTES_MAX = 4096, SPACE_LOOK_MS = 1000, GROUP_US = 8000, LOCK_WAIT_MS = 5000, LOCK_STEP_MS = 20 };

const char *store_outcome_name(enum store_outcome outcome)
{
	static const char *const names[] = {
	    [STORE_OK] = "ok",
	    [STORE_TEMPORARY] = "temporary",
	    [STORE_NO_MAILBOX] = "no-mailbox",
	    [STORE_EXISTS] = "exists",
	    [STORE_NOT_ALLOWED] = "not-allowed",
	    [STORE_OVER_QUOTA] = "over-quota",
	    [STORE_TOO_BIG] = "too-big",
	    [STORE_NO_MESSAGE] = "no-message",
	    [STORE_NO_SPACE] = "no-space",
	    [STORE_IN_USE] = "in-use",
	    [STORE_BAD_REQUEST] = "bad-request",
	    [STORE_LIMIT] = "limit",
	    [STORE_NO_ACCOUNT] = "no-account",
	    [STORE_NO_DOMAIN] = "no-domain",
	    [STORE_NO_ALIAS] = "no-alias",
	    [STORE_STALE] = "stale",
	};

	return names[outcome];
}

const char *store_path(const struct store *s, const char *name, struct buf *out)
{
	struct view dir = buf_view(&s->dir);

	buf_reset(out);
	buf_append_view(out, dir);
	buf_append_char(out, '/');
	buf_append_cstr(out, name);
	return buf_cstr(out);
}

/* ---- the end of trust ---- */

int store_fail(struct store *s, const char *what, const char *why)
{
	struct buf text = BUF_INIT(1024);
	const char *none = NULL;
	char *words;

	buf_printf(&text, "%s: %s", what ? what : "the store", why ? why : "failed");
	words = xstrdup(buf_cstr(&text));
	buf_fini(&text);
	if (!atomic_compare_exchange_strong(&s->fatal_text, &none, words))
		free(words);
	atomic_store(&s->fatal, true);
	return -EIO;
}

bool store_is_fatal(const struct store *s)
{
	return atomic_load(&s->fatal);
}

const char *store_fatal_text(const struct store *s)
{
	const char *text = atomic_load(&s->fatal_text);

	return text ? text : "";
}

/* ---- settings, ids, space ---- */

void store_set(struct store *s, const struct store_settings *settings)
{
	pthread_mutex_lock(&s->lock);
	s->settings = *settings;
	buf_reset(&s->postmaster);
	buf_append_view(&s->postmaster, settings->postmaster);
	s->settings.postmaster = buf_view(&s->postmaster);
	buf_reset(&s->hostname);
	buf_append_view(&s->hostname, settings->hostname);
	s->settings.hostname = buf_view(&s->hostname);
	s->space_looked_ms = 0;
	pthread_mutex_unlock(&s->lock);
	directory_cache_clear(s->directory);
}

void store_settings_get(struct store *s, struct arena *a, struct store_settings *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->settings;
	ret->postmaster = a ? arena_copy(a, s->settings.postmaster) : VIEW_EMPTY;
	ret->hostname = a ? arena_copy(a, s->settings.hostname) : VIEW_EMPTY;
	pthread_mutex_unlock(&s->lock);
}

uint64_t store_next_id(struct store *s)
{
	uint64_t id;

	pthread_mutex_lock(&s->lock);
	id = id_next(&s->ids);
	pthread_mutex_unlock(&s->lock);
	return id;
}

/* s->lock is held. */
static void look_at_space(struct store *s)
{
	uint64_t now_ms = clock_mono_ms();
	struct statvfs fs;

	if (s->space_looked_ms && now_ms - s->space_looked_ms < SPACE_LOOK_MS)
		return;
	s->space_looked_ms = now_ms;
	if (fstatvfs(s->dir_fd, &fs) < 0)
		return;
	s->figures.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	s->space_is_low = s->figures.free_bytes < s->settings.disk_reserve_bytes;
}

bool store_space_is_low(struct store *s)
{
	bool low;

	pthread_mutex_lock(&s->lock);
	look_at_space(s);
	low = s->space_is_low;
	pthread_mutex_unlock(&s->lock);
	return low;
}

struct view store_secret(const struct store *s)
{
	return view_from(s->secret, sizeof s->secret);
}

int64_t store_created_s(const struct store *s)
{
	return s->created_s;
}

void store_unlink_later(struct store *s, uint64_t content)
{
	pthread_mutex_lock(&s->lock);
	if (s->unlink_count == s->unlink_cap) {
		s->unlink_cap = s->unlink_cap ? s->unlink_cap * 2 : 64;
		s->unlinks = xrealloc(s->unlinks, s->unlink_cap * sizeof *s->unlinks);
	}
	s->unlinks[s->unlink_count++] = content;
	pthread_mutex_unlock(&s->lock);
}

void store_figures(struct store *s, struct store_figures *ret)
{
	struct stat st;

	pthread_mutex_lock(&s->lock);
	look_at_space(s);
	if (fstatat(s->dir_fd, "pombo.db", &st, 0) == 0)
		s->figures.database_bytes = (uint64_t)st.st_size;
	*ret = s->figures;
	pthread_mutex_unlock(&s->lock);
}

/* ---- opening ---- */

/* For its owner alone; what SQLite puts beside it takes after it. */
static int make_file(int dir_fd)
{
	int fd = openat(dir_fd, "pombo.db", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	fd_close(&fd);
	return 0;
}

/* A process that was started by a command, and lost it, is still on its way out: that is waited for. */
static int lock_patiently(int fd)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};

	for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (waited_ms >= LOCK_WAIT_MS)
			return -EBUSY;
		(void)nanosleep(&step, NULL);
	}
	return 0;
}

static int open_dir(struct store *s, bool create, const char **ret_why)
{
	const char *path = buf_cstr(&s->dir);
	int r;

	*ret_why = "the store's folder cannot be opened";
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return -errno;
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return -errno;
	*ret_why = "another process has the store open";
	r = lock_patiently(s->lock_fd);
	if (r < 0)
		return r;
	*ret_why = "there is no store in this folder";
	if (!create && faccessat(s->dir_fd, "pombo.db", F_OK, 0) < 0)
		return -errno;
	*ret_why = "the database's file cannot be made";
	if (create && make_file(s->dir_fd) < 0)
		return -errno;
	*ret_why = "the folders for content cannot be made";
	return content_make_folders(s->dir_fd);
}

static int put_setting(struct sql *c, const char *name, int64_t number, struct view data)
{
	struct sql_stmt *st = sql_use(c, SQL_setting_put);

	sql_bind_text(st, 1, view_from_cstr(name));
	sql_bind_i64(st, 2, number);
	sql_bind_bytes(st, 3, data);
	return sql_run(st);
}

/* What a new store is born with; the row "created" says that it is whole. */
static int furnish(struct store *s)
{
	struct sql *c = s->writer->sql;
	int64_t now_s = clock_wall_s();
	int rc = sql_begin(c);

	random_bytes(s->secret, sizeof s->secret);
	if (rc == 0)
		rc = put_setting(c, "secret", 0, view_from(s->secret, sizeof s->secret));
	if (rc == 0)
		rc = writer_make_counters(s->writer, now_s > 1 ? (uint64_t)now_s & 0x7fffffff : 1);
	if (rc == 0)
		rc = put_setting(c, "created", now_s, VIEW_EMPTY);
	if (rc == 0)
		rc = sql_commit(c);
	if (rc < 0)
		(void)sql_rollback(c);
	return rc;
}

/* 1: whole; 0: a new store, or one whose making was broken off; negative errno. */
static int read_birth(struct store *s)
{
	struct sql_stmt *st = sql_use(s->writer->sql, SQL_setting_get);
	int rc;

	sql_bind_text(st, 1, VIEW_LIT("created"));
	rc = sql_step(st);
	if (rc > 0)
		s->created_s = sql_i64(st, 0);
	sql_reset(st);
	if (rc <= 0)
		return rc;
	sql_bind_text(st, 1, VIEW_LIT("secret"));
	rc = sql_step(st);
	if (rc > 0 && sql_bytes(st, 1).n == sizeof s->secret)
		memcpy(s->secret, sql_bytes(st, 1).p, sizeof s->secret);
	else
		rc = rc < 0 ? rc : -EUCLEAN;
	sql_reset(st);
	return rc;
}

static int last_id(struct store *s, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(s->writer->sql, SQL_message_last);
	int rc = sql_step(st);

	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* A process that was killed between writing a commit and syncing it left it in the WAL, where it counts from now on: it must be
 * durable before anybody reads it. */
static int sync_wal(const struct store *s)
{
	_cleanup_(fd_close) int fd = openat(s->dir_fd, "pombo.db-wal", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int open_database(struct store *s, bool create, const char **ret_why)
{
	struct schema_state schema;
	int rc;

	*ret_why = "what an earlier process wrote cannot be made durable";
	rc = sync_wal(s);
	if (rc < 0)
		return rc;
	*ret_why = "the database cannot be opened";
	rc = writer_open(s, create, &s->writer);
	if (rc < 0)
		return rc;
	rc = create ? 0 : sql_sqlite_empty_wal(s->writer->sql);
	if (rc < 0)
		return rc;
	*ret_why = "the database cannot be brought to this version's form";
	rc = schema_migrate(s->writer->sql, &schema_migrations);
	if (rc == -ENOTSUP)
		*ret_why = "the store was made by a newer version of pombo";
	if (rc >= 0)
		rc = schema_read(s->writer->sql, &schema);
	if (rc < 0)
		return rc;
	s->figures.schema_version = (uint32_t)schema.version;
	*ret_why = "the database is damaged";
	rc = read_birth(s);
	if (rc > 0 && create) {
		*ret_why = "there is a store already";
		return -EEXIST;
	}
	if (rc == 0 && !create)
		return -EUCLEAN;
	return rc == 0 ? (furnish(s) < 0 ? -EIO : read_birth(s)) : rc;
}

static int begin_work(struct store *s, const char **ret_why)
{
	uint64_t last;
	int rc;

	*ret_why = "the database is damaged";
	rc = last_id(s, &last);
	if (rc < 0)
		return rc;
	s->database_fd = openat(s->dir_fd, "pombo.db", O_RDONLY | O_CLOEXEC); /* without it nothing is read ahead */
	id_source_init(&s->ids, s->options.node, last);
	s->first_id = id_next(&s->ids);
	rc = writer_reload(s->writer);
	if (rc == 0) {
		*ret_why = "work that a crash broke off cannot be finished";
		rc = bulk_recover(s->writer);
	}
	if (rc == 0) {
		*ret_why = "the checkpoint thread cannot be started";
		rc = checkpoint_start(s, &s->checkpoint);
	}
	return rc;
}

static struct store *new_store(const struct store_options *options)
{
	struct store *s = xcalloc(1, sizeof *s);

	s->options = *options;
	if (s->options.checkpoint_pages == 0)
		s->options.checkpoint_pages = 10000;
	if (s->options.writer_cache_kib == 0)
		s->options.writer_cache_kib = 8192;
	if (s->options.reader_cache_kib == 0)
		s->options.reader_cache_kib = 2048;
	buf_init(&s->dir, PATH_BYTES_MAX);
	buf_append_cstr(&s->dir, options->dir);
	buf_init(&s->postmaster, STORE_ADDRESS_MAX);
	buf_init(&s->hostname, STORE_ADDRESS_MAX);
	s->dir_fd = s->lock_fd = s->database_fd = -1;
	s->driver = &sql_sqlite;
	s->group_us = GROUP_US;
	s->settings = (struct store_settings){.undelete_s = 14 * 86400, .delimiter = '+'};
	pthread_mutex_init(&s->lock, NULL);
	s->directory = directory_cache_new();
	return s;
}

int store_open(const struct store_options *options, struct store **ret, const char **ret_why)
{
	struct store *s = new_store(options);
	const char *why = "";
	int rc = open_dir(s, options->create, &why);

	if (rc == 0) {
		rc = open_database(s, options->create, &why);
		rc = rc > 0 ? 0 : rc;
	}
	if (rc == 0)
		rc = begin_work(s, &why);
	if (rc < 0) {
		if (ret_why)
			*ret_why = why;
		store_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void store_close(struct store **s)
{
	struct store *x = *s;

	if (!x)
		return;
	checkpoint_stop(&x->checkpoint);
	if (x->writer && !store_is_fatal(x))
		sql_sqlite_close_whole(x->writer->sql);
	writer_close(&x->writer);
	directory_cache_free(&x->directory);
	fd_close(&x->database_fd); /* behind all connections: closing it lets go of their locks */
	fd_close(&x->lock_fd);
	fd_close(&x->dir_fd);
	pthread_mutex_destroy(&x->lock);
	free((void *)(uintptr_t)atomic_load(&x->fatal_text));
	free(x->unlinks);
	buf_fini(&x->dir);
	buf_fini(&x->postmaster);
	buf_fini(&x->hostname);
	free(x);
	*s = NULL;
}
