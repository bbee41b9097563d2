/* SPDX-License-Identifier: ISC
 * What the store is put through while its writes are recorded. */
#include "life.h"

#include "base/clock.h"
#include "seen.h"
#include "store/content.h"
#include "store/deliver.h"
#include "store/directory_write.h"
#include "store/housekeep.h"
#include "store/mailbox_write.h"
#include "store/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUP_MAX = 6, FILE_MAX = 300 * 1024, PIECE = 64 * 1024, WALL_STEP_S = 7200 };

/* One message on its way. */
struct work {
	uint32_t number;
	struct deliver_job deliver;
	struct append_job append;
	struct deliver_local locals[ACCOUNTS];
	struct content_file *file;
	struct buf prefixes[ACCOUNTS], header, content;
};

struct run {
	struct store *store;
	struct store_reader *reader;
	struct ledger *ledger;
	struct dice dice;
	bool large;
	uint64_t checkpoints;
	uint64_t last_folder_id; /* for life.revisit */
};

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			(void)fprintf(stderr, "powercut: %s:%d: %s\n", __FILE__, __LINE__, #condition);                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* ---- jobs ---- */

static void run_alone(struct run *r, struct store_job *job)
{
	do {
		MUST(store_group_run(r->store, &job, 1) == 0);
		MUST(store_between_groups(r->store) == 0);
	} while (job->state != JOB_FINISHED);
}

static void furnish(struct run *r)
{
	struct domain_add_job d;

	domain_add_job_init(&d);
	d.domain = VIEW_LIT("example.test");
	run_alone(r, &d.job);
	MUST(d.job.outcome == STORE_OK);
	store_job_fini(&d.job);
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		struct account_add_job a;
		struct buf address = BUF_INIT(100);

		buf_printf(&address, "a%u@example.test", i);
		account_add_job_init(&a);
		a.address = buf_view(&address);
		a.verifiers = (struct credential_verifiers){VIEW_LIT("$argon2id$x"), VIEW_LIT("salt"), 4096,
							    VIEW_LIT("stored"), VIEW_LIT("server")};
		run_alone(r, &a.job);
		MUST(a.job.outcome == STORE_OK);
		r->ledger->accounts[i] = a.ret_account;
		store_job_fini(&a.job);
		buf_fini(&address);
	}
	r->ledger->made = record_mark();
}

/* Small ones mostly; inline ones up to the limit, so that the WAL fills; some above it, in files. */
static uint32_t draw_bytes(struct run *r)
{
	if (r->large && dice_below(&r->dice, 2) == 0)
		return STORE_INLINE_MAX - dice_below(&r->dice, 1000);
	switch (dice_below(&r->dice, 4)) {
	case 0:
	case 1:
		return 500 + dice_below(&r->dice, 8000);
	case 2:
		return 20000 + dice_below(&r->dice, STORE_INLINE_MAX - 20000);
	default:
		return STORE_INLINE_MAX + 1 + dice_below(&r->dice, FILE_MAX - STORE_INLINE_MAX);
	}
}

static void spool(struct run *r, struct work *w, struct new_message *m)
{
	struct view content = buf_view(&w->content);

	if (content.n <= STORE_INLINE_MAX) {
		m->content = content;
		return;
	}
	MUST(content_create(r->store, m->id, &w->file) == 0);
	MUST(content_append(w->file, m->header) == 0);
	for (size_t at = 0; at < content.n; at += PIECE)
		MUST(content_append(w->file, view_sub(content, at, PIECE)) == 0);
	MUST(content_sync(w->file) == 0);
	MUST(content_place(w->file) == 0);
	m->file = w->file;
	m->file_offset = m->header.n;
}

static struct store_job *deliver(struct work *w, const struct new_message *m, struct ledger *l)
{
	struct message *x = &l->messages[w->number];

	deliver_job_init(&w->deliver);
	w->deliver.message = *m;
	w->deliver.wall_s = clock_wall_s();
	w->deliver.locals = w->locals;
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		if (!x->copies[i].wanted)
			continue;
		buf_init(&w->prefixes[i], 200);
		message_prefix(x, i, &w->prefixes[i]);
		w->locals[w->deliver.local_count++] =
		    (struct deliver_local){.account = l->accounts[i], .prefix = buf_view(&w->prefixes[i])};
	}
	return &w->deliver.job;
}

static struct store_job *append(struct work *w, const struct new_message *m, struct ledger *l)
{
	uint32_t account = 0;

	while (!l->messages[w->number].copies[account].wanted)
		account++;
	append_job_init(&w->append);
	w->append.message = *m;
	w->append.account = l->accounts[account];
	w->append.name = VIEW_LIT("Sent");
	w->append.internaldate_s = w->append.wall_s = clock_wall_s();
	return &w->append.job;
}

static uint64_t draw_id(struct run *r)
{
	uint64_t id;

	do
		id = store_next_id(r->store);
	while (r->last_folder_id && (id >> 22) % CONTENT_FOLDERS != (r->last_folder_id >> 22) % CONTENT_FOLDERS);
	r->last_folder_id = 0;
	return id;
}

static void describe(struct run *r, struct message *x, uint32_t bytes)
{
	uint32_t copies;

	*x = (struct message){.content_bytes = bytes, .kept = NO_OP};
	x->box = dice_below(&r->dice, 5) == 0;
	copies = x->box ? 1 : 1 + dice_below(&r->dice, 3);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		x->copies[i] = (struct copy){.expunge_begun = NO_OP, .expunge_kept = NO_OP};
	while (copies > 0) {
		struct copy *c = &x->copies[dice_below(&r->dice, ACCOUNTS)];

		copies -= !c->wanted;
		c->wanted = true;
	}
}

static struct store_job *begin(struct run *r, struct work *w, uint32_t bytes)
{
	struct ledger *l = r->ledger;
	struct new_message m = {.id = draw_id(r), .index = VIEW_LIT("x")};
	struct message *x = &l->messages[l->message_count];

	MUST(l->message_count < MESSAGES_MAX);
	*w = (struct work){.number = l->message_count};
	describe(r, x, bytes);
	buf_init(&w->header, 1000);
	buf_init(&w->content, FILE_MAX);
	message_header(w->number, &w->header);
	message_content(w->number, bytes, &w->content);
	m.header = buf_view(&w->header);
	x->begun = record_now();
	l->message_count++;
	spool(r, w, &m);
	return x->box ? append(w, &m, l) : deliver(w, &m, l);
}

static void keep(struct run *r, struct work *w, struct store_job *job, uint32_t at)
{
	struct message *x = &r->ledger->messages[w->number];
	size_t local = 0;

	MUST(job->outcome == STORE_OK);
	x->kept = at;
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		if (x->copies[i].wanted)
			x->copies[i].uid = x->box ? w->append.ret_uid : w->locals[local++].ret_uid;
		buf_fini(&w->prefixes[i]);
	}
	content_free(&w->file, true);
	buf_fini(&w->header);
	buf_fini(&w->content);
	store_job_fini(job);
}

/* All are in the record as begun; what a group finishes is kept from the moment it returns. */
static void run_group(struct run *r, struct work *works, uint32_t n)
{
	struct store_job *jobs[GROUP_MAX], *waiting[GROUP_MAX];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++)
		jobs[i] = works[i].deliver.job.run ? &works[i].deliver.job : &works[i].append.job;
	do {
		uint32_t at;

		left = 0;
		for (uint32_t i = 0; i < n; i++)
			if (jobs[i])
				waiting[left++] = jobs[i];
		if (left == 0)
			return;
		MUST(store_group_run(r->store, waiting, left) == 0);
		at = record_mark();
		for (uint32_t i = 0; i < n; i++)
			if (jobs[i] && jobs[i]->state == JOB_FINISHED) {
				keep(r, &works[i], jobs[i], at);
				jobs[i] = NULL;
			}
	} while (true);
}

static void deliver_some(struct run *r, uint32_t n, uint32_t bytes)
{
	struct work works[GROUP_MAX];

	for (uint32_t i = 0; i < n; i++)
		(void)begin(r, &works[i], bytes ? bytes : draw_bytes(r));
	run_group(r, works, n);
}

/* ---- taking away ---- */

static void expunge_one(struct run *r)
{
	struct ledger *l = r->ledger;
	struct message *x = &l->messages[dice_below(&r->dice, l->message_count)];
	uint32_t account = dice_below(&r->dice, ACCOUNTS);
	struct copy *c = &x->copies[account];
	struct uid_range range = {c->uid, c->uid};
	struct expunge_job j;

	if (x->kept == NO_OP || !c->wanted || c->expunge_begun != NO_OP)
		return;
	expunge_job_init(&j);
	j.account = l->accounts[account];
	j.mailbox = seen_mailbox(r->reader, j.account, x->box);
	j.ranges = &range;
	j.range_count = 1;
	j.all = true;
	c->expunge_begun = record_now();
	run_alone(r, &j.job);
	MUST(j.job.outcome == STORE_OK && j.ret_expunged_count == 1);
	c->expunge_kept = record_mark();
	store_job_fini(&j.job);
}

/* What was expunged goes for good, as if the undelete time had passed. */
static void prune(struct run *r)
{
	struct prune_job j;

	prune_job_init(&j);
	j.wall_s = clock_wall_s() + WALL_STEP_S;
	run_alone(r, &j.job);
	MUST(j.job.outcome == STORE_OK);
	store_job_fini(&j.job);
	while (housekeep_unlink(r->store, 3) > 0)
		;
}

/* ---- the life ---- */

static void open_all(struct run *r, const char *dir, const struct life *life)
{
	struct store_options o = {
	    .dir = dir, .create = life->create, .no_threads = !life->threads, .checkpoint_pages = 200};
	struct store_settings settings = {.undelete_s = 1, .delimiter = '+'};
	const char *why = "";
	int rc;

	record_opening(true);
	rc = store_open(&o, &r->store, &why);
	record_opening(false);
	if (rc < 0)
		(void)fprintf(stderr, "powercut: store_open: %s (%d)\n", why, rc);
	MUST(rc == 0);
	r->store->group_us = UINT64_MAX; /* a seed's groups are the same on every machine */
	store_set(r->store, &settings);
	MUST(store_reader_open(r->store, &r->reader) == 0);
}

/* What a client can see after the opening is as good as promised: a message of the killed process whose commit nobody heard of. */
static void see_all(struct run *r)
{
	struct seen *s = seen_new(r->ledger);
	struct ledger *l = r->ledger;
	struct buf why = BUF_INIT(1000);
	uint32_t at = record_mark();

	MUST(seen_read(s, r->reader, &why));
	for (uint32_t n = 0; n < l->message_count; n++) {
		struct message *x = &l->messages[n];

		if (x->kept != NO_OP || seen_copies(s, n) == 0)
			continue;
		for (uint32_t i = 0; i < ACCOUNTS; i++)
			x->copies[i].uid = seen_uid(s, n, i);
		x->kept = at;
	}
	seen_free(&s);
	buf_fini(&why);
}

/* A checkpoint is done, so the next commit starts the WAL over. A long one over a short one shows best what a torn start would
 * do: they take turns. */
static void start_wal_over(struct run *r)
{
	if (record_get()->syncs[SYNC_WAL_RESTART] % 2 == 0)
		deliver_some(r, 1, 500);
	else
		deliver_some(r, GROUP_MAX, STORE_INLINE_MAX);
}

static void one_step(struct run *r)
{
	struct store_figures figures;

	store_figures(r->store, &figures);
	if (figures.checkpoints != r->checkpoints)
		start_wal_over(r);
	r->checkpoints = figures.checkpoints;
	switch (dice_below(&r->dice, 8)) {
	case 0:
	case 1:
		expunge_one(r);
		break;
	case 2:
		prune(r);
		break;
	default: /* groups of one are common, and make short transactions */
		deliver_some(r, 1 + dice_below(&r->dice, 1 + dice_below(&r->dice, GROUP_MAX)), 0);
	}
	MUST(store_between_groups(r->store) == 0);
}

static uint64_t last_folder(void)
{
	const struct record *rec = record_get();
	uint64_t number = 0;

	for (uint32_t i = 0; i < rec->file_count; i++)
		if (rec->files[i].is_folder && strlen(rec->files[i].name) == 2)
			number = strtoul(rec->files[i].name, NULL, 16);
	return (CONTENT_FOLDERS + number) << 22;
}

_Noreturn void life_run(const char *dir, struct ledger *l, const struct life *life, uint64_t seed)
{
	struct run r = {.ledger = l, .dice = {seed}, .large = life->large};

	if (life->die_at_op)
		record_die_at_op(life->die_at_op);
	open_all(&r, dir, life);
	if (life->create)
		furnish(&r);
	else
		see_all(&r);
	if (life->die_at_sync)
		record_die_at_sync(life->die_at_sync, life->die_count);
	if (life->revisit)
		r.last_folder_id = last_folder();
	if (life->revisit || life->small)
		deliver_some(&r, 1, life->revisit ? STORE_INLINE_MAX + 1 : 1000);
	for (uint32_t i = 0; i < life->groups; i++)
		one_step(&r);
	if (life->unclosed)
		_exit(0);
	store_reader_close(&r.reader);
	store_close(&r.store);
	_exit(0);
}
