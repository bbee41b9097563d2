/* SPDX-License-Identifier: ISC
 * What must hold after a power cut. */
#include "check.h"

#include "base/clock.h"
#include "seen.h"
#include "store/content.h"
#include "store/deliver.h"
#include "store/housekeep.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct check {
	const char *dir;
	const struct ledger *ledger;
	uint32_t at;
	struct store *store;
	struct store_reader *reader;
	struct buf *why;
};

/* A store whose making was broken off need not open, but it must be possible to make it now. */
static bool open_store(struct check *c)
{
	struct store_options o = {.dir = c->dir, .no_threads = true};
	const char *why = "";
	int rc = store_open(&o, &c->store, &why);

	if (rc < 0 && c->at <= c->ledger->made) {
		o.create = true;
		rc = store_open(&o, &c->store, &why);
	}
	if (rc == 0)
		rc = store_reader_open(c->store, &c->reader);
	if (rc < 0)
		buf_printf(c->why, "the store does not open: %s (%s)", why, strerror(-rc));
	return rc == 0;
}

/* ---- the database itself ---- */

/* The first column of the first row, as text; the caller frees. */
static char *ask(const struct check *c, const char *question)
{
	struct buf path = BUF_INIT(4096);
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char *answer = NULL;

	buf_printf(&path, "%s/pombo.db", c->dir);
	if (sqlite3_open_v2(buf_cstr(&path), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, question, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		answer = xstrdup((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	buf_fini(&path);
	return answer ? answer : xstrdup("the question failed");
}

static bool is_sound(struct check *c)
{
	char *answer = ask(c, "PRAGMA integrity_check(1)");
	bool ok = strcmp(answer, "ok") == 0;

	if (!ok)
		buf_printf(c->why, "the database is damaged: %s", answer);
	free(answer);
	return ok;
}

/* ---- promises ---- */

static bool copy_is_right(struct check *c, uint32_t number, uint32_t account, uint32_t found)
{
	const struct message *m = &c->ledger->messages[number];
	const struct copy *copy = &m->copies[account];
	const char *wrong = NULL;

	if (!copy->wanted || m->begun >= c->at)
		wrong = found > 0 ? "is there, but should not" : NULL;
	else if (found > 1)
		wrong = "is there twice";
	else if (copy->expunge_kept < c->at)
		wrong = found > 0 ? "was expunged, and is back" : NULL;
	else if (copy->expunge_begun >= c->at && m->kept < c->at)
		wrong = found == 0 ? "was kept, and is lost" : NULL;
	if (wrong)
		buf_printf(c->why, "message %u (%u bytes) of a%u %s", number, m->content_bytes, account, wrong);
	return !wrong;
}

/* A message nobody heard of is there for all or for none. */
static bool is_whole(struct check *c, const struct seen *s, uint32_t number)
{
	const struct message *m = &c->ledger->messages[number];
	uint32_t wanted = 0, found = seen_copies(s, number);

	for (uint32_t i = 0; i < ACCOUNTS; i++)
		wanted += m->copies[i].wanted;
	if (m->kept < c->at || found == 0 || found == wanted)
		return true;
	buf_printf(c->why, "message %u is there for %u of its %u recipients", number, found, wanted);
	return false;
}

static bool promises_are_kept(struct check *c, const struct seen *s)
{
	for (uint32_t n = 0; n < c->ledger->message_count; n++) {
		for (uint32_t i = 0; i < ACCOUNTS; i++)
			if (!copy_is_right(c, n, i, seen_count(s, n, i)))
				return false;
		if (!is_whole(c, s, n))
			return false;
	}
	return true;
}

static bool mail_is_there(struct check *c)
{
	struct seen *s = seen_new(c->ledger);
	bool ok = seen_read(s, c->reader, c->why) && promises_are_kept(c, s);

	seen_free(&s);
	return ok;
}

/* ---- files that nothing names ---- */

static unsigned files_found;

static int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	files_found += type == FTW_F;
	return 0;
}

static unsigned count_files(const struct check *c, const char *folder)
{
	struct buf path = BUF_INIT(4096);

	buf_printf(&path, "%s/%s", c->dir, folder);
	files_found = 0;
	(void)nftw(buf_cstr(&path), count_file, 16, FTW_PHYS);
	buf_fini(&path);
	return files_found;
}

static bool sweep_is_clean(struct check *c)
{
	uint64_t removed;
	char *named;
	unsigned left;
	bool ok;

	for (unsigned step = 0; step < 256; step++)
		if (housekeep_sweep(c->reader, step, &removed) != STORE_OK) {
			buf_printf(c->why, "sweeping failed: %s", store_reader_error(c->reader));
			return false;
		}
	named = ask(c, "SELECT COUNT(*) FROM message WHERE content_file = 1");
	left = count_files(c, "content");
	ok = strtoul(named, NULL, 10) == left && count_files(c, "spool") == 0;
	if (!ok)
		buf_printf(c->why, "after sweeping: %u files, of which rows name %s, and %u in spool", left, named,
			   count_files(c, "spool"));
	free(named);
	return ok;
}

/* ---- it goes on ---- */

static bool deliver(struct check *c, uint32_t number, uint32_t bytes)
{
	struct buf header = BUF_INIT(1000), content = BUF_INIT(1 << 20);
	struct deliver_local local = {.account = c->ledger->accounts[0], .prefix = VIEW_LIT("X: y\r\n")};
	struct content_file *f = NULL;
	struct deliver_job j;
	struct store_job *job = &j.job;
	bool ok = true;

	deliver_job_init(&j);
	message_header(number, &header);
	message_content(number, bytes, &content);
	j.message =
	    (struct new_message){.id = store_next_id(c->store), .header = buf_view(&header), .index = VIEW_LIT("x")};
	j.wall_s = clock_wall_s();
	j.locals = &local;
	j.local_count = 1;
	if (bytes > STORE_INLINE_MAX) {
		ok = content_create(c->store, j.message.id, &f) == 0 && content_append(f, buf_view(&content)) == 0 &&
		     content_sync(f) == 0 && content_place(f) == 0;
		j.message.file = f;
	} else {
		j.message.content = buf_view(&content);
	}
	ok = ok && store_group_run(c->store, &job, 1) == 0 && j.job.state == JOB_FINISHED && j.job.outcome == STORE_OK;
	content_free(&f, ok);
	store_job_fini(&j.job);
	buf_fini(&header);
	buf_fini(&content);
	if (!ok)
		buf_printf(c->why, "a delivery afterwards fails");
	return ok;
}

static bool goes_on(struct check *c)
{
	return deliver(c, 1, 1000) && deliver(c, 2, STORE_INLINE_MAX + 1) && is_sound(c);
}

bool check_store(const char *dir, const struct ledger *l, uint32_t at, struct buf *why)
{
	struct check c = {.dir = dir, .ledger = l, .at = at, .why = why};
	bool ok = open_store(&c) && is_sound(&c);

	if (ok && at > l->made)
		ok = mail_is_there(&c) && sweep_is_clean(&c) && goes_on(&c);
	store_reader_close(&c.reader);
	store_close(&c.store);
	return ok;
}
