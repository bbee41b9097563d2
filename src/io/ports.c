/* SPDX-License-Identifier: ISC
 * The listening sockets of a front end. */
#include "io/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct port {
	TAILQ_ENTRY(port) link;
	struct ports *ports;
	const struct port_service *service;
	char *address;
	uint16_t number;
	struct listener *listener;
};

struct ports {
	struct event_base *base;
	const struct ports_spec *spec;
	void *ctx;
	struct listener_limits *limits;
	TAILQ_HEAD(, port) list;
};

struct ports *ports_new(struct event_base *base, const struct conf *conf, const struct ports_spec *spec, void *ctx)
{
	struct ports *p = xcalloc(1, sizeof *p);

	p->base = base;
	p->spec = spec;
	p->ctx = ctx;
	p->limits = listener_limits_new(conf);
	TAILQ_INIT(&p->list);
	return p;
}

static void close_port(struct ports *p, struct port *port)
{
	TAILQ_REMOVE(&p->list, port, link);
	listener_free(&port->listener);
	free(port->address);
	free(port);
}

void ports_close(struct ports *p)
{
	while (!TAILQ_EMPTY(&p->list))
		close_port(p, TAILQ_FIRST(&p->list));
}

void ports_free(struct ports **pp)
{
	struct ports *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	ports_close(p);
	listener_limits_free(&p->limits);
	free(p);
}

void ports_configure(struct ports *p, const struct conf *conf)
{
	listener_limits_configure(p->limits, conf);
}

static void on_stream(void *ctx, struct listener *l, struct stream *s)
{
	const struct port *port = ctx;

	(void)l;
	port->ports->spec->on_stream(port->ports->ctx, s, port->service);
}

static struct view refusal(void *ctx, struct listener *l, enum listener_refusal why)
{
	const struct port *port = ctx;

	(void)l;
	if (port->service->tls_first)
		return VIEW_EMPTY;
	switch (why) {
	case LISTENER_TOO_MANY_FROM_ADDRESS:
		return port->ports->spec->too_many_from_address;
	case LISTENER_TOO_MANY:
		break;
	}
	return port->ports->spec->too_many;
}

void ports_remove(struct ports *p, const char *service, const char *address, uint16_t number)
{
	struct port *port;

	TAILQ_FOREACH (port, &p->list, link) {
		if (strcmp(port->service->name, service) == 0 && strcmp(port->address, address) == 0 &&
		    port->number == number) {
			close_port(p, port);
			return;
		}
	}
}

static const struct port_service *find_service(const struct ports *p, const char *name)
{
	for (const struct port_service *service = p->spec->services; service->name; service++)
		if (strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

int ports_add(struct ports *p, const char *service, const char *address, uint16_t number, int fd)
{
	static const struct listener_handlers handlers = {.on_stream = on_stream, .refusal = refusal};
	const struct port_service *found = find_service(p, service);
	struct port *port;

	if (!found) {
		(void)close(fd);
		return -EINVAL;
	}
	ports_remove(p, service, address, number);
	port = xcalloc(1, sizeof *port);
	port->ports = p;
	port->service = found;
	port->address = xstrdup(address);
	port->number = number;
	TAILQ_INSERT_TAIL(&p->list, port, link);
	port->listener = listener_new(p->base, fd, p->spec->stream_limits, p->limits, &handlers, port);
	if (port->listener)
		return 0;
	close_port(p, port);
	return -ENOMEM;
}
