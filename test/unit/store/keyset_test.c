/* SPDX-License-Identifier: ISC
 * Mailboxes with as many keywords, and combinations of them, as there may be: nobody waits for them. */
#include "trial.h"

#include "base/clock.h"
#include "store/store_private.h"
#include "store/writer.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = 4000, WORD_BYTES = 62, MESSAGES = 4096, AT_ONCE = 256, WORDS_EACH = 4 };

/* A hundred times what it takes, and less than it took when each keyword was compared with all. */
#define CPU_MAX_US 2500000

static const char header[] = "Subject: x\r\n\r\n";
static char words[WORDS][WORD_BYTES + 1];

static int start(void **state)
{
	int r = trial_setup_domain(state);

	(void)trial_account(*state, "a@example.org", 0);
	for (unsigned i = 0; i < WORDS; i++) {
		memset(words[i], 'k', WORD_BYTES);
		(void)snprintf(words[i] + WORD_BYTES - 5, 6, "%05u", i);
	}
	return r;
}

/* Messages with a combination of their own each, which between them take all the room there is. */
static void fill(struct trial *t)
{
	static struct view keywords[AT_ONCE][WORDS_EACH];
	static struct append_more more[AT_ONCE];

	for (unsigned n = 0; n < MESSAGES; n += AT_ONCE) {
		struct append_job j;

		append_job_init(&j);
		for (unsigned i = 0; i < AT_ONCE; i++) {
			for (unsigned k = 0; k < WORDS_EACH; k++)
				keywords[i][k] = trial_text(words[((n + i) * (2 * k + 1) + k) % WORDS]);
			more[i] = (struct append_more){
			    .message = {.id = store_next_id(t->store), .header = trial_text(header)},
			    .keywords = keywords[i],
			    .keyword_count = WORDS_EACH};
		}
		j.account = 1;
		j.name = VIEW_LIT("INBOX");
		j.message = more[0].message;
		j.keywords = more[0].keywords;
		j.keyword_count = WORDS_EACH;
		j.more = more + 1;
		j.more_count = AT_ONCE - 1;
		assert_int_equal(trial_run(t, &j.job), STORE_OK);
		store_job_fini(&j.job);
	}
}

struct run {
	unsigned groups;
	uint64_t longest_us;
	enum store_outcome outcome;
};

static struct run run(struct trial *t, struct store_job *job)
{
	struct run r = {0};

	do {
		assert_int_equal(store_group_run(t->store, &job, 1), 0);
		if (store_group_time(t->store).cpu_us > r.longest_us)
			r.longest_us = store_group_time(t->store).cpu_us;
		r.groups++;
	} while (job->state != JOB_FINISHED);
	r.outcome = job->outcome;
	return r;
}

static struct run change(struct trial *t, uint64_t mailbox, uint32_t last, enum flags_mode mode, const char *word)
{
	const struct uid_range range = {1, last};
	const struct view keyword = trial_text(word);
	struct flags_job j;
	struct run r;

	flags_job_init(&j);
	j.account = 1;
	j.mailbox = mailbox;
	j.ranges = &range;
	j.range_count = 1;
	j.mode = mode;
	j.keywords = &keyword;
	j.keyword_count = 1;
	r = run(t, &j.job);
	store_job_fini(&j.job);
	return r;
}

static size_t count_with(struct trial *t, uint64_t mailbox, const char *word)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {.account = 1,
			       .mailbox = mailbox,
			       .ranges = &all,
			       .range_count = 1,
			       .fields = ROW_FLAGS,
			       .max_rows = MESSAGES,
			       .max_bytes = 1 << 28};
	struct box_rows rows;
	size_t n = 0;

	trial_reset(t);
	assert_int_equal(box_rows(t->reader, &q, &t->arena, &rows), STORE_OK);
	assert_int_equal(rows.count, MESSAGES);
	for (size_t i = 0; i < rows.count; i++)
		n += view_find(rows.rows[i].keywords, trial_text(word)) < rows.rows[i].keywords.n;
	return n;
}

static void test_many(void **state)
{
	struct trial *t = *state;
	struct box_status status;
	uint64_t inbox, began_us;
	struct run r;

	fill(t);
	began_us = clock_cpu_us();
	inbox = trial_box(t, 1, "INBOX", &status);
	assert_true(clock_cpu_us() - began_us < CPU_MAX_US);
	assert_int_equal(status.keyword_count, WORDS);
	began_us = clock_cpu_us();
	assert_true(count_with(t, inbox, words[7]) > 1);
	assert_true(clock_cpu_us() - began_us < CPU_MAX_US);
	/* One message, by a writer that has not read them yet. */
	trial_reopen(t);
	r = change(t, inbox, 1, FLAGS_ADD, "new");
	assert_int_equal(r.outcome, STORE_OK);
	assert_true(r.longest_us < CPU_MAX_US);
	/* All of them: a new combination for each, in slices. */
	r = change(t, inbox, UINT32_MAX, FLAGS_ADD, "Other");
	assert_int_equal(r.outcome, STORE_OK);
	assert_true(r.groups >= MESSAGES / 1000);
	assert_true(r.longest_us < CPU_MAX_US);
	assert_int_equal(count_with(t, inbox, "Other"), MESSAGES);
	/* And back, however it is spelt. */
	r = change(t, inbox, UINT32_MAX, FLAGS_REMOVE, "oTHER");
	assert_int_equal(r.outcome, STORE_OK);
	assert_int_equal(count_with(t, inbox, "Other"), 0);
	r = change(t, inbox, UINT32_MAX, FLAGS_REPLACE, "only");
	assert_int_equal(r.outcome, STORE_OK);
	assert_int_equal(count_with(t, inbox, "only"), MESSAGES);
	assert_int_equal(count_with(t, inbox, words[7]), 0);
}

/* An account has ten thousand mailboxes: the writer keeps the keywords of a few in memory. */
static void test_many_mailboxes(void **state)
{
	enum { BOXES = 8, SETS = 64 };
	struct trial *t = *state;
	uint64_t ids[BOXES];

	for (unsigned i = 0; i < BOXES; i++) {
		struct buf name = BUF_INIT(20), text = BUF_INIT(1000);

		buf_printf(&name, "box %u", i);
		ids[i] = trial_folder(t, 1, buf_cstr(&name));
		(void)trial_append(t, 1, buf_cstr(&name), header, VIEW_LIT("x"), 0);
		buf_printf(&text,
			   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
			   " INSERT INTO keyset (mailbox, id, words) SELECT %llu, i, HEX(ZEROBLOB(30000)) || i FROM n",
			   SETS, (unsigned long long)ids[i]);
		assert_int_equal(sql_exec(t->store->writer->sql, buf_cstr(&text)), 0);
		buf_fini(&name);
		buf_fini(&text);
	}
	for (unsigned i = 0; i < BOXES * 2; i++) {
		struct uid_range all = {1, UINT32_MAX};

		assert_int_equal(trial_flags(t, 1, ids[i % BOXES], all, FLAGS_ADD, 0, i < BOXES ? "one" : "two"),
				 STORE_OK);
		assert_true(t->store->writer->keyset_bytes <= 16 << 20);
	}
	assert_true(t->store->writer->keyset_bytes > SETS * 60000);
	trial_reopen(t);
	assert_int_equal(t->store->writer->keyset_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_many, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_many_mailboxes, start, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
