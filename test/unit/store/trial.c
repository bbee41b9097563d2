/* SPDX-License-Identifier: ISC
 * A store in a temporary folder, for the tests of this folder. */
#include "trial.h"

#include "base/clock.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 * 1024, JOBS_MAX = 256 };

struct view trial_text(const char *text)
{
	return view_from_cstr(text);
}

static void open_store(struct trial *t, bool create)
{
	struct store_options o = {.dir = t->dir, .create = create};
	const char *why = "";
	int rc = store_open(&o, &t->store, &why);

	if (rc < 0)
		fail_msg("store_open: %s (%d)", why, rc);
	assert_int_equal(store_reader_open(t->store, &t->reader), 0);
}

void trial_start(struct trial *t)
{
	memset(t, 0, sizeof *t);
	(void)snprintf(t->dir, sizeof t->dir, "/tmp/pombo-store-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	arena_init(&t->arena, ARENA_MAX);
	open_store(t, true);
}

static void close_store(struct trial *t)
{
	store_reader_close(&t->reader);
	store_close(&t->store);
}

void trial_reopen(struct trial *t)
{
	close_store(t);
	open_store(t, false);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void trial_end(struct trial *t)
{
	close_store(t);
	arena_fini(&t->arena);
	(void)nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void trial_reset(struct trial *t)
{
	arena_reset(&t->arena);
}

int trial_setup(void **state)
{
	struct trial *t = malloc(sizeof *t);

	trial_start(t);
	*state = t;
	return 0;
}

int trial_setup_domain(void **state)
{
	int r = trial_setup(state);

	trial_domain(*state, "example.org");
	return r;
}

int trial_teardown(void **state)
{
	trial_end(*state);
	free(*state);
	return 0;
}

enum store_outcome trial_run(struct trial *t, struct store_job *job)
{
	do {
		assert_int_equal(store_group_run(t->store, &job, 1), 0);
		assert_int_equal(store_between_groups(t->store), 0);
	} while (job->state != JOB_FINISHED);
	return job->outcome;
}

void trial_run_all(struct trial *t, struct store_job **jobs, size_t n)
{
	struct store_job *wait[JOBS_MAX];

	assert_true(n <= JOBS_MAX);
	memcpy(wait, jobs, n * sizeof *wait);
	while (n > 0) {
		size_t left = 0;

		assert_int_equal(store_group_run(t->store, wait, n), 0);
		for (size_t i = 0; i < n; i++)
			if (wait[i]->state != JOB_FINISHED)
				wait[left++] = wait[i];
		n = left;
	}
}

void trial_domain(struct trial *t, const char *domain)
{
	struct domain_add_job j;

	domain_add_job_init(&j);
	j.domain = trial_text(domain);
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

uint64_t trial_account(struct trial *t, const char *address, uint64_t quota_bytes)
{
	struct account_add_job j;
	uint64_t account;

	account_add_job_init(&j);
	j.address = trial_text(address);
	j.has_quota = true;
	j.quota.bytes = quota_bytes;
	j.verifiers = (struct credential_verifiers){VIEW_LIT("$argon2id$x"), VIEW_LIT("salt"), 4096, VIEW_LIT("stored"),
						    VIEW_LIT("server")};
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	account = j.ret_account;
	store_job_fini(&j.job);
	return account;
}

void trial_alias(struct trial *t, const char *address, const char *const *targets, size_t n)
{
	struct view views[16];
	struct alias_add_job j;

	assert_true(n <= 16);
	for (size_t i = 0; i < n; i++)
		views[i] = trial_text(targets[i]);
	alias_add_job_init(&j);
	j.address = trial_text(address);
	j.targets = views;
	j.target_count = n;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

uint64_t trial_folder(struct trial *t, uint64_t account, const char *name)
{
	struct folder_create_job j;
	uint64_t mailbox;

	folder_create_job_init(&j);
	j.account = account;
	j.name = trial_text(name);
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	mailbox = j.ret_mailbox;
	store_job_fini(&j.job);
	return mailbox;
}

uint64_t trial_box(struct trial *t, uint64_t account, const char *name, struct box_status *ret)
{
	struct box_status status;

	assert_int_equal(box_open(t->reader, account, trial_text(name), &t->arena, &status), STORE_OK);
	if (ret)
		*ret = status;
	return status.mailbox;
}

/* Content above the inline limit goes through a file that holds the header too. */
static struct content_file *spool(struct trial *t, struct new_message *m, struct view content)
{
	struct content_file *f = NULL;

	m->content = content;
	if (content.n <= STORE_INLINE_MAX)
		return NULL;
	assert_int_equal(content_create(t->store, m->id, &f), 0);
	assert_int_equal(content_append(f, m->header), 0);
	for (size_t off = 0; off < content.n; off += 65536)
		assert_int_equal(content_append(f, view_sub(content, off, 65536)), 0);
	assert_int_equal(content_sync(f), 0);
	assert_int_equal(content_place(f), 0);
	m->content = VIEW_EMPTY;
	m->file = f;
	m->file_offset = m->header.n;
	return f;
}

uint32_t trial_append(struct trial *t, uint64_t account, const char *name, const char *header, struct view content,
		      uint32_t flags)
{
	struct content_file *f;
	struct append_job j;

	append_job_init(&j);
	j.account = account;
	j.name = trial_text(name);
	j.flags = flags;
	j.internaldate_s = j.wall_s = clock_wall_s();
	j.message =
	    (struct new_message){.id = store_next_id(t->store), .header = trial_text(header), .index = VIEW_LIT("x")};
	f = spool(t, &j.message, content);
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	content_free(&f, true);
	store_job_fini(&j.job);
	return j.ret_uid;
}

enum store_outcome trial_deliver(struct trial *t, uint64_t account, const char *prefix, const char *header,
				 struct view content, uint32_t *ret_uid)
{
	struct deliver_local local = {.account = account, .prefix = trial_text(prefix)};
	struct content_file *f;
	struct deliver_job j;
	enum store_outcome outcome;

	deliver_job_init(&j);
	j.wall_s = clock_wall_s();
	j.locals = &local;
	j.local_count = 1;
	j.message =
	    (struct new_message){.id = store_next_id(t->store), .header = trial_text(header), .index = VIEW_LIT("x")};
	f = spool(t, &j.message, content);
	outcome = trial_run(t, &j.job);
	content_free(&f, outcome == STORE_OK);
	store_job_fini(&j.job);
	if (ret_uid)
		*ret_uid = local.ret_uid;
	return outcome;
}

struct view trial_read(struct trial *t, uint64_t account, uint64_t mailbox, uint32_t uid)
{
	struct buf out = BUF_INIT(ARENA_MAX);
	uint64_t size = 0;
	struct view whole;

	do {
		assert_int_equal(box_bytes(t->reader, account, mailbox, uid, out.n, 100000, &out, &size), STORE_OK);
	} while (out.n < size);
	whole = arena_copy(&t->arena, buf_view(&out));
	buf_fini(&out);
	return whole;
}

const char *trial_ranges(struct trial *t, const struct uid_range *ranges, size_t count)
{
	struct buf out = BUF_INIT(1 << 20);
	const char *text;

	for (size_t i = 0; i < count; i++) {
		buf_printf(&out, "%s%u", i ? "," : "", ranges[i].first);
		if (ranges[i].last > ranges[i].first)
			buf_printf(&out, ":%u", ranges[i].last);
	}
	text = arena_cstr(&t->arena, buf_view(&out));
	buf_fini(&out);
	return text;
}

const char *trial_uids(struct trial *t, uint64_t account, uint64_t mailbox)
{
	struct box_uids uids;

	assert_int_equal(box_uids(t->reader, account, mailbox, 0, 8192, &t->arena, &uids), STORE_OK);
	assert_int_equal(uids.next, 0);
	return trial_ranges(t, uids.ranges, uids.count);
}

void trial_prune(struct trial *t)
{
	struct prune_job j;

	prune_job_init(&j);
	j.wall_s = (int64_t)1 << 40;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

uint64_t trial_rows(struct trial *t, const char *table)
{
	struct buf text = BUF_INIT(200);
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	uint64_t rows;

	buf_printf(&text, "%s/pombo.db", t->dir);
	assert_int_equal(sqlite3_open_v2(buf_cstr(&text), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	buf_reset(&text);
	buf_printf(&text, "SELECT COUNT(*) FROM %s", table);
	assert_int_equal(sqlite3_prepare_v2(db, buf_cstr(&text), -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	rows = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	buf_fini(&text);
	return rows;
}

enum store_outcome trial_flags(struct trial *t, uint64_t account, uint64_t mailbox, struct uid_range range,
			       enum flags_mode mode, uint32_t flags, const char *keyword)
{
	struct view word = trial_text(keyword ? keyword : "");
	struct flags_job j;
	enum store_outcome outcome;

	flags_job_init(&j);
	j.account = account;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.mode = mode;
	j.flags = flags;
	j.keywords = &word;
	j.keyword_count = keyword != NULL;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

enum store_outcome trial_expunge(struct trial *t, uint64_t account, uint64_t mailbox, struct uid_range range, bool all)
{
	struct expunge_job j;
	enum store_outcome outcome;

	expunge_job_init(&j);
	j.account = account;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.all = all;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}
