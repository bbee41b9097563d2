/* SPDX-License-Identifier: ISC
 * Changes in slices that the disk breaks off, at each of their slices: all of it is there or nothing, and what is counted is what is there. */
#include "trial.h"

#include "store/bulk.h"
#include "vfs.h"

#include <string.h>

enum { MESSAGES = 600 }; /* three pages */

static const char header[] = "Subject: x\r\n\r\n";

static void fill(struct trial *t)
{
	struct append_more more[MESSAGES];
	struct append_job j;

	append_job_init(&j);
	for (size_t i = 0; i < MESSAGES; i++)
		more[i] = (struct append_more){.message = {.id = store_next_id(t->store),
							   .header = trial_text(header),
							   .content = VIEW_LIT("body")}};
	j.account = 1;
	j.name = VIEW_LIT("INBOX");
	j.message = more[0].message;
	j.more = more + 1;
	j.more_count = MESSAGES - 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

/* The disk is full while group number `at` runs. False: the job was over before. */
static bool run_with_full_disk(struct trial *t, struct store_job *job, unsigned at)
{
	bool met = false;

	for (unsigned n = 1; job->state != JOB_FINISHED; n++) {
		assert_true(n < 1000);
		vfs_faults.full_in = n == at;
		met |= n == at;
		assert_int_equal(store_group_run(t->store, &job, 1), 0);
		vfs_faults.full_in = 0;
		assert_int_equal(store_between_groups(t->store), 0);
	}
	return met;
}

/* Counters are what the pages hold. How many messages there are. */
static uint32_t check_box(struct trial *t, uint64_t mailbox)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {.account = 1,
			       .mailbox = mailbox,
			       .ranges = &all,
			       .range_count = 1,
			       .fields = ROW_FLAGS | ROW_SIZE | ROW_MODSEQ,
			       .max_rows = 100000,
			       .max_bytes = 1 << 28};
	uint64_t bytes = 0, modseq = 0;
	uint32_t unseen = 0, deleted = 0;
	struct box_status status;
	struct box_rows rows;

	trial_reset(t);
	assert_int_equal(box_status(t->reader, 1, mailbox, &t->arena, &status), STORE_OK);
	assert_int_equal(box_rows(t->reader, &q, &t->arena, &rows), STORE_OK);
	for (size_t i = 0; i < rows.count; i++) {
		unseen += !(rows.rows[i].flags & STORE_SEEN);
		deleted += (rows.rows[i].flags & STORE_DELETED) != 0;
		bytes += rows.rows[i].size_bytes;
		modseq = rows.rows[i].modseq > modseq ? rows.rows[i].modseq : modseq;
		assert_true(rows.rows[i].uid < status.uidnext);
	}
	assert_int_equal(status.exists, rows.count);
	assert_int_equal(status.unseen, unseen);
	assert_int_equal(status.deleted, deleted);
	assert_int_equal(status.size_bytes, bytes);
	assert_true(modseq <= status.highestmodseq);
	return status.exists;
}

static uint32_t seen(struct trial *t, uint64_t mailbox)
{
	struct box_status status;

	assert_int_equal(box_status(t->reader, 1, mailbox, &t->arena, &status), STORE_OK);
	return status.exists - status.unseen;
}

enum change { SET_FLAGS, EXPUNGE, COPY, MOVE, MOVE_WITHIN, RENAME, CHANGES };

union any_job {
	struct store_job job;
	struct flags_job flags;
	struct expunge_job expunge;
	struct copy_job copy;
	struct folder_rename_job rename;
};

static void begin(union any_job *j, enum change change, uint64_t inbox)
{
	static const struct uid_range all = {1, UINT32_MAX};

	switch (change) {
	case SET_FLAGS:
		flags_job_init(&j->flags);
		j->flags.account = 1;
		j->flags.mailbox = inbox;
		j->flags.ranges = &all;
		j->flags.range_count = 1;
		j->flags.mode = FLAGS_ADD;
		j->flags.flags = STORE_SEEN;
		break;
	case EXPUNGE:
		expunge_job_init(&j->expunge);
		j->expunge.account = 1;
		j->expunge.mailbox = inbox;
		j->expunge.ranges = &all;
		j->expunge.range_count = 1;
		j->expunge.all = true;
		break;
	case COPY:
	case MOVE:
	case MOVE_WITHIN:
		copy_job_init(&j->copy);
		j->copy.account = 1;
		j->copy.mailbox = inbox;
		j->copy.ranges = &all;
		j->copy.range_count = 1;
		j->copy.target = change == MOVE_WITHIN ? VIEW_LIT("INBOX") : VIEW_LIT("Archive");
		j->copy.move = change != COPY;
		break;
	case RENAME:
		folder_rename_job_init(&j->rename);
		j->rename.account = 1;
		j->rename.from = VIEW_LIT("INBOX");
		j->rename.to = VIEW_LIT("Old");
		break;
	case CHANGES:
		break;
	}
}

/* What the job answered is what there is. */
static void check_all(struct trial *t, enum change change, bool done)
{
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), archive = trial_box(t, 1, "Archive", NULL), old = 0;
	uint32_t here = check_box(t, inbox), there = check_box(t, archive);
	struct box_status status;
	struct quota_usage usage;

	if (box_open(t->reader, 1, VIEW_LIT("Old"), &t->arena, &status) == STORE_OK)
		old = status.mailbox;
	if (old)
		there += check_box(t, old);
	assert_int_equal(here, done && (change == EXPUNGE || change == MOVE || change == RENAME) ? 0 : MESSAGES);
	assert_int_equal(there, done && (change == COPY || change == MOVE || change == RENAME) ? MESSAGES : 0);
	assert_int_equal(seen(t, inbox), done && change == SET_FLAGS ? MESSAGES : 0);
	assert_int_equal(quota_read(t->reader, 1, &usage), STORE_OK);
	assert_int_equal(usage.used.messages, here + there);
	assert_int_equal(usage.used.bytes, (here + there) * 18ULL);
}

/* Whatever is there can be used, and all of it can go, bytes and rows. */
static void use_up(struct trial *t)
{
	static const char *const names[] = {"INBOX", "Archive", "Old"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct uid_range all = {1, UINT32_MAX};
		struct box_status status;

		if (box_open(t->reader, 1, trial_text(names[i]), &t->arena, &status) != STORE_OK)
			continue;
		assert_int_equal(trial_flags(t, 1, status.mailbox, all, FLAGS_REPLACE, 0, NULL), STORE_OK);
		assert_int_equal(trial_flags(t, 1, status.mailbox, all, FLAGS_ADD, STORE_SEEN, NULL), STORE_OK);
		(void)check_box(t, status.mailbox);
		assert_int_equal(trial_expunge(t, 1, status.mailbox, all, true), STORE_OK);
		assert_int_equal(check_box(t, status.mailbox), 0);
	}
	trial_prune(t);
	assert_int_equal(trial_rows(t, "uid_staged"), 0);
	assert_int_equal(trial_rows(t, "message"), 0);
	assert_int_equal(trial_rows(t, "message_refs"), 0);
}

/* False: there was no such slice. */
static bool break_off(enum change change, unsigned at, bool restart)
{
	struct trial trial, *t = &trial;
	union any_job j;
	bool met, done;

	trial_start(t);
	trial_domain(t, "example.org");
	(void)trial_account(t, "a@example.org", 0);
	fill(t);
	begin(&j, change, trial_box(t, 1, "INBOX", NULL));
	met = run_with_full_disk(t, &j.job, at);
	done = j.job.outcome == STORE_OK;
	assert_true(done || (met && j.job.outcome == STORE_NO_SPACE));
	store_job_fini(&j.job);
	check_all(t, change, done);
	if (restart)
		trial_reopen(t);
	else
		(void)trial_append(t, 1, "Sent", header, VIEW_LIT("y"), 0); /* a group that cleans up */
	if (restart)
		check_all(t, change, done);
	if (!restart) {
		uint64_t sent = trial_box(t, 1, "Sent", NULL);

		assert_int_equal(trial_expunge(t, 1, sent, (struct uid_range){1, 1}, true), STORE_OK);
		check_all(t, change, done);
	}
	use_up(t);
	trial_end(t);
	return met;
}

static void break_off_everywhere(enum change change)
{
	struct bulk_limits limits = bulk_limits;
	unsigned slices = 0;

	bulk_limits =
	    (struct bulk_limits){.flags_slice = 1, .expunge_slice = 1, .copy_direct = 1, .copy_slice = 250, .merge = 1};
	while (break_off(change, slices + 1, slices % 2))
		slices++;
	assert_true(slices >= 5);
	bulk_limits = limits;
}

static void test_flags(void **state)
{
	(void)state;
	break_off_everywhere(SET_FLAGS);
}

static void test_expunge(void **state)
{
	(void)state;
	break_off_everywhere(EXPUNGE);
}

static void test_copy(void **state)
{
	(void)state;
	break_off_everywhere(COPY);
}

static void test_move(void **state)
{
	(void)state;
	break_off_everywhere(MOVE);
}

static void test_move_within(void **state)
{
	(void)state;
	break_off_everywhere(MOVE_WITHIN);
}

static void test_rename(void **state)
{
	(void)state;
	break_off_everywhere(RENAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flags), cmocka_unit_test(test_expunge),     cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_move),  cmocka_unit_test(test_move_within), cmocka_unit_test(test_rename),
	};

	vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
