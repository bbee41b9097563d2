/* SPDX-License-Identifier: ISC
 * Random work on the folders of one account beside a simple model in memory: after each step both must agree, a reader
 * between the slices of a long job must see the state before it or after it, and a client that follows the changes must
 * end up with the same mailbox. The seed is printed; POMBO_SEED repeats a run, POMBO_STEPS makes it longer. */
#include "trial.h"

#include "base/clock.h"
#include "base/random.h"
#include "store/bulk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOXES = 5, MESSAGES_MAX = 6000, KEYWORDS = 3 };
static const char *const keywords[KEYWORDS] = {"$Junk", "Later", "work"};

struct message {
	uint32_t uid, flags, words; /* bits of keywords */
	unsigned number; /* which content */
	bool gone, pruned;
};

struct model_box {
	char name[16];
	uint64_t id;
	struct message *at;
	size_t count;
	uint32_t uidnext;
	/* A client that asks for changes now and then. */
	uint64_t since;
	struct message *seen;
	size_t seen_count;
};

struct model {
	struct trial t;
	uint64_t account;
	uint64_t random;
	struct model_box boxes[BOXES];
	unsigned numbers;
};

static uint32_t pick(struct model *m, uint32_t n)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return n ? (uint32_t)(m->random >> 33) % n : 0;
}

/* ---- contents ---- */

static struct view header_of(struct model *m, unsigned number)
{
	struct buf out = BUF_INIT(100);
	struct view v;

	buf_printf(&out, "X-Number: %u\r\n\r\n", number);
	v = arena_copy(&m->t.arena, buf_view(&out));
	buf_fini(&out);
	return v;
}

static struct view content_of(struct model *m, unsigned number)
{
	size_t n = number % 50 * 7;
	char *p = arena_alloc(&m->t.arena, n + 1);

	memset(p, 'a' + (int)(number % 26), n);
	return view_from(p, n);
}

static uint64_t size_of(struct model *m, unsigned number)
{
	return header_of(m, number).n + content_of(m, number).n;
}

/* ---- what should be, and what is, as text ---- */

static void put_message(struct buf *out, uint32_t uid, uint32_t flags, uint32_t words)
{
	buf_printf(out, "%u:%x:%x ", uid, flags, words);
}

static void print_totals(struct buf *out, uint64_t exists, uint64_t unseen, uint64_t deleted, uint64_t bytes,
			 uint32_t first_unseen, uint32_t uidnext)
{
	buf_printf(out,
		   "| %" PRIu64 " exist %" PRIu64 " unseen %" PRIu64 " deleted %" PRIu64 " bytes, first %u next %u\n",
		   exists, unseen, deleted, bytes, first_unseen, uidnext);
}

static void print_model(struct model *m, const struct model_box *b, struct buf *out)
{
	uint64_t exists = 0, unseen = 0, deleted = 0, bytes = 0;
	uint32_t first = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct message *x = &b->at[i];

		if (x->gone)
			continue;
		put_message(out, x->uid, x->flags, x->words);
		exists++;
		bytes += size_of(m, x->number);
		deleted += (x->flags & STORE_DELETED) != 0;
		if (x->flags & STORE_SEEN)
			continue;
		unseen++;
		first = first ? first : x->uid;
	}
	print_totals(out, exists, unseen, deleted, bytes, first, b->uidnext);
}

static uint32_t words_of(struct view joined)
{
	uint32_t words = 0;

	for (unsigned i = 0; i < KEYWORDS; i++) {
		struct view left = joined, word = VIEW_EMPTY;

		while (left.n > 0) {
			if (!view_cut(left, ' ', &word, &left)) {
				word = left;
				left = VIEW_EMPTY;
			}
			if (view_eq_lit_nocase(word, keywords[i]))
				words |= 1u << i;
		}
	}
	return words;
}

static void print_store(struct model *m, const struct model_box *b, struct buf *out)
{
	struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {m->account, b->id, &all, 1, 1, ROW_FLAGS | ROW_SIZE, 0, false, 0, 37, 1 << 20};
	uint64_t bytes = 0, unseen = 0, deleted = 0, exists = 0;
	struct box_status status;
	struct box_rows rows;

	do {
		assert_int_equal(box_rows(m->t.reader, &q, &m->t.arena, &rows), STORE_OK);
		for (size_t i = 0; i < rows.count; i++) {
			const struct box_row *row = &rows.rows[i];

			assert_false(row->expunged);
			assert_true(row->modseq <= rows.highestmodseq);
			put_message(out, row->uid, row->flags, words_of(row->keywords));
			bytes += row->size_bytes;
			unseen += !(row->flags & STORE_SEEN);
			deleted += (row->flags & STORE_DELETED) != 0;
			exists++;
		}
		q.uid_from = rows.next;
	} while (rows.next);
	trial_box(&m->t, m->account, b->name, &status);
	assert_int_equal(status.mailbox, b->id);
	assert_int_equal(status.exists, exists);
	assert_int_equal(status.unseen, unseen);
	assert_int_equal(status.deleted, deleted);
	assert_int_equal(status.size_bytes, bytes);
	print_totals(out, status.exists, status.unseen, status.deleted, status.size_bytes, status.first_unseen_uid,
		     status.uidnext);
}

static struct view snapshot(struct model *m, const struct model_box *b,
			    void (*print)(struct model *, const struct model_box *, struct buf *))
{
	struct buf out = BUF_INIT(1 << 20);
	struct view v;

	print(m, b, &out);
	v = arena_copy(&m->t.arena, buf_view(&out));
	buf_fini(&out);
	return v;
}

static void check_box(struct model *m, const struct model_box *b)
{
	struct view want = snapshot(m, b, print_model), is = snapshot(m, b, print_store);

	if (!view_eq(want, is))
		fail_msg("%s: model and store differ\nmodel %.*s\nstore %.*s", b->name, VIEW_FMT(want), VIEW_FMT(is));
}

static void check_quota(struct model *m)
{
	struct quota_usage usage;
	uint64_t bytes = 0, messages = 0;

	for (size_t k = 0; k < BOXES; k++)
		for (size_t i = 0; i < m->boxes[k].count; i++)
			if (!m->boxes[k].at[i].gone) {
				messages++;
				bytes += size_of(m, m->boxes[k].at[i].number);
			}
	assert_int_equal(quota_read(m->t.reader, m->account, &usage), STORE_OK);
	assert_int_equal(usage.used.bytes, bytes);
	assert_int_equal(usage.used.messages, messages);
}

/* ---- running jobs: between slices the boxes are as before or as after ---- */

struct watch {
	const struct model_box *box;
	struct view before, after;
	bool switched;
};

static void look(struct model *m, struct watch *w)
{
	struct view is = snapshot(m, w->box, print_store);

	if (view_eq(is, w->after)) {
		w->switched = true;
	} else if (w->switched || !view_eq(is, w->before)) {
		fail_msg("%s half done\nbefore %.*s\nafter  %.*s\nis     %.*s", w->box->name, VIEW_FMT(w->before),
			 VIEW_FMT(w->after), VIEW_FMT(is));
	}
}

static void run_watched(struct model *m, struct store_job *job, struct watch *watches, size_t n)
{
	for (size_t i = 0; i < n; i++)
		watches[i].after = snapshot(m, watches[i].box, print_model);
	do {
		assert_int_equal(store_group_run(m->t.store, &job, 1), 0);
		assert_int_equal(store_between_groups(m->t.store), 0);
		for (size_t i = 0; i < n; i++)
			look(m, &watches[i]);
		/* Two boxes that change together change at once. */
		assert_true(n < 2 || watches[0].switched == watches[1].switched ||
			    view_eq(watches[0].before, watches[0].after) ||
			    view_eq(watches[1].before, watches[1].after));
	} while (job->state != JOB_FINISHED);
	assert_int_equal(job->outcome, STORE_OK);
	store_job_fini(job);
}

static struct watch watch(struct model *m, const struct model_box *b)
{
	return (struct watch){b, snapshot(m, b, print_store), VIEW_EMPTY, false};
}

/* ---- steps ---- */

static struct model_box *any_box(struct model *m)
{
	return &m->boxes[pick(m, BOXES)];
}

static struct message *add(struct model_box *b, unsigned number, uint32_t flags, uint32_t words)
{
	assert_true(b->count < MESSAGES_MAX);
	b->at[b->count] = (struct message){b->uidnext++, flags, words, number, false, false};
	return &b->at[b->count++];
}

/* One to three ranges. */
static size_t any_ranges(struct model *m, const struct model_box *b, struct uid_range *ranges)
{
	size_t n = 1 + pick(m, 3);

	for (size_t i = 0; i < n; i++) {
		ranges[i].first = pick(m, b->uidnext + 3);
		ranges[i].last = pick(m, 3) ? ranges[i].first + pick(m, 4) : pick(m, b->uidnext + 3);
	}
	if (pick(m, 10) == 0) {
		ranges[0] = (struct uid_range){1, UINT32_MAX};
		n = 1;
	}
	return n;
}

static bool among(const struct uid_range *ranges, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t low = ranges[i].first < ranges[i].last ? ranges[i].first : ranges[i].last;
		uint32_t high = ranges[i].first < ranges[i].last ? ranges[i].last : ranges[i].first;

		if (uid >= low && uid <= high)
			return true;
	}
	return false;
}

static size_t views_of(uint32_t words, struct view *ret)
{
	size_t n = 0;

	for (unsigned i = 0; i < KEYWORDS; i++)
		if (words & 1u << i)
			ret[n++] = trial_text(keywords[i]);
	return n;
}

static void step_append(struct model *m)
{
	struct model_box *b = any_box(m);
	uint32_t flags = pick(m, 32), words = pick(m, 1 << KEYWORDS);
	struct watch w = watch(m, b);
	struct view views[KEYWORDS];
	struct append_job j;
	struct message *x = add(b, ++m->numbers, flags, words);

	append_job_init(&j);
	j.account = m->account;
	j.name = trial_text(b->name);
	j.flags = flags;
	j.keywords = views;
	j.keyword_count = views_of(words, views);
	j.message = (struct new_message){
	    .id = store_next_id(m->t.store), .header = header_of(m, x->number), .content = content_of(m, x->number)};
	run_watched(m, &j.job, &w, 1);
	assert_int_equal(j.ret_uid, x->uid);
}

/* Several deliveries and appends in one group, one of which is refused. */
static void step_group(struct model *m)
{
	enum { N = 12 };
	struct deliver_local locals[N];
	struct deliver_job jobs[N];
	struct store_job *list[N];

	for (size_t i = 0; i < N; i++) {
		struct model_box *b = any_box(m);
		unsigned number = m->numbers + 1;

		deliver_job_init(&jobs[i]);
		locals[i] = (struct deliver_local){.account = i == 5 ? 999 : m->account, .folder = trial_text(b->name)};
		jobs[i].locals = &locals[i];
		jobs[i].local_count = 1;
		jobs[i].message = (struct new_message){
		    .id = store_next_id(m->t.store), .header = header_of(m, number), .content = content_of(m, number)};
		list[i] = &jobs[i].job;
		if (i != 5) {
			m->numbers++;
			(void)add(b, number, 0, 0);
		}
	}
	trial_run_all(&m->t, list, N);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(list[i]->outcome, i == 5 ? STORE_STALE : STORE_OK);
		store_job_fini(list[i]);
	}
}

static uint32_t changed(enum flags_mode mode, uint32_t old, uint32_t by)
{
	return mode == FLAGS_REPLACE ? by : mode == FLAGS_ADD ? old | by : old & ~by;
}

static void step_flags(struct model *m)
{
	struct model_box *b = any_box(m);
	uint32_t flags = pick(m, 32), words = pick(m, 1 << KEYWORDS);
	struct watch w = watch(m, b);
	struct uid_range ranges[3];
	struct view views[KEYWORDS];
	struct flags_job j;

	flags_job_init(&j);
	j.account = m->account;
	j.mailbox = b->id;
	j.ranges = ranges;
	j.range_count = any_ranges(m, b, ranges);
	j.mode = (enum flags_mode)pick(m, 3);
	j.flags = flags;
	j.keywords = views;
	j.keyword_count = views_of(words, views);
	for (size_t i = 0; i < b->count; i++) {
		struct message *x = &b->at[i];

		if (x->gone || !among(ranges, j.range_count, x->uid))
			continue;
		x->flags = changed(j.mode, x->flags, flags);
		x->words = changed(j.mode, x->words, words);
	}
	run_watched(m, &j.job, &w, 1);
	assert_int_equal(j.ret_modified_count, 0);
}

static void step_expunge(struct model *m)
{
	struct model_box *b = any_box(m);
	struct watch w = watch(m, b);
	struct uid_range ranges[3];
	struct expunge_job j;

	expunge_job_init(&j);
	j.account = m->account;
	j.mailbox = b->id;
	j.ranges = ranges;
	j.range_count = any_ranges(m, b, ranges);
	j.all = pick(m, 8) == 0;
	for (size_t i = 0; i < b->count; i++)
		if (among(ranges, j.range_count, b->at[i].uid) && (j.all || b->at[i].flags & STORE_DELETED))
			b->at[i].gone = true;
	run_watched(m, &j.job, &w, 1);
}

static void step_copy(struct model *m)
{
	struct model_box *from = any_box(m), *to = any_box(m);
	size_t count = from->count;
	struct watch w[2] = {watch(m, from), watch(m, to)};
	struct uid_range ranges[3];
	struct copy_job j;

	copy_job_init(&j);
	j.account = m->account;
	j.mailbox = from->id;
	j.ranges = ranges;
	j.range_count = any_ranges(m, from, ranges);
	j.target = trial_text(to->name);
	j.move = pick(m, 2);
	for (size_t i = 0; i < count; i++) {
		struct message *x = &from->at[i];

		if (x->gone || !among(ranges, j.range_count, x->uid))
			continue;
		(void)add(to, x->number, x->flags, x->words);
		from->at[i].gone = j.move;
	}
	run_watched(m, &j.job, w, from == to ? 1 : 2);
}

static void reset_box(struct model_box *b)
{
	b->count = b->seen_count = 0;
	b->uidnext = 1;
	b->since = 0;
}

static void step_delete(struct model *m)
{
	struct model_box *b = &m->boxes[1 + pick(m, BOXES - 1)];
	struct folder_delete_job j;
	uint64_t old = b->id;

	folder_delete_job_init(&j);
	j.account = m->account;
	j.name = trial_text(b->name);
	assert_int_equal(trial_run(&m->t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	b->id = trial_folder(&m->t, m->account, b->name);
	assert_true(b->id > old);
	reset_box(b);
}

/* A box and INBOX change roles: INBOX is renamed to a fresh name, and that one renamed to the box's. */
static void step_rename_inbox(struct model *m)
{
	struct model_box *b = &m->boxes[1 + pick(m, BOXES - 1)], *inbox = &m->boxes[0];
	struct watch w = watch(m, inbox);
	struct folder_delete_job d;
	struct folder_rename_job j;
	struct box_status status;

	folder_delete_job_init(&d);
	d.account = m->account;
	d.name = trial_text(b->name);
	assert_int_equal(trial_run(&m->t, &d.job), STORE_OK);
	store_job_fini(&d.job);
	reset_box(b);
	folder_rename_job_init(&j);
	j.account = m->account;
	j.from = VIEW_LIT("INBOX");
	j.to = trial_text(b->name);
	for (size_t i = 0; i < inbox->count; i++) {
		struct message *x = &inbox->at[i];

		if (x->gone)
			continue;
		(void)add(b, x->number, x->flags, x->words);
		x->gone = true;
	}
	run_watched(m, &j.job, &w, 1);
	b->id = trial_box(&m->t, m->account, b->name, &status);
}

static void step_reopen(struct model *m)
{
	trial_reopen(&m->t);
}

/* The undelete time passes. */
static void step_prune(struct model *m)
{
	struct prune_job j;

	prune_job_init(&j);
	j.wall_s = clock_wall_s() + 20 * 86400;
	assert_int_equal(trial_run(&m->t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	for (size_t k = 0; k < BOXES; k++)
		for (size_t i = 0; i < m->boxes[k].count; i++)
			m->boxes[k].at[i].pruned |= m->boxes[k].at[i].gone;
}

/* Bytes of any message, expunged or not. */
static void step_read(struct model *m)
{
	struct model_box *b = any_box(m);
	struct view header, content, got;
	const struct message *x;
	struct buf out = BUF_INIT(10000);
	uint64_t size;

	if (b->count == 0)
		return;
	x = &b->at[pick(m, (uint32_t)b->count)];
	if (x->pruned) {
		assert_int_equal(box_bytes(m->t.reader, m->account, b->id, x->uid, 0, 10, &out, &size),
				 STORE_NO_MESSAGE);
		return;
	}
	header = header_of(m, x->number);
	content = content_of(m, x->number);
	got = trial_read(&m->t, m->account, b->id, x->uid);
	assert_int_equal(got.n, header.n + content.n);
	assert_memory_equal(got.p, header.p, header.n);
	assert_memory_equal(got.p + header.n, content.p, content.n);
}

/* ---- the client that follows ---- */

static struct message *seen_find(struct model_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->seen_count; i++)
		if (b->seen[i].uid == uid)
			return &b->seen[i];
	return NULL;
}

static void see_vanished(struct model_box *b, struct uid_range range)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->seen_count; i++)
		if (b->seen[i].uid < range.first || b->seen[i].uid > range.last)
			b->seen[kept++] = b->seen[i];
	b->seen_count = kept;
}

static void see_row(struct model_box *b, const struct box_change *row)
{
	struct message *x = seen_find(b, row->uid);

	assert_int_equal(row->is_new, x == NULL);
	if (!x) {
		assert_true(b->seen_count == 0 || b->seen[b->seen_count - 1].uid < row->uid);
		x = &b->seen[b->seen_count++];
	}
	*x = (struct message){.uid = row->uid, .flags = row->flags, .words = words_of(row->keywords)};
}

static void step_follow(struct model *m)
{
	struct model_box *b = any_box(m);
	struct buf want = BUF_INIT(1 << 20), is = BUF_INIT(1 << 20);
	struct box_changes changes;
	uint32_t from = 1;

	do {
		assert_int_equal(box_changes(m->t.reader,
					     &(struct changes_query){.account = m->account,
								     .mailbox = b->id,
								     .since = b->since,
								     .uid_from = from,
								     .max_rows = 11},
					     &m->t.arena, &changes),
				 STORE_OK);
		assert_false(changes.mailbox_gone);
		for (size_t i = 0; i < changes.vanished_count; i++)
			see_vanished(b, changes.vanished[i]);
		for (size_t i = 0; i < changes.count; i++)
			see_row(b, &changes.rows[i]);
		from = changes.next;
	} while (from);
	b->since = changes.highestmodseq;
	for (size_t i = 0; i < b->count; i++)
		if (!b->at[i].gone)
			put_message(&want, b->at[i].uid, b->at[i].flags, b->at[i].words);
	for (size_t i = 0; i < b->seen_count; i++)
		put_message(&is, b->seen[i].uid, b->seen[i].flags, b->seen[i].words);
	if (!view_eq(buf_view(&want), buf_view(&is)))
		fail_msg("%s: the follower differs\nmodel    %s\nfollower %s", b->name, buf_cstr(&want), buf_cstr(&is));
	buf_fini(&want);
	buf_fini(&is);
}

/* ---- the run ---- */

static const struct {
	unsigned weight;
	void (*run)(struct model *m);
} steps[] = {
    {30, step_append},      {5, step_group},  {20, step_flags}, {10, step_expunge}, {14, step_copy},   {1, step_delete},
    {1, step_rename_inbox}, {2, step_reopen}, {2, step_prune},  {20, step_read},    {20, step_follow},
};

static void any_step(struct model *m)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		total += steps[i].weight;
	at = pick(m, total);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (at < steps[i].weight) {
			steps[i].run(m);
			return;
		}
		at -= steps[i].weight;
	}
}

static bool is_crowded(const struct model *m)
{
	for (size_t k = 0; k < BOXES; k++)
		if (m->boxes[k].count > MESSAGES_MAX / 4)
			return true;
	return false;
}

static void set_up(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof *m);
	m->random = seed;
	trial_start(&m->t);
	trial_domain(&m->t, "example.org");
	m->account = trial_account(&m->t, "a@example.org", 0);
	for (size_t k = 0; k < BOXES; k++) {
		struct model_box *b = &m->boxes[k];

		(void)snprintf(b->name, sizeof b->name, k ? "Box %zu" : "INBOX", k);
		b->id = k ? trial_folder(&m->t, m->account, b->name) : trial_box(&m->t, m->account, b->name, NULL);
		b->at = calloc(MESSAGES_MAX, sizeof *b->at);
		b->seen = calloc(MESSAGES_MAX, sizeof *b->seen);
		b->uidnext = 1;
	}
}

static void tear_down(struct model *m)
{
	for (size_t k = 0; k < BOXES; k++) {
		free(m->boxes[k].at);
		free(m->boxes[k].seen);
	}
	trial_end(&m->t);
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

/* Nothing but what the model has may be left when all is expunged and pruned. */
static void check_leaves_nothing(struct model *m)
{
	for (size_t k = 0; k < BOXES; k++)
		assert_int_equal(
		    trial_expunge(&m->t, m->account, m->boxes[k].id, (struct uid_range){1, UINT32_MAX}, true),
		    STORE_OK);
	step_prune(m);
	assert_int_equal(trial_rows(&m->t, "message"), 0);
	assert_int_equal(trial_rows(&m->t, "header"), 0);
	assert_int_equal(trial_rows(&m->t, "content"), 0);
	assert_int_equal(trial_rows(&m->t, "message_refs"), 0);
	assert_int_equal(trial_rows(&m->t, "uid_state"), 0);
	assert_int_equal(trial_rows(&m->t, "uid_facts"), 0);
	assert_int_equal(trial_rows(&m->t, "uid_staged"), 0);
	assert_int_equal(trial_rows(&m->t, "expunge_log"), 0);
}

static void test_random_work(void **state)
{
	unsigned long seed = number_from("POMBO_SEED", (unsigned long)(random_u64() >> 32));
	unsigned long count = number_from("POMBO_STEPS", 1500);
	static struct model m;

	(void)state;
	print_message("seed %lu\n", seed);
	/* Little slices, so that jobs of every kind go through the staged way too. */
	bulk_limits = (struct bulk_limits){1, 1, 1, 1, 40, 7, 1};
	set_up(&m, seed);
	for (unsigned long i = 0; i < count && !is_crowded(&m); i++) {
		any_step(&m);
		for (size_t k = 0; k < BOXES; k++)
			check_box(&m, &m.boxes[k]);
		check_quota(&m);
		trial_reset(&m.t);
	}
	check_leaves_nothing(&m);
	tear_down(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
