/* SPDX-License-Identifier: ISC
 * Accepts connections on a socket that several processes share, within limits, and hands over streams.
 *
 * Sharing: a connection wakes one process (io/exclusive). That one accepts few at a time, more only while it finds more, so that
 * a burst spreads over all. */
#include "io/listener.h"

#include "base/map.h"
#include "io/exclusive.h"
#include "io/netset.h"
#include "io/proxy.h"
#include "io/stream_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH_MAX = 16, /* connections a turn */
	REST_MS = 200, /* without descriptors or memory */
	PROXY_MS = 10000, /* for the PROXY header */
};

struct listener_limits {
	unsigned refs; /* the owner, each listener and each stream */
	uint64_t in_all_max;
	uint64_t per_address_max;
	struct netset *unlimited;
	struct netset *proxies;
	uint64_t in_all;
	struct map per_address; /* network -> number, as a pointer */
};

/* A connection whose PROXY header is awaited. */
struct awaited {
	struct listener *listener; /* NULL: gone meanwhile */
	struct stream *stream;
	struct awaited *next;
	struct awaited **at;
};

struct listener {
	struct event_base *base;
	struct event readable;
	struct event rest;
	int fd;
	unsigned batch;
	bool paused;
	struct stream_limits stream_limits;
	struct listener_limits *limits;
	const struct listener_handlers *handlers;
	void *ctx;
	struct awaited *awaited;
};

/* ---- limits ---- */

static void set_networks(struct netset **set, const struct conf_list *list)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(512);
	struct netset *next;

	if (netset_parse(list, &next, &error) < 0)
		return; /* the settings were checked when they were read */
	netset_free(set);
	*set = next;
}

void listener_limits_configure(struct listener_limits *l, const struct conf *conf)
{
	l->in_all_max = conf->max_connections;
	l->per_address_max = conf->max_connections_per_address;
	set_networks(&l->unlimited, &conf->unlimited_networks);
	set_networks(&l->proxies, &conf->proxy_networks);
}

struct listener_limits *listener_limits_new(const struct conf *conf)
{
	static const struct conf_list none = {NULL, 0};
	struct listener_limits *l = xcalloc(1, sizeof *l);

	l->refs = 1;
	map_init(&l->per_address);
	set_networks(&l->unlimited, &none);
	set_networks(&l->proxies, &none);
	listener_limits_configure(l, conf);
	return l;
}

void listener_limits_free(struct listener_limits **lp)
{
	struct listener_limits *l = *lp;

	*lp = NULL;
	if (!l || --l->refs > 0)
		return;
	map_fini(&l->per_address);
	netset_free(&l->unlimited);
	netset_free(&l->proxies);
	free(l);
}

/* What is counted as one address: an IPv4 address, an IPv6 /64. */
static struct view address_key(const struct stream_peer *peer, struct in6_addr *bytes)
{
	if (inet_pton(AF_INET, peer->ip, bytes) == 1)
		return view_from(bytes, 4);
	if (inet_pton(AF_INET6, peer->ip, bytes) == 1)
		return view_from(bytes, 8);
	return view_from_cstr(peer->ip);
}

static void count_address(struct listener_limits *l, const struct stream_peer *peer, int by)
{
	struct in6_addr bytes;
	struct view key = address_key(peer, &bytes);
	uintptr_t n = (uintptr_t)map_get(&l->per_address, key) + (uintptr_t)(intptr_t)by;

	if (n == 0)
		(void)map_remove(&l->per_address, key);
	else
		(void)map_set(&l->per_address, key, (void *)n);
}

static bool address_is_full(const struct listener_limits *l, const struct stream_peer *peer)
{
	struct in6_addr bytes;

	return (uintptr_t)map_get(&l->per_address, address_key(peer, &bytes)) >= l->per_address_max &&
	       !netset_contains(l->unlimited, peer->ip);
}

static void release_in_all(void *owner, const struct stream_peer *peer)
{
	struct listener_limits *l = owner;

	(void)peer;
	l->in_all--;
	listener_limits_free(&l);
}

static void release(void *owner, const struct stream_peer *peer)
{
	count_address(owner, peer, -1);
	release_in_all(owner, peer);
}

/* ---- handing over ---- */

static struct view refusal_text(struct listener *l, enum listener_refusal why)
{
	return l->handlers->refusal ? l->handlers->refusal(l->ctx, l, why) : VIEW_EMPTY;
}

/* Before there is a stream: one line, whether it can be sent or not. */
static void refuse(struct listener *l, int fd, enum listener_refusal why)
{
	struct view text = refusal_text(l, why);

	if (text.n > 0)
		(void)send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void hand_over(struct listener *l, struct stream *s)
{
	count_address(l->limits, stream_peer(s), 1);
	stream_set_release(s, release, l->limits);
	stream_hand_over(s);
	l->handlers->on_stream(l->ctx, l, s);
}

/* ---- the PROXY header ---- */

static void forget_awaited(struct awaited *a)
{
	if (!a->listener)
		return;
	*a->at = a->next;
	if (a->next)
		a->next->at = a->at;
	a->listener = NULL;
}

static void on_refused_closed(void *ctx, enum stream_end end)
{
	(void)ctx;
	(void)end;
}

static void on_refused_input(void *ctx)
{
	(void)ctx;
}

static void on_awaited_closed(void *ctx, enum stream_end end)
{
	struct awaited *a = ctx;

	(void)end;
	forget_awaited(a);
	free(a);
}

static void on_header(struct awaited *a, const struct proxy_header *h)
{
	static const struct stream_handlers refused = {on_refused_input, NULL, NULL, on_refused_closed, NULL};
	struct listener *l = a->listener;
	struct stream *s = a->stream;
	struct stream_peer peer;

	if (h->has_address) {
		stream_peer_from(&h->client.any, &peer);
		stream_set_peer(s, &peer);
	}
	forget_awaited(a);
	free(a);
	stream_set_handlers(s, &refused, NULL);
	stream_set_total_timeout(s, 0);
	if (address_is_full(l->limits, stream_peer(s))) {
		stream_write(s, refusal_text(l, LISTENER_TOO_MANY_FROM_ADDRESS));
		stream_close(s);
	} else {
		hand_over(l, s);
	}
}

static void on_awaited_input(void *ctx)
{
	struct awaited *a = ctx;
	struct proxy_header h;
	size_t consumed;

	if (!a->listener)
		return;
	switch (proxy_parse(stream_input(a->stream), &consumed, &h)) {
	case PARSE_MORE:
		return;
	case PARSE_BAD:
		stream_close(a->stream);
		return;
	case PARSE_DONE:
		stream_consume(a->stream, consumed);
		on_header(a, &h);
	}
}

static void await_header(struct listener *l, struct stream *s)
{
	static const struct stream_handlers handlers = {on_awaited_input, NULL, NULL, on_awaited_closed, NULL};
	struct awaited *a = xcalloc(1, sizeof *a);

	a->listener = l;
	a->stream = s;
	a->next = l->awaited;
	a->at = &l->awaited;
	if (a->next)
		a->next->at = &a->next;
	l->awaited = a;
	stream_set_handlers(s, &handlers, a);
	stream_set_total_timeout(s, PROXY_MS);
}

/* ---- accepting ---- */

static void on_connection(struct listener *l, int fd, const struct stream_peer *peer)
{
	bool proxied = netset_contains(l->limits->proxies, peer->ip);
	struct stream *s;

	if (l->limits->in_all >= l->limits->in_all_max) {
		refuse(l, fd, LISTENER_TOO_MANY);
		return;
	}
	if (!proxied && address_is_full(l->limits, peer)) {
		refuse(l, fd, LISTENER_TOO_MANY_FROM_ADDRESS);
		return;
	}
	s = stream_new_accepted(l->base, fd, peer, &l->stream_limits, NULL, NULL);
	l->limits->refs++;
	l->limits->in_all++;
	stream_set_release(s, release_in_all, l->limits);
	if (proxied)
		await_header(l, s);
	else
		hand_over(l, s);
}

static void listen_on(struct listener *l)
{
	int failed = event_add(&l->readable, NULL);

	assert(!failed);
	(void)exclusive_wakeups(l->fd);
}

static void rest(struct listener *l)
{
	static const struct timeval rest_time = {0, REST_MS * 1000};

	(void)event_del(&l->readable);
	(void)event_add(&l->rest, &rest_time);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	if (!l->paused)
		listen_on(l);
}

static void on_readable(evutil_socket_t listening, short what, void *arg)
{
	struct listener *l = arg;
	unsigned accepted = 0;

	(void)what;
	while (accepted < l->batch && !l->paused) {
		struct sockaddr_storage address;
		socklen_t n = sizeof address;
		struct stream_peer peer;
		int fd = accept4(listening, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			rest(l);
			return;
		}
		if (fd < 0 && errno == EAGAIN) {
			l->batch = accepted > 1 ? accepted : 1;
			return;
		}
		if (fd >= 0) { /* otherwise that one connection died in the queue (accept(2)) */
			stream_peer_from((const struct sockaddr *)&address, &peer);
			on_connection(l, fd, &peer);
		}
		accepted++;
	}
	l->batch = l->batch * 2 < BATCH_MAX ? l->batch * 2 : BATCH_MAX;
}

struct listener *listener_new(struct event_base *base, int fd, const struct stream_limits *stream_limits,
			      struct listener_limits *limits, const struct listener_handlers *handlers, void *ctx)
{
	struct listener *l = xcalloc(1, sizeof *l);
	int on = 1;
	int failed;

	l->base = base;
	l->fd = fd;
	l->batch = 1;
	l->stream_limits = *stream_limits;
	l->limits = limits;
	limits->refs++;
	l->handlers = handlers;
	l->ctx = ctx;
	(void)evutil_make_socket_nonblocking(fd);
	/* Connections inherit it: no system call for each. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	failed = event_assign(&l->readable, base, fd, EV_READ | EV_PERSIST, on_readable, l);
	failed |= event_assign(&l->rest, base, -1, 0, on_rested, l);
	assert(!failed);
	listen_on(l);
	return l;
}

void listener_free(struct listener **lp)
{
	struct listener *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	while (l->awaited) {
		struct awaited *a = l->awaited;

		forget_awaited(a);
		stream_close(a->stream);
	}
	(void)event_del(&l->readable);
	(void)event_del(&l->rest);
	(void)close(l->fd);
	listener_limits_free(&l->limits);
	free(l);
}

void listener_pause(struct listener *l)
{
	l->paused = true;
	(void)event_del(&l->readable);
	(void)event_del(&l->rest);
}

void listener_resume(struct listener *l)
{
	if (!l->paused)
		return;
	l->paused = false;
	listen_on(l);
}
