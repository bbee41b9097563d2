/* SPDX-License-Identifier: ISC
 * How much of what relayd may have in hand is one domain's. */
#include "stored/lanes.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 341, TOKENS_OF_DOMAIN = 1000 };

struct rig {
	struct lanes lanes;
	bool parked[64]; /* by number of domain */
};

static struct view domain_of(struct buf *out, unsigned number)
{
	buf_reset(out);
	buf_printf(out, "d%02u.test", number);
	return buf_view(out);
}

static unsigned number_of(struct view domain)
{
	return (unsigned)(domain.p[1] - '0') * 10 + (unsigned)(domain.p[2] - '0');
}

/* What a lease job does with them. */
static void park_and_unpark(struct rig *g)
{
	struct lane_changes c;

	lanes_take_changes(&g->lanes, &c);
	for (size_t i = 0; i < c.park_count; i++)
		g->parked[number_of(c.park[i])] = true;
	for (size_t i = 0; i < c.unpark_count; i++)
		g->parked[number_of(c.unpark[i])] = false;
	lanes_changed(&g->lanes, &c, true);
	lane_changes_fini(&c);
}

/* Leases of a domain that answers, until it is parked or there is no room. How many. */
static unsigned lease_all(struct rig *g, unsigned number)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(20);
	struct queue_lease lease = {.domain = domain_of(&name, number), .reached = true};
	unsigned n = 0;

	while (!g->parked[number] && g->lanes.room > 0) {
		lease.token = number * TOKENS_OF_DOMAIN + ++n;
		g->lanes.room--;
		lanes_leased(&g->lanes, &lease, 1);
		park_and_unpark(g);
	}
	return n;
}

static void end(struct rig *g, unsigned number, unsigned n)
{
	lanes_token_is_over(&g->lanes, number * TOKENS_OF_DOMAIN + n);
	g->lanes.room++;
	park_and_unpark(g);
}

static int set_up(void **state)
{
	struct rig *g = xcalloc(1, sizeof *g);

	lanes_init(&g->lanes);
	g->lanes.room = ROOM;
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *g = *state;

	lanes_clear(&g->lanes);
	free(g);
	return 0;
}

/* Each has as much as it can, and none of its jobs ever ends. */
static void slow_domains_leave_room_for_others(void **state)
{
	struct rig *g = *state;
	unsigned former = ROOM;

	for (unsigned i = 0; i < 12; i++) {
		unsigned n = lease_all(g, i);

		assert_true(g->parked[i]);
		assert_true(n >= 1 && n <= former);
		former = n;
	}
	assert_true(g->lanes.room >= 10);
	assert_true(lease_all(g, 60) >= 1);
}

/* The window is full at its size, and opens at its half. */
static void a_window_opens_again(void **state)
{
	struct rig *g = *state;
	unsigned n, ended = 0;

	g->lanes.room = 100000;
	n = lease_all(g, 1);
	assert_int_equal(n, LANE_FULL);
	while (g->parked[1])
		end(g, 1, ++ended);
	assert_int_equal(ended, LANE_FULL / 2);
}

/* Parked for want of room, with nothing of its own that ends: the room that others give back counts. */
static void room_that_comes_back_is_for_all(void **state)
{
	struct rig *g = *state;

	g->lanes.room = 4;
	assert_int_equal(lease_all(g, 1), 1);
	park_and_unpark(g);
	assert_true(g->parked[1]);
	lanes_look_again(&g->lanes);
	park_and_unpark(g);
	assert_true(g->parked[1]);
	g->lanes.room = ROOM;
	lanes_look_again(&g->lanes);
	park_and_unpark(g);
	assert_false(g->parked[1]);
}

/* However short the want was: it came and went between two looks. */
static void room_that_was_away_for_a_moment(void **state)
{
	struct rig *g = *state;

	g->lanes.room = ROOM;
	lanes_look_again(&g->lanes);
	g->lanes.room = 4;
	assert_int_equal(lease_all(g, 1), 1);
	park_and_unpark(g);
	assert_true(g->parked[1]);
	g->lanes.room = ROOM;
	lanes_look_again(&g->lanes);
	park_and_unpark(g);
	assert_false(g->parked[1]);
}

/* Nor does it matter that its parking was under way at the look in between. */
static void room_that_was_away_while_it_was_parked(void **state)
{
	struct rig *g = *state;
	struct queue_lease lease = {.domain = VIEW_LIT("d07.test"), .token = 1, .reached = true};
	struct lane_changes changes;

	g->lanes.room = 4;
	lanes_leased(&g->lanes, &lease, 1);
	lanes_take_changes(&g->lanes, &changes);
	g->lanes.room = ROOM;
	lanes_look_again(&g->lanes);
	g->lanes.room = 4;
	lanes_changed(&g->lanes, &changes, true);
	lane_changes_fini(&changes);
	assert_false(lanes_change(&g->lanes));
	g->lanes.room = ROOM;
	lanes_look_again(&g->lanes);
	assert_true(lanes_change(&g->lanes));
}

/* Nothing is known of it: two. */
static void a_domain_that_has_not_answered(void **state)
{
	struct rig *g = *state;
	struct queue_lease lease = {.domain = VIEW_LIT("d07.test")};

	for (lease.token = 1; lease.token <= LANE_UNKNOWN; lease.token++) {
		assert_false(g->parked[7]);
		lanes_leased(&g->lanes, &lease, 1);
		park_and_unpark(g);
	}
	assert_true(g->parked[7]);
	lanes_reached(&g->lanes, 1, true);
	park_and_unpark(g);
	assert_false(g->parked[7]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(slow_domains_leave_room_for_others, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_window_opens_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(room_that_comes_back_is_for_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(room_that_was_away_for_a_moment, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(room_that_was_away_while_it_was_parked, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_domain_that_has_not_answered, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
