/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_PORTS_H
#define POMBO_IO_PORTS_H

#include "io/listener.h"

/* The listening sockets of a front end, by service, and what is said to connections over the limits. */
struct ports;

struct port_service {
	const char *name; /* static */
	bool tls_first;
};

struct ports_spec {
	const struct stream_limits *stream_limits;
	const struct port_service *services; /* the last has no name */
	/* Lines for connections that are refused; not for TLS-first services. */
	struct view too_many, too_many_from_address;
	/* A new connection; the callee sets the stream's handlers before it returns. `service` is one of `services`. */
	void (*on_stream)(void *ctx, struct stream *stream, const struct port_service *service);
};

/* `spec` outlives the ports. */
struct ports *ports_new(struct event_base *base, const struct conf *conf, const struct ports_spec *spec, void *ctx);
void ports_free(struct ports **p);
/* New limits. */
void ports_configure(struct ports *p, const struct conf *conf);
/* Takes over `fd`; one that is named again replaces the former. -EINVAL: no service of this role. */
must_check int ports_add(struct ports *p, const char *service, const char *address, uint16_t number, int fd);
void ports_remove(struct ports *p, const char *service, const char *address, uint16_t number);
/* Stops accepting on all of them; streams stay. */
void ports_close(struct ports *p);

#endif
