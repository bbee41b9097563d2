/* SPDX-License-Identifier: ISC
 * What relayd says of its leases to a stored that came anew. */
#include "relayd/relayd.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { RCPTS = 100, TOKENS_MAX = 16, HALF_BYTES = 10 };

struct rig {
	struct relayd relayd;
	struct channel *stored;
	unsigned resumed;
	uint64_t tokens[TOKENS_MAX];
	size_t token_count, result_count, released_count;
};

static struct conf *settings;

const struct conf *relayd_conf(const struct relayd *r)
{
	(void)r;
	return settings;
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct relay_msg *m = msg;
	struct rig *g = ctx;

	if (m->type == RELAY_RESUME) {
		g->resumed++;
		assert_true(m->resume.n_tokens <= TOKENS_MAX);
		for (g->token_count = 0; g->token_count < m->resume.n_tokens; g->token_count++)
			g->tokens[g->token_count] = m->resume.tokens[g->token_count].token;
	}
	if (m->type == RELAY_RESULT) {
		g->result_count++;
		for (uint32_t i = 0; i < m->result.n_fates; i++)
			g->released_count += m->result.fates[i].outcome == FATE_RELEASED;
		assert_true(relay_send_done(c, id, &(struct relay_done){0}));
	}
}

static void on_close(void *ctx, struct channel *c)
{
	(void)c;
	((struct rig *)ctx)->stored = NULL;
}

static void loop(struct rig *g)
{
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(g->relayd.base, EVLOOP_NONBLOCK);
}

/* A stored that has just started; what the former one was told counts no more. */
static void connect_stored(struct rig *g)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	int fds[2];

	g->result_count = g->released_count = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->stored = channel_new(g->relayd.base, fds[0], &relay_proto, RELAY_PEER_STORE, RELAY_PEER_RELAY, &handlers, g);
	assert_int_equal(store_add(&g->relayd, fds[1]), 0);
	loop(g);
}

static void disconnect_stored(struct rig *g)
{
	channel_free(&g->stored);
	loop(g);
	assert_null(g->relayd.store);
}

static int set_up(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	struct rig *g = xcalloc(1, sizeof *g);

	assert_int_equal(conf_parse(VIEW_LIT("hostname = mx.example.org\n"), "pombo.conf", &settings, &error), 0);
	g->relayd.base = event_base_new();
	map_init(&g->relayd.jobs);
	map_init(&g->relayd.destinations);
	TAILQ_INIT(&g->relayd.reports);
	room_init(&g->relayd);
	connect_stored(g);
	assert_int_equal(g->resumed, 1);
	*state = g;
	return 0;
}

static struct relay_job job_of(uint64_t token, struct relay_rcpt *rcpts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rcpts[i] = (struct relay_rcpt){.id = i + 1, .address = VIEW_LIT("bob@far.test"), .orcpt = VIEW_EMPTY};
	return (struct relay_job){.token = token,
				  .message_id = 7,
				  .lease_ms = 100000,
				  .domain = VIEW_LIT("far.test"),
				  .sender = VIEW_EMPTY,
				  .envid = VIEW_EMPTY,
				  .size_bytes = 2 * HALF_BYTES,
				  .rcpts = rcpts,
				  .n_rcpts = n,
				  .bytes = VIEW_LIT("0123456789")};
}

/* The rest of a message whose stored went while it sent it does not come. */
static void half_a_job(void **state)
{
	struct rig *g = *state;
	struct relay_rcpt rcpt;
	struct relay_job j = job_of(1, &rcpt, 1);

	assert_true(relay_send_job(g->stored, 0, &j));
	loop(g);
	assert_int_equal(g->relayd.jobs.count, 1);
	disconnect_stored(g);
	assert_int_equal(g->relayd.jobs.count, 0);
	assert_int_equal(g->relayd.job_bytes, 0);
	connect_stored(g);
	assert_int_equal(g->resumed, 2);
	assert_int_equal(g->token_count, 0);
}

static struct job *add_job(struct rig *g, uint64_t token)
{
	struct relay_rcpt rcpts[RCPTS];
	struct relay_job m = job_of(token, rcpts, RCPTS);
	struct job *j;

	m.size_bytes = HALF_BYTES;
	j = job_new(&m);
	(void)map_u64_set(&g->relayd.jobs, token, j);
	g->relayd.job_bytes += sizeof *j + j->head_bytes + 400 * j->rcpt_count;
	return j;
}

static void tell_each(struct rig *g, struct job *j, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct fate f = {
		    .id = i + 1, .outcome = FATE_SENT, .said = true, .code = 250, .text = VIEW_LIT("kept")};

		report_fates(&g->relayd, j, &(struct report_about){0}, &f, 1);
	}
}

/* A lease is named once, however many of its fates nobody has confirmed: what is named is bounded, and what is not named is sent again. */
static void many_fates_of_one_lease(void **state)
{
	struct rig *g = *state;

	disconnect_stored(g);
	tell_each(g, add_job(g, 5), RCPTS);
	tell_each(g, add_job(g, 6), 1);
	connect_stored(g);
	assert_int_equal(g->token_count, 2);
	assert_true(g->tokens[0] + g->tokens[1] == 11);
	assert_int_equal(g->result_count, RCPTS + 1);
}

/* It ends here before it does in stored, which began to count earlier: in between two would send the message. */
static void a_lease_ends_here_first(void **state)
{
	struct relay_rcpt rcpt;
	struct relay_job m = job_of(1, &rcpt, 1);
	struct job *j = job_new(&m);

	(void)state;
	assert_true(j->lease_end_ms > clock_mono_ms());
	assert_true(j->lease_end_ms <= clock_mono_ms() + m.lease_ms - 2000);
	job_free(&j);
}

/* Some were told of, and the others will not be sent to: they do not stay leased. */
static void what_is_given_back(void **state)
{
	struct rig *g = *state;
	struct job *told = add_job(g, 5), *untold = add_job(g, 6);

	disconnect_stored(g);
	tell_each(g, told, 10);
	store_job_give_back(&g->relayd, &told);
	store_job_give_back(&g->relayd, &untold);
	assert_int_equal(g->relayd.jobs.count, 0);
	assert_int_equal(g->relayd.job_bytes, 0);
	connect_stored(g);
	assert_int_equal(g->token_count, 1);
	assert_int_equal(g->tokens[0], 5);
	assert_int_equal(g->released_count, RCPTS - 10);
}

static int tear_down(void **state)
{
	struct rig *g = *state;
	struct map_entry *e;

	while ((e = map_first(&g->relayd.jobs))) {
		struct job *j = map_value(e);

		store_job_drop(&g->relayd, &j);
	}
	if (g->stored)
		disconnect_stored(g);
	assert_true(TAILQ_EMPTY(&g->relayd.reports));
	event_free(g->relayd.room.timer);
	event_base_free(g->relayd.base);
	map_fini(&g->relayd.jobs);
	map_fini(&g->relayd.destinations);
	free(g);
	conf_free(&settings);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(half_a_job, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(many_fates_of_one_lease, set_up, tear_down),
	    cmocka_unit_test(a_lease_ends_here_first),
	    cmocka_unit_test_setup_teardown(what_is_given_back, set_up, tear_down),
	};

	log_init("relayd", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
