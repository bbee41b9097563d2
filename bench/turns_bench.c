/* SPDX-License-Identifier: ISC
 * The longest transaction of each of the store's large jobs.
 *
 *     turns_bench DIR [RECIPIENTS [MESSAGES]]      DIR is made; so many wait in the queue (200,000), lie in a mailbox (100,000)
 *
 * A line a job: in how many transactions it went, and the longest of them until its commit, by the clock and in CPU. Nothing else should run: what
 * the machine does meanwhile shows in the first. */
#include "base/clock.h"
#include "base/id.h"
#include "store/deliver.h"
#include "store/directory_write.h"
#include "store/folder.h"
#include "store/housekeep.h"
#include "store/mailbox_read.h"
#include "store/mailbox_write.h"
#include "store/queue.h"
#include "store/trace_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_MESSAGE = 1000, DOMAINS = 1000, LEASE_RCPTS = 100, TEXT_MAX = 64, GROUP = 50 };

struct bench {
	struct store *store;
	struct store_reader *reader;
	uint64_t account;
	char addresses[PER_MESSAGE][TEXT_MAX];
	struct deliver_remote remotes[PER_MESSAGE];
	char header[900], index[700], content[3100], prefix[350];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "turns_bench: %s\n", what);
	exit(1);
}

/* `what` NULL: nothing is said. */
static void run(struct bench *b, struct store_job *job, const char *what)
{
	uint64_t us = 0, cpu_us = 0, groups = 0, start_us = clock_mono_us();

	do {
		struct store_group_time t;

		if (store_group_run(b->store, &job, 1) < 0 || store_between_groups(b->store) < 0)
			die(store_fatal_text(b->store));
		t = store_group_time(b->store);
		us = t.us > us ? t.us : us;
		cpu_us = t.cpu_us > cpu_us ? t.cpu_us : cpu_us;
		groups++;
	} while (job->state != JOB_FINISHED);
	if (job->outcome != STORE_OK)
		die(store_outcome_name(job->outcome));
	if (what)
		printf("%-52s %6llu transactions, the longest %7.1f ms, %7.1f ms CPU; %7.0f ms in all\n", what,
		       (unsigned long long)groups, (double)us / 1000, (double)cpu_us / 1000,
		       (double)(clock_mono_us() - start_us) / 1000);
	(void)fflush(stdout);
}

static void set_up(struct bench *b, const char *dir)
{
	struct store_options o = {.dir = dir, .create = true};
	struct domain_add_job d;
	struct account_add_job a;
	const char *why;

	memset(b->header, 'h', sizeof b->header);
	memset(b->index, 'i', sizeof b->index);
	memset(b->content, 'c', sizeof b->content);
	memset(b->prefix, 'p', sizeof b->prefix);
	if (store_open(&o, &b->store, &why) < 0)
		die(why);
	if (store_reader_open(b->store, &b->reader) < 0)
		die("no reader");
	domain_add_job_init(&d);
	d.domain = VIEW_LIT("example.org");
	run(b, &d.job, NULL);
	store_job_fini(&d.job);
	account_add_job_init(&a);
	a.address = VIEW_LIT("big@example.org");
	run(b, &a.job, NULL);
	b->account = a.ret_account;
	store_job_fini(&a.job);
}

static struct new_message message(struct bench *b)
{
	return (struct new_message){.id = store_next_id(b->store),
				    .header = view_from(b->header, sizeof b->header),
				    .content = view_from(b->content, sizeof b->content),
				    .index = view_from(b->index, sizeof b->index),
				    .sent_s = clock_wall_s()};
}

/* ---- the queue ---- */

/* Of `spread` domains from `first` on, one recipient after the other. */
static uint64_t put(struct bench *b, size_t n, size_t first, size_t spread, const char *what)
{
	struct deliver_job j;
	uint64_t id;

	for (size_t i = 0; i < n; i++) {
		struct view address;

		(void)snprintf(b->addresses[i], TEXT_MAX, "user%zu@host%zu.example", i, first + i % spread);
		address = view_from_cstr(b->addresses[i]);
		b->remotes[i] = (struct deliver_remote){.address = address, .orcpt = VIEW_EMPTY};
		(void)view_cut(address, '@', &(struct view){0}, &b->remotes[i].domain);
	}
	deliver_job_init(&j);
	j.wall_s = clock_wall_s();
	j.remotes = b->remotes;
	j.remote_count = n;
	j.remote_prefix = view_from(b->prefix, sizeof b->prefix);
	j.sender = VIEW_LIT("sender@example.org");
	j.envid = VIEW_EMPTY;
	j.message = message(b);
	id = j.message.id;
	run(b, &j.job, what);
	store_job_fini(&j.job);
	return id;
}

static void lease(struct bench *b, struct queue_lease_job *j, size_t per_domain, const char *what)
{
	queue_lease_job_init(j);
	j->wall_s = clock_wall_s();
	j->until_s = j->wall_s + 7200;
	j->max_jobs = QUEUE_LEASE_JOBS_MAX;
	j->max_per_domain = j->max_per_unknown = per_domain;
	run(b, &j->job, what);
}

static void give_back(struct bench *b, const struct queue_lease *l, enum queue_outcome outcome, int64_t closed_s,
		      const char *what)
{
	struct queue_fate fates[QUEUE_LEASE_RCPTS_MAX];
	struct queue_result_job j;

	for (size_t i = 0; i < l->rcpt_count; i++)
		fates[i] = (struct queue_fate){.id = l->rcpts[i].id,
					       .outcome = outcome,
					       .code = 450,
					       .status = VIEW_LIT("4.2.0"),
					       .text = VIEW_LIT("come later, or not at all")};
	queue_result_job_init(&j);
	j.token = l->token;
	j.wall_s = clock_wall_s();
	j.schedule = (struct queue_schedule){60, 14400};
	j.mta = VIEW_LIT("mx.example");
	j.peer = VIEW_LIT("mx.example (192.0.2.1:25)");
	j.tls = VIEW_EMPTY;
	j.destination = VIEW_LIT("one host for all");
	j.closed_s = closed_s;
	j.fates = fates;
	j.fate_count = l->rcpt_count;
	run(b, &j.job, what);
	store_job_fini(&j.job);
}

/* 64 messages of 100 recipients each, with a domain for each message, or all of one. */
static void leases(struct bench *b)
{
	struct queue_lease_job j;

	for (size_t i = 0; i < QUEUE_LEASE_JOBS_MAX; i++)
		(void)put(b, LEASE_RCPTS, 10000 + i, 1, NULL);
	lease(b, &j, 50, "lease 64 messages of 100 recipients");
	give_back(b, &j.leases[0], QUEUE_OUT_SENT, 0, "100 recipients sent");
	give_back(b, &j.leases[1], QUEUE_OUT_DEFERRED, clock_wall_s() + 60, "100 recipients deferred");
	give_back(b, &j.leases[2], QUEUE_OUT_FAILED, 0, "100 recipients failed");
	store_job_fini(&j.job);
	for (size_t i = 0; i < QUEUE_LEASE_JOBS_MAX; i++)
		(void)put(b, LEASE_RCPTS, 20000, 1, NULL);
	lease(b, &j, 50, "lease of one domain, messages of 100");
	store_job_fini(&j.job);
}

static void resume(struct bench *b, const char *what)
{
	struct queue_resume_job j;

	queue_resume_job_init(&j);
	j.wall_s = clock_wall_s();
	run(b, &j.job, what);
	store_job_fini(&j.job);
}

static void change(struct bench *b, enum queue_change change, uint64_t id, const char *what)
{
	struct queue_change_job j;

	queue_change_job_init(&j);
	j.wall_s = clock_wall_s();
	j.change = change;
	j.message = id;
	run(b, &j.job, what);
	store_job_fini(&j.job);
}

static void notices(struct bench *b)
{
	struct queue_settle_job j;
	struct queue_notices q;
	struct arena a;

	arena_init(&a, 16 * 1024 * 1024);
	if (queue_next_notices(b->reader, 0, &a, &q) != STORE_OK)
		die("no notices are due");
	queue_settle_job_init(&j);
	j.message = q.envelope.message;
	j.told = q.items;
	j.count = q.count;
	run(b, &j.job, "the notice about 1,000 recipients");
	store_job_fini(&j.job);
	arena_fini(&a);
}

static void wake(struct bench *b, struct view destination, const char *what)
{
	struct queue_wake_job j;

	queue_wake_job_init(&j);
	j.wall_s = clock_wall_s() - 3600; /* all are due later than that */
	j.destination = destination;
	j.why = "it answers again";
	run(b, &j.job, what);
	store_job_fini(&j.job);
}

static void age(struct bench *b, int64_t after_s, int64_t delay_s, const char *what)
{
	struct queue_age_job j;

	queue_age_job_init(&j);
	j.wall_s = clock_wall_s() + after_s;
	j.lifetime_s = j.patient_lifetime_s = 5 * 86400;
	j.delay_after_s = delay_s;
	run(b, &j.job, what);
	store_job_fini(&j.job);
}

static void queue(struct bench *b, size_t recipients)
{
	struct queue_lease_job j;
	uint64_t id;

	id = put(b, PER_MESSAGE, 0, DOMAINS, "keep a message for 1,000 domains");
	change(b, QUEUE_BOUNCE, id, "bounce 1,000 recipients");
	notices(b);
	leases(b);
	for (size_t i = 0; i < recipients / PER_MESSAGE; i++)
		(void)put(b, PER_MESSAGE, 0, DOMAINS, NULL);
	id = put(b, PER_MESSAGE, 0, DOMAINS, NULL);
	lease(b, &j, 50, "lease 64 of the long queue");
	store_job_fini(&j.job);
	change(b, QUEUE_HOLD, id, "hold 1,000 recipients");
	change(b, QUEUE_RELEASE, id, "release them");
	change(b, QUEUE_RETRY, 0, "retry all");
	resume(b, "relayd comes anew");
	wake(b, VIEW_EMPTY, "all due: a changed route");
	age(b, 86400, 14400, "all delayed");
	age(b, 6 * 86400, 14400, "all expired");
}

/* ---- a mailbox ---- */

static void fill(struct bench *b, size_t n)
{
	struct deliver_local locals[GROUP];
	struct deliver_job jobs[GROUP];
	struct store_job *list[GROUP];

	for (size_t done = 0; done < n; done += GROUP) {
		for (size_t i = 0; i < GROUP; i++) {
			deliver_job_init(&jobs[i]);
			locals[i] = (struct deliver_local){.account = b->account,
							   .prefix = view_from(b->prefix, sizeof b->prefix)};
			jobs[i].locals = &locals[i];
			jobs[i].local_count = 1;
			jobs[i].wall_s = clock_wall_s();
			jobs[i].message = message(b);
			list[i] = &jobs[i].job;
		}
		if (store_group_run(b->store, list, GROUP) < 0 || store_between_groups(b->store) < 0)
			die(store_fatal_text(b->store));
		for (size_t i = 0; i < GROUP; i++) {
			if (list[i]->state != JOB_FINISHED)
				run(b, list[i], NULL);
			store_job_fini(list[i]);
		}
	}
}

static void mailbox(struct bench *b, size_t n)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct account_remove_job r;
	struct folder_create_job c;
	struct box_status status;
	struct expunge_job e;
	struct flags_job f;
	struct prune_job p;
	struct copy_job k;
	struct arena a;

	arena_init(&a, 1024 * 1024);
	fill(b, n);
	if (box_open(b->reader, b->account, VIEW_LIT("INBOX"), &a, &status) != STORE_OK)
		die("no INBOX");
	folder_create_job_init(&c);
	c.account = b->account;
	c.name = VIEW_LIT("copy");
	run(b, &c.job, NULL);
	store_job_fini(&c.job);
	flags_job_init(&f);
	f.account = b->account;
	f.mailbox = status.mailbox;
	f.ranges = &all;
	f.range_count = 1;
	f.mode = FLAGS_ADD;
	f.flags = STORE_DELETED;
	f.unchanged_since = UINT64_MAX;
	run(b, &f.job, "STORE 1:*");
	store_job_fini(&f.job);
	copy_job_init(&k);
	k.account = b->account;
	k.mailbox = status.mailbox;
	k.ranges = &all;
	k.range_count = 1;
	k.target = VIEW_LIT("copy");
	run(b, &k.job, "COPY 1:*");
	store_job_fini(&k.job);
	expunge_job_init(&e);
	e.account = b->account;
	e.mailbox = status.mailbox;
	e.ranges = &all;
	e.range_count = 1;
	run(b, &e.job, "EXPUNGE 1:*");
	store_job_fini(&e.job);
	account_remove_job_init(&r);
	r.address = VIEW_LIT("big@example.org");
	run(b, &r.job, "remove the account");
	store_job_fini(&r.job);
	arena_fini(&a);
	prune_job_init(&p);
	p.wall_s = clock_wall_s() + 365 * 86400;
	run(b, &p.job, "prune what was expunged, twice as many");
	store_job_fini(&p.job);
}

static void traces(struct bench *b)
{
	struct trace_prune_job p;

	trace_prune_job_init(&p);
	p.before_s = clock_wall_s() + 3600;
	run(b, &p.job, "forget the events");
	store_job_fini(&p.job);
}

int main(int argc, char **argv)
{
	static struct bench b;

	if (argc < 2 || argc > 4)
		die("usage: turns_bench DIR [RECIPIENTS [MESSAGES]]");
	set_up(&b, argv[1]);
	queue(&b, argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 200000);
	traces(&b);
	mailbox(&b, argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 100000);
	store_reader_close(&b.reader);
	store_close(&b.store);
	return 0;
}
