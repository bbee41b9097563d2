/* SPDX-License-Identifier: ISC */
#include "stored/session.h"

#include "stored/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct view handle_a = {"aaaaaaaaaaaaaaaa", 16}, handle_b = {"bbbbbbbbbbbbbbbb", 16};

static void a_grant_belongs_to_who_shows_it_first(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0}, other = {0};

	(void)state;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	assert_false(sessions_grant(ss, handle_a, 8, 1, VIEW_LIT("b@example.test")));
	assert_false(sessions_grant(ss, VIEW_LIT("short"), 8, 1, VIEW_LIT("b@example.test")));
	assert_null(sessions_find_grant(ss, handle_b, &one));
	assert_null(sessions_find_grant(ss, VIEW_EMPTY, &one));
	assert_non_null(sessions_find_grant(ss, handle_a, &one));
	assert_null(sessions_find_grant(ss, handle_a, &other));
	assert_int_equal(sessions_find_grant(ss, handle_a, &one)->account, 7);
	sessions_free(&ss);
}

static void a_session_is_its_peers_alone(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0}, other = {0};
	struct session *s;
	uint64_t id;

	(void)state;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	s = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	assert_non_null(s);
	id = s->id;
	assert_ptr_equal(sessions_find(ss, id, &one), s);
	assert_null(sessions_find(ss, id, &other));
	assert_null(sessions_find(ss, id + 1, &one));
	sessions_close(ss, s);
	assert_null(sessions_find(ss, id, &one));
	/* The last session takes the grant with it. */
	assert_null(sessions_find_grant(ss, handle_a, &one));
	sessions_free(&ss);
}

static unsigned ended_sessions, ended_grants;

static void session_ended(void *ctx, struct session *s)
{
	(void)ctx;
	(void)s;
	ended_sessions++;
}

static void grant_ended(void *ctx, struct grant *g)
{
	(void)ctx;
	(void)g;
	ended_grants++;
}

static void a_new_generation_ends_the_old_ones_only(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0};

	(void)state;
	ended_sessions = ended_grants = 0;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	assert_true(sessions_grant(ss, handle_b, 7, 2, VIEW_LIT("a@example.test")));
	assert_non_null(sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one));
	sessions_end_stale(ss, 8, 9, session_ended, grant_ended, NULL);
	assert_int_equal(ended_sessions + ended_grants, 0);
	sessions_end_stale(ss, 7, 2, session_ended, grant_ended, NULL);
	assert_int_equal(ended_sessions, 1);
	assert_int_equal(ended_grants, 0);
	assert_int_equal(sessions_count(ss), 0);
	assert_null(sessions_find_grant(ss, handle_a, &one));
	assert_non_null(sessions_find_grant(ss, handle_b, &one));
	sessions_end_stale(ss, 7, UINT64_MAX, session_ended, grant_ended, NULL);
	assert_int_equal(ended_grants, 1);
	sessions_free(&ss);
}

static unsigned told;
static uint64_t told_modseq;

static void tell(void *ctx, struct session *s, uint64_t modseq)
{
	(void)ctx;
	(void)s;
	told++;
	told_modseq = modseq;
}

static void a_watcher_is_told_once_until_it_looks(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0};
	struct session *s, *t;

	(void)state;
	told = 0;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	s = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	t = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	sessions_watch(ss, s, 100, 5);
	sessions_watch(ss, t, 200, 5);
	sessions_notice(ss, 7, 100, 5, tell, NULL);
	assert_int_equal(told, 0);
	sessions_notice(ss, 7, 100, 6, tell, NULL);
	sessions_notice(ss, 7, 100, 7, tell, NULL);
	assert_int_equal(told, 1);
	assert_int_equal(told_modseq, 6);
	s->notice_due = false; /* it looks */
	sessions_notice(ss, 7, 100, 8, tell, NULL);
	assert_int_equal(told, 2);
	sessions_watch(ss, t, 100, 8);
	sessions_watch(ss, s, 0, 0);
	sessions_notice(ss, 7, 200, 9, tell, NULL);
	assert_int_equal(told, 2);
	sessions_notice(ss, 7, 100, 9, tell, NULL);
	assert_int_equal(told, 3);
	sessions_close(ss, t);
	sessions_notice(ss, 7, 100, 10, tell, NULL);
	assert_int_equal(told, 3);
	sessions_free(&ss);
}

/* A front end that was taken over may name any mailbox: it hears nothing of those of other accounts. */
static void a_mailbox_of_another_account(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0};
	struct session *s;

	(void)state;
	told = 0;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	s = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	sessions_watch(ss, s, 100, 0);
	sessions_notice(ss, 8, 100, 6, tell, NULL);
	assert_int_equal(told, 0);
	assert_false(s->notice_due);
	sessions_notice(ss, 7, 100, 7, tell, NULL);
	assert_int_equal(told, 1);
	sessions_free(&ss);
}

/* Nor does it take the places of everybody's sessions with one login. */
static void one_login_has_few_sessions(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0};
	size_t n = 0;

	(void)state;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	assert_true(sessions_grant(ss, handle_b, 7, 1, VIEW_LIT("a@example.test")));
	while (n < 1000 && sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one))
		n++;
	assert_true(n >= 1 && n <= 100);
	assert_non_null(sessions_open(ss, sessions_find_grant(ss, handle_b, &one), &one));
	sessions_free(&ss);
}

static void tell_account(void *ctx, struct session *s)
{
	(void)ctx;
	(void)s;
	told++;
}

static void a_watcher_of_the_account_is_told_once_until_it_looks(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0};
	struct session *s, *t, *u;

	(void)state;
	told = 0;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	assert_true(sessions_grant(ss, handle_b, 8, 1, VIEW_LIT("b@example.test")));
	s = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	t = sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one);
	u = sessions_open(ss, sessions_find_grant(ss, handle_b, &one), &one);
	sessions_notice_account(ss, 7, tell_account, NULL);
	assert_int_equal(told, 0);
	sessions_watch_account(ss, s, true, true);
	sessions_watch_account(ss, t, true, false);
	sessions_watch_account(ss, u, true, true);
	sessions_notice_account(ss, 7, tell_account, NULL);
	sessions_notice_account(ss, 7, tell_account, NULL);
	assert_int_equal(told, 2);
	s->account_notice_due = false; /* it looks */
	sessions_notice_account(ss, 7, tell_account, NULL);
	assert_int_equal(told, 3);
	sessions_each_annotated(ss, 7, tell_account, NULL);
	assert_int_equal(told, 4);
	sessions_close(ss, s);
	sessions_watch_account(ss, t, true, false); /* anew */
	sessions_notice_account(ss, 7, tell_account, NULL);
	assert_int_equal(told, 5);
	sessions_watch_account(ss, t, false, false);
	sessions_notice_account(ss, 7, tell_account, NULL);
	sessions_each_annotated(ss, 7, tell_account, NULL);
	assert_int_equal(told, 5);
	sessions_free(&ss);
}

static void a_peer_that_goes_takes_everything_along(void **state)
{
	struct sessions *ss = sessions_new();
	struct peer one = {0}, other = {0};

	(void)state;
	assert_true(sessions_grant(ss, handle_a, 7, 1, VIEW_LIT("a@example.test")));
	assert_true(sessions_grant(ss, handle_b, 8, 1, VIEW_LIT("b@example.test")));
	assert_non_null(sessions_open(ss, sessions_find_grant(ss, handle_a, &one), &one));
	assert_non_null(sessions_find_grant(ss, handle_b, &one));
	sessions_forget_peer(ss, &other);
	assert_int_equal(sessions_count(ss), 1);
	sessions_forget_peer(ss, &one);
	assert_int_equal(sessions_count(ss), 0);
	assert_null(sessions_find_grant(ss, handle_b, &one));
	sessions_free(&ss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_grant_belongs_to_who_shows_it_first),
	    cmocka_unit_test(a_session_is_its_peers_alone),
	    cmocka_unit_test(a_new_generation_ends_the_old_ones_only),
	    cmocka_unit_test(a_watcher_is_told_once_until_it_looks),
	    cmocka_unit_test(a_mailbox_of_another_account),
	    cmocka_unit_test(one_login_has_few_sessions),
	    cmocka_unit_test(a_watcher_of_the_account_is_told_once_until_it_looks),
	    cmocka_unit_test(a_peer_that_goes_takes_everything_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
