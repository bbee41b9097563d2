/* SPDX-License-Identifier: ISC
 * What clients were refused: counted up within an hour, found by address and Message-ID, bounded, pruned. */
#include "store/refusal.h"

#include "trial.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 1000, BOUND = 200, HOUR_MS = 3600 * 1000 };
static const int64_t start_ms = INT64_C(1900000000000);

static struct refusal row(const char *sender, const char *recipient, const char *ip, uint16_t code, int64_t at_ms)
{
	return (struct refusal){.sender = view_from_cstr(sender),
				.recipient = view_from_cstr(recipient),
				.client_ip = view_from_cstr(ip),
				.code = code,
				.status = VIEW_LIT("5.1.1"),
				.words = VIEW_LIT("no such user here"),
				.helo = VIEW_LIT("far.example"),
				.first_ms = at_ms,
				.last_ms = at_ms,
				.times = 1,
				.session = (uint64_t)at_ms};
}

static void put_all(struct trial *t, struct refusal *rows, size_t n, uint64_t left_out, int64_t now_ms,
		    uint64_t rows_max)
{
	struct refusal_put_job j;

	for (size_t i = 0; i < n; i++)
		refusal_keys(t->store, &rows[i]);
	refusal_put_job_init(&j);
	j.rows = rows;
	j.count = n;
	j.left_out = left_out;
	j.now_ms = now_ms;
	if (rows_max)
		j.rows_max = rows_max;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

static void put(struct trial *t, struct refusal r)
{
	put_all(t, &r, 1, 0, r.last_ms, 0);
}

/* All pages of `page` rows each, in the arena. */
static struct refusal *find(struct trial *t, const char *text, int64_t since_ms, size_t page, size_t *ret_count)
{
	struct refusal *all = arena_array(&t->arena, MANY + page, sizeof *all);
	uint64_t after = 0;
	bool more = true;

	*ret_count = 0;
	while (more) {
		size_t n;

		assert_true(*ret_count < MANY);
		assert_int_equal(refusal_find(t->reader, view_from_cstr(text), after, since_ms, page, &t->arena,
					      all + *ret_count, &n, &after, &more),
				 STORE_OK);
		assert_true(n <= page);
		*ret_count += n;
	}
	return all;
}

static size_t count(struct trial *t, const char *text)
{
	size_t n;

	(void)find(t, text, 0, 7, &n);
	return n;
}

static void repeats_are_counted(void **state)
{
	static const char *const same[] = {"192.0.2.1", "192.0.2.200", "::ffff:192.0.2.7"};
	struct trial *t = *state;
	struct refusal *found;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		put(t, row("a@far.example", "no@example.org", same[i], 550, start_ms + (int64_t)i * 1000));
	found = find(t, "no@example.org", 0, 5, &n);
	assert_int_equal(n, 1);
	assert_int_equal(found[0].times, 3);
	assert_int_equal(found[0].first_ms, start_ms);
	assert_int_equal(found[0].last_ms, start_ms + 2000);
	assert_int_equal(found[0].session, start_ms + 2000);
	assert_true(view_eq_lit(found[0].client_ip, "192.0.2.1"));
	/* The same, but for one of the four; or later. */
	put(t, row("b@far.example", "no@example.org", "192.0.2.1", 550, start_ms));
	put(t, row("a@far.example", "no2@example.org", "192.0.2.1", 550, start_ms));
	put(t, row("a@far.example", "no@example.org", "192.0.3.1", 550, start_ms));
	put(t, row("a@far.example", "no@example.org", "192.0.2.1", 451, start_ms));
	put(t, row("a@far.example", "no@example.org", "192.0.2.1", 550, start_ms + HOUR_MS));
	put(t, row("a@far.example", "no@example.org", "192.0.2.1", 550, start_ms + HOUR_MS + 5));
	assert_int_equal(trial_rows(t, "refusal"), 6);
	assert_int_equal(count(t, "no@example.org"), 5);
	assert_int_equal(count(t, "a@far.example"), 5);
	/* A clock that was set back begins anew. */
	put(t, row("a@far.example", "no@example.org", "192.0.2.1", 550, start_ms - HOUR_MS));
	assert_int_equal(trial_rows(t, "refusal"), 7);
	/* IPv6: /64. */
	put(t, row("x@far.example", "", "2001:db8::1", 550, start_ms));
	put(t, row("x@far.example", "", "2001:db8::ffff:1", 550, start_ms));
	put(t, row("x@far.example", "", "2001:db8:0:1::1", 550, start_ms));
	assert_int_equal(count(t, "x@far.example"), 2);
}

static void found_however_it_is_written(void **state)
{
	struct trial *t = *state;
	struct refusal r = row("Jürgen@MÜNCHEN.example", "postmaster", "192.0.2.1", 550, start_ms), *found;
	size_t n;

	r.message_id = VIEW_LIT("M1.x@Far.example");
	put(t, r);
	put(t, row("", "Somebody+x@example.org", "", 550, start_ms));
	assert_int_equal(count(t, "jürgen@xn--mnchen-3ya.example"), 1);
	assert_int_equal(count(t, "JÜRGEN@münchen.example"), 1);
	assert_int_equal(count(t, "Postmaster"), 1);
	assert_int_equal(count(t, "<M1.x@Far.example>"), 1);
	assert_int_equal(count(t, "m1.x@far.example"), 1);
	assert_int_equal(count(t, "somebody+X@EXAMPLE.org"), 1);
	assert_int_equal(count(t, "somebody@example.org"), 0);
	/* Neither the null sender nor a recipient that is not known is anybody. */
	assert_int_equal(count(t, ""), 0);
	assert_int_equal(count(t, "<>"), 0);
	/* One that sends to itself is found once. */
	put(t, row("self@example.org", "self@example.org", "", 550, start_ms));
	assert_int_equal(count(t, "self@example.org"), 1);
	found = find(t, "postmaster", 0, 1, &n);
	assert_true(view_eq_lit(found[0].sender, "Jürgen@MÜNCHEN.example"));
	assert_true(view_eq_lit(found[0].words, "no such user here"));
	assert_true(view_eq_lit(found[0].helo, "far.example"));
	assert_true(view_eq_lit(found[0].message_id, "M1.x@Far.example"));
	assert_int_equal(found[0].code, 550);
	(void)find(t, "postmaster", start_ms + 1, 1, &n);
	assert_int_equal(n, 0);
	trial_reopen(t);
	assert_int_equal(count(t, "postmaster"), 1);
}

static struct refusal *many(struct trial *t, size_t n)
{
	struct refusal *rows = arena_array(&t->arena, n, sizeof *rows);

	for (size_t i = 0; i < n; i++) {
		char to[40];

		(void)snprintf(to, sizeof to, "u%zu@example.org", i);
		rows[i] = row("flood@far.example", "", "192.0.2.1", 550, start_ms + (int64_t)i);
		rows[i].recipient = arena_copy(&t->arena, view_from_cstr(to));
	}
	return rows;
}

/* The bound is kept by each commit that adds, whoever hands rows in; the youngest stay. */
static void a_flood_is_bounded(void **state)
{
	struct trial *t = *state;
	struct refusal *rows = many(t, MANY);
	size_t n;

	for (size_t at = 0; at < MANY; at += 100) {
		put_all(t, rows + at, 100, 3, start_ms, BOUND);
		assert_true(trial_rows(t, "refusal") <= BOUND);
	}
	assert_int_equal(trial_rows(t, "refusal"), BOUND);
	assert_int_equal(count(t, "u799@example.org"), 0);
	assert_int_equal(count(t, "u801@example.org"), 1);
	assert_int_equal(count(t, "u999@example.org"), 1);
	(void)find(t, "flood@far.example", 0, 33, &n);
	assert_true(n == BOUND || n == BOUND - 1); /* one row may count what was left out */
	/* A smaller bound takes the rest in slices. */
	for (size_t i = 0; i < 4; i++) {
		struct refusal one =
		    row("late@far.example", "x@example.org", "", 550, start_ms + (int64_t)i * 2 * HOUR_MS);

		put_all(t, &one, 1, 0, start_ms, 10);
	}
	assert_int_equal(trial_rows(t, "refusal"), 10);
}

static void what_was_left_out_is_counted(void **state)
{
	struct trial *t = *state;
	int64_t first_ms, last_ms;
	uint64_t n;

	assert_int_equal(refusal_left_out(t->reader, 0, &n, &first_ms, &last_ms), STORE_OK);
	assert_int_equal(n, 0);
	put_all(t, NULL, 0, 7, start_ms, 0);
	put_all(t, NULL, 0, 8, start_ms + 1000, 0);
	assert_int_equal(trial_rows(t, "refusal"), 1);
	put_all(t, NULL, 0, 100, start_ms + HOUR_MS, 0);
	assert_int_equal(trial_rows(t, "refusal"), 2);
	assert_int_equal(refusal_left_out(t->reader, 0, &n, &first_ms, &last_ms), STORE_OK);
	assert_int_equal(n, 115);
	assert_int_equal(first_ms, start_ms);
	assert_int_equal(last_ms, start_ms + HOUR_MS);
	assert_int_equal(refusal_left_out(t->reader, start_ms + 2000, &n, &first_ms, &last_ms), STORE_OK);
	assert_int_equal(n, 100);
	put_all(t, NULL, 0, 0, start_ms, 0);
	assert_int_equal(trial_rows(t, "refusal"), 2);
}

static void prune(struct trial *t, int64_t before_ms)
{
	struct refusal_prune_job j;

	refusal_prune_job_init(&j);
	j.before_ms = before_ms;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

static void old_ones_go(void **state)
{
	struct trial *t = *state;

	put_all(t, many(t, MANY), MANY, 5, start_ms + MANY, 0);
	prune(t, start_ms);
	assert_int_equal(trial_rows(t, "refusal"), MANY + 1);
	prune(t, start_ms + 700); /* more than a slice */
	assert_int_equal(trial_rows(t, "refusal"), MANY + 1 - 700);
	assert_int_equal(count(t, "u699@example.org"), 0);
	assert_int_equal(count(t, "u700@example.org"), 1);
	prune(t, INT64_MAX);
	assert_int_equal(trial_rows(t, "refusal"), 0);
	put(t, row("a@far.example", "u1@example.org", "", 550, start_ms));
	assert_int_equal(count(t, "u1@example.org"), 1);
}

static void odd_questions(void **state)
{
	struct trial *t = *state;
	static char text[998];
	struct refusal ret[1];
	uint64_t after;
	size_t n;
	bool more;

	memset(text, 'x', sizeof text);
	assert_int_equal(
	    refusal_find(t->reader, view_from(text, sizeof text), 0, 0, 1, &t->arena, ret, &n, &after, &more),
	    STORE_OK);
	assert_int_equal(n, 0);
	assert_int_equal(refusal_find(t->reader, VIEW_LIT("x"), UINT64_MAX, 0, 1, &t->arena, ret, &n, &after, &more),
			 STORE_BAD_REQUEST);
	assert_int_equal(refusal_find(t->reader, VIEW_LIT("x"), 0, 0, 0, &t->arena, ret, &n, &after, &more),
			 STORE_BAD_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(repeats_are_counted, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(found_however_it_is_written, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(a_flood_is_bounded, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(what_was_left_out_is_counted, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(old_ones_go, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(odd_questions, trial_setup, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
