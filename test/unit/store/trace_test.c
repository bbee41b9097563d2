/* SPDX-License-Identifier: ISC
 * Events by address and Message-ID: out of segments, out of what no segment covers yet, and what came late; their end. */
#include "store/trace_index.h"

#include "base/id.h"
#include "store/deliver.h"
#include "store/queue.h"
#include "trial.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES = 6000 };

static void event(struct trial *t, uint64_t message, enum trace_kind kind, int64_t at_s, const char *address,
		  const char *peer, const char *words)
{
	const struct trace_event e = {.message = message,
				      .kind = kind,
				      .address = view_from_cstr(address),
				      .peer = view_from_cstr(peer),
				      .words = view_from_cstr(words),
				      .at_ms = at_s * 1000};
	struct queue_settle_job j;

	queue_settle_job_init(&j);
	j.events = &e;
	j.event_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

/* A message of its own second. */
static uint64_t put(struct trial *t, uint64_t n, const char *from, const char *to)
{
	uint64_t id = store_next_id(t->store);
	int64_t at_s;
	char words[40];

	(void)snprintf(words, sizeof words, "<M%llu@x.example>", (unsigned long long)n);
	at_s = id_wall_us(id) / 1000000;
	event(t, id, TRACE_RECEIVED, at_s, from, "client", words);
	event(t, id, TRACE_QUEUED, at_s, to, "alias@example.org", "");
	return id;
}

static size_t find(struct trial *t, const char *text, uint64_t after, uint64_t *ids, size_t max)
{
	size_t n = 0;
	bool more = true;

	while (more && n < max) {
		uint64_t page[3];
		size_t count;

		assert_int_equal(
		    trace_find(t->reader, after, view_from_cstr(text), page, ARRAY_LEN(page), &count, &after, &more),
		    STORE_OK);
		for (size_t i = 0; i < count && n < max; i++)
			ids[n++] = page[i];
	}
	return n;
}

static bool index_since(struct trial *t, int64_t wall_s, int64_t waits_since_s)
{
	struct trace_segment_job j;
	enum store_outcome outcome;
	bool more;

	trace_segment_job_init(&j);
	j.waits_since_s = waits_since_s;
	arena_reset(&t->arena);
	outcome = trace_collect(t->reader, wall_s, &t->arena, &j, &more);
	if (outcome == STORE_OK)
		assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return outcome == STORE_OK;
}

static bool index_next(struct trial *t, int64_t wall_s)
{
	return index_since(t, wall_s, 0);
}

static void is_found(void **state)
{
	struct trial *t = *state;
	uint64_t ids[10], kept[3];
	int64_t now;

	kept[0] = put(t, 1, "a@example.org", "Far@one.example");
	(void)put(t, 2, "b@example.org", "other@one.example");
	kept[1] = put(t, 3, "c@example.org", "far@one.example");
	now = id_wall_us(kept[1]) / 1000000;
	for (int indexed = 0; indexed < 2; indexed++) {
		assert_int_equal(find(t, "far@ONE.example", 0, ids, 10), 2);
		assert_true(ids[0] == kept[0] && ids[1] == kept[1]);
		assert_int_equal(find(t, "far@one.example", kept[0], ids, 10), 1);
		assert_int_equal(find(t, "<M3@x.example>", 0, ids, 10), 1);
		assert_int_equal(find(t, "M3@x.example", 0, ids, 10), 1);
		assert_int_equal(find(t, "alias@example.org", 0, ids, 10), 3);
		assert_int_equal(find(t, "nobody@example.org", 0, ids, 10), 0);
		assert_int_equal(find(t, "client", 0, ids, 10), 0);
		assert_int_equal(trial_rows(t, "trace_segment"), indexed);
		if (!indexed) {
			assert_false(index_next(t, now)); /* some may be on their way still */
			assert_true(index_next(t, now + 3700));
			assert_false(index_next(t, now + 3700)); /* nothing new */
		}
	}
	kept[2] = put(t, 4, "a@example.org", "far@one.example"); /* behind the segment */
	assert_int_equal(find(t, "far@one.example", 0, ids, 10), 3);
	assert_true(ids[2] == kept[2]);
}

static void what_we_make_is_found_and_notes_are_kept(void **state)
{
	struct trial *t = *state;
	uint64_t id = store_next_id(t->store), last_seq, ids[10];
	const struct trace_event made = {.message = id,
					 .kind = TRACE_MADE,
					 .address = VIEW_LIT("alice@example.org"),
					 .peer = VIEW_LIT("delay notice about 03q2v9x8k0001"),
					 .words = VIEW_LIT("<n@mail.example.org>"),
					 .notes = VIEW_LIT("first\nsecond"),
					 .at_ms = id_wall_us(id) / 1000};
	const struct trace_event *events;
	struct queue_settle_job j;
	size_t n;
	bool more;

	queue_settle_job_init(&j);
	j.events = &made;
	j.event_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	arena_reset(&t->arena);
	assert_int_equal(trace_of(t->reader, id, 0, 10, &t->arena, &events, &n, &last_seq, &more), STORE_OK);
	assert_int_equal(n, 1);
	assert_true(events[0].kind == TRACE_MADE && view_eq(events[0].notes, made.notes));
	for (int indexed = 0; indexed < 2; indexed++) {
		assert_int_equal(find(t, "alice@example.org", 0, ids, 10), 1);
		assert_int_equal(find(t, "n@mail.example.org", 0, ids, 10), 1);
		assert_int_equal(find(t, "delay notice about 03q2v9x8k0001", 0, ids, 10), 0);
		if (!indexed)
			assert_true(index_next(t, id_wall_us(id) / 1000000 + 3700));
	}
}

static void prune(struct trial *t, int64_t before_s)
{
	struct trace_prune_job j;

	trace_prune_job_init(&j);
	j.before_s = before_s;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

/* A slow upload: its id is older than the last segment's end when it is committed. */
static void comes_late(void **state)
{
	struct trial *t = *state;
	uint64_t slow = store_next_id(t->store), quick = put(t, 1, "a@example.org", "far@one.example"), ids[10];
	int64_t now = id_wall_us(quick) / 1000000;

	assert_true(index_next(t, now + 3700));
	event(t, slow, TRACE_RECEIVED, now + 200, "slow@example.org", "", "<slow@x.example>");
	event(t, slow, TRACE_QUEUED, now + 200, "far@one.example", "", "");
	assert_int_equal(trial_rows(t, "trace_late"), 3);
	assert_int_equal(find(t, "slow@x.example", 0, ids, 10), 1);
	assert_int_equal(find(t, "far@one.example", 0, ids, 10), 2);
	assert_true(ids[0] == slow && ids[1] == quick);
	prune(t, now - 10);
	assert_int_equal(trial_rows(t, "trace_late"), 3);
	prune(t, now + 4000);
	assert_int_equal(trial_rows(t, "trace_late"), 0);
}

static void ends(void **state)
{
	struct trial *t = *state;
	struct deliver_remote r = {.address = VIEW_LIT("far@one.example"), .domain = VIEW_LIT("one.example")};
	struct deliver_job d;
	uint64_t ids[10];
	int64_t now;

	deliver_job_init(&d);
	d.message.id = put(t, 0, "a@example.org", "far@one.example"); /* and stays in the queue */
	d.message.header = VIEW_LIT("Subject: x\r\n\r\n");
	d.message.content = d.message.index = d.message.header_add = d.envid = VIEW_EMPTY;
	d.sender = VIEW_LIT("a@example.org");
	d.remotes = &r;
	d.remote_count = 1;
	assert_int_equal(trial_run(t, &d.job), STORE_OK);
	store_job_fini(&d.job);
	now = id_wall_us(d.message.id) / 1000000;
	for (uint64_t i = 1; i < 600; i++)
		(void)put(t, i, "b@example.org", "far@two.example");
	assert_true(index_next(t, now + 4000));
	prune(t, now - 10);
	assert_int_equal(trial_rows(t, "trace"), 1200);
	assert_true(trial_rows(t, "trace_part") > 0);
	prune(t, now + 4000);
	assert_int_equal(trial_rows(t, "trace"), 2);
	assert_int_equal(trial_rows(t, "trace_segment"), 0);
	assert_int_equal(trial_rows(t, "trace_part"), 0);
	assert_int_equal(find(t, "b@example.org", 0, ids, 10), 0);
}

/* Many keys: full segments, one after another, and pages across their borders. */
static void segments(void **state)
{
	struct trial *t = *state;
	struct trace_event *events = calloc(3 * MESSAGES, sizeof *events);
	uint64_t *ids = calloc(3 * MESSAGES, sizeof *ids);
	struct queue_settle_job j;
	int64_t now = 0;

	for (size_t i = 0; i < 3 * MESSAGES; i++) {
		struct buf to = BUF_INIT(50);

		buf_printf(&to, "r%zu@far.example", i / 3 % 100);
		ids[i] = store_next_id(t->store);
		now = id_wall_us(ids[i]) / 1000000;
		events[i] = (struct trace_event){.message = ids[i],
						 .kind = TRACE_QUEUED,
						 .address = arena_copy(&t->arena, buf_view(&to)),
						 .peer = VIEW_EMPTY,
						 .words = VIEW_EMPTY,
						 .at_ms = now * 1000};
		buf_fini(&to);
	}
	queue_settle_job_init(&j);
	j.events = events;
	j.event_count = 3 * MESSAGES;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	assert_true(index_since(t, now + 200, now)); /* full: at once */
	assert_false(index_since(t, now + 200, now)); /* the rest is small and young */
	assert_int_equal(trial_rows(t, "trace_segment"), 1);
	assert_int_equal(find(t, "r7@far.example", 0, ids, 3 * MESSAGES), 3 * MESSAGES / 100);
	for (size_t i = 1; i < 3 * MESSAGES / 100; i++)
		assert_true(ids[i] > ids[i - 1]);
	free(events);
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(is_found, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(what_we_make_is_found_and_notes_are_kept, trial_setup_domain,
					    trial_teardown),
	    cmocka_unit_test_setup_teardown(comes_late, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(ends, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(segments, trial_setup_domain, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
