/* SPDX-License-Identifier: ISC
 * The policy in force of a domain, where those who should say so do not. */
#include "relayd/sts.h"

#include "base/clock.h"
#include "base/log.h"
#include "ipc/msgs/dns_msgs.h"
#include "ipc/msgs/fetch_msgs.h"
#include "mail/https_url.h"
#include "relayd/relayd.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

static const char kept_policy[] = "version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 86400\n";

enum { AT_WORK_MAX = 64, DOMAINS = 150 }; /* what fetchd does at once */

struct rig {
	struct relayd relayd;
	struct channel *dns, *stored, *fetcher;
	bool has_record;
	uint32_t fetches[DOMAINS]; /* ids, not answered */
	unsigned fetch_count, busy_count;
	unsigned enforced, answers;
	bool keeps; /* stored: it has a policy */
	unsigned asked; /* stored */
	bool answered, is_known, in_force;
};

static struct conf *settings;
static struct rig rigs[4]; /* they stay: what relayd holds until it ends, nothing takes down */
static size_t rig_count;

const struct conf *relayd_conf(const struct relayd *r)
{
	(void)r;
	return settings;
}

/* Without a record it was taken away, by whoever. */
static void on_dns_ask(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct dns_record record = {VIEW_LIT("v=STSv1; id=1")};

	(void)msg;
	if (((struct rig *)ctx)->has_record)
		assert_true(dns_send_found(
		    c, id,
		    &(struct dns_found){.ttl_s = 3600, .canonical = VIEW_EMPTY, .records = &record, .n_records = 1}));
	else
		assert_true(dns_send_nothing(c, id, &(struct dns_nothing){.ttl_s = 3600, .canonical = VIEW_EMPTY}));
}

static void on_store_ask(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct relay_msg *m = msg;
	struct rig *g = ctx;
	uint64_t now_s = (uint64_t)clock_wall_s();

	if (m->type != RELAY_STS_FIND)
		return;
	g->asked++;
	if (g->keeps)
		assert_true(relay_send_sts_found(
		    c, id,
		    &(struct relay_sts_found){VIEW_LIT("1"), now_s - 10, now_s + 80000, view_from_cstr(kept_policy)}));
	else
		assert_true(relay_send_sts_none(c, id, &(struct relay_sts_none){0}));
}

/* It is freed behind this, whichever it is. */
static void on_close(void *ctx, struct channel *c)
{
	struct rig *g = ctx;
	struct channel **const all[] = {&g->dns, &g->stored, &g->fetcher, &g->relayd.store};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (*all[i] == c)
			*all[i] = NULL;
}

static void on_answer(void *ctx, struct sts_policy *policy, const char *problem, bool is_known)
{
	struct rig *g = ctx;

	(void)problem;
	g->answered = true;
	g->is_known = is_known;
	g->in_force = policy && policy->parsed.mode == MTA_STS_ENFORCE;
}

static void on_one_of_many(void *ctx, struct sts_policy *policy, const char *problem, bool is_known)
{
	struct rig *g = ctx;

	(void)is_known;
	g->answers++;
	g->enforced += policy && !problem && policy->parsed.mode == MTA_STS_ENFORCE;
}

/* As fetchd does. */
static void on_fetch(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct rig *g = ctx;

	assert_int_equal(((const struct fetch_msg *)msg)->type, FETCH_GET);
	if (g->fetch_count < AT_WORK_MAX) {
		g->fetches[g->fetch_count++] = id;
		return;
	}
	g->busy_count++;
	assert_true(fetch_send_failed(c, id, &(struct fetch_failed){FETCH_BUSY, VIEW_LIT("too many at once")}));
}

static void connect_fetcher(struct rig *g)
{
	static const struct channel_handlers handlers = {.on_msg = on_fetch, .on_close = on_close};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->fetcher =
	    channel_new(g->relayd.base, fds[0], &fetch_proto, FETCH_PEER_FETCH, FETCH_PEER_RELAY, &handlers, g);
	assert_int_equal(sts_add_fetcher(g->relayd.sts, fds[1]), 0);
}

static void ask(struct rig *g)
{
	g->answered = false;
	sts_ask(g->relayd.sts, VIEW_LIT("far.test"), on_answer, g);
	while (!g->answered)
		assert_true(event_base_loop(g->relayd.base, EVLOOP_ONCE) == 0);
}

static void connect_stored(struct rig *g)
{
	static const struct channel_handlers theirs = {.on_msg = on_store_ask, .on_close = on_close};
	static const struct channel_handlers ours = {.on_msg = on_store_ask, .on_close = on_close};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->stored = channel_new(g->relayd.base, fds[0], &relay_proto, RELAY_PEER_STORE, RELAY_PEER_RELAY, &theirs, g);
	g->relayd.store =
	    channel_new(g->relayd.base, fds[1], &relay_proto, RELAY_PEER_RELAY, RELAY_PEER_STORE, &ours, g);
}

static int set_up(void **state)
{
	static const struct channel_handlers handlers = {.on_msg = on_dns_ask, .on_close = on_close};
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	struct rig *g = &rigs[rig_count++];
	int fds[2];

	assert_int_equal(conf_parse(VIEW_LIT("hostname = mx.example.org\n"), "pombo.conf", &settings, &error), 0);
	g->relayd.base = event_base_new();
	g->relayd.resolver = resolver_new(&g->relayd);
	g->relayd.sts = sts_new(&g->relayd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->dns = channel_new(g->relayd.base, fds[0], &dns_proto, DNS_PEER_DNS, DNS_PEER_RELAY, &handlers, g);
	assert_int_equal(resolver_add(g->relayd.resolver, fds[1]), 0);
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *g = *state;
	struct channel **const theirs[] = {&g->dns, &g->stored, &g->fetcher};

	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		if (*theirs[i])
			channel_free(theirs[i]);
	/* Ours hear of it. */
	while (g->relayd.store || resolver_channel(g->relayd.resolver))
		assert_true(event_base_loop(g->relayd.base, EVLOOP_ONCE) == 0);
	conf_free(&settings);
	return 0;
}

/* stored starts anew just then, and somebody hides the record: what is kept is in force all the same, as soon as it can say so. */
static void stored_is_away(void **state)
{
	struct rig *g = *state;

	g->keeps = true;
	ask(g);
	assert_false(g->is_known);
	assert_false(g->in_force);
	connect_stored(g);
	ask(g);
	assert_true(g->is_known);
	assert_true(g->in_force);
	assert_int_equal(g->asked, 1);
}

/* It knows of none: so it is, and is remembered as long as the record's absence holds. */
static void none_is_kept(void **state)
{
	struct rig *g = *state;

	connect_stored(g);
	for (int i = 0; i < 2; i++) {
		ask(g);
		assert_true(g->is_known);
		assert_false(g->in_force);
	}
	assert_int_equal(g->asked, 1);
}

/* More at once than fetchd does: none of them counts as one without a policy. */
static void many_policies_at_once(void **state)
{
	struct rig *g = *state;

	g->has_record = true;
	connect_stored(g);
	connect_fetcher(g);
	for (unsigned i = 0; i < DOMAINS; i++) {
		_cleanup_(buf_fini) struct buf domain = BUF_INIT(40);

		buf_printf(&domain, "d%u.test", i);
		sts_ask(g->relayd.sts, buf_view(&domain), on_one_of_many, g);
	}
	while (g->answers < DOMAINS) {
		assert_true(event_base_loop(g->relayd.base, EVLOOP_ONCE) == 0);
		/* Slow: nothing comes before as many are asked for as will be. */
		for (int turns = 0; turns < 50; turns++)
			(void)event_base_loop(g->relayd.base, EVLOOP_NONBLOCK);
		for (; g->fetch_count > 0; g->fetch_count--)
			assert_true(fetch_send_response(
			    g->fetcher, g->fetches[g->fetch_count - 1],
			    &(struct fetch_response){200, VIEW_LIT("text/plain"), view_from_cstr(kept_policy)}));
	}
	assert_int_equal(g->busy_count, 0);
	assert_int_equal(g->enforced, DOMAINS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(stored_is_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(none_is_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(many_policies_at_once, set_up, tear_down),
	};

	log_init("relayd", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
