/* SPDX-License-Identifier: ISC
 * Binds the ports of INTERFACE: every enabled service on every address of `listen`. */
#include "supervisor/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static char *address_text(struct view item)
{
	return view_eq_lit(item, "*") ? xstrdup("0.0.0.0") : view_to_cstr(item);
}

static socklen_t make_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
		memcpy(ret, &in4, sizeof in4);
		return sizeof in4;
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		memcpy(ret, &in6, sizeof in6);
		return sizeof in6;
	}
	return 0;
}

/* A bound and listening socket, or -errno. */
static int bind_and_listen(const struct sockaddr_storage *a, socklen_t n)
{
	_cleanup_(fd_close) int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	int ready;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    (a->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
	    bind(fd, (const struct sockaddr *)a, n) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	ready = fd;
	fd = -1;
	return ready;
}

static void explain(const struct listen_socket *s, const struct conf *conf, int r, struct buf *error)
{
	bool six = strchr(s->address, ':') != NULL;

	buf_printf(error, "cannot listen on %s%s%s:%u (%s): ", six ? "[" : "", s->address, six ? "]" : "", s->port,
		   s->service->name);
	if (r == -EADDRINUSE)
		buf_append_cstr(error, "another program listens there; stop it, or set port-offset");
	else if (r == -EACCES)
		buf_printf(error, "%s; run as root, or set port-offset = 10000 (it is %llu)", strerror(-r),
			   (unsigned long long)conf->port_offset);
	else if (r == -EADDRNOTAVAIL)
		buf_printf(error, "%s; this machine has no such address: correct `listen`", strerror(-r));
	else
		buf_append_cstr(error, strerror(-r));
}

static int find_open(const struct listen_set *old, const struct listen_socket *like)
{
	for (size_t i = 0; old && i < old->n; i++) {
		const struct listen_socket *s = &old->sockets[i];

		if (s->service == like->service && s->port == like->port && strcmp(s->address, like->address) == 0)
			return fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

/* A machine without IPv6 goes without "::". */
static bool may_be_missing(const struct listen_socket *s, int r)
{
	return strcmp(s->address, "::") == 0 && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL);
}

static int open_one(struct listen_socket *s, const struct conf *conf, const struct listen_set *old, struct buf *error)
{
	struct sockaddr_storage a;
	socklen_t n = make_address(s->address, s->port, &a);

	s->fd = find_open(old, s);
	if (s->fd < 0)
		s->fd = n ? bind_and_listen(&a, n) : -EINVAL;
	if (s->fd >= 0 || may_be_missing(s, s->fd))
		return 0;
	explain(s, conf, s->fd, error);
	return s->fd == -EACCES ? EX_NOPERM : EX_UNAVAILABLE;
}

static int open_service(const struct kind_service *service, const struct conf *conf, const struct listen_set *old,
			struct listen_set *set, struct buf *error)
{
	uint64_t port = service->port + conf->port_offset;

	if (port > 65535) {
		buf_printf(error, "port-offset: %s would be port %llu; the highest port is 65535", service->name,
			   (unsigned long long)port);
		return EX_CONFIG;
	}
	for (size_t i = 0; i < conf->listen.n; i++) {
		struct listen_socket s = {.service = service, .port = (uint16_t)port, .fd = -1};
		int r;

		s.address = address_text(conf->listen.items[i]);
		r = open_one(&s, conf, old, error);
		if (s.fd < 0) {
			free(s.address);
			if (r)
				return r;
			continue;
		}
		set->sockets = xrealloc(set->sockets, (set->n + 1) * sizeof *set->sockets);
		set->sockets[set->n++] = s;
	}
	return 0;
}

int listen_open(const struct conf *conf, const struct listen_set *old, struct listen_set *ret, struct buf *error)
{
	struct listen_set set = {NULL, 0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < kind_services_n; i++)
		if (kind_service_enabled(&kind_services[i], conf))
			r = open_service(&kind_services[i], conf, old, &set, error);
	if (r == 0 && set.n == 0) {
		buf_append_cstr(error, "no address to listen on; set `listen`");
		r = EX_CONFIG;
	}
	if (r)
		listen_fini(&set);
	else
		*ret = set;
	return r;
}

void listen_fini(struct listen_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->sockets[i].address);
		fd_close(&s->sockets[i].fd);
	}
	free(s->sockets);
	*s = (struct listen_set){NULL, 0};
}
