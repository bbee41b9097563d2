/* SPDX-License-Identifier: ISC
 * One name server asked alone.
 *
 *   UDP, asked again every 1.5 s ──TC──▶ TCP: query written, length read, answer read ──▶ answered
 */
#include "dnsd/direct.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	AT_ONCE_MAX = 64,
	AGAIN_MS = 1500,
	ANSWER_ARENA_MAX = 1024 * 1024,
	UDP_MAX = 4096,
	PACKETS_A_TURN = 16, /* who floods us with other packets holds up nobody else */
};

struct direct {
	struct event_base *base;
	struct event *deadline;
	struct event *again;
	struct event *io;
	int fd;
	bool tcp;
	struct sockaddr_storage server;
	socklen_t server_len;
	uint16_t id;
	uint16_t type;
	char *name;
	struct buf query; /* TCP: what is left of it, with its length in front */
	struct buf in; /* TCP */
	question_fn *fn;
	void *ctx;
};

static unsigned at_once;

static void direct_free(struct direct *d)
{
	at_once--;
	if (d->io)
		event_free(d->io);
	event_free(d->deadline);
	event_free(d->again);
	fd_close(&d->fd);
	buf_fini(&d->query);
	buf_fini(&d->in);
	free(d->name);
	free(d);
}

void direct_cancel(struct direct **d)
{
	if (*d)
		direct_free(*d);
	*d = NULL;
}

static void end(struct direct *d, const struct dns_result *result)
{
	question_fn *fn = d->fn;
	void *ctx = d->ctx;

	direct_free(d);
	fn(ctx, result);
}

static void fail(struct direct *d, enum dns_failure why, const char *text)
{
	struct dns_result result = dns_result_failure(why, view_from_cstr(text));

	end(d, &result);
}

/* ---- sockets ---- */

static bool read_server(struct view text, uint16_t port, struct direct *d)
{
	_cleanup_(free_ptr) char *ip = text.n < INET6_ADDRSTRLEN ? view_to_cstr(text) : NULL;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (ip && inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
		memcpy(&d->server, &v4, sizeof v4);
		d->server_len = sizeof v4;
		return true;
	}
	if (ip && inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1) {
		memcpy(&d->server, &v6, sizeof v6);
		d->server_len = sizeof v6;
		return true;
	}
	return false;
}

/* Connected, so that nobody else's packets come in. The kernel gives the port, at random. */
static int open_socket(struct direct *d, int type, event_callback_fn on_io, short what)
{
	if (d->io)
		event_free(d->io);
	d->io = NULL;
	fd_close(&d->fd);
	d->fd = socket(d->server.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -errno;
	if (connect(d->fd, (const struct sockaddr *)&d->server, d->server_len) < 0 && errno != EINPROGRESS)
		return -errno;
	d->io = event_new(d->base, d->fd, (short)(what | EV_PERSIST), on_io, d);
	assert(d->io);
	(void)event_add(d->io, NULL);
	return 0;
}

/* ---- answers ---- */

static void start_tcp(struct direct *d);

/* False: this is no answer to our question; a forger's, maybe. */
static bool hear(struct direct *d, struct view packet)
{
	struct dns_result result = {.secure = false};
	struct arena arena;

	arena_init(&arena, ANSWER_ARENA_MAX);
	if (packet.n < 12 || dns_packet_id(packet) != d->id ||
	    !dns_answer_parse(packet, view_from_cstr(d->name), d->type, &arena, &result.answer)) {
		arena_fini(&arena);
		return false;
	}
	if (result.answer.truncated && !d->tcp)
		start_tcp(d);
	else if (result.answer.truncated)
		fail(d, DNS_BAD_ANSWER, "the answer is longer than a packet can be");
	else if ((result.answer.rcode != 0 && result.answer.rcode != 3) || !result.answer.authoritative)
		fail(d, DNS_SERVER_FAILURE, "the server does not speak for the zone");
	else
		end(d, &result);
	arena_fini(&arena);
	return true;
}

/* ---- UDP ---- */

static void on_udp(evutil_socket_t fd, short what, void *ctx)
{
	struct direct *d = ctx;
	char bytes[UDP_MAX];
	ssize_t n = 0;

	(void)what;
	for (int i = 0; i < PACKETS_A_TURN && n >= 0; i++) {
		n = recv((int)fd, bytes, sizeof bytes, 0);
		if (n >= 0 && hear(d, view_from(bytes, (size_t)n)))
			return;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail(d, DNS_TIMEOUT, "the server cannot be reached");
}

static void send_udp(struct direct *d)
{
	const struct timeval tv = {AGAIN_MS / 1000, AGAIN_MS % 1000 * 1000};

	(void)send(d->fd, d->query.p, d->query.n, 0);
	(void)event_add(d->again, &tv);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct direct *d = ctx;

	(void)fd;
	(void)what;
	if (d->query.n == 0 || (d->fd < 0 && open_socket(d, SOCK_DGRAM, on_udp, EV_READ) < 0))
		fail(d, DNS_TIMEOUT, "the server cannot be reached");
	else
		send_udp(d);
}

/* ---- TCP ---- */

static void on_tcp(evutil_socket_t fd, short what, void *ctx);

static void start_tcp(struct direct *d)
{
	_cleanup_(buf_fini) struct buf query = BUF_INIT(DNS_QUERY_BYTES_MAX);

	buf_append_view(&query, buf_view(&d->query));
	buf_reset(&d->query);
	buf_append_char(&d->query, (char)(query.n >> 8));
	buf_append_char(&d->query, (char)(query.n & 255));
	buf_append_view(&d->query, buf_view(&query));
	d->tcp = true;
	(void)event_del(d->again);
	if (open_socket(d, SOCK_STREAM, on_tcp, EV_WRITE) < 0)
		fail(d, DNS_TIMEOUT, "the server cannot be reached by TCP");
}

static bool write_query(struct direct *d)
{
	ssize_t n = send(d->fd, d->query.p, d->query.n, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_consume(&d->query, (size_t)n);
	if (d->query.n > 0)
		return true;
	event_free(d->io);
	d->io = event_new(d->base, d->fd, EV_READ | EV_PERSIST, on_tcp, d);
	assert(d->io);
	(void)event_add(d->io, NULL);
	return true;
}

/* 1: the answer is whole; 0: more is to come; -1: it will not come. */
static int read_tcp(struct direct *d)
{
	char *p = buf_reserve(&d->in, 16384);
	size_t want;
	ssize_t n = p ? recv(d->fd, p, 16384, 0) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	buf_commit(&d->in, (size_t)n);
	if (d->in.n < 2)
		return 0;
	want = (size_t)(uint8_t)d->in.p[0] << 8 | (uint8_t)d->in.p[1];
	return d->in.n >= 2 + want;
}

static void on_tcp(evutil_socket_t fd, short what, void *ctx)
{
	struct direct *d = ctx;
	int r;

	(void)fd;
	if (what & EV_WRITE) {
		if (!write_query(d))
			fail(d, DNS_TIMEOUT, "the server cannot be reached by TCP");
		return;
	}
	r = read_tcp(d);
	if (r < 0 ||
	    (r > 0 && !hear(d, view_sub(buf_view(&d->in), 2, (size_t)(uint8_t)d->in.p[0] << 8 | (uint8_t)d->in.p[1]))))
		fail(d, DNS_BAD_ANSWER, "the server's answer by TCP is malformed");
}

/* ---- asking ---- */

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	fail(ctx, DNS_TIMEOUT, "no answer in time");
}

struct direct *direct_ask(struct event_base *base, struct view server, uint16_t port, struct view name, uint16_t type,
			  uint32_t deadline_ms, question_fn *fn, void *ctx)
{
	const struct timeval tv = {deadline_ms / 1000, deadline_ms % 1000 * 1000};
	struct direct *d;

	if (at_once >= AT_ONCE_MAX)
		return NULL;
	d = xcalloc(1, sizeof *d);
	*d = (struct direct){.base = base, .fd = -1, .type = type, .fn = fn, .ctx = ctx};
	buf_init(&d->query, DNS_QUERY_BYTES_MAX + 2);
	buf_init(&d->in, DNS_PACKET_MAX + 2 + 16384);
	d->id = (uint16_t)random_u64();
	d->name = view_to_cstr(name);
	d->deadline = event_new(base, -1, 0, on_deadline, d);
	d->again = event_new(base, -1, 0, on_again, d);
	assert(d->name && d->deadline && d->again);
	at_once++;
	if (!read_server(server, port, d) || !dns_query_format(&d->query, d->id, name, type)) {
		direct_free(d);
		return NULL;
	}
	(void)event_add(d->deadline, &tv);
	event_active(d->again, EV_TIMEOUT, 0); /* the first time, from the loop */
	return d;
}
