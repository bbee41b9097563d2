/* SPDX-License-Identifier: ISC
 * What other processes may make the store keep, and no more. */
#include "base/clock.h"
#include "store/sts.h"
#include "store/tls_count.h"
#include "trial.h"

#include <string.h>

enum { NOW = 1800000000, YEAR = 31536000 };

/* ---- MTA-STS ---- */

static size_t keep(struct trial *t, const char *domain, int64_t fetched_s, int64_t until_s)
{
	struct sts_keep_job j;

	sts_keep_job_init(&j);
	j.max = 3;
	j.domain = trial_text(domain);
	j.kept = (struct sts_kept){VIEW_LIT("id"), VIEW_LIT("version: STSv1"), fetched_s, until_s};
	j.wall_s = NOW;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return j.ret_dropped;
}

static bool is_kept(struct trial *t, const char *domain)
{
	struct sts_kept kept;

	return sts_find(t->reader, trial_text(domain), NOW, &t->arena, &kept) == STORE_OK;
}

static void policies_fetched_longest_ago_go(void **state)
{
	struct trial *t = *state;

	assert_int_equal(keep(t, "a.example", NOW - 30, NOW + YEAR), 0);
	assert_int_equal(keep(t, "b.example", NOW - 50, NOW + YEAR), 0);
	assert_int_equal(keep(t, "c.example", NOW - 40, NOW + YEAR), 0);
	assert_int_equal(keep(t, "b.example", NOW - 10, NOW + YEAR), 0); /* anew: no other */
	assert_int_equal(keep(t, "d.example", NOW - 99, NOW + YEAR), 1);
	assert_false(is_kept(t, "c.example"));
	assert_true(is_kept(t, "a.example") && is_kept(t, "b.example") && is_kept(t, "d.example"));
	trial_reopen(t); /* they are counted again */
	assert_int_equal(keep(t, "e.example", NOW, NOW + YEAR), 1);
	assert_false(is_kept(t, "d.example"));
	/* One that has expired makes room. */
	assert_int_equal(keep(t, "e.example", NOW, NOW), 0);
	assert_int_equal(keep(t, "f.example", NOW, NOW + YEAR), 0);
	assert_int_equal(trial_rows(t, "sts_policy"), 3);
}

/* ---- TLS counts ---- */

static size_t count(struct trial *t, int64_t day, const char *domain)
{
	struct tls_count c = {.domain = trial_text(domain),
			      .policy = VIEW_EMPTY,
			      .result = VIEW_EMPTY,
			      .mx = VIEW_EMPTY,
			      .mx_ip = VIEW_EMPTY,
			      .sending_ip = VIEW_EMPTY,
			      .reason = VIEW_EMPTY,
			      .tlsa_base = VIEW_EMPTY,
			      .sessions = 2};
	struct tls_count_job j;

	tls_count_job_init(&j);
	j.max = 2;
	j.day = day;
	j.counts = &c;
	j.count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return j.ret_dropped;
}

static void counts_that_are_new_are_not_counted(void **state)
{
	struct trial *t = *state;
	struct tls_forget_job f;
	struct tls_day d;

	assert_int_equal(count(t, 20000, "a.example"), 0);
	assert_int_equal(count(t, 20000, "b.example"), 0);
	assert_int_equal(count(t, 20000, "c.example"), 1);
	assert_int_equal(count(t, 20000, "a.example"), 0); /* known: counts on */
	assert_int_equal(tls_day_next(t->reader, 20001, 0, VIEW_EMPTY, &t->arena, &d), STORE_OK);
	assert_true(d.count == 1 && d.counts[0].sessions == 4);
	tls_forget_job_init(&f);
	f.day = 20000;
	f.domain = VIEW_LIT("a.example");
	assert_int_equal(trial_run(t, &f.job), STORE_OK);
	store_job_fini(&f.job);
	assert_int_equal(count(t, 20000, "c.example"), 0);
	assert_int_equal(count(t, 20000, "d.example"), 1);
	assert_int_equal(trial_rows(t, "tls_count"), 2);
}

/* ---- events ---- */

static void put(struct trial *t)
{
	const struct deliver_remote to = {
	    .address = VIEW_LIT("x@far.example"), .domain = VIEW_LIT("far.example"), .orcpt = VIEW_EMPTY};
	struct deliver_job j;

	deliver_job_init(&j);
	j.message = (struct new_message){.id = store_next_id(t->store),
					 .header = VIEW_LIT("Subject: x\r\n\r\n"),
					 .content = VIEW_LIT("hello\r\n"),
					 .index = VIEW_EMPTY,
					 .header_add = VIEW_EMPTY};
	j.wall_s = NOW;
	j.remotes = &to;
	j.remote_count = 1;
	j.remote_prefix = VIEW_LIT("Received: x\r\n");
	j.sender = VIEW_LIT("a@example.org");
	j.envid = VIEW_EMPTY;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

static void result(struct trial *t, int64_t now, enum queue_outcome outcome, bool quiet)
{
	struct queue_lease_job l;
	struct queue_result_job j;
	struct queue_fate fate = {
	    .outcome = outcome, .code = 451, .status = VIEW_LIT("4.0.0"), .text = VIEW_LIT("later")};

	queue_lease_job_init(&l);
	l.wall_s = now;
	l.until_s = now + 100;
	l.max_jobs = l.max_per_domain = l.max_per_unknown = 1;
	assert_int_equal(trial_run(t, &l.job), STORE_OK);
	assert_int_equal(l.lease_count, 1);
	queue_result_job_init(&j);
	j.token = l.leases[0].token;
	j.wall_s = now;
	j.schedule = (struct queue_schedule){60, 14400};
	j.mta = j.peer = j.tls = VIEW_EMPTY;
	j.quiet = quiet;
	fate.id = l.leases[0].rcpts[0].id;
	j.fates = &fate;
	j.fate_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_counted, 1);
	store_job_fini(&j.job);
	store_job_fini(&l.job);
}

static void wake(struct trial *t, int64_t now)
{
	struct queue_wake_job j;

	queue_wake_job_init(&j);
	j.wall_s = now;
	j.destination = VIEW_EMPTY;
	j.why = "why";
	j.quiet = true;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_count, 1);
	store_job_fini(&j.job);
}

/* What is not an end may go untold; the end does not. */
static void an_end_is_always_told(void **state)
{
	struct trial *t = *state;

	put(t);
	result(t, NOW, QUEUE_OUT_DEFERRED, true);
	wake(t, NOW);
	assert_int_equal(trial_rows(t, "trace"), 0);
	result(t, NOW + 600, QUEUE_OUT_DEFERRED, false);
	assert_int_equal(trial_rows(t, "trace"), 1);
	result(t, NOW + 1200, QUEUE_OUT_SENT, true);
	assert_int_equal(trial_rows(t, "trace"), 2);
	assert_int_equal(trial_rows(t, "queue_recipient"), 0);
}

/* ---- expunged mail, where space is low ---- */

static uint64_t prune(struct trial *t, int64_t now, bool hurry)
{
	struct prune_job j;

	prune_job_init(&j);
	j.wall_s = now;
	j.hurry = hurry;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return j.ret_messages;
}

static void expunged_mail_gives_way(void **state)
{
	const struct store_settings week = {.undelete_s = 7 * 86400,
					    .delimiter = '+',
					    .postmaster = VIEW_LIT("p@example.org"),
					    .hostname = VIEW_LIT("example.org")};
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0);
	struct box_status inbox;
	int64_t now = clock_wall_s();

	store_set(t->store, &week);
	(void)trial_append(t, account, "INBOX", "Subject: x\r\n\r\n", VIEW_LIT("hello\r\n"), STORE_DELETED);
	assert_int_equal(
	    trial_expunge(t, account, trial_box(t, account, "INBOX", &inbox), (struct uid_range){1, 1}, false),
	    STORE_OK);
	assert_int_equal(prune(t, now + 86400, false), 0);
	assert_int_equal(prune(t, now + 1800, true), 0); /* sessions that were not told still read it */
	assert_int_equal(prune(t, now + 86400, true), 1);
}

/* ---- keywords ---- */

static enum store_outcome all_words_but(struct trial *t, uint64_t account, uint64_t mailbox, const struct view *words,
					size_t n, size_t but)
{
	const struct uid_range first = {1, 1};
	struct view chosen[STORE_KEYWORDS_PER_MESSAGE_MAX];
	struct flags_job j;
	enum store_outcome outcome;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (i != but)
			chosen[count++] = words[i];
	flags_job_init(&j);
	j.account = account;
	j.mailbox = mailbox;
	j.ranges = &first;
	j.range_count = 1;
	j.mode = FLAGS_REPLACE;
	j.keywords = chosen;
	j.keyword_count = count;
	j.unchanged_since = UINT64_MAX;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static void combinations_of_keywords_end(void **state)
{
	enum { WORDS = 200, BYTES = 250, MAX = 4 * 1024 * 1024 / (WORDS * BYTES) };
	static char text[WORDS][BYTES];
	struct view words[WORDS];
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), mailbox;
	struct box_status inbox;
	size_t made = 0;

	for (size_t i = 0; i < WORDS; i++) {
		memset(text[i], 'k', BYTES);
		text[i][0] = (char)('a' + i / 20);
		text[i][1] = (char)('a' + i % 20);
		words[i] = view_from(text[i], BYTES);
	}
	(void)trial_append(t, account, "INBOX", "Subject: x\r\n\r\n", VIEW_LIT("hello\r\n"), 0);
	mailbox = trial_box(t, account, "INBOX", &inbox);
	while (made < WORDS && all_words_but(t, account, mailbox, words, WORDS, made) == STORE_OK)
		made++;
	assert_in_range(made, MAX - 2, MAX + 2);
	assert_int_equal(all_words_but(t, account, mailbox, words, WORDS, WORDS - 1), STORE_LIMIT);
	assert_int_equal(all_words_but(t, account, mailbox, words, WORDS, 0), STORE_OK); /* one that is there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(policies_fetched_longest_ago_go, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(counts_that_are_new_are_not_counted, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(an_end_is_always_told, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(combinations_of_keywords_end, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(expunged_mail_gives_way, trial_setup_domain, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
