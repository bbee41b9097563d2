/* SPDX-License-Identifier: ISC
 * Connections raced over a host's addresses; or asked of the supervisor. */
#include "relayd/dial.h"

#include "ipc/role.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STAGGER_MS = 250,
	/* A host that lost its power knows nothing of the connection when it is back, and says so when it is asked; who waits for its reply does
	 * not ask otherwise. Silence is borne as long as the longest reply may take. */
	ASK_AFTER_S = 10,
	ASK_EVERY_S = 30,
	ASK_TIMES = 20,
};

struct attempt {
	struct dial *dial;
	struct event *event;
	int fd; /* -1: not open */
	const struct ip *address;
};

struct dial {
	struct event_base *base;
	struct dial_spec spec;
	dial_fn *fn;
	void *ctx;
	struct event *timer; /* the next start, or the end of a dial that failed at once */
	size_t next;
	size_t open;
	int error;
	struct view route, path; /* of a UNIX socket */
	struct role_connect local;
	struct attempt attempts[];
};

static void close_attempt(struct attempt *a)
{
	if (a->event)
		event_free(a->event);
	a->event = NULL;
	fd_close(&a->fd);
}

static void dial_free(struct dial *d)
{
	for (size_t i = 0; i < d->spec.count; i++)
		close_attempt(&d->attempts[i]);
	role_connect_cancel(&d->local);
	event_free(d->timer);
	free(d);
}

static void finish(struct dial *d, int fd, const struct ip *address)
{
	dial_fn *fn = d->fn;
	void *ctx = d->ctx;
	int error = d->error ? d->error : EHOSTUNREACH;

	dial_free(d);
	fn(ctx, fd, address, fd < 0 ? error : 0);
}

static void start_timer(struct dial *d, unsigned ms)
{
	struct timeval tv = {0, (suseconds_t)ms * 1000};

	(void)event_add(d->timer, &tv);
}

static socklen_t make_address(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(ret, 0, sizeof *ret);
	if (ip->is_v6) {
		memcpy(&in6.sin6_addr, ip->bytes, 16);
		memcpy(ret, &in6, sizeof in6);
		return sizeof in6;
	}
	memcpy(&in4.sin_addr, ip->bytes, 4);
	memcpy(ret, &in4, sizeof in4);
	return sizeof in4;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct dial *d = a->dial;
	socklen_t n = sizeof d->error;
	int error = ETIMEDOUT;

	if (!(what & EV_TIMEOUT) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error == 0) {
		int won = a->fd;

		a->fd = -1;
		finish(d, won, a->address);
		return;
	}
	d->error = error;
	d->open--;
	close_attempt(a);
	if (d->next < d->spec.count)
		start_timer(d, 0);
	else if (d->open == 0)
		finish(d, -1, a->address);
}

static bool bind_source(const struct attempt *a, const struct dial_spec *spec)
{
	for (size_t i = 0; i < spec->source_count; i++) {
		struct sockaddr_storage from;
		socklen_t n = make_address(&spec->sources[i], 0, &from);

		if (spec->sources[i].is_v6 == a->address->is_v6)
			return bind(a->fd, (const struct sockaddr *)&from, n) == 0;
	}
	return true;
}

static void ask_when_silent(int fd)
{
	static const int on = 1, after_s = ASK_AFTER_S, every_s = ASK_EVERY_S, times = ASK_TIMES;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after_s, sizeof after_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

/* False: not even begun. */
static bool begin(struct attempt *a, const struct dial_spec *spec)
{
	struct sockaddr_storage to;
	socklen_t to_n = make_address(a->address, spec->port, &to);
	struct timeval tv = {spec->timeout_ms / 1000, (suseconds_t)(spec->timeout_ms % 1000) * 1000};

	a->fd = socket(a->address->is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return false;
	ask_when_silent(a->fd);
	if (!bind_source(a, spec))
		return false;
	if (connect(a->fd, (const struct sockaddr *)&to, to_n) < 0 && errno != EINPROGRESS)
		return false;
	a->event = event_new(a->dial->base, a->fd, EV_WRITE, on_ready, a);
	return a->event && event_add(a->event, &tv) == 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	while (d->next < d->spec.count) {
		struct attempt *a = &d->attempts[d->next++];

		if (begin(a, &d->spec)) {
			d->open++;
			if (d->next < d->spec.count)
				start_timer(d, STAGGER_MS);
			return;
		}
		d->error = errno;
		close_attempt(a);
	}
	if (d->open == 0)
		finish(d, -1, &d->spec.addresses[d->spec.count ? d->spec.count - 1 : 0]);
}

struct dial *dial_new(struct event_base *base, const struct dial_spec *spec, dial_fn *fn, void *ctx)
{
	struct dial *d = xcalloc(1, sizeof *d + spec->count * sizeof d->attempts[0]);

	d->base = base;
	d->spec = *spec;
	d->fn = fn;
	d->ctx = ctx;
	for (size_t i = 0; i < spec->count; i++)
		d->attempts[i] = (struct attempt){.dial = d, .fd = -1, .address = &spec->addresses[i]};
	d->timer = event_new(base, -1, 0, on_timer, d);
	start_timer(d, 0);
	return d;
}

/* ---- a UNIX socket ---- */

static void on_local(void *ctx, int fd, struct view path, int error)
{
	struct dial *d = ctx;

	/* Between two reloads the name may mean another store: this mail is not for that one. */
	if (error == ENODEV || (fd >= 0 && !view_eq(path, d->path))) {
		fd_close(&fd);
		error = ESTALE;
	}
	d->error = error;
	finish(d, fd, NULL);
}

static void on_local_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	if (role_connect(&d->local, d->route))
		return;
	d->error = EPIPE;
	finish(d, -1, NULL);
}

struct dial *dial_new_local(struct role *role, struct view route, struct view path, dial_fn *fn, void *ctx)
{
	struct dial *d = xcalloc(1, sizeof *d);

	d->base = role_base(role);
	d->fn = fn;
	d->ctx = ctx;
	d->route = route;
	d->path = path;
	d->local = (struct role_connect){.role = role, .fn = on_local, .ctx = d};
	d->timer = event_new(d->base, -1, 0, on_local_timer, d);
	start_timer(d, 0);
	return d;
}

void dial_cancel(struct dial **dp)
{
	if (*dp)
		dial_free(*dp);
	*dp = NULL;
}
