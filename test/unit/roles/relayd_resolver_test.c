/* SPDX-License-Identifier: ISC
 * From a domain to its servers, with a dnsd that says more than there is room for. */
#include "relayd/relayd.h"

#include "base/log.h"
#include "ipc/msgs/dns_msgs.h"
#include "mail/dns_record.h"
#include "relayd/hosts.h"
#include "relayd/policy.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { TLSA_BYTES = 35, RECORDS_MAX = 4096 };

struct rig {
	struct relayd relayd;
	struct channel *dns;
	unsigned mx_count; /* mxNN.far.test, NN the preference */
	size_t tlsa_count; /* of each of them */
	size_t unusable_count; /* in front of these: of a usage that SMTP has not (RFC 7672 §3.1.3) */
	bool answered;
	struct hosts *hosts;
};

static struct conf *settings;

const struct conf *relayd_conf(const struct relayd *r)
{
	(void)r;
	return settings;
}

/* ---- dnsd ---- */

static struct view number_of(struct buf *out, unsigned n)
{
	buf_append_char(out, (char)(n >> 8));
	buf_append_char(out, (char)n);
	return buf_view(out);
}

static void put_mx(const struct rig *g, struct arena *a, struct dns_found *m)
{
	for (unsigned i = 0; i < g->mx_count; i++) {
		_cleanup_(buf_fini) struct buf data = BUF_INIT(100);

		(void)number_of(&data, i);
		buf_printf(&data, "mx%02u.far.test", i);
		m->records[m->n_records++].data = arena_copy(a, buf_view(&data));
	}
}

static void put_tlsa(const struct rig *g, struct arena *a, struct dns_found *m)
{
	char data[TLSA_BYTES] = {3, 1, 1};

	for (size_t i = 0; i < g->unusable_count + g->tlsa_count; i++) {
		data[0] = i < g->unusable_count ? 1 : 3;
		memcpy(data + 3, &i, sizeof i);
		m->records[m->n_records++].data = arena_copy(a, view_from(data, sizeof data));
	}
}

static void on_ask(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct dns_ask *q = &((const struct dns_msg *)msg)->ask;
	struct dns_found m = {.secure = true, .ttl_s = 100, .canonical = q->name};
	struct arena a;

	arena_init(&a, 1024 * 1024);
	m.records = arena_array(&a, RECORDS_MAX, sizeof *m.records);
	if (q->type == DNS_MX)
		put_mx(ctx, &a, &m);
	else if (q->type == DNS_A)
		m.records[m.n_records++].data = VIEW_LIT("\x7f\0\0\2");
	else if (q->type == DNS_TLSA)
		put_tlsa(ctx, &a, &m);
	if (m.n_records)
		assert_true(dns_send_found(c, id, &m));
	else
		assert_true(dns_send_nothing(
		    c, id,
		    &(struct dns_nothing){.secure = true, .ttl_s = 100, .canonical = q->name, .name_exists = true}));
	arena_fini(&a);
}

static void on_dns_close(void *ctx, struct channel *c)
{
	(void)c;
	((struct rig *)ctx)->dns = NULL;
}

/* ---- relayd ---- */

static void on_answer(void *ctx, const struct resolved *answer)
{
	struct rig *g = ctx;

	g->answered = true;
	assert_int_equal(answer->what, RESOLVED_HOSTS);
	g->hosts = hosts_new(answer);
}

static void ask(struct rig *g)
{
	resolver_ask(g->relayd.resolver, VIEW_LIT("far.test"), true, 25, on_answer, g);
	while (!g->answered)
		assert_true(event_base_loop(g->relayd.base, EVLOOP_ONCE) == 0);
}

static int set_up(void **state)
{
	static const struct channel_handlers handlers = {.on_msg = on_ask, .on_close = on_dns_close};
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	struct rig *g = xcalloc(1, sizeof *g);
	int fds[2];

	assert_int_equal(conf_parse(VIEW_LIT("hostname = mx.example.org\n"), "pombo.conf", &settings, &error), 0);
	g->relayd.base = event_base_new();
	g->relayd.resolver = resolver_new(&g->relayd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->dns = channel_new(g->relayd.base, fds[0], &dns_proto, DNS_PEER_DNS, DNS_PEER_RELAY, &handlers, g);
	assert_int_equal(resolver_add(g->relayd.resolver, fds[1]), 0);
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *g = *state;
	struct channel *ours = resolver_channel(g->relayd.resolver);

	hosts_unref(&g->hosts);
	channel_free(&ours);
	if (g->dns)
		channel_free(&g->dns);
	event_base_free(g->relayd.base);
	free(g->relayd.resolver);
	free(g);
	conf_free(&settings);
	return 0;
}

/* ---- what is there no room for ---- */

static struct policy policy_of_host(const struct rig *g, size_t i)
{
	const struct route direct = {.host = VIEW_EMPTY, .name = VIEW_EMPTY, .tls = ROUTE_TLS_OPPORTUNISTIC};

	return policy_of(&direct, VIEW_LIT("far.test"), g->hosts, &g->hosts->at[i], MESSAGE_TLS_USUAL);
}

/* The best sixteen are taken, and that there are others is not forgotten: what these say is not all. */
static void more_hosts_than_are_taken(void **state)
{
	static const struct {
		unsigned mx_count;
		bool incomplete;
	} cases[] = {{1, false}, {RESOLVED_HOSTS_MAX, false}, {RESOLVED_HOSTS_MAX + 1, true}, {40, true}};
	struct rig *g = *state;

	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		g->mx_count = cases[k].mx_count;
		g->answered = false;
		ask(g);
		assert_int_equal(g->hosts->count,
				 cases[k].mx_count < RESOLVED_HOSTS_MAX ? cases[k].mx_count : RESOLVED_HOSTS_MAX);
		assert_int_equal(g->hosts->incomplete, cases[k].incomplete);
		for (size_t i = 0; i < g->hosts->count; i++)
			assert_int_equal(g->hosts->at[i].preference, i);
		hosts_unref(&g->hosts);
	}
}

/* Those that are left out are as if they did not match: DANE is asked for all the same. */
static void more_records_than_are_looked_at(void **state)
{
	struct rig *g = *state;

	g->mx_count = 1;
	g->tlsa_count = 200;
	ask(g);
	assert_true(g->hosts->at[0].tlsa_count > 0 && g->hosts->at[0].tlsa_count < 200);
	assert_int_equal(policy_of_host(g, 0).level, POLICY_DANE);
}

/* However many others stand in front of the one that counts. */
static void more_records_that_cannot_be_used(void **state)
{
	struct rig *g = *state;

	g->mx_count = 1;
	g->unusable_count = 100;
	ask(g);
	assert_int_equal(policy_of_host(g, 0).level, POLICY_REQUIRED);
	hosts_unref(&g->hosts);
	g->answered = false;
	g->tlsa_count = 1;
	ask(g);
	assert_int_equal(policy_of_host(g, 0).level, POLICY_DANE);
}

/* No memory for them is not none: such a host is sent nothing, and the others what their records ask. */
static void more_records_than_there_is_room_for(void **state)
{
	struct rig *g = *state;
	size_t dane = 0, never = 0;

	g->mx_count = RESOLVED_HOSTS_MAX;
	g->tlsa_count = 2000;
	ask(g);
	assert_int_equal(g->hosts->count, RESOLVED_HOSTS_MAX);
	for (size_t i = 0; i < g->hosts->count; i++) {
		dane += policy_of_host(g, i).level == POLICY_DANE;
		never += policy_of_host(g, i).level == POLICY_NEVER;
	}
	assert_int_equal(dane + never, RESOLVED_HOSTS_MAX);
	assert_true(dane > 0 && never > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(more_hosts_than_are_taken, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(more_records_than_are_looked_at, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(more_records_that_cannot_be_used, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(more_records_than_there_is_room_for, set_up, tear_down),
	};

	log_init("relayd", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
