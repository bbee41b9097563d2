/* SPDX-License-Identifier: ISC
 * What is left of a lease when the other side takes its message a byte at a time, or not at all. */
#include "relayd/relayd.h"

#include "base/log.h"
#include "relayd/destination.h"
#include "relayd/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	MESSAGE_BYTES = 200 * 1024, /* less than is gathered here before anybody takes it */
	SEGMENT_BYTES = 536, /* so that the kernel, too, holds little of it */
	RECEIVE_BYTES = 4096,
	LONG_LEASE_MS = 7200000,
	SHORT_LEASE_MS = 4000,
	DRIP_US = 20000,
};

/* The other server, in a thread of its own. */
struct taker {
	pthread_t thread;
	int listener;
	uint16_t port;
	_Atomic bool drips, is_over, has_end;
};

struct rig {
	struct relayd relayd;
	struct channel *stored;
	struct taker taker;
	size_t fate_count;
	uint8_t outcome;
	char text[200];
};

static struct conf *settings;

const struct conf *relayd_conf(const struct relayd *r)
{
	(void)r;
	return settings;
}

/* ---- the other server ---- */

static void say(int fd, const char *line)
{
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
}

/* False: it hung up. */
static bool hear_line(int fd)
{
	char c = 0;

	while (c != '\n')
		if (recv(fd, &c, 1, 0) <= 0)
			return false;
	return true;
}

/* Takes a byte now and then, until the client has hung up; what came of it until then is read to its end. */
static void drip(struct taker *t, int fd)
{
	static const char end[] = "\r\n.\r\n";
	char last[sizeof end - 1] = {0};

	for (char c; recv(fd, &c, 1, 0) > 0;) {
		memmove(last, last + 1, sizeof last - 1);
		last[sizeof last - 1] = c;
		if (t->drips)
			(void)usleep(DRIP_US);
	}
	t->has_end = memcmp(last, end, sizeof last) == 0;
}

static void *run_taker(void *ctx)
{
	static const char *const replies[] = {"250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go on\r\n"};
	struct taker *t = ctx;
	int fd = accept(t->listener, NULL, NULL);
	bool talks = fd >= 0;

	say(fd, "220 mx\r\n");
	for (size_t i = 0; talks && i < ARRAY_LEN(replies); i++) {
		talks = hear_line(fd);
		say(fd, replies[i]);
	}
	if (talks)
		drip(t, fd);
	(void)close(fd);
	t->is_over = true;
	return NULL;
}

static void start_taker(struct taker *t)
{
	static const int receive = RECEIVE_BYTES, segment = SEGMENT_BYTES;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;

	t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(t->listener >= 0);
	assert_int_equal(setsockopt(t->listener, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive), 0);
	assert_int_equal(setsockopt(t->listener, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), 0);
	assert_int_equal(bind(t->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(t->listener, 5), 0);
	assert_int_equal(getsockname(t->listener, (struct sockaddr *)&at, &n), 0);
	t->port = ntohs(at.sin_port);
	t->drips = true;
	assert_int_equal(pthread_create(&t->thread, NULL, run_taker, t), 0);
}

/* ---- stored ---- */

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct relay_msg *m = msg;
	struct rig *g = ctx;

	if (m->type != RELAY_RESULT)
		return;
	for (uint32_t i = 0; i < m->result.n_fates; i++, g->fate_count++) {
		g->outcome = m->result.fates[i].outcome;
		(void)snprintf(g->text, sizeof g->text, "%.*s", VIEW_FMT(m->result.fates[i].text));
	}
	assert_true(relay_send_done(c, id, &(struct relay_done){0}));
}

static void on_close(void *ctx, struct channel *c)
{
	(void)c;
	((struct rig *)ctx)->stored = NULL;
}

static void connect_stored(struct rig *g)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	g->stored = channel_new(g->relayd.base, fds[0], &relay_proto, RELAY_PEER_STORE, RELAY_PEER_RELAY, &handlers, g);
	assert_int_equal(store_add(&g->relayd, fds[1]), 0);
}

static int message_file(void)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	char line[] = "0123456789012345678901234567890123456789012345678901234567890\r\n";

	assert_true(fd >= 0);
	for (size_t n = 0; n < MESSAGE_BYTES; n += sizeof line - 1)
		assert_int_equal(write(fd, line, sizeof line - 1), sizeof line - 1);
	assert_int_equal(ftruncate(fd, MESSAGE_BYTES), 0);
	return fd;
}

static void send_job(struct rig *g, uint32_t lease_ms)
{
	struct relay_rcpt rcpt = {.id = 1, .address = VIEW_LIT("bob@far.test"), .orcpt = VIEW_EMPTY};
	struct relay_job_file j = {.token = 1,
				   .message_id = 7,
				   .lease_ms = lease_ms,
				   .domain = VIEW_LIT("far.test"),
				   .sender = VIEW_EMPTY,
				   .envid = VIEW_EMPTY,
				   .size_bytes = 16 + MESSAGE_BYTES,
				   .rcpts = &rcpt,
				   .n_rcpts = 1,
				   .bytes = VIEW_LIT("Subject: x\r\n\r\n\r\n"),
				   .head_bytes = 16,
				   .content = message_file()};

	assert_true(relay_send_job_file(g->stored, 0, &j));
}

/* ---- */

static void turn(struct rig *g)
{
	assert_true(event_base_loop(g->relayd.base, EVLOOP_ONCE) >= 0);
}

static struct job *only_job(struct rig *g)
{
	struct map_entry *e = map_first(&g->relayd.jobs);

	return e ? map_value(e) : NULL;
}

static int set_up(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024), text = BUF_INIT(1024);
	struct rig *g = xcalloc(1, sizeof *g);

	start_taker(&g->taker);
	buf_printf(&text, "hostname = mx.example.org\nrelay-host = 127.0.0.1:%u\n", g->taker.port);
	assert_int_equal(conf_parse(buf_view(&text), "pombo.conf", &settings, &error), 0);
	g->relayd.base = event_base_new();
	map_init(&g->relayd.jobs);
	map_init(&g->relayd.destinations);
	TAILQ_INIT(&g->relayd.reports);
	room_init(&g->relayd);
	g->relayd.routes = routes_new(settings);
	g->relayd.resolver = resolver_new(&g->relayd);
	connect_stored(g);
	*state = g;
	return 0;
}

/* Leaves the destination, which remembers its failures, as the process would. */
static int tear_down(void **state)
{
	struct rig *g = *state;
	struct map_entry *e;

	while (g->relayd.room.connections)
		turn(g);
	assert_int_equal(pthread_join(g->taker.thread, NULL), 0);
	(void)close(g->taker.listener);
	if (g->stored)
		channel_free(&g->stored);
	while (g->relayd.store)
		turn(g);
	e = map_first(&g->relayd.destinations);
	if (e) {
		settings->relay_host = "";
		routes_configure(g->relayd.routes, settings);
		destinations_reload(&g->relayd, true);
	}
	event_free(g->relayd.room.timer);
	event_base_free(g->relayd.base);
	routes_free(&g->relayd.routes);
	free(g->relayd.resolver);
	map_fini(&g->relayd.jobs);
	map_fini(&g->relayd.destinations);
	free(g);
	conf_free(&settings);
	return 0;
}

/* Each byte that is taken is progress, and would have the connection for ever; somebody else has the next lease by then. */
static void taken_a_byte_at_a_time(void **state)
{
	struct rig *g = *state;

	send_job(g, SHORT_LEASE_MS);
	while (g->fate_count == 0 || g->relayd.room.connections)
		turn(g);
	assert_int_equal(g->fate_count, 1);
	/* Where this machine stood still for the whole lease it was not even begun. */
	if (g->outcome != FATE_RELEASED) {
		assert_int_equal(g->outcome, FATE_DEFERRED);
		assert_non_null(strstr(g->text, "lease-time"));
	}
	g->taker.drips = false;
	while (!g->taker.is_over)
		(void)usleep(1000);
	assert_false(g->taker.has_end);
}

/* Its end was written, and lies here still: nobody has it, so it is no reason to wait for a reply. */
static void the_end_has_not_left(void **state)
{
	struct rig *g = *state;

	send_job(g, LONG_LEASE_MS);
	while (!only_job(g) || !only_job(g)->at_dot)
		turn(g);
	channel_free(&g->stored);
	while (g->relayd.store)
		turn(g);
	assert_null(only_job(g));
	while (g->relayd.room.connections)
		turn(g);
	g->taker.drips = false;
	while (!g->taker.is_over)
		(void)usleep(1000);
	assert_false(g->taker.has_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(taken_a_byte_at_a_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_end_has_not_left, set_up, tear_down),
	};

	log_init("relayd", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
