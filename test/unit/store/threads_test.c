/* SPDX-License-Identifier: ISC
 * One writer, two readers and a spool thread at once: every snapshot agrees with itself, nothing read was unacknowledged
 * nonsense, and what the writer was told is there at once. To be run under ThreadSanitizer too. */
#include "trial.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_MS = 1200, READERS = 2, GROUP = 8, LARGE = 90000 };
static const char header[] = "A: b\r\n\r\n";

struct shared {
	struct trial t;
	uint64_t account, inbox;
	_Atomic bool stop;
	_Atomic uint32_t acknowledged; /* uidnext that a finished job reported */
	_Atomic unsigned reads, spooled;
	char large[LARGE];
};

static void read_once(struct shared *s, struct store_reader *r, struct arena *a)
{
	uint32_t known = atomic_load(&s->acknowledged);
	struct box_status status;
	struct box_uids uids;
	struct directory_result result;
	uint64_t count = 0;

	assert_int_equal(box_status(r, s->account, s->inbox, a, &status), STORE_OK);
	assert_true(status.uidnext > known);
	assert_int_equal(box_uids(r, s->account, s->inbox, 0, 8192, a, &uids), STORE_OK);
	assert_true(uids.uidnext >= status.uidnext);
	for (size_t i = 0; i < uids.count; i++)
		count += uids.ranges[i].last - uids.ranges[i].first + 1;
	assert_int_equal(count, uids.uidnext - 1);
	if (!directory_cached(s->t.store, VIEW_LIT("a@example.org"), a, &result))
		assert_int_equal(directory_resolve(r, VIEW_LIT("a@example.org"), a, &result), STORE_OK);
	assert_int_equal(result.target_count, 1);
	if (status.exists > 0) {
		uint32_t uid = 1 + atomic_load(&s->reads) % status.exists;
		struct buf out = BUF_INIT(LARGE * 2);
		uint64_t size;

		assert_int_equal(box_bytes(r, s->account, s->inbox, uid, 0, LARGE * 2, &out, &size), STORE_OK);
		assert_int_equal(out.n, size);
		buf_fini(&out);
	}
	atomic_fetch_add(&s->reads, 1);
	arena_reset(a);
}

static void *reader(void *ctx)
{
	struct shared *s = ctx;
	struct store_reader *r;
	struct arena a;

	arena_init(&a, 4 << 20);
	assert_int_equal(store_reader_open(s->t.store, &r), 0);
	while (!atomic_load(&s->stop))
		read_once(s, r, &a);
	store_reader_close(&r);
	arena_fini(&a);
	return NULL;
}

/* Files that are written, synced, placed, and given up again beside it all. */
static void *spooler(void *ctx)
{
	struct shared *s = ctx;

	while (!atomic_load(&s->stop)) {
		struct content_file *f;

		assert_int_equal(content_create(s->t.store, store_next_id(s->t.store), &f), 0);
		assert_int_equal(content_append(f, view_from(s->large, LARGE)), 0);
		assert_int_equal(content_sync(f), 0);
		assert_int_equal(content_place(f), 0);
		content_free(&f, false);
		(void)store_space_is_low(s->t.store);
		atomic_fetch_add(&s->spooled, 1);
	}
	return NULL;
}

static void write_group(struct shared *s)
{
	struct deliver_local locals[GROUP];
	struct deliver_job jobs[GROUP];
	struct store_job *list[GROUP];

	for (size_t i = 0; i < GROUP; i++) {
		deliver_job_init(&jobs[i]);
		locals[i] = (struct deliver_local){.account = s->account};
		jobs[i].locals = &locals[i];
		jobs[i].local_count = 1;
		jobs[i].message = (struct new_message){.id = store_next_id(s->t.store),
						       .header = trial_text(header),
						       .content = view_from(s->large, i * 9000)};
		list[i] = &jobs[i].job;
	}
	trial_run_all(&s->t, list, GROUP);
	for (size_t i = 0; i < GROUP; i++) {
		assert_int_equal(list[i]->outcome, STORE_OK);
		if (locals[i].ret_uid > atomic_load(&s->acknowledged))
			atomic_store(&s->acknowledged, locals[i].ret_uid);
		store_job_fini(list[i]);
	}
	assert_int_equal(store_between_groups(s->t.store), 0);
}

static void test_all_at_once(void **state)
{
	static struct shared s;
	struct store_options o = {.checkpoint_pages = 500};
	pthread_t readers[READERS], spool;
	uint64_t end_ms;
	unsigned turn = 0;

	(void)state;
	trial_start(&s.t);
	trial_domain(&s.t, "example.org");
	s.account = trial_account(&s.t, "a@example.org", 0);
	s.inbox = trial_box(&s.t, s.account, "INBOX", NULL);
	store_reader_close(&s.t.reader);
	store_close(&s.t.store);
	o.dir = s.t.dir;
	assert_int_equal(store_open(&o, &s.t.store, NULL), 0);
	assert_int_equal(store_reader_open(s.t.store, &s.t.reader), 0);
	memset(s.large, 'x', sizeof s.large);
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader, &s), 0);
	assert_int_equal(pthread_create(&spool, NULL, spooler, &s), 0);
	end_ms = clock_mono_ms() + RUN_MS;
	for (; clock_mono_ms() < end_ms || atomic_load(&s.reads) <= 10 || atomic_load(&s.spooled) <= 1; turn++) {
		write_group(&s);
		if (turn % 16 == 0) /* the directory's cache is emptied under the readers */
			trial_alias(&s.t, "alias@example.org", (const char *const[]){"a@example.org"}, 1);
	}
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < READERS; i++)
		(void)pthread_join(readers[i], NULL);
	(void)pthread_join(spool, NULL);
	trial_end(&s.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
