/* SPDX-License-Identifier: ISC
 * Budgets, the bounded memory beneath them, and the cache: all with a clock of the test's own. */
#include "authd/cache.h"
#include "authd/recall.h"
#include "authd/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- recall ---- */

static void recalls(void **state)
{
	struct recall r;

	(void)state;
	recall_init(&r, 1024);
	for (uint64_t k = 1; k <= 300; k++)
		*recall_set(&r, k * 0x9e3779b97f4a7c15u) = k;
	for (uint64_t k = 1; k <= 300; k++) {
		uint64_t *v = recall_find(&r, k * 0x9e3779b97f4a7c15u);

		assert_non_null(v);
		assert_int_equal(*v, k);
	}
	assert_null(recall_find(&r, 7));
	recall_forget(&r, 0x9e3779b97f4a7c15u);
	recall_forget(&r, 0x9e3779b97f4a7c15u);
	assert_null(recall_find(&r, 0x9e3779b97f4a7c15u));
	assert_int_equal(r.used, 299);
	recall_fini(&r);
}

/* However many come: bounded, and the largest numbers stay. */
static void recall_is_bounded(void **state)
{
	struct recall r;
	size_t kept = 0;

	(void)state;
	recall_init(&r, 1000);
	for (uint64_t k = 1; k <= 50; k++)
		*recall_set(&r, k * 0x9e3779b97f4a7c15u) = 1000000 + k;
	for (uint64_t k = 1000; k <= 101000; k++)
		*recall_set(&r, k * 0x9e3779b97f4a7c15u) = k;
	assert_true(r.n <= 1024 && r.used <= r.n && r.used > r.n / 2);
	for (uint64_t k = 1; k <= 50; k++)
		kept += recall_find(&r, k * 0x9e3779b97f4a7c15u) != NULL;
	assert_int_equal(kept, 50);
	recall_fini(&r);
}

/* ---- throttle ---- */

static struct throttle_subject subject(const char *network, const char *account, bool known)
{
	return (struct throttle_subject){view_from_cstr(network), view_from_cstr(account), known};
}

/* Guesses wrongly as often as is let; how often it was. */
static unsigned guess(struct throttle *t, const struct throttle_subject *who, uint64_t now_ms)
{
	struct throttle_ticket ticket;
	unsigned n = 0;

	while (n < 10000 && throttle_begin(t, who, now_ms, &ticket) == 0) {
		throttle_end(t, &ticket, true, now_ms);
		n++;
	}
	return n;
}

static void an_account_is_guessed_slowly(void **state)
{
	struct throttle t;
	struct throttle_subject who = subject("192.0.2.1", "#1", false);
	uint64_t now_ms = 1000000;
	unsigned tried = 0;

	(void)state;
	throttle_init(&t);
	/* a new network for every guess does not help */
	for (int i = 0; i < 500; i++) {
		char network[20];

		(void)snprintf(network, sizeof network, "192.0.2.%d", i);
		who = subject(network, "#1", false);
		tried += guess(&t, &who, now_ms);
	}
	assert_int_equal(tried, 20);
	/* an hour brings 360 more */
	who = subject("192.0.2.1", "#1", false);
	for (tried = 0; now_ms < 1000000 + 3600000; now_ms += 500)
		tried += guess(&t, &who, now_ms);
	assert_true(tried >= 355 && tried <= 361);
	/* then it rests, and regains the whole budget, no more */
	now_ms += 100 * 3600000ull;
	assert_int_equal(guess(&t, &who, now_ms), 20);
	throttle_fini(&t);
}

static void a_network_guesses_slowly(void **state)
{
	struct throttle t;
	unsigned tried = 0;

	(void)state;
	throttle_init(&t);
	for (int i = 0; i < 500; i++) {
		char account[20];
		struct throttle_subject who;

		(void)snprintf(account, sizeof account, "#%d", i);
		who = subject("192.0.2.1", account, false);
		tried += guess(&t, &who, 5);
	}
	assert_int_equal(tried, 60);
	throttle_fini(&t);
}

/* The reason for budgets of their own: whatever strangers do, and whatever neighbours behind the same address do. */
static void nobody_locks_a_user_out(void **state)
{
	struct throttle t;
	struct throttle_subject stranger = subject("198.51.100.1", "#1", false);
	struct throttle_subject neighbour = subject("192.0.2.1", "#2", false);
	struct throttle_subject user = subject("192.0.2.1", "#1", true);
	struct throttle_ticket ticket;

	(void)state;
	throttle_init(&t);
	assert_int_equal(guess(&t, &stranger, 1000), 20);
	for (int i = 0; i < 100; i++) {
		char account[20];

		(void)snprintf(account, sizeof account, "#%d", 100 + i);
		neighbour = subject("192.0.2.1", account, false);
		(void)guess(&t, &neighbour, 1000);
	}
	assert_true(throttle_allows(&t, &user, 1000));
	assert_int_equal(throttle_begin(&t, &user, 1000, &ticket), 0);
	throttle_end(&t, &ticket, false, 1000);
	/* the known network is not for guessing either */
	assert_int_equal(guess(&t, &user, 1000), 20);
	assert_false(throttle_allows(&t, &user, 1000));
	assert_true(throttle_allows(&t, &user, 1000 + 3000));
	throttle_fini(&t);
}

static void in_parallel_is_no_faster(void **state)
{
	struct throttle t;
	struct throttle_subject who = subject("192.0.2.1", "#1", false);
	struct throttle_ticket tickets[20], more;
	uint64_t wait_ms;

	(void)state;
	throttle_init(&t);
	for (int i = 0; i < 20; i++)
		assert_int_equal(throttle_begin(&t, &who, 1000, &tickets[i]), 0);
	wait_ms = throttle_begin(&t, &who, 1000, &more);
	assert_true(wait_ms > 0 && wait_ms <= 1000);
	assert_false(throttle_allows(&t, &who, 1000));
	/* one was right: there is room for one */
	throttle_end(&t, &tickets[0], false, 1000);
	assert_int_equal(throttle_begin(&t, &who, 1000, &tickets[0]), 0);
	assert_true(throttle_begin(&t, &who, 1000, &more) > 0);
	/* all were wrong: no room for long */
	for (int i = 0; i < 20; i++)
		throttle_end(&t, &tickets[i], true, 1000);
	wait_ms = throttle_begin(&t, &who, 1000, &more);
	assert_true(wait_ms > 9000 && wait_ms <= 10000);
	assert_int_equal(throttle_begin(&t, &who, 1000 + wait_ms, &more), 0);
	throttle_fini(&t);
}

static void success_is_free(void **state)
{
	struct throttle t;
	struct throttle_subject who = subject("192.0.2.1", "#1", false);
	struct throttle_ticket ticket;

	(void)state;
	throttle_init(&t);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(throttle_begin(&t, &who, 1000, &ticket), 0);
		throttle_end(&t, &ticket, false, 1000);
	}
	assert_int_equal(t.due.used + t.pending.used, 0);
	throttle_fini(&t);
}

/* ---- cache ---- */

static void cached(void **state)
{
	struct cache c, other;
	uint8_t mac[CACHE_MAC_BYTES], variant[CACHE_MAC_BYTES];

	(void)state;
	cache_init(&c);
	cache_init(&other);
	cache_mac(&c, VIEW_LIT("#1"), 7, VIEW_LIT("pencil"), mac);
	assert_false(cache_has(&c, mac, 1000));
	cache_add(&c, mac, 1, 1000);
	assert_true(cache_has(&c, mac, 1000));
	assert_true(cache_has(&c, mac, 1000 + CACHE_LIFE_MS - 1));
	/* every part counts, and so does where one ends */
	cache_mac(&c, VIEW_LIT("#1"), 8, VIEW_LIT("pencil"), variant);
	assert_false(cache_has(&c, variant, 1000));
	cache_mac(&c, VIEW_LIT("#2"), 7, VIEW_LIT("pencil"), variant);
	assert_false(cache_has(&c, variant, 1000));
	cache_mac(&c, VIEW_LIT("#1"), 7, VIEW_LIT("pencil "), variant);
	assert_false(cache_has(&c, variant, 1000));
	cache_mac(&other, VIEW_LIT("#1"), 7, VIEW_LIT("pencil"), variant);
	assert_memory_not_equal(mac, variant, sizeof mac); /* the key is of the process */
	assert_false(cache_has(&c, mac, 1000 + CACHE_LIFE_MS));
	assert_int_equal(c.entries.count, 0);
	cache_add(&c, mac, 1, 1000);
	cache_add(&c, mac, 1, 2000);
	assert_int_equal(c.entries.count, 1);
	cache_drop_account(&c, 2);
	assert_true(cache_has(&c, mac, 1000));
	cache_drop_account(&c, 1);
	assert_false(cache_has(&c, mac, 1000));
	cache_fini(&c);
	cache_fini(&other);
}

static void cache_is_bounded(void **state)
{
	struct cache c;
	uint8_t mac[CACHE_MAC_BYTES];

	(void)state;
	cache_init(&c);
	for (uint64_t i = 0; i < CACHE_ENTRIES_MAX + 500; i++) {
		cache_mac(&c, VIEW_LIT("#1"), i, VIEW_LIT("pencil"), mac);
		cache_add(&c, mac, 1, i);
	}
	assert_int_equal(c.entries.count, CACHE_ENTRIES_MAX);
	cache_mac(&c, VIEW_LIT("#1"), 499, VIEW_LIT("pencil"), mac);
	assert_false(cache_has(&c, mac, 1000));
	cache_mac(&c, VIEW_LIT("#1"), 500, VIEW_LIT("pencil"), mac);
	assert_true(cache_has(&c, mac, 1000));
	cache_drop_account(&c, 1);
	assert_int_equal(c.entries.count, 0);
	cache_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recalls),
	    cmocka_unit_test(recall_is_bounded),
	    cmocka_unit_test(an_account_is_guessed_slowly),
	    cmocka_unit_test(a_network_guesses_slowly),
	    cmocka_unit_test(nobody_locks_a_user_out),
	    cmocka_unit_test(in_parallel_is_no_faster),
	    cmocka_unit_test(success_is_free),
	    cmocka_unit_test(cached),
	    cmocka_unit_test(cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
