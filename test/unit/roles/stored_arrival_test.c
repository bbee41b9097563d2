/* SPDX-License-Identifier: ISC
 * The first events of messages that came, and of those that we made. */
#include "stored/arrival.h"

#include "store/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MESSAGE = 1234 };

static struct deliver_local locals[] = {
    {.prefix = VIEW_LIT("Bob@example.org"), .mailbox = VIEW_LIT("bob@example.org"), .folder = VIEW_LIT("")},
    {.prefix = VIEW_LIT("team@example.org"), .mailbox = VIEW_LIT("bob@example.org"), .folder = VIEW_LIT("Team")},
};
static const struct deliver_remote remotes[] = {
    {.address = VIEW_LIT("far@far.example"), .via = VIEW_LIT("")},
    {.address = VIEW_LIT("far@else.example"), .via = VIEW_LIT("away@example.org")},
    {.address = VIEW_LIT("bob@example.org"), .notice = QUEUE_DELIVERED},
    {.address = VIEW_LIT("back@far.example"),
     .via = VIEW_LIT("loop@example.org"),
     .notice = QUEUE_FAILED,
     .words = VIEW_LIT("loops")},
};

static struct deliver_job job(void)
{
	return (struct deliver_job){.message.id = MESSAGE,
				    .locals = locals,
				    .local_count = ARRAY_LEN(locals),
				    .remotes = remotes,
				    .remote_count = ARRAY_LEN(remotes)};
}

static void is(const struct trace_event *e, enum trace_kind kind, const char *address, const char *peer,
	       const char *words)
{
	assert_int_equal(e->message, MESSAGE);
	assert_int_equal(e->kind, kind);
	assert_true(view_eq(e->address, view_from_cstr(address)));
	assert_true(view_eq(e->peer, view_from_cstr(peer)));
	assert_true(view_eq(e->words.p ? e->words : VIEW_EMPTY, view_from_cstr(words)));
	assert_true(e->at_ms > 0);
}

static void are_recipients(const struct trace_event *e)
{
	is(&e[0], TRACE_DELIVERED, "Bob@example.org", "", "");
	is(&e[1], TRACE_DELIVERED, "team@example.org", "bob@example.org", "Team");
	is(&e[2], TRACE_QUEUED, "far@far.example", "", "");
	is(&e[3], TRACE_QUEUED, "far@else.example", "away@example.org", "");
	is(&e[4], TRACE_FAILED, "loop@example.org", "", "loops"); /* of the notice "delivered" there is none */
}

static void one_each(void **state)
{
	const struct smtp_begin envelope = {.sender = VIEW_LIT("alice@example.net"),
					    .helo = VIEW_LIT("mx.example.net"),
					    .client_ip = VIEW_LIT("192.0.2.1"),
					    .client_name = VIEW_LIT(""),
					    .protocol = VIEW_LIT("ESMTPS"),
					    .tls = VIEW_LIT("TLSv1.3 X")};
	const struct view looped[] = {VIEW_LIT("quiet@example.org")};
	const struct arrival how = {.envelope = &envelope,
				    .message_id = VIEW_LIT("<1@x>"),
				    .by = BY_STRANGER,
				    .looped = looped,
				    .looped_count = 1};
	struct deliver_job j = job();
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	assert_true(arrival_events(&j, &how, &a));
	assert_int_equal(j.event_count, 7);
	is(&j.events[0], TRACE_RECEIVED, "alice@example.net", "mx.example.net (192.0.2.1)", "<1@x>");
	assert_true(view_eq_lit(j.events[0].tls, "TLSv1.3 X"));
	are_recipients(&j.events[1]);
	is(&j.events[6], TRACE_FAILED, "quiet@example.org", "", ARRIVAL_LOOP_TEXT);
	arena_fini(&a);
}

static void notes(void **state)
{
	static const struct {
		enum handed_in_by by;
		const char *name, *signatures, *notes;
	} cases[] = {
	    {BY_STRANGER, "", "", "not checked: who the client is (reverse DNS), SPF, DKIM, DMARC"},
	    {BY_STRANGER, "mx.x", "", "checked: the client's name (reverse DNS); not SPF, DKIM, DMARC"},
	    {BY_ACCOUNT, "", "", "checked: its From belongs to the account"},
	    {BY_ACCOUNT, "", "signed for x: selector a",
	     "checked: its From belongs to the account\nsigned for x: selector a"},
	    {BY_TRUSTED_NETWORK, "mx.x", "", "checked: the client is in trusted-networks"},
	    {BY_OPERATOR, "", "", ""},
	    {BY_OPERATOR, "", "not signed: x", "not signed: x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct smtp_begin envelope = {.sender = VIEW_EMPTY,
						    .helo = VIEW_LIT("x"),
						    .client_ip = VIEW_EMPTY,
						    .client_name = view_from_cstr(cases[i].name),
						    .tls = VIEW_EMPTY};
		const struct arrival how = {.envelope = &envelope,
					    .message_id = VIEW_EMPTY,
					    .by = cases[i].by,
					    .signatures = view_from_cstr(cases[i].signatures)};
		struct deliver_job j = job();
		struct arena a;

		arena_init(&a, 65536);
		assert_true(arrival_events(&j, &how, &a));
		assert_true(view_eq(j.events[0].notes, view_from_cstr(cases[i].notes)));
		assert_true(j.events[1].notes.n == 0);
		arena_fini(&a);
	}
}

static void what_we_make(void **state)
{
	const struct trace_event first[] = {
	    {.message = 99,
	     .kind = TRACE_NOTICE,
	     .address = VIEW_LIT("bob@example.org"),
	     .words = VIEW_LIT("id"),
	     .at_ms = 5},
	    {.message = MESSAGE,
	     .kind = TRACE_MADE,
	     .address = VIEW_LIT("bob@example.org"),
	     .peer = VIEW_LIT("delay notice about 99"),
	     .words = VIEW_LIT("<id@x>"),
	     .at_ms = 5},
	};
	struct deliver_job j = job();
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	assert_true(arrival_made(&j, first, ARRAY_LEN(first), &a));
	assert_int_equal(j.event_count, 7);
	assert_int_equal(j.events[0].message, 99);
	is(&j.events[1], TRACE_MADE, "bob@example.org", "delay notice about 99", "<id@x>");
	are_recipients(&j.events[2]);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_each),
	    cmocka_unit_test(notes),
	    cmocka_unit_test(what_we_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
