/* SPDX-License-Identifier: ISC
 * A process that dies at each named point of its work: what was told to be done is there once, what was not is there whole or not
 * at all, and the store opens again and goes on. */
#include "trial.h"

#include "base/clock.h"
#include "store/bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char header[] = "A: b\r\n\r\n";
enum { LARGE = 100000, SMALL = 3000 };

/* The child dies when this reaches 0. */
static int points_left;

static void die_at_point(const char *point)
{
	(void)point;
	if (--points_left == 0)
		_exit(9);
}

/* What the child has been told, written to a pipe byte by byte before it does the next thing. */
static void tell(int fd, char what)
{
	if (write(fd, &what, 1) != 1)
		_exit(1);
}

static void open_again(struct trial *t)
{
	struct store_options o = {.dir = t->dir};
	const char *why = "";

	if (store_open(&o, &t->store, &why) < 0)
		fail_msg("store_open after a crash: %s", why);
	assert_int_equal(store_reader_open(t->store, &t->reader), 0);
}

static void close_all(struct trial *t)
{
	store_reader_close(&t->reader);
	store_close(&t->store);
}

typedef void child_fn(struct trial *t, int fd);

/* Runs `work` in a child that dies at its n-th point. What it told, in `told`; false: it came to its end. */
static bool run_child(struct trial *t, child_fn *work, int n, struct buf *told)
{
	int fds[2], status;
	pid_t pid;

	buf_reset(told);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		points_left = n;
		store_crash_hook = die_at_point;
		open_again(t);
		work(t, fds[1]);
		close_all(t);
		_exit(0);
	}
	close(fds[1]);
	for (char c; read(fds[0], &c, 1) == 1;)
		buf_append_char(told, c);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return WEXITSTATUS(status) == 9;
}

static struct view content_of(struct trial *t, size_t n, char c)
{
	char *p = arena_alloc(&t->arena, n);

	memset(p, c, n);
	return view_from(p, n);
}

static size_t size_of(unsigned i)
{
	return i % 3 == 2 ? LARGE : SMALL;
}

/* ---- deliveries, small and large ---- */

enum { DELIVERIES = 5 };

static void deliver_some(struct trial *t, int fd)
{
	for (unsigned i = 0; i < DELIVERIES; i++) {
		if (trial_deliver(t, 1, "P: 1\r\n", header, content_of(t, size_of(i), (char)('a' + i)), NULL) !=
		    STORE_OK)
			_exit(1);
		tell(fd, (char)('a' + i));
	}
}

/* Which messages there are, by the letter they are made of; each must be whole. */
static void read_letters(struct trial *t, uint64_t mailbox, struct buf *out)
{
	struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {1, mailbox, &all, 1, 1, ROW_SIZE, 0, false, 0, 100, 1 << 20};
	struct box_rows rows;

	assert_int_equal(box_rows(t->reader, &q, &t->arena, &rows), STORE_OK);
	for (size_t i = 0; i < rows.count; i++) {
		struct view got = trial_read(t, 1, mailbox, rows.rows[i].uid);
		size_t head = strlen("P: 1\r\n") + strlen(header);
		char letter = got.p[got.n - 1];

		assert_int_equal(got.n, rows.rows[i].size_bytes);
		assert_int_equal(got.n - head, size_of((unsigned)(letter - 'a')));
		for (size_t k = head; k < got.n; k++)
			assert_int_equal(got.p[k], letter);
		buf_append_char(out, letter);
	}
}

static void sweep_all(struct trial *t)
{
	uint64_t removed;

	for (unsigned step = 0; step < 256; step++)
		assert_int_equal(housekeep_sweep(t->reader, step, &removed), STORE_OK);
}

static void test_deliveries(void **state)
{
	struct buf told = BUF_INIT(100), is = BUF_INIT(100);
	int n = 1, died = 0;

	(void)state;
	for (bool more = true; more; n++) {
		struct box_status status;
		struct trial t;
		uint64_t inbox;

		trial_start(&t);
		trial_domain(&t, "example.org");
		(void)trial_account(&t, "a@example.org", 0);
		close_all(&t);
		more = run_child(&t, deliver_some, n, &told);
		died += more;
		open_again(&t);
		inbox = trial_box(&t, 1, "INBOX", &status);
		buf_reset(&is);
		sweep_all(&t);
		read_letters(&t, inbox, &is);
		/* All it told, in that order, and at most the one it was about to tell. */
		assert_true(is.n == told.n || is.n == told.n + 1);
		assert_memory_equal(is.p ? is.p : "", "abcde", is.n);
		assert_int_equal(status.exists, is.n);
		assert_int_equal(trial_rows(&t, "message"), is.n);
		/* And it goes on. */
		assert_int_equal(trial_deliver(&t, 1, "", header, content_of(&t, 10, 'z'), NULL), STORE_OK);
		trial_end(&t);
	}
	assert_true(died >= DELIVERIES * 3);
	buf_fini(&told);
	buf_fini(&is);
}

/* ---- long jobs in slices ---- */

enum { MANY = 300 };

static void fill(struct trial *t, uint64_t account)
{
	enum { GROUP = 100 };
	struct append_job jobs[GROUP];
	struct store_job *list[GROUP];

	for (unsigned done = 0; done < MANY; done += GROUP) {
		for (unsigned i = 0; i < GROUP; i++) {
			append_job_init(&jobs[i]);
			jobs[i].account = account;
			jobs[i].name = VIEW_LIT("INBOX");
			jobs[i].message =
			    (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
			list[i] = &jobs[i].job;
		}
		trial_run_all(t, list, GROUP);
		for (unsigned i = 0; i < GROUP; i++) {
			assert_int_equal(list[i]->outcome, STORE_OK);
			store_job_fini(list[i]);
		}
	}
}

static void flag_all(struct trial *t, int fd)
{
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);

	if (trial_flags(t, 1, inbox, (struct uid_range){1, UINT32_MAX}, FLAGS_ADD, STORE_SEEN, "done") != STORE_OK)
		_exit(1);
	tell(fd, 'd');
}

static void expunge_all(struct trial *t, int fd)
{
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);

	if (trial_expunge(t, 1, inbox, (struct uid_range){1, UINT32_MAX}, true) != STORE_OK)
		_exit(1);
	tell(fd, 'd');
}

static void copy_all(struct trial *t, int fd, bool move)
{
	struct uid_range all = {1, UINT32_MAX};
	struct copy_job j;

	copy_job_init(&j);
	j.account = 1;
	j.mailbox = trial_box(t, 1, "INBOX", NULL);
	j.ranges = &all;
	j.range_count = 1;
	j.target = VIEW_LIT("Archive");
	j.move = move;
	if (trial_run(t, &j.job) != STORE_OK)
		_exit(1);
	store_job_fini(&j.job);
	tell(fd, 'd');
}

static void only_copy(struct trial *t, int fd)
{
	copy_all(t, fd, false);
}

static void move_all(struct trial *t, int fd)
{
	copy_all(t, fd, true);
}

/* "300 unseen 300 | 0 unseen 0": INBOX and Archive. */
static const char *figures(struct trial *t)
{
	struct box_status inbox, archive;
	char *text = arena_alloc(&t->arena, 100);

	trial_box(t, 1, "INBOX", &inbox);
	trial_box(t, 1, "Archive", &archive);
	assert_string_equal(trial_uids(t, 1, inbox.mailbox), inbox.exists ? "1:300" : "");
	assert_string_equal(trial_uids(t, 1, archive.mailbox), archive.exists ? "1:300" : "");
	(void)snprintf(text, 100, "%u unseen %u | %u unseen %u", inbox.exists, inbox.unseen, archive.exists,
		       archive.unseen);
	return text;
}

/* When everything is expunged and pruned nothing may be left: no reference was lost or doubled. */
static void check_references(struct trial *t)
{
	struct prune_job j;

	assert_int_equal(trial_expunge(t, 1, trial_box(t, 1, "INBOX", NULL), (struct uid_range){1, UINT32_MAX}, true),
			 STORE_OK);
	assert_int_equal(trial_expunge(t, 1, trial_box(t, 1, "Archive", NULL), (struct uid_range){1, UINT32_MAX}, true),
			 STORE_OK);
	prune_job_init(&j);
	j.wall_s = (int64_t)1 << 40;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	assert_int_equal(trial_rows(t, "message"), 0);
	assert_int_equal(trial_rows(t, "message_refs"), 0);
	assert_int_equal(trial_rows(t, "uid_staged"), 0);
	assert_int_equal(trial_rows(t, "uid_state"), 0);
}

static void check_long_job(child_fn *work, const char *after)
{
	static const char before[] = "300 unseen 300 | 0 unseen 0";
	struct buf told = BUF_INIT(100);
	bool seen_before = false, seen_after = false;
	int n = 1;

	bulk_limits = (struct bulk_limits){1, 1, 1, 1, 40, 100, 1};
	for (bool more = true; more; n++) {
		struct trial t;
		const char *is;

		trial_start(&t);
		trial_domain(&t, "example.org");
		(void)trial_account(&t, "a@example.org", 0);
		fill(&t, 1);
		close_all(&t);
		more = run_child(&t, work, n, &told);
		open_again(&t);
		is = figures(&t);
		if (told.n > 0)
			assert_string_equal(is, after);
		else if (strcmp(is, before) != 0)
			assert_string_equal(is, after);
		seen_before |= strcmp(is, before) == 0;
		seen_after |= more && strcmp(is, after) == 0;
		assert_int_equal(trial_rows(&t, "uid_staged"), 0);
		check_references(&t);
		trial_end(&t);
	}
	assert_true(seen_before && seen_after);
	assert_true(n > 6);
	buf_fini(&told);
}

static void test_flags(void **state)
{
	(void)state;
	check_long_job(flag_all, "300 unseen 0 | 0 unseen 0");
}

static void test_expunge(void **state)
{
	(void)state;
	check_long_job(expunge_all, "0 unseen 0 | 0 unseen 0");
}

static void test_copy(void **state)
{
	(void)state;
	check_long_job(only_copy, "300 unseen 300 | 300 unseen 300");
}

static void test_move(void **state)
{
	(void)state;
	check_long_job(move_all, "0 unseen 0 | 300 unseen 300");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_deliveries), cmocka_unit_test(test_flags), cmocka_unit_test(test_expunge),
	    cmocka_unit_test(test_copy),       cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
