/* SPDX-License-Identifier: ISC
 * Messages in, and the same bytes out. */
#include "trial.h"

#include <errno.h>

#include "base/random.h"

#include <string.h>

static const char header[] = "Subject: hello\r\nFrom: a@example.org\r\n\r\n";

/* `n` bytes that are all different from their neighbours' positions. */
static struct view noise(struct trial *t, size_t n)
{
	char *p = arena_alloc(&t->arena, n + 1);

	random_bytes(p, n);
	return view_from(p, n);
}

static void check_bytes(struct trial *t, uint64_t account, uint64_t mailbox, uint32_t uid, const char *prefix,
			struct view content)
{
	struct view got = trial_read(t, account, mailbox, uid);
	size_t head = strlen(prefix) + strlen(header);

	assert_int_equal(got.n, head + content.n);
	assert_memory_equal(got.p, prefix, strlen(prefix));
	assert_memory_equal(got.p + strlen(prefix), header, strlen(header));
	assert_memory_equal(got.p + head, content.p, content.n);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 4000, 65535, 65536, 65537, 200000, 20 * 1024 * 1024};
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	uint64_t inbox = trial_box(t, account, "INBOX", NULL);
	uint64_t total = 0;
	struct box_status status;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct view content = noise(t, sizes[i]);
		uint32_t uid;

		assert_int_equal(trial_deliver(t, account, "Received: x\r\n", header, content, &uid), STORE_OK);
		assert_int_equal(uid, 2 * i + 1);
		check_bytes(t, account, inbox, uid, "Received: x\r\n", content);
		uid = trial_append(t, account, "INBOX", header, content, STORE_SEEN);
		check_bytes(t, account, inbox, uid, "", content);
		total += 2 * (strlen(header) + sizes[i]) + strlen("Received: x\r\n");
		trial_reset(t);
	}
	trial_box(t, account, "INBOX", &status);
	assert_int_equal(status.exists, 2 * ARRAY_LEN(sizes));
	assert_int_equal(status.unseen, ARRAY_LEN(sizes));
	assert_int_equal(status.first_unseen_uid, 1);
	assert_int_equal(status.size_bytes, total);
	assert_int_equal(status.uidnext, 2 * ARRAY_LEN(sizes) + 1);
}

static void test_partial_reads(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	uint64_t inbox = trial_box(t, account, "INBOX", NULL);
	struct view content = noise(t, 300), whole;
	uint32_t uid;

	assert_int_equal(trial_deliver(t, account, "P: 1\r\n", header, content, &uid), STORE_OK);
	whole = trial_read(t, account, inbox, uid);
	for (uint64_t off = 0; off <= whole.n + 1; off++)
		for (uint32_t n = 0; n < 60; n += 7) {
			struct buf out = BUF_INIT(1000);
			struct view want = view_sub(whole, off, n);
			uint64_t size;

			assert_int_equal(box_bytes(t->reader, account, inbox, uid, off, n, &out, &size), STORE_OK);
			assert_int_equal(size, whole.n);
			assert_int_equal(out.n, want.n);
			if (want.n)
				assert_memory_equal(out.p, want.p, want.n);
			buf_fini(&out);
		}
}

/* One message, several copies with prefixes of their own, one queued part: one commit, one content. */
static void test_several_recipients(void **state)
{
	struct trial *t = *state;
	uint64_t a = trial_account(t, "a@example.org", 0), b = trial_account(t, "b@example.org", 0);
	struct deliver_local locals[3] = {
	    {.account = a, .prefix = VIEW_LIT("Delivered-To: a\r\n")},
	    {.account = b, .prefix = VIEW_LIT("Delivered-To: b, the second\r\n"), .folder = VIEW_LIT("Junk")},
	    {.account = b, .folder = VIEW_LIT("No such folder")},
	};
	struct deliver_remote remotes[3] = {
	    {.address = VIEW_LIT("x@example.net"), .domain = VIEW_LIT("example.net")},
	    {.address = VIEW_LIT("w@example.com"), .domain = VIEW_LIT("example.com")},
	    {.address = VIEW_LIT("x@example.net"), .domain = VIEW_LIT("example.net")},
	};
	const struct queue_item *items;
	struct deliver_job j;
	struct view content = noise(t, 5000);
	size_t count;
	bool more;

	deliver_job_init(&j);
	j.wall_s = 1700000000;
	j.locals = locals;
	j.local_count = 3;
	j.remotes = remotes;
	j.remote_count = 3;
	j.remote_prefix = VIEW_LIT("Received: us\r\n");
	j.sender = VIEW_LIT("me@example.org");
	j.message = (struct new_message){.id = store_next_id(t->store),
					 .header_add = VIEW_LIT("Date: now\r\n"),
					 .header = trial_text(header),
					 .content = content,
					 .index = VIEW_LIT("i")};
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	for (size_t i = 0; i < 3; i++) {
		struct view got = trial_read(t, locals[i].account, locals[i].ret_mailbox, locals[i].ret_uid);
		size_t n = locals[i].prefix.n;

		assert_int_equal(got.n, n + 11 + strlen(header) + content.n);
		assert_memory_equal(got.p, locals[i].prefix.p ? locals[i].prefix.p : "", n);
		assert_memory_equal(got.p + n, "Date: now\r\nSubject", 18);
	}
	assert_int_equal(locals[2].ret_mailbox, trial_box(t, b, "INBOX", NULL));
	assert_int_equal(locals[1].ret_mailbox, trial_box(t, b, "Junk", NULL));
	assert_int_equal(queue_list(t->reader, 0, VIEW_EMPTY, 10, &t->arena, &items, &count, &more), STORE_OK);
	assert_int_equal(count, 2);
	assert_false(more);
	assert_true(view_eq_lit(items[0].recipient, "w@example.com"));
	assert_true(view_eq_lit(items[1].recipient, "x@example.net"));
	assert_true(view_eq_lit(items[1].sender, "me@example.org"));
	assert_int_equal(items[1].size_bytes, 14 + 11 + strlen(header) + content.n);
	assert_int_equal(
	    queue_list(t->reader, items[0].message_id, items[0].recipient, 1, &t->arena, &items, &count, &more),
	    STORE_OK);
	assert_int_equal(count, 1);
	assert_true(view_eq_lit(items[0].recipient, "x@example.net"));
	assert_false(more);
	store_job_fini(&j.job);
}

static void test_refusals(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 1000);
	uint64_t inbox = trial_box(t, account, "INBOX", NULL);
	struct deliver_local local = {.account = account + 100};
	struct deliver_job j;
	uint32_t uid;

	deliver_job_init(&j);
	j.locals = &local;
	j.local_count = 1;
	j.message = (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
	assert_int_equal(trial_run(t, &j.job), STORE_STALE);
	local.account = account;
	j.message.id = 0;
	assert_int_equal(trial_run(t, &j.job), STORE_BAD_REQUEST);
	j.message.id = store_next_id(t->store);
	j.message.content = noise(t, STORE_INLINE_MAX + 1);
	assert_int_equal(trial_run(t, &j.job), STORE_TOO_BIG);
	store_job_fini(&j.job);
	assert_int_equal(trial_deliver(t, account, "", header, noise(t, 900), &uid), STORE_OK);
	assert_int_equal(trial_deliver(t, account, "", header, noise(t, 100), &uid), STORE_OVER_QUOTA);
	assert_string_equal(trial_uids(t, account, inbox), "1");
	/* An expunge gives the room back. */
	assert_int_equal(trial_expunge(t, account, inbox, (struct uid_range){1, 1}, true), STORE_OK);
	assert_int_equal(trial_deliver(t, account, "", header, noise(t, 100), &uid), STORE_OK);
	assert_string_equal(trial_uids(t, account, inbox), "2");
}

/* A message may have no header, or nothing at all (RFC 5321 does not ask for any). */
static void test_without_header(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	uint64_t inbox = trial_box(t, account, "INBOX", NULL);
	uint32_t uid;

	assert_int_equal(trial_deliver(t, account, "", "", noise(t, 10), &uid), STORE_OK);
	assert_int_equal(trial_deliver(t, account, "", "", VIEW_EMPTY, &uid), STORE_OK);
	assert_string_equal(trial_uids(t, account, inbox), "1:2");
	assert_int_equal(trial_read(t, account, inbox, 1).n, 10);
	assert_int_equal(trial_read(t, account, inbox, 2).n, 0);
}

/* After a restart everything is as it was, and ids go on. */
static void test_reopen(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	uint64_t inbox = trial_box(t, account, "INBOX", NULL), id;
	struct view content = noise(t, 70000);
	struct box_status before, after;
	uint32_t uid;

	assert_int_equal(trial_deliver(t, account, "P: 1\r\n", header, content, &uid), STORE_OK);
	trial_box(t, account, "INBOX", &before);
	id = store_next_id(t->store);
	trial_reopen(t);
	trial_box(t, account, "INBOX", &after);
	assert_int_equal(before.uidvalidity, after.uidvalidity);
	assert_int_equal(before.highestmodseq, after.highestmodseq);
	assert_int_equal(before.size_bytes, after.size_bytes);
	check_bytes(t, account, inbox, uid, "P: 1\r\n", content);
	assert_true(store_next_id(t->store) > id);
	assert_int_equal(trial_deliver(t, account, "P: 1\r\n", header, content, &uid), STORE_OK);
	assert_int_equal(uid, 2);
	assert_string_equal(trial_uids(t, account, inbox), "1:2");
}

static void test_second_open_is_refused(void **state)
{
	struct trial *t = *state;
	struct store_options o = {.dir = t->dir};
	struct store *other;
	const char *why;

	assert_int_equal(store_open(&o, &other, &why), -EBUSY);
	assert_non_null(why);
	store_reader_close(&t->reader);
	store_close(&t->store);
	o.create = true;
	assert_int_equal(store_open(&o, &other, &why), -EEXIST);
	o = (struct store_options){.dir = "/tmp/pombo-store-no-such-folder"};
	assert_int_equal(store_open(&o, &other, &why), -ENOENT);
	o.dir = t->dir;
	assert_int_equal(store_open(&o, &t->store, &why), 0);
	assert_int_equal(store_reader_open(t->store, &t->reader), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_sizes, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_partial_reads, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_several_recipients, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_refusals, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_without_header, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_reopen, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_second_open_is_refused, trial_setup_domain, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
