/* SPDX-License-Identifier: ISC
 * What the jobs on a mailbox answer, and every field of the rows that readers get. */
#include "trial.h"

#include "store/bulk.h"
#include "store/content_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "Subject: x\r\n\r\n";

static int start(void **state)
{
	struct trial *t = malloc(sizeof *t);

	trial_start(t);
	trial_domain(t, "example.org");
	(void)trial_account(t, "a@example.org", 0);
	(void)trial_account(t, "b@example.org", 0);
	*state = t;
	return 0;
}

static void fill(struct trial *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)trial_append(t, 1, "INBOX", header, VIEW_LIT("body"), 0);
}

static struct box_rows rows_of(struct trial *t, struct rows_query q)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct box_rows rows;

	if (!q.ranges) {
		q.ranges = &all;
		q.range_count = 1;
	}
	q.account = 1;
	q.max_rows = q.max_rows ? q.max_rows : 1000;
	q.max_bytes = q.max_bytes ? q.max_bytes : 1 << 20;
	assert_int_equal(box_rows(t->reader, &q, &t->arena, &rows), STORE_OK);
	return rows;
}

/* ---- rows ---- */

static void test_fields(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct deliver_local local = {.account = 1, .prefix = VIEW_LIT("Received: r\r\n"), .flags = STORE_FLAGGED};
	struct view words[] = {VIEW_LIT("b"), VIEW_LIT("A"), VIEW_LIT("B")};
	struct deliver_job j;
	struct box_rows rows;
	const struct box_row *row;

	local.keywords = words;
	local.keyword_count = 3;
	deliver_job_init(&j);
	j.wall_s = 1234567890;
	j.locals = &local;
	j.local_count = 1;
	j.message = (struct new_message){.id = store_next_id(t->store),
					 .header_add = VIEW_LIT("Date: d\r\n"),
					 .header = trial_text(header),
					 .content = VIEW_LIT("the content"),
					 .index = VIEW_LIT("the index"),
					 .sent_s = -5};
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = UINT32_MAX, .inline_max = 1000});
	assert_int_equal(rows.count, 1);
	row = rows.rows;
	assert_int_equal(row->uid, 1);
	assert_false(row->expunged);
	assert_int_equal(row->flags, STORE_FLAGGED);
	assert_true(view_eq_lit(row->keywords, "A b"));
	assert_int_equal(row->modseq, rows.highestmodseq);
	assert_int_equal(row->internaldate_s, 1234567890);
	assert_int_equal(row->savedate_s, 1234567890);
	assert_int_equal(row->sent_s, -5);
	assert_int_equal(row->prefix_bytes, 13);
	assert_int_equal(row->header_bytes, 9 + strlen(header));
	assert_int_equal(row->size_bytes, 13 + 9 + strlen(header) + 11);
	assert_true(view_eq_lit(row->header, "Received: r\r\nDate: d\r\nSubject: x\r\n\r\n"));
	assert_true(view_eq_lit(row->index, "the index"));
	assert_true(view_eq_lit(row->message, "Received: r\r\nDate: d\r\nSubject: x\r\n\r\nthe content"));
	assert_int_equal(row->message_id, j.message.id);
	assert_true(row->uidl.n >= 1 && row->uidl.n <= 70);
	/* Larger than asked for: everything but the message. */
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = UINT32_MAX, .inline_max = 40});
	assert_null(rows.rows[0].message.p);
	assert_true(view_eq_lit(rows.rows[0].header, "Received: r\r\nDate: d\r\nSubject: x\r\n\r\n"));
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_MESSAGE, .inline_max = 1000});
	assert_int_equal(rows.rows[0].header.n, 0);
	assert_int_equal(rows.rows[0].message.n, row->message.n);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_INDEX});
	assert_int_equal(rows.rows[0].header_bytes, 9 + strlen(header));
	assert_int_equal(rows.rows[0].prefix_bytes, 13);
	/* What is stored here as index is none: it comes as it is. */
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_ENVELOPE});
	assert_true(view_eq(rows.rows[0].index, j.message.index));
	store_job_fini(&j.job);
}

static void test_large_in_a_row(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	char *p = arena_alloc(&t->arena, 100000);
	struct box_rows rows;

	memset(p, 'x', 100000);
	(void)trial_append(t, 1, "INBOX", header, view_from(p, 100000), 0);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_MESSAGE, .inline_max = 524288});
	assert_int_equal(rows.rows[0].message.n, 100000 + strlen(header));
	assert_memory_equal(rows.rows[0].message.p, header, strlen(header));
	assert_memory_equal(rows.rows[0].message.p + strlen(header), p, 100000);
}

/* Pages end at max_rows or max_bytes; together they give each row once. */
static void test_pages(void **state)
{
	static const struct uid_range some[] = {{2, 3}, {300, 310}, {590, 700}};
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct rows_query q = {.mailbox = inbox, .fields = ROW_FLAGS, .max_rows = 7, .ranges = some, .range_count = 3};
	struct buf out = BUF_INIT(10000);
	struct box_rows rows;
	struct arena little;

	fill(t, 600);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){301, 598}, true), STORE_OK);
	do {
		rows = rows_of(t, q);
		assert_true(rows.count <= 7);
		for (size_t i = 0; i < rows.count; i++)
			buf_printf(&out, "%u ", rows.rows[i].uid);
		q.uid_from = rows.next;
	} while (rows.next);
	assert_string_equal(buf_cstr(&out), "2 3 300 599 600 ");
	q = (struct rows_query){.mailbox = inbox, .fields = ROW_HEADER, .max_bytes = 1};
	rows = rows_of(t, q);
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.next, 2);
	/* An arena that is full ends the page early, and says so when nothing fits. */
	q = (struct rows_query){1, inbox, some, 3, 0, ROW_HEADER, 0, true, 0, 1000, 1 << 20};
	arena_init(&little, 60);
	assert_int_equal(box_rows(t->reader, &q, &little, &rows), STORE_TOO_BIG);
	arena_fini(&little);
	buf_fini(&out);
}

static void test_expunged_rows(void **state)
{
	struct trial *t = *state;
	struct box_status status;
	struct box_rows rows;
	uint64_t inbox;

	fill(t, 5);
	inbox = trial_box(t, 1, "INBOX", &status);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){2, 3}, true), STORE_OK);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_HEADER});
	assert_int_equal(rows.count, 3);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_HEADER, .with_expunged = true});
	assert_int_equal(rows.count, 5);
	assert_true(rows.rows[1].expunged && rows.rows[2].expunged && !rows.rows[3].expunged);
	assert_int_equal(rows.rows[1].modseq, status.highestmodseq + 1);
	assert_true(view_eq_lit(rows.rows[1].header, header));
	rows = rows_of(t, (struct rows_query){.mailbox = inbox,
					      .fields = ROW_FLAGS,
					      .with_expunged = true,
					      .changed_since = status.highestmodseq});
	assert_int_equal(rows.count, 2);
}

/* Every copy has its own UIDL for life; import may set one. */
static void test_uidl(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct uid_range first = {1, 1};
	struct view before[3];
	struct box_rows rows;
	struct append_job a;
	struct copy_job c;

	fill(t, 2);
	append_job_init(&a);
	a.account = 1;
	a.name = VIEW_LIT("INBOX");
	a.message = (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
	a.uidl = VIEW_LIT("old-server-4711");
	assert_int_equal(trial_run(t, &a.job), STORE_OK);
	store_job_fini(&a.job);
	copy_job_init(&c);
	c.account = 1;
	c.mailbox = inbox;
	c.ranges = &first;
	c.range_count = 1;
	c.target = VIEW_LIT("INBOX");
	assert_int_equal(trial_run(t, &c.job), STORE_OK);
	store_job_fini(&c.job);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_UIDL});
	assert_int_equal(rows.count, 4);
	assert_true(view_eq_lit(rows.rows[2].uidl, "old-server-4711"));
	assert_false(view_eq(rows.rows[0].uidl, rows.rows[3].uidl));
	assert_false(view_eq(rows.rows[0].uidl, rows.rows[1].uidl));
	for (size_t i = 0; i < 3; i++)
		before[i] = rows.rows[i].uidl;
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){1, 9}, FLAGS_ADD, STORE_SEEN, "k"), STORE_OK);
	trial_reopen(t);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_UIDL});
	for (size_t i = 0; i < 3; i++)
		assert_true(view_eq(before[i], rows.rows[i].uidl));
}

/* ---- flags ---- */

static void test_unchanged_since(void **state)
{
	static const struct uid_range ranges[] = {{4, 5}, {1, 2}};
	struct trial *t = *state;
	struct box_status status;
	struct flags_job j;
	uint64_t inbox;

	fill(t, 5);
	inbox = trial_box(t, 1, "INBOX", &status);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){2, 2}, FLAGS_ADD, STORE_SEEN, NULL), STORE_OK);
	flags_job_init(&j);
	j.account = 1;
	j.mailbox = inbox;
	j.ranges = ranges;
	j.range_count = 2;
	j.mode = FLAGS_ADD;
	j.flags = STORE_FLAGGED;
	j.unchanged_since = status.highestmodseq;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_string_equal(trial_ranges(t, j.ret_modified, j.ret_modified_count), "2");
	assert_int_equal(j.ret_highestmodseq, status.highestmodseq + 2);
	store_job_fini(&j.job);
	/* Nothing changes: nothing is touched. */
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){1, 5}, FLAGS_REMOVE, STORE_DRAFT, "none"),
			 STORE_OK);
	trial_box(t, 1, "INBOX", &status);
	assert_int_equal(status.highestmodseq, j.ret_highestmodseq);
	assert_int_equal(status.keyword_count, 0);
	assert_int_equal(trial_flags(t, 2, inbox, (struct uid_range){1, 5}, FLAGS_ADD, STORE_DRAFT, NULL),
			 STORE_NO_MAILBOX);
	assert_int_equal(trial_flags(t, 1, 12345678901234567, (struct uid_range){1, 5}, FLAGS_ADD, 1, NULL),
			 STORE_NO_MAILBOX);
}

static void test_keywords(void **state)
{
	static const char *const bad[] = {"", "a b", "a\tb", "\xff"};
	struct trial *t = *state;
	struct box_status status;
	struct box_rows rows;
	uint64_t inbox;

	fill(t, 3);
	inbox = trial_box(t, 1, "INBOX", NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){1, 1}, FLAGS_ADD, 0, bad[i]),
				 STORE_BAD_REQUEST);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){1, 2}, FLAGS_ADD, 0, "Work"), STORE_OK);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){2, 3}, FLAGS_ADD, 0, "$Junk"), STORE_OK);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){3, 3}, FLAGS_ADD, 0, "WORK"), STORE_OK);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_FLAGS});
	assert_true(view_eq_lit(rows.rows[0].keywords, "Work"));
	assert_true(view_eq_lit(rows.rows[1].keywords, "$Junk Work"));
	assert_true(view_eq_lit(rows.rows[2].keywords, "$Junk Work"));
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){1, 3}, FLAGS_REMOVE, 0, "work"), STORE_OK);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){3, 3}, FLAGS_REPLACE, STORE_SEEN, NULL), STORE_OK);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_FLAGS});
	assert_int_equal(rows.rows[0].keywords.n, 0);
	assert_true(view_eq_lit(rows.rows[1].keywords, "$Junk"));
	assert_int_equal(rows.rows[2].keywords.n, 0);
	assert_int_equal(rows.rows[2].flags, STORE_SEEN);
	trial_box(t, 1, "INBOX", &status);
	assert_int_equal(status.keyword_count, 2);
}

/* Each group of a hundred new keywords, until there are too many; the job that is one too many changes nothing. */
static void test_keyword_limit(void **state)
{
	enum { EACH = 200 };
	struct trial *t = *state;
	struct view words[EACH];
	struct uid_range one = {1, 1};
	enum store_outcome outcome = STORE_OK;
	struct box_status status;
	struct box_rows rows;
	unsigned rounds = 0;

	fill(t, 1);
	while (outcome == STORE_OK) {
		struct flags_job j;

		for (unsigned i = 0; i < EACH; i++) {
			char *text = arena_alloc(&t->arena, 20);

			(void)snprintf(text, 20, "k%u", rounds * EACH + i);
			words[i] = trial_text(text);
		}
		flags_job_init(&j);
		j.account = 1;
		j.mailbox = trial_box(t, 1, "INBOX", NULL);
		j.ranges = &one;
		j.range_count = 1;
		j.keywords = words;
		j.keyword_count = EACH;
		outcome = trial_run(t, &j.job);
		store_job_fini(&j.job);
		rounds += outcome == STORE_OK;
	}
	assert_int_equal(outcome, STORE_LIMIT);
	assert_int_equal(rounds, STORE_KEYWORDS_PER_MAILBOX_MAX / EACH);
	trial_box(t, 1, "INBOX", &status);
	assert_int_equal(status.keyword_count, rounds * EACH);
	rows = rows_of(t, (struct rows_query){.mailbox = status.mailbox, .fields = ROW_FLAGS});
	assert_non_null(memmem(rows.rows[0].keywords.p, rows.rows[0].keywords.n, "k3999", 5));
}

/* ---- expunge, copy ---- */

static void test_expunge_answers(void **state)
{
	static const struct uid_range ranges[] = {{8, UINT32_MAX}, {1, 4}};
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct expunge_job j;

	fill(t, 10);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){3, 9}, FLAGS_ADD, STORE_DELETED, NULL), STORE_OK);
	expunge_job_init(&j);
	j.account = 1;
	j.mailbox = inbox;
	j.ranges = ranges;
	j.range_count = 2;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_string_equal(trial_ranges(t, j.ret_expunged, j.ret_expunged_count), "3:4,8:9");
	store_job_fini(&j.job);
	assert_string_equal(trial_uids(t, 1, inbox), "1:2,5:7,10");
	expunge_job_init(&j);
	j.account = 2;
	j.mailbox = inbox;
	j.ranges = ranges;
	j.range_count = 2;
	assert_int_equal(trial_run(t, &j.job), STORE_NO_MAILBOX);
	store_job_fini(&j.job);
}

static enum store_outcome copy(struct trial *t, struct copy_job *j, uint64_t mailbox, struct uid_range range,
			       const char *target, bool move)
{
	copy_job_init(j);
	j->account = 1;
	j->mailbox = mailbox;
	j->ranges = &range;
	j->range_count = 1;
	j->target = trial_text(target);
	j->move = move;
	return trial_run(t, &j->job);
}

static void test_copy_answers(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), archive = trial_box(t, 1, "Archive", NULL);
	struct box_status status;
	struct box_rows from, to;
	struct copy_job j;

	fill(t, 6);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){3, 3}, true), STORE_OK);
	assert_int_equal(trial_flags(t, 1, inbox, (struct uid_range){2, 2}, FLAGS_ADD, STORE_SEEN, "Tag"), STORE_OK);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){2, 5}, "Archive", false), STORE_OK);
	assert_string_equal(trial_ranges(t, j.ret_sources, j.ret_source_count), "2,4:5");
	assert_string_equal(trial_ranges(t, j.ret_targets, j.ret_target_count), "1:3");
	assert_int_equal(j.ret_target, archive);
	trial_box(t, 1, "Archive", &status);
	assert_int_equal(j.ret_target_uidvalidity, status.uidvalidity);
	store_job_fini(&j.job);
	from = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = UINT32_MAX, .inline_max = 1000});
	to = rows_of(t, (struct rows_query){.mailbox = archive, .fields = UINT32_MAX, .inline_max = 1000});
	assert_int_equal(to.rows[0].internaldate_s, from.rows[1].internaldate_s);
	assert_int_equal(to.rows[0].message_id, from.rows[1].message_id);
	assert_true(view_eq(to.rows[0].message, from.rows[1].message));
	assert_true(view_eq_lit(to.rows[0].keywords, "Tag"));
	assert_int_equal(to.rows[0].flags, STORE_SEEN);
	/* The bytes of a copy outlive the source. */
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){1, 9}, true), STORE_OK);
	trial_prune(t);
	assert_int_equal(trial_rows(t, "message"), 3);
	assert_int_equal(trial_read(t, 1, archive, 2).n, strlen(header) + 4);
	assert_int_equal(copy(t, &j, archive, (struct uid_range){2, 2}, "INBOX", true), STORE_OK);
	assert_string_equal(trial_ranges(t, j.ret_targets, j.ret_target_count), "7");
	assert_string_equal(trial_uids(t, 1, archive), "1,3");
	assert_string_equal(trial_uids(t, 1, inbox), "7");
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 9}, "Missing", false), STORE_NO_MAILBOX);
	assert_true(j.ret_no_target);
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox + 1000, (struct uid_range){1, 9}, "INBOX", false), STORE_NO_MAILBOX);
	assert_false(j.ret_no_target);
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 6}, "Archive", false), STORE_OK);
	assert_int_equal(j.ret_source_count, 0);
	store_job_fini(&j.job);
}

static void test_copy_over_quota(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct account_quota_job q;
	struct quota_usage usage;
	struct copy_job j;

	fill(t, 5); /* 18 bytes each */
	account_quota_job_init(&q);
	q.address = VIEW_LIT("a@example.org");
	q.quota.bytes = 150;
	q.has_bytes = true;
	assert_int_equal(trial_run(t, &q.job), STORE_OK);
	store_job_fini(&q.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 4}, "Archive", false), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 3}, "Archive", false), STORE_OK);
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 5}, "Trash", true), STORE_OK);
	store_job_fini(&j.job);
	assert_int_equal(quota_read(t->reader, 1, &usage), STORE_OK);
	assert_int_equal(usage.used.bytes, 8 * 18);
	assert_int_equal(usage.limit.bytes, 150);
	assert_int_equal(usage.used.messages, 8);
}

static void begin_append(struct trial *t, struct append_job *j, const char *name);

static void limit_messages(struct trial *t, uint64_t messages)
{
	struct account_quota_job q;

	account_quota_job_init(&q);
	q.address = VIEW_LIT("a@example.org");
	q.quota.messages = messages;
	q.has_messages = true;
	assert_int_equal(trial_run(t, &q.job), STORE_OK);
	store_job_fini(&q.job);
}

/* The number of messages is limited: COPY at once and in slices, APPEND and REPLACE. MOVE changes no number. */
static void test_over_quota_of_messages(void **state)
{
	struct bulk_limits limits = bulk_limits;
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), archive = trial_box(t, 1, "Archive", NULL);
	struct quota_usage usage;
	struct append_job a;
	struct copy_job j;

	fill(t, 10);
	limit_messages(t, 15);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 6}, "Archive", false), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	bulk_limits.copy_direct = 4;
	bulk_limits.copy_slice = 2;
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 6}, "Archive", false), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	assert_string_equal(trial_uids(t, 1, archive), "");
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 5}, "Archive", false), STORE_OK);
	store_job_fini(&j.job);
	bulk_limits = limits;
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 10}, "Trash", true), STORE_OK);
	store_job_fini(&j.job);
	begin_append(t, &a, "INBOX");
	assert_int_equal(trial_run(t, &a.job), STORE_OVER_QUOTA);
	store_job_fini(&a.job);
	begin_append(t, &a, "INBOX");
	a.replace_mailbox = archive;
	a.replace_uid = 1;
	assert_int_equal(trial_run(t, &a.job), STORE_OK);
	store_job_fini(&a.job);
	limit_messages(t, 5);
	assert_int_equal(trial_expunge(t, 1, archive, (struct uid_range){1, 99}, true), STORE_OK);
	assert_int_equal(quota_read(t->reader, 1, &usage), STORE_OK);
	assert_int_equal(usage.used.messages, 11);
	assert_int_equal(usage.limit.messages, 5);
	assert_int_equal(usage.limit.bytes, 0);
}

/* A copy in slices that meets the quota half-way: nothing of it is seen, and its references are given back. */
static void test_copy_with_little_space(void **state)
{
	const struct store_settings settings = {.disk_reserve_bytes = UINT64_MAX};
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL);
	struct copy_job j;

	(void)trial_append(t, 1, "INBOX", "Subject: x\r\n\r\n", VIEW_LIT("x\r\n"), 0);
	store_set(t->store, &settings);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 1}, "Sent", false), STORE_NO_SPACE);
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 1}, "Trash", true), STORE_OK);
	store_job_fini(&j.job);
}

static void test_long_copy_over_quota(void **state)
{
	struct bulk_limits limits = bulk_limits;
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), archive = trial_box(t, 1, "Archive", NULL);
	struct account_quota_job q;
	struct copy_job j;

	bulk_limits.copy_direct = 5;
	bulk_limits.copy_slice = 3;
	fill(t, 20);
	account_quota_job_init(&q);
	q.address = VIEW_LIT("a@example.org");
	q.quota.bytes = 30 * 18;
	q.has_bytes = true;
	assert_int_equal(trial_run(t, &q.job), STORE_OK);
	store_job_fini(&q.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 20}, "Archive", false), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	assert_string_equal(trial_uids(t, 1, archive), "");
	assert_int_equal(trial_rows(t, "uid_staged"), 0);
	/* What it staged is forgotten before others may use the mailbox. */
	assert_int_equal(trial_append(t, 1, "Archive", header, VIEW_EMPTY, 0), 1);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 9}, "Archive", false), STORE_OK);
	assert_string_equal(trial_ranges(t, j.ret_targets, j.ret_target_count), "2:10");
	store_job_fini(&j.job);
	assert_int_equal(copy(t, &j, inbox, (struct uid_range){1, 20}, "Archive", false), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	trial_reopen(t);
	assert_int_equal(trial_rows(t, "uid_staged"), 0);
	assert_string_equal(trial_uids(t, 1, archive), "1:10");
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){1, 99}, true), STORE_OK);
	assert_int_equal(trial_expunge(t, 1, archive, (struct uid_range){1, 99}, true), STORE_OK);
	trial_prune(t);
	assert_int_equal(trial_rows(t, "message"), 0);
	assert_int_equal(trial_rows(t, "message_refs"), 0);
	bulk_limits = limits;
}

/* The file of a message that is still there is missing: said loudly. Of one that was expunged: it was pruned. */
static void test_missing_file(void **state)
{
	struct trial *t = *state;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), size;
	char *p = arena_alloc(&t->arena, 100000);
	struct buf out = BUF_INIT(200000);
	struct box_rows rows;

	(void)trial_append(t, 1, "INBOX", header, view_from(p, 100000), 0);
	rows = rows_of(t, (struct rows_query){.mailbox = inbox, .fields = ROW_MESSAGE_ID});
	assert_int_equal(content_unlink(t->store, rows.rows[0].message_id), 0);
	assert_int_equal(box_bytes(t->reader, 1, inbox, 1, 50000, 10, &out, &size), STORE_TEMPORARY);
	assert_non_null(strstr(store_reader_error(t->reader), "missing"));
	assert_int_equal(box_bytes(t->reader, 1, inbox, 1, 0, 5, &out, &size), STORE_OK);
	assert_int_equal(trial_expunge(t, 1, inbox, (struct uid_range){1, 1}, true), STORE_OK);
	assert_int_equal(box_bytes(t->reader, 1, inbox, 1, 50000, 10, &out, &size), STORE_NO_MESSAGE);
	rows = rows_of(t, (struct rows_query){
			      .mailbox = inbox, .fields = ROW_MESSAGE, .inline_max = 200000, .with_expunged = true});
	assert_int_equal(rows.count, 0);
	buf_fini(&out);
}

static void test_append_refusals(void **state)
{
	struct trial *t = *state;
	struct append_job j;

	append_job_init(&j);
	j.account = 1;
	j.name = VIEW_LIT("Missing");
	j.message = (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
	assert_int_equal(trial_run(t, &j.job), STORE_NO_MAILBOX);
	j.name = VIEW_LIT("Drafts");
	j.account = 99;
	assert_int_equal(trial_run(t, &j.job), STORE_NO_MAILBOX);
	j.account = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_uid, 1);
	assert_int_equal(j.ret_mailbox, trial_box(t, 1, "Drafts", NULL));
	store_job_fini(&j.job);
	{
		struct store_settings full = {.disk_reserve_bytes = UINT64_MAX};

		store_set(t->store, &full);
		append_job_init(&j);
		j.account = 1;
		j.name = VIEW_LIT("Drafts");
		j.message = (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
		assert_int_equal(trial_run(t, &j.job), STORE_NO_SPACE);
		store_job_fini(&j.job);
		assert_int_equal(trial_deliver(t, 1, "", header, VIEW_EMPTY, NULL), STORE_NO_SPACE);
		assert_int_equal(trial_expunge(t, 1, trial_box(t, 1, "Drafts", NULL), (struct uid_range){1, 1}, true),
				 STORE_OK);
	}
}

static void begin_append(struct trial *t, struct append_job *j, const char *name)
{
	append_job_init(j);
	j->account = 1;
	j->name = trial_text(name);
	j->internaldate_s = 7;
	j->wall_s = 1000;
	j->message = (struct new_message){.id = store_next_id(t->store), .header = trial_text(header)};
}

/* Several in one commit, in their order; when one cannot be kept, none is. */
static void test_append_several(void **state)
{
	static const struct view word = VIEW_LIT("two words");
	struct trial *t = *state;
	struct append_more more[2];
	struct append_job j;
	struct box_rows rows;
	struct box_status st;
	uint64_t drafts = trial_box(t, 1, "Drafts", NULL);

	begin_append(t, &j, "Drafts");
	for (unsigned i = 0; i < 2; i++)
		more[i] = (struct append_more){
		    .message = {.id = store_next_id(t->store), .header = trial_text(header), .content = VIEW_LIT("x")},
		    .internaldate_s = 8 + i,
		    .flags = STORE_DRAFT};
	j.more = more;
	j.more_count = 2;
	more[1].keywords = &word;
	more[1].keyword_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_BAD_REQUEST);
	store_job_fini(&j.job);
	begin_append(t, &j, "Drafts");
	j.more = more;
	j.more_count = 2;
	more[1].keyword_count = 0;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_uid, 1);
	store_job_fini(&j.job);
	rows = rows_of(t, (struct rows_query){.mailbox = drafts,
					      .fields = ROW_FLAGS | ROW_INTERNALDATE | ROW_SAVEDATE | ROW_SIZE});
	assert_int_equal(rows.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rows.rows[i].internaldate_s, 7 + i);
		assert_int_equal(rows.rows[i].savedate_s, 1000);
		assert_int_equal(rows.rows[i].flags, i ? STORE_DRAFT : 0);
		assert_int_equal(rows.rows[i].size_bytes, strlen(header) + (i ? 1 : 0));
	}
	(void)trial_box(t, 1, "Drafts", &st);
	assert_int_equal(st.exists, 3);
}

/* The quota counts what is replaced as gone (RFC 8508 §3.4). */
static void test_replace(void **state)
{
	struct trial *t = *state;
	struct append_job j;
	struct account_quota_job quota;
	struct quota_usage usage;
	struct box_status st;
	uint64_t inbox = trial_box(t, 1, "INBOX", NULL), size = strlen(header);
	enum store_outcome outcomes[] = {STORE_OK, STORE_NO_MESSAGE, STORE_NO_MESSAGE, STORE_NO_MESSAGE};
	uint32_t uids[] = {1, 1, 9, UINT32_MAX};

	(void)trial_append(t, 1, "INBOX", header, VIEW_EMPTY, 0);
	account_quota_job_init(&quota);
	quota.address = VIEW_LIT("a@example.org");
	quota.quota.bytes = size;
	quota.has_bytes = true;
	(void)trial_run(t, &quota.job);
	store_job_fini(&quota.job);
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		begin_append(t, &j, "Drafts");
		j.replace_mailbox = inbox;
		j.replace_uid = uids[i];
		assert_int_equal(trial_run(t, &j.job), outcomes[i]);
		store_job_fini(&j.job);
	}
	begin_append(t, &j, "Drafts");
	assert_int_equal(trial_run(t, &j.job), STORE_OVER_QUOTA);
	store_job_fini(&j.job);
	begin_append(t, &j, "Nowhere");
	j.replace_mailbox = trial_box(t, 1, "Drafts", NULL);
	j.replace_uid = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_NO_MAILBOX);
	store_job_fini(&j.job);
	(void)trial_box(t, 1, "INBOX", &st);
	assert_int_equal(st.exists, 0);
	assert_int_equal(st.highestmodseq, 3);
	(void)trial_box(t, 1, "Drafts", &st);
	assert_int_equal(st.exists, 1);
	assert_int_equal(quota_read(t->reader, 1, &usage), STORE_OK);
	assert_int_equal(usage.used.bytes, size);
	assert_int_equal(usage.used.messages, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_fields, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_large_in_a_row, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_pages, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_expunged_rows, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_uidl, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_unchanged_since, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_keywords, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_keyword_limit, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_expunge_answers, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_copy_answers, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_copy_over_quota, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_over_quota_of_messages, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_copy_with_little_space, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_long_copy_over_quota, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_missing_file, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_append_refusals, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_append_several, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_replace, start, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
