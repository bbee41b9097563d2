/* SPDX-License-Identifier: ISC
 * Housekeeping: what it takes it takes whole, however odd the clock was, and it keeps nobody waiting. */
#include "trial.h"

#include "base/clock.h"
#include "store/undelete.h"

#include <string.h>

enum { DAY = 86400, YEAR = 365 * DAY, AT_ONCE = 250 };

static const char header[] = "Subject: x\r\n\r\n";

static int start(void **state)
{
	int r = trial_setup_domain(state);

	(void)trial_account(*state, "a@example.org", 0);
	return r;
}

static void fill(struct trial *t, const char *name, unsigned n)
{
	struct append_more more[AT_ONCE];

	while (n > 0) {
		unsigned now = n < AT_ONCE ? n : AT_ONCE;
		struct append_job j;

		append_job_init(&j);
		for (unsigned i = 0; i < now; i++)
			more[i] = (struct append_more){
			    .message = {.id = store_next_id(t->store), .header = trial_text(header)}};
		j.account = 1;
		j.name = trial_text(name);
		j.message = more[0].message;
		j.more = more + 1;
		j.more_count = now - 1;
		assert_int_equal(trial_run(t, &j.job), STORE_OK);
		store_job_fini(&j.job);
		n -= now;
	}
}

static enum store_outcome let_go(struct trial *t, const char *name)
{
	struct folder_delete_job j;
	enum store_outcome outcome;

	folder_delete_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome bring_back(struct trial *t, uint64_t mailbox, const char *name)
{
	struct undelete_mailbox_job j;
	enum store_outcome outcome;

	undelete_mailbox_job_init(&j);
	j.account = 1;
	j.mailbox = mailbox;
	j.name = trial_text(name);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static size_t gone_count(struct trial *t)
{
	const struct gone_mailbox *gone;
	size_t n;

	assert_int_equal(undelete_mailboxes(t->reader, 1, 0, 100, &t->arena, &gone, &n), STORE_OK);
	return n;
}

/* Space is needed, so a deleted mailbox is pruned long before its time: between two slices of that nobody gets half of it back. */
static void test_half_pruned(void **state)
{
	struct trial *t = *state;
	uint64_t mailbox = trial_folder(t, 1, "old"), kept = trial_folder(t, 1, "kept");
	struct store_job *job;
	struct prune_job j;

	fill(t, "old", 600);
	fill(t, "kept", 3);
	assert_int_equal(let_go(t, "old"), STORE_OK);
	assert_int_equal(let_go(t, "kept"), STORE_OK);
	assert_int_equal(gone_count(t), 2);
	prune_job_init(&j);
	j.wall_s = clock_wall_s() + 2 * 3600;
	j.hurry = true;
	job = &j.job;
	assert_int_equal(store_group_run(t->store, &job, 1), 0);
	assert_int_equal(job->state, JOB_AGAIN);
	assert_int_equal(gone_count(t), 1);
	assert_int_equal(bring_back(t, mailbox, "old"), STORE_NO_MAILBOX);
	assert_int_equal(bring_back(t, kept, "kept"), STORE_OK);
	assert_int_equal(trial_run(t, job), STORE_OK);
	assert_int_equal(j.ret_messages, 600);
	store_job_fini(job);
	assert_string_equal(trial_uids(t, 1, kept), "1:3");
	assert_int_equal(trial_rows(t, "message"), 3);
	assert_int_equal(trial_rows(t, "gone_name"), 0);
}

/* Numbers that no row can have, as a front end that was taken over may send them. */
static void test_odd_numbers(void **state)
{
	static const uint64_t odd[] = {0, 1ULL << 31, INT64_MAX, 1ULL << 63, UINT64_MAX};
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	const struct expunge_time *times;
	const struct gone_mailbox *gone;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct undelete_job j;

		assert_int_equal(undelete_times(t->reader, 1, inbox, odd[i], 10, &t->arena, &times, &n), STORE_OK);
		assert_int_equal(n, 0);
		assert_int_equal(undelete_times(t->reader, 1, odd[i], 0, 10, &t->arena, &times, &n), STORE_NO_MAILBOX);
		assert_int_equal(undelete_mailboxes(t->reader, 1, odd[i], 10, &t->arena, &gone, &n), STORE_OK);
		assert_int_equal(n, 0);
		assert_int_equal(bring_back(t, odd[i], "x"), STORE_NO_MAILBOX);
		undelete_job_init(&j);
		j.account = 1;
		j.mailbox = odd[i];
		assert_int_equal(trial_run(t, &j.job), STORE_NO_MAILBOX);
		store_job_fini(&j.job);
	}
}

/* What was expunged and deleted while the clock was years ahead waits the undelete time from when that is seen, and holds up nothing. */
static void test_clock_ahead(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), old = trial_folder(t, 1, "old");
	struct prune_job j;

	fill(t, "INBOX", 5);
	fill(t, "old", 2);
	clock_shift_wall(3LL * YEAR * 1000000);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){1, 1}, true), STORE_OK);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){3, 3}, true), STORE_OK);
	assert_int_equal(let_go(t, "old"), STORE_OK);
	clock_shift_wall(-3LL * YEAR * 1000000);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){2, 2}, true), STORE_OK);
	for (int day = 0; day <= 15; day++) {
		prune_job_init(&j);
		j.wall_s = clock_wall_s() + (int64_t)day * DAY;
		assert_int_equal(trial_run(t, &j.job), STORE_OK);
		store_job_fini(&j.job);
		assert_int_equal(trial_rows(t, "message"), day < 14 ? 7 : 2);
	}
	assert_int_equal(trial_rows(t, "expunge_log"), 0);
	assert_int_equal(trial_rows(t, "mailbox"), 6);
	(void)old;
}

/* Expunges of two messages each, one at either end of a mailbox: every one of them has the whole mailbox between its first and its last.
 * No slice looks at more than some pages. */
static void test_far_apart(void **state)
{
	enum { MESSAGES = 20000, PAIRS = 200, PAGES = MESSAGES / 256, SLICE_PAGES = 250 };
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct store_job *job;
	struct prune_job j;
	unsigned groups = 0;

	fill(t, "INBOX", MESSAGES);
	for (uint32_t i = 0; i < PAIRS; i++) {
		const struct uid_range pair[] = {{1 + i, 1 + i}, {MESSAGES - i, MESSAGES - i}};
		struct expunge_job e;

		expunge_job_init(&e);
		e.account = 1;
		e.mailbox = inbox;
		e.ranges = pair;
		e.range_count = 2;
		e.all = true;
		assert_int_equal(trial_run(t, &e.job), STORE_OK);
		store_job_fini(&e.job);
	}
	prune_job_init(&j);
	j.wall_s = (int64_t)1 << 40;
	job = &j.job;
	do {
		assert_int_equal(store_group_run(t->store, &job, 1), 0);
		groups++;
	} while (job->state != JOB_FINISHED);
	assert_int_equal(job->outcome, STORE_OK);
	assert_int_equal(j.ret_messages, 2 * PAIRS);
	store_job_fini(job);
	assert_true(groups >= PAIRS * PAGES / SLICE_PAGES);
	assert_int_equal(trial_rows(t, "expunge_log"), 0);
	assert_int_equal(trial_rows(t, "message"), MESSAGES - 2 * PAIRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_half_pruned, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_odd_numbers, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_clock_ahead, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_far_apart, start, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
