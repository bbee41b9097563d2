/* SPDX-License-Identifier: ISC
 * The file of an account's search index. */
#include "store/search_file.h"

#include "base/map.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_CACHE_KIB = 4096, READER_CACHE_KIB = 1024, BUSY_MS = 10000, META_FORM = 1, META_STORE = 2 };

const char search_tables[] =
    "CREATE TABLE search_meta (id {id} PRIMARY KEY, number {int} NOT NULL);"
    "CREATE TABLE search_box (mailbox {id} PRIMARY KEY, uidvalidity {int} NOT NULL, uidnext {int} NOT NULL);"
    "CREATE TABLE search_segment (id {id} PRIMARY KEY, docs {int} NOT NULL, last {int} NOT NULL, data {bytes} NOT "
    "NULL);"
    "CREATE TABLE search_posting (id {id} PRIMARY KEY, data {bytes} NOT NULL);"
    "CREATE TABLE search_facts (id {id} PRIMARY KEY, data {bytes} NOT NULL);";

void search_hash_key(const struct store *s, uint64_t ret[2])
{
	memcpy(ret, s->secret, 16);
}

/* Says which store a file belongs to, and tells nothing of the secret. */
static int64_t store_mark(const struct store *s)
{
	uint64_t key[2];

	memcpy(key, s->secret + 16, 16);
	return (int64_t)(map_hash_keyed(key, VIEW_LIT("search index")) >> 1);
}

/* ---- sums ---- */

static uint32_t sum(struct view v)
{
	uint64_t h = 0x9e3779b97f4a7c15U ^ v.n, word;
	size_t i = 0;

	for (; i + 8 <= v.n; i += 8) {
		memcpy(&word, v.p + i, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdU;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, v.p + i, v.n - i);
	h = (h ^ word) * 0xff51afd7ed558ccdU;
	return (uint32_t)(h >> 32);
}

void search_seal(struct buf *bytes)
{
	uint32_t s = sum(buf_view(bytes));

	buf_append(bytes, &s, sizeof s);
}

bool search_unseal(struct view sealed, struct view *ret)
{
	uint32_t s;

	if (sealed.n < sizeof s)
		return false;
	memcpy(&s, sealed.p + sealed.n - sizeof s, sizeof s);
	*ret = view_sub(sealed, 0, sealed.n - sizeof s);
	return sum(*ret) == s;
}

/* ---- the file ---- */

static const char *file_name(uint64_t account, const char *suffix, struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "search/%llu.db%s", (unsigned long long)account, suffix);
	return buf_cstr(out);
}

int search_folder_make(struct store *s)
{
	return mkdirat(s->dir_fd, "search", 0700) < 0 && errno != EEXIST ? -errno : 0;
}

void search_file_drop(struct store *s, uint64_t account)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct buf name = BUF_INIT(64);

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		(void)unlinkat(s->dir_fd, file_name(account, suffixes[i], &name), 0);
	buf_fini(&name);
	atomic_fetch_add(&s->search_generation, 1);
}

static int read_meta(struct sql *c, uint64_t id, int64_t *ret)
{
	struct sql_stmt *st = sql_use(c, SQL_search_meta_get);
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	if (rc > 0)
		*ret = sql_i64(st, 0);
	sql_reset(st);
	return rc;
}

static int write_meta(struct sql *c, uint64_t id, int64_t number)
{
	struct sql_stmt *st = sql_use(c, SQL_search_meta_put);

	sql_bind_u64(st, 1, id);
	sql_bind_i64(st, 2, number);
	return sql_run(st);
}

static int furnish(struct store *s, struct sql *c)
{
	int rc = sql_begin(c);

	if (rc == 0)
		rc = schema_exec(c, search_tables);
	if (rc == 0)
		rc = write_meta(c, META_STORE, store_mark(s));
	if (rc == 0)
		rc = write_meta(c, META_FORM, SEARCH_FORM);
	if (rc == 0)
		rc = sql_commit(c);
	if (rc < 0)
		(void)sql_rollback(c);
	return rc;
}

static int check(struct store *s, struct sql *c)
{
	int64_t form = 0, mark = 0;
	int rc = read_meta(c, META_FORM, &form);

	if (rc > 0)
		rc = read_meta(c, META_STORE, &mark);
	if (rc < 0)
		return rc;
	return rc > 0 && form == SEARCH_FORM && mark == store_mark(s) ? 0 : -EUCLEAN;
}

bool search_file_exists(struct store *s, uint64_t account)
{
	struct buf name = BUF_INIT(64);
	bool there = faccessat(s->dir_fd, file_name(account, "", &name), F_OK, 0) == 0;

	buf_fini(&name);
	return there;
}

/* For its owner alone; what SQLite puts beside it takes after it. */
static int make_file(struct store *s, const char *name)
{
	int fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	fd_close(&fd);
	return 0;
}

int search_file_open(struct store *s, uint64_t account, bool write, struct sql **ret)
{
	struct buf name = BUF_INIT(64), path = BUF_INIT(8192);
	bool create = write && !search_file_exists(s, account);
	struct sql_options o = {.mode = write ? SQL_INDEX : SQL_READER,
				.create = create,
				.cache_kib = write ? WRITER_CACHE_KIB : READER_CACHE_KIB,
				.busy_ms = BUSY_MS};
	struct sql *c = NULL;
	int rc;

	o.path = store_path(s, file_name(account, "", &name), &path);
	rc = create ? make_file(s, buf_cstr(&name)) : 0;
	if (rc == 0)
		rc = sql_open(s->driver, &o, &c);
	if (rc == 0)
		rc = create ? furnish(s, c) : check(s, c);
	buf_fini(&name);
	buf_fini(&path);
	if (rc < 0) {
		sql_close(&c);
		return rc;
	}
	*ret = c;
	return 0;
}
