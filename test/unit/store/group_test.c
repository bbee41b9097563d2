/* SPDX-License-Identifier: ISC
 * Groups: what fails half-way takes nobody along; disk full, read errors, failed fsync; what is durable survives. */
#include "trial.h"

#include "store/schema.h"
#include "store/store_private.h"
#include "store/writer.h"
#include "vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char header[] = "A: b\r\n\r\n";

static int start(void **state)
{
	struct trial *t = malloc(sizeof *t);

	vfs_faults = (struct vfs_faults){0, 0, 0};
	trial_start(t);
	trial_domain(t, "example.org");
	t->store->group_us = UINT64_MAX; /* jobs that are given together are one group, however slow the machine */
	*state = t;
	return 0;
}

static int end(void **state)
{
	vfs_faults = (struct vfs_faults){0, 0, 0};
	trial_end(*state);
	free(*state);
	return 0;
}

static void fill(struct trial *t, struct deliver_job *j, struct deliver_local *local, uint64_t account)
{
	deliver_job_init(j);
	*local = (struct deliver_local){.account = account};
	j->locals = local;
	j->local_count = 1;
	j->message = (struct new_message){
	    .id = store_next_id(t->store), .header = trial_text(header), .content = VIEW_LIT("content")};
}

/* Jobs 3 and 7 of ten break at an INSERT (an id that is taken), after others have changed the same mailbox. */
static void test_failing_jobs(void **state)
{
	enum { N = 10 };
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), inbox = trial_box(t, account, "INBOX", NULL);
	struct deliver_local locals[N];
	struct deliver_job jobs[N];
	struct store_job *list[N];
	struct store_figures figures;
	struct box_status status;
	struct quota_usage usage;
	uint64_t first = 0;

	for (size_t i = 0; i < N; i++) {
		fill(t, &jobs[i], &locals[i], account);
		first = i == 0 ? jobs[0].message.id : first;
		if (i == 3 || i == 7)
			jobs[i].message.id = first;
		list[i] = &jobs[i].job;
	}
	assert_int_equal(store_group_run(t->store, list, N), 0);
	assert_non_null(store_group_error(t->store));
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(list[i]->state, JOB_FINISHED);
		assert_int_equal(list[i]->outcome, i == 3 || i == 7 ? STORE_TEMPORARY : STORE_OK);
		store_job_fini(list[i]);
	}
	assert_string_equal(trial_uids(t, account, inbox), "1:8");
	trial_box(t, account, "INBOX", &status);
	assert_int_equal(status.exists, 8);
	assert_int_equal(status.highestmodseq, 9);
	assert_int_equal(quota_read(t->reader, account, &usage), STORE_OK);
	assert_int_equal(usage.used.messages, 8);
	assert_int_equal(trial_rows(t, "message"), 8);
	store_figures(t->store, &figures);
	assert_int_equal(figures.replays, 2);
	fill(t, &jobs[0], &locals[0], account);
	assert_int_equal(trial_run(t, &jobs[0].job), STORE_OK);
	assert_null(store_group_error(t->store));
	store_job_fini(&jobs[0].job);
}

/* Commit numbers rise; a reader after a commit sees it; the changes name the mailboxes once each. */
static void test_changes(void **state)
{
	enum { N = 6 };
	struct trial *t = *state;
	uint64_t a = trial_account(t, "a@example.org", 0), b = trial_account(t, "b@example.org", 0);
	struct deliver_local locals[N];
	struct deliver_job jobs[N];
	struct store_job *list[N];
	const struct store_change *changes;
	uint64_t commit = 0;
	size_t n;

	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < N; i++) {
			fill(t, &jobs[i], &locals[i], i % 2 ? a : b);
			list[i] = &jobs[i].job;
		}
		assert_int_equal(store_group_run(t->store, list, N), 0);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(list[i]->commit, list[0]->commit);
			store_job_fini(list[i]);
		}
		assert_true(list[0]->commit > commit);
		commit = list[0]->commit;
		assert_int_equal(store_reader_see(t->reader, commit), STORE_OK);
		n = store_group_changes(t->store, &changes);
		assert_int_equal(n, 2);
		for (size_t i = 0; i < n; i++) {
			struct box_status status;

			assert_int_equal(changes[i].kind, CHANGE_MAILBOX);
			trial_box(t, changes[i].account, "INBOX", &status);
			assert_int_equal(changes[i].mailbox, status.mailbox);
			assert_int_equal(changes[i].highestmodseq, status.highestmodseq);
			assert_int_equal(changes[i].uidnext, status.uidnext);
		}
	}
}

static struct view bytes_of(struct trial *t, size_t n)
{
	char *p = arena_alloc(&t->arena, n);

	memset(p, 'x', n);
	return view_from(p, n);
}

/* The database may grow no more: mail is refused, reading goes on, and with room again all is as before. */
static void test_database_full(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), inbox = trial_box(t, account, "INBOX", NULL);
	struct view content = bytes_of(t, 60000);
	enum store_outcome outcome = STORE_OK;
	uint32_t uid = 0, kept = 0;

	assert_int_equal(sql_exec(t->store->writer->sql, "PRAGMA max_page_count=200"), 0);
	for (unsigned i = 0; i < 100 && outcome == STORE_OK; i++) {
		kept = uid;
		outcome = trial_deliver(t, account, "", header, content, &uid);
	}
	assert_int_equal(outcome, STORE_NO_SPACE);
	assert_true(kept > 3);
	assert_false(store_is_fatal(t->store));
	assert_int_equal(trial_read(t, account, inbox, kept).n, content.n + strlen(header));
	assert_int_equal(sql_exec(t->store->writer->sql, "PRAGMA max_page_count=100000"), 0);
	assert_int_equal(trial_deliver(t, account, "", header, content, &uid), STORE_OK);
	assert_int_equal(uid, kept + 1);
	trial_reopen(t);
	assert_int_equal(trial_deliver(t, account, "", header, content, &uid), STORE_OK);
	assert_int_equal(uid, kept + 2);
}

/* Four messages of one group, more than is written at once. */
static enum store_outcome run_four(struct trial *t, uint64_t account, struct view content, uint32_t *ret_uid)
{
	struct deliver_local locals[4];
	struct deliver_job jobs[4];
	struct store_job *all[4];
	enum store_outcome outcome;

	for (size_t i = 0; i < 4; i++) {
		fill(t, &jobs[i], &locals[i], account);
		jobs[i].message.content = content;
		all[i] = &jobs[i].job;
	}
	trial_run_all(t, all, 4);
	outcome = jobs[0].job.outcome;
	*ret_uid = locals[0].ret_uid;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(jobs[i].job.outcome, outcome);
		store_job_fini(&jobs[i].job);
	}
	return outcome;
}

/* The disk is full at the first, second, … write of a commit. */
static void test_disk_full(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), inbox = trial_box(t, account, "INBOX", NULL);
	struct view content = bytes_of(t, 60000);
	unsigned refused = 0;
	uint32_t uid, count = 0;

	for (int at = 1; at < 8; at++) {
		enum store_outcome outcome;

		vfs_faults.full_in = at;
		outcome = run_four(t, account, content, &uid);
		vfs_faults.full_in = 0;
		assert_true(outcome == STORE_OK || outcome == STORE_NO_SPACE);
		refused += outcome == STORE_NO_SPACE;
		count += outcome == STORE_OK ? 4 : 0;
		assert_false(store_is_fatal(t->store));
		assert_int_equal(trial_rows(t, "message"), count);
		if (outcome == STORE_OK)
			assert_int_equal(trial_read(t, account, inbox, uid).n, content.n + strlen(header));
	}
	assert_true(refused >= 2 && count > 0);
	assert_int_equal(trial_deliver(t, account, "", header, bytes_of(t, 2000), &uid), STORE_OK);
	assert_int_equal(uid, count + 1);
}

/* A commit is written at once, not page by page. */
static void test_one_write(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	uint32_t uid;

	vfs_faults.full_in = 1000;
	assert_int_equal(trial_deliver(t, account, "", header, bytes_of(t, 2000), &uid), STORE_OK);
	assert_true(vfs_faults.full_in >= 998);
	vfs_faults.full_in = 0;
}

/* A failed fsync: nothing of the group is acknowledged, the store takes nothing more. */
static void test_failing_fsync(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	struct deliver_local local;
	struct deliver_job j;
	struct store_job *job = &j.job;

	fill(t, &j, &local, account);
	vfs_faults.sync_in = 1;
	assert_int_equal(store_group_run(t->store, &job, 1), -EIO);
	assert_int_equal(job->state, JOB_FINISHED);
	assert_int_not_equal(job->outcome, STORE_OK);
	assert_true(store_is_fatal(t->store));
	assert_true(strlen(store_fatal_text(t->store)) > 0);
	store_job_fini(job);
	fill(t, &j, &local, account);
	assert_int_equal(store_group_run(t->store, &job, 1), -EIO);
	assert_int_not_equal(job->outcome, STORE_OK);
	assert_int_equal(store_between_groups(t->store), -EIO);
	store_job_fini(job);
}

static void test_read_error(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), inbox = trial_box(t, account, "INBOX", NULL);
	struct buf out = BUF_INIT(100000);
	unsigned failed = 0;
	uint64_t size;

	assert_int_equal(trial_deliver(t, account, "", header, bytes_of(t, 60000), NULL), STORE_OK);
	trial_reopen(t); /* nothing in its cache */
	for (int at = 1; at < 6; at++) {
		enum store_outcome outcome;

		vfs_faults.read_in = at;
		outcome = box_bytes(t->reader, account, inbox, 1, 0, 60000, &out, &size);
		vfs_faults.read_in = 0;
		assert_true(outcome == STORE_OK || outcome == STORE_TEMPORARY);
		failed += outcome == STORE_TEMPORARY;
		if (outcome == STORE_TEMPORARY)
			assert_true(strlen(store_reader_error(t->reader)) > 0);
		buf_reset(&out);
	}
	assert_true(failed > 0);
	assert_false(store_is_fatal(t->store));
	assert_int_equal(box_bytes(t->reader, account, inbox, 1, 0, 60000, &out, &size), STORE_OK);
	assert_int_equal(out.n, 60000);
	buf_fini(&out);
}

/* Bytes of a large message that cannot be written or synced. */
/* Without a descriptor left a large message is refused for now; that is no doubt about the disk. */
static void test_no_descriptors(void **state)
{
	struct trial *t = *state;
	struct content_file *f;
	struct buf name = BUF_INIT(200);
	uint64_t id = store_next_id(t->store);
	int fds[4096];
	size_t n = 0;

	buf_printf(&name, "%s/content/%02x", t->dir, (unsigned)(id >> 22) % CONTENT_FOLDERS);
	assert_int_equal(mkdir(buf_cstr(&name), 0700), 0);
	buf_fini(&name);
	assert_int_equal(content_create(t->store, id, &f), 0);
	assert_int_equal(content_append(f, VIEW_LIT("0123456789")), 0);
	assert_int_equal(content_sync(f), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, 4096}), 0);
	while (n < ARRAY_LEN(fds) && (fds[n] = dup(0)) >= 0)
		n++;
	/* The folder is there and its name is durable, as after the first message in it. */
	for (size_t i = 0; i < CONTENT_FOLDERS; i++)
		atomic_store(&t->store->folder_is_durable[i], true);
	assert_int_equal(content_place(f), -EMFILE);
	while (n > 0)
		(void)close(fds[--n]);
	assert_false(store_is_fatal(t->store));
	for (size_t i = 0; i < CONTENT_FOLDERS; i++)
		atomic_store(&t->store->folder_is_durable[i], false);
	assert_int_equal(content_place(f), 0);
	content_free(&f, false);
}

static void test_content_file(void **state)
{
	struct trial *t = *state;
	struct content_file *f;
	struct buf name = BUF_INIT(200), out = BUF_INIT(100);
	uint64_t id = store_next_id(t->store);

	assert_int_equal(content_create(t->store, id, &f), 0);
	assert_int_equal(content_append(f, VIEW_LIT("0123456789")), 0);
	assert_int_equal(content_place(f), -EINVAL); /* not synced */
	assert_int_equal(content_sync(f), 0);
	assert_int_equal(content_place(f), 0);
	assert_int_equal(content_read(f, 3, 4, &out), 0);
	assert_true(view_eq_lit(buf_view(&out), "3456"));
	content_free(&f, false);
	assert_null(f);
	assert_int_equal(content_create(t->store, id, &f), 0);
	content_free(&f, false);
	buf_printf(&name, "%s/spool", t->dir);
	assert_int_equal(chmod(buf_cstr(&name), 0), 0);
	if (geteuid() != 0)
		assert_int_equal(content_create(t->store, id, &f), -EACCES);
	assert_int_equal(chmod(buf_cstr(&name), 0700), 0);
	buf_fini(&name);
	buf_fini(&out);
}

static void touch(struct trial *t, const char *name)
{
	struct buf path = BUF_INIT(200);
	int fd;

	buf_printf(&path, "%s/%s", t->dir, name);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	buf_fini(&path);
}

/* What no row names is swept, what one names stays; of this process's own files nothing is touched. */
static void test_sweep(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), inbox = trial_box(t, account, "INBOX", NULL);
	struct view content = bytes_of(t, 100000);
	struct content_file *f;
	uint64_t removed, total = 0;
	struct prune_job j;
	uint32_t uid;

	assert_int_equal(trial_deliver(t, account, "", header, content, &uid), STORE_OK);
	for (unsigned i = 0; i < 3; i++) { /* placed, but never committed */
		assert_int_equal(content_create(t->store, store_next_id(t->store), &f), 0);
		assert_int_equal(content_append(f, content), 0);
		assert_int_equal(content_sync(f), 0);
		assert_int_equal(content_place(f), 0);
		content_free(&f, true);
	}
	touch(t, "spool/0000000000001");
	touch(t, "spool/not an id");
	for (unsigned step = 0; step < 256; step++) {
		assert_int_equal(housekeep_sweep(t->reader, step, &removed), STORE_OK);
		assert_int_equal(removed, step == 0);
	}
	trial_reopen(t);
	for (unsigned step = 0; step < 256; step++) {
		assert_int_equal(housekeep_sweep(t->reader, step, &removed), STORE_OK);
		total += removed;
	}
	assert_int_equal(total, 3);
	assert_int_equal(trial_read(t, account, inbox, uid).n, content.n + strlen(header));
	/* Pruned for good: the row's end first, then the file's. */
	assert_int_equal(trial_expunge(t, account, inbox, (struct uid_range){1, 9}, true), STORE_OK);
	assert_int_equal(housekeep_unlink(t->store, 10), 0);
	assert_int_equal(trial_read(t, account, inbox, uid).n, content.n + strlen(header));
	prune_job_init(&j);
	j.wall_s = (int64_t)1 << 40;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_messages, 1);
	assert_int_equal(j.ret_bytes, content.n + strlen(header));
	store_job_fini(&j.job);
	assert_int_equal(housekeep_unlink(t->store, 10), 0);
	trial_reopen(t);
	for (unsigned step = 0; step < 256; step++) {
		assert_int_equal(housekeep_sweep(t->reader, step, &removed), STORE_OK);
		assert_int_equal(removed, 0);
	}
}

static void test_space(void **state)
{
	struct trial *t = *state;
	struct store_settings settings = {.disk_reserve_bytes = UINT64_MAX};
	struct store_figures figures;

	assert_false(store_space_is_low(t->store));
	store_set(t->store, &settings);
	assert_true(store_space_is_low(t->store));
	settings.disk_reserve_bytes = 0;
	store_set(t->store, &settings);
	assert_false(store_space_is_low(t->store));
	store_figures(t->store, &figures);
	assert_true(figures.free_bytes > 0 && figures.database_bytes > 0);
	assert_int_equal(figures.schema_version, schema_migrations.count);
}

/* A checkpoint without its thread: the WAL starts over and nothing is lost. */
static void test_checkpoint(void **state)
{
	struct trial *t = *state;
	struct store_options o = {.dir = t->dir, .no_threads = true, .checkpoint_pages = 1200};
	uint64_t account = trial_account(t, "a@example.org", 0), inbox, most = 0;
	struct store_figures figures = {0};

	store_reader_close(&t->reader);
	store_close(&t->store);
	assert_int_equal(store_open(&o, &t->store, NULL), 0);
	assert_int_equal(store_reader_open(t->store, &t->reader), 0);
	inbox = trial_box(t, account, "INBOX", NULL);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(trial_deliver(t, account, "", header, bytes_of(t, 60000), NULL), STORE_OK);
		store_figures(t->store, &figures);
		most = figures.wal_pages > most ? figures.wal_pages : most;
		trial_reset(t);
	}
	assert_true(figures.checkpoints >= 3);
	assert_true(most < 2500);
	trial_reopen(t);
	assert_string_equal(trial_uids(t, account, inbox), "1:300");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_failing_jobs, start, end),
	    cmocka_unit_test_setup_teardown(test_changes, start, end),
	    cmocka_unit_test_setup_teardown(test_database_full, start, end),
	    cmocka_unit_test_setup_teardown(test_one_write, start, end),
	    cmocka_unit_test_setup_teardown(test_disk_full, start, end),
	    cmocka_unit_test_setup_teardown(test_failing_fsync, start, end),
	    cmocka_unit_test_setup_teardown(test_read_error, start, end),
	    cmocka_unit_test_setup_teardown(test_content_file, start, end),
	    cmocka_unit_test_setup_teardown(test_no_descriptors, start, end),
	    cmocka_unit_test_setup_teardown(test_sweep, start, end),
	    cmocka_unit_test_setup_teardown(test_space, start, end),
	    cmocka_unit_test_setup_teardown(test_checkpoint, start, end),
	};

	vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
