/* SPDX-License-Identifier: ISC
 * What the store costs by itself: deliveries in groups, and work on a mailbox of 100,000.
 *
 *     store_bench DIR [MESSAGES]      DIR is made and must be on the disk to be measured
 *
 * One line a figure. CPU is that of the writer's thread, commit included. */
#include "base/clock.h"
#include "store/deliver.h"
#include "store/directory_write.h"
#include "store/mailbox_read.h"
#include "store/mailbox_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ACCOUNTS = 100, GROUP_MAX = 50, BIG = 100000 };

struct bench {
	struct store *store;
	struct store_reader *reader;
	uint64_t accounts[ACCOUNTS];
	uint64_t big; /* account of the large mailbox */
	char header[900], index[700], content[65536], prefix[350];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "store_bench: %s\n", what);
	exit(1);
}

static double thread_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void run(struct bench *b, struct store_job *job)
{
	do {
		if (store_group_run(b->store, &job, 1) < 0)
			die(store_fatal_text(b->store));
	} while (job->state != JOB_FINISHED);
	if (job->outcome != STORE_OK)
		die(store_outcome_name(job->outcome));
}

static uint64_t add_account(struct bench *b, const char *address)
{
	struct account_add_job j;

	account_add_job_init(&j);
	j.address = view_from_cstr(address);
	run(b, &j.job);
	store_job_fini(&j.job);
	return j.ret_account;
}

static void set_up(struct bench *b, const char *dir)
{
	struct store_options o = {.dir = dir, .create = true};
	const char *why;
	struct domain_add_job d;

	if (store_open(&o, &b->store, &why) < 0)
		die(why);
	if (store_reader_open(b->store, &b->reader) < 0)
		die("no reader");
	domain_add_job_init(&d);
	d.domain = VIEW_LIT("example.org");
	run(b, &d.job);
	store_job_fini(&d.job);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char address[40];

		(void)snprintf(address, sizeof address, "user%u@example.org", i);
		b->accounts[i] = add_account(b, address);
	}
	b->big = add_account(b, "big@example.org");
	memset(b->header, 'h', sizeof b->header);
	memset(b->index, 'i', sizeof b->index);
	memset(b->content, 'c', sizeof b->content);
	memset(b->prefix, 'p', sizeof b->prefix);
}

static void fill_job(struct bench *b, struct deliver_job *j, struct deliver_local *local, uint64_t account,
		     size_t content_bytes)
{
	deliver_job_init(j);
	*local = (struct deliver_local){.account = account, .prefix = view_from(b->prefix, sizeof b->prefix)};
	j->locals = local;
	j->local_count = 1;
	j->wall_s = clock_wall_s();
	j->message = (struct new_message){
	    .id = store_next_id(b->store),
	    .header = view_from(b->header, sizeof b->header),
	    .content = view_from(b->content, content_bytes),
	    .index = view_from(b->index, sizeof b->index),
	    .sent_s = j->wall_s,
	};
}

/* `account` 0: any of the hundred. */
static void deliver(struct bench *b, size_t total, size_t group, size_t content_bytes, uint64_t account,
		    const char *what)
{
	struct deliver_local locals[GROUP_MAX];
	struct deliver_job jobs[GROUP_MAX];
	struct store_job *list[GROUP_MAX];
	double cpu = 0;
	uint64_t start = clock_mono_us();

	for (size_t done = 0; done < total; done += group) {
		double from;

		for (size_t i = 0; i < group; i++) {
			fill_job(b, &jobs[i], &locals[i], account ? account : b->accounts[(size_t)rand() % ACCOUNTS],
				 content_bytes);
			list[i] = &jobs[i].job;
		}
		from = thread_us();
		if (store_group_run(b->store, list, group) < 0 || store_between_groups(b->store) < 0)
			die("fatal");
		cpu += thread_us() - from;
		for (size_t i = 0; i < group; i++) {
			if (list[i]->state != JOB_FINISHED)
				run(b, list[i]);
			store_job_fini(list[i]);
		}
	}
	printf("%-44s %7.1f us CPU a message, %8.0f messages/s\n", what, cpu / (double)total,
	       (double)total * 1e6 / (double)(clock_mono_us() - start));
}

struct stopwatch {
	double cpu;
	uint64_t wall;
};

static struct stopwatch start_watch(void)
{
	return (struct stopwatch){thread_us(), clock_mono_us()};
}

static void stop_watch(struct stopwatch s, const char *what)
{
	printf("%-44s %7.2f ms, %7.2f ms CPU\n", what, (double)(clock_mono_us() - s.wall) / 1e3,
	       (thread_us() - s.cpu) / 1e3);
}

static uint64_t open_big(struct bench *b, struct box_status *status)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	if (box_open(b->reader, b->big, VIEW_LIT("INBOX"), &a, status) != STORE_OK)
		die("no INBOX");
	arena_fini(&a);
	return status->mailbox;
}

static void read_rows(struct bench *b, uint64_t mailbox, uint32_t fields, const char *what)
{
	struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {b->big, mailbox, &all, 1, 1, fields, 0, false, 0, 2000, 256 * 1024};
	struct stopwatch s = start_watch();
	struct arena a;

	arena_init(&a, 8 << 20);
	do {
		struct box_rows rows;

		if (box_rows(b->reader, &q, &a, &rows) != STORE_OK)
			die(store_reader_error(b->reader));
		q.uid_from = rows.next;
		arena_reset(&a);
	} while (q.uid_from);
	arena_fini(&a);
	stop_watch(s, what);
}

static void read_uids(struct bench *b, uint64_t mailbox)
{
	struct stopwatch s = start_watch();
	struct box_status status;
	struct box_uids uids;
	struct arena a;

	arena_init(&a, 8 << 20);
	(void)open_big(b, &status);
	stop_watch(s, "open (SELECT's counters)");
	s = start_watch();
	if (box_uids(b->reader, b->big, mailbox, 0, 8192, &a, &uids) != STORE_OK)
		die("uids");
	stop_watch(s, "all UIDs");
	arena_fini(&a);
}

static void read_changes(struct bench *b, uint64_t mailbox, uint64_t since, const char *what)
{
	struct stopwatch s = start_watch();
	struct box_changes changes;
	struct arena a;

	arena_init(&a, 8 << 20);
	if (box_changes(
		b->reader,
		&(struct changes_query){.account = b->big, .mailbox = mailbox, .since = since, .max_rows = 2000}, &a,
		&changes) != STORE_OK)
		die("changes");
	stop_watch(s, what);
	arena_fini(&a);
}

static void store_flags(struct bench *b, uint64_t mailbox, uint32_t first, uint32_t last, uint32_t flags,
			const char *what)
{
	struct uid_range range = {first, last};
	struct stopwatch s = start_watch();
	struct flags_job j;

	flags_job_init(&j);
	j.account = b->big;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.mode = FLAGS_ADD;
	j.flags = flags;
	run(b, &j.job);
	store_job_fini(&j.job);
	stop_watch(s, what);
}

static void copy(struct bench *b, uint64_t mailbox, struct uid_range range, bool move, const char *what)
{
	struct stopwatch s = start_watch();
	struct copy_job j;

	copy_job_init(&j);
	j.account = b->big;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.target = VIEW_LIT("Archive");
	j.move = move;
	run(b, &j.job);
	store_job_fini(&j.job);
	if (what)
		stop_watch(s, what);
}

static void expunge(struct bench *b, uint64_t mailbox, struct uid_range range, const char *what)
{
	struct stopwatch s = start_watch();
	struct expunge_job j;

	expunge_job_init(&j);
	j.account = b->big;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.all = true;
	run(b, &j.job);
	store_job_fini(&j.job);
	stop_watch(s, what);
}

static void work_on_big(struct bench *b)
{
	struct box_status status;
	uint64_t mailbox;
	struct stopwatch s;

	deliver(b, BIG, GROUP_MAX, 2048, b->big, "fill one mailbox with 100,000 of 2 KiB");
	mailbox = open_big(b, &status);
	read_uids(b, mailbox);
	read_rows(b, mailbox, ROW_FLAGS, "rows 1:*: flags");
	read_rows(b, mailbox, ROW_FLAGS | ROW_INTERNALDATE | ROW_SIZE, "rows 1:*: flags, date, size");
	read_rows(b, mailbox, ROW_INDEX, "rows 1:*: MIME index");
	read_rows(b, mailbox, ROW_HEADER, "rows 1:*: header");
	store_flags(b, mailbox, 1, UINT32_MAX, STORE_SEEN, "STORE 1:* +FLAGS");
	store_flags(b, mailbox, 50000, 50000, STORE_FLAGGED, "STORE of one message");
	(void)open_big(b, &status);
	read_changes(b, mailbox, status.highestmodseq - 1, "changes: one message");
	s = start_watch();
	for (uint32_t i = 1; i <= 300; i++)
		copy(b, mailbox, (struct uid_range){i * 300, i * 300}, false, NULL);
	stop_watch(s, "300 single COPYs, a commit each");
	expunge(b, mailbox, (struct uid_range){1000, 6499}, "EXPUNGE of 5,500");
	copy(b, mailbox, (struct uid_range){1, UINT32_MAX}, false, "COPY 1:*");
	expunge(b, mailbox, (struct uid_range){1, UINT32_MAX}, "EXPUNGE 1:*");
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct store_figures figures;
	size_t n;

	if (argc < 2)
		die("usage: store_bench DIR [MESSAGES]");
	n = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 20000;
	set_up(&b, argv[1]);
	deliver(&b, n, GROUP_MAX, 3100, 0, "(warm-up)");
	deliver(&b, n / 5, 1, 3100, 0, "4 KiB, groups of 1");
	deliver(&b, n, 10, 3100, 0, "4 KiB, groups of 10");
	deliver(&b, n, GROUP_MAX, 3100, 0, "4 KiB, groups of 50");
	deliver(&b, n / 5, 10, 64000, 0, "64 KiB, groups of 10");
	work_on_big(&b);
	store_figures(b.store, &figures);
	printf("%-44s %7llu checkpoints, WAL %llu pages, database %llu MiB\n", "in all",
	       (unsigned long long)figures.checkpoints, (unsigned long long)figures.wal_pages,
	       (unsigned long long)figures.database_bytes >> 20);
	store_reader_close(&b.reader);
	store_close(&b.store);
	return 0;
}
