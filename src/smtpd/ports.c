/* SPDX-License-Identifier: ISC
 * The listening sockets of the process. */
#include "smtpd/ports.h"

#include "io/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct port {
	TAILQ_ENTRY(port) link;
	struct ports *ports;
	const char *service; /* static */
	char *address;
	uint16_t number;
	bool tls_first;
	struct listener *listener;
};

struct ports {
	struct smtpd *smtpd;
	struct listener_limits *limits;
	TAILQ_HEAD(, port) list;
};

/* A pipelining client fills 64 KiB; a reply line is 512 bytes. */
static const struct stream_limits stream_limits = {
    .in_max = 64 * 1024,
    .out_max = 256 * 1024,
    .out_high = 64 * 1024,
    .out_low = 16 * 1024,
};

struct ports *ports_new(struct smtpd *d, const struct conf *conf)
{
	struct ports *p = xcalloc(1, sizeof *p);

	p->smtpd = d;
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

/* The name as a string that lives as long as the process, NULL when it is none of ours. */
static const char *find_service(enum smtpd_kind kind, const char *service)
{
	static const struct {
		const char *name;
		enum smtpd_kind kind;
	} services[] = {
	    {"smtp", SMTPD_MX},
	    {"submission", SMTPD_SUBMISSION},
	    {"submissions", SMTPD_SUBMISSION},
	    {"submission-alt", SMTPD_SUBMISSION},
	};

	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (services[i].kind == kind && strcmp(services[i].name, service) == 0)
			return services[i].name;
	return NULL;
}

static void on_stream(void *ctx, struct listener *l, struct stream *s)
{
	struct port *port = ctx;

	(void)l;
	smtpd_accept(port->ports->smtpd, s, port->service, port->tls_first);
}

static struct view refusal(void *ctx, struct listener *l, enum listener_refusal why)
{
	const struct port *port = ctx;

	(void)l;
	if (port->tls_first)
		return VIEW_EMPTY;
	switch (why) {
	case LISTENER_TOO_MANY_FROM_ADDRESS:
		return VIEW_LIT("421 4.7.0 Too many connections from your address\r\n");
	case LISTENER_TOO_MANY:
		break;
	}
	return VIEW_LIT("421 4.7.0 Too many connections; try again later\r\n");
}

void ports_remove(struct ports *p, const char *service, const char *address, uint16_t number)
{
	struct port *port;

	TAILQ_FOREACH (port, &p->list, link) {
		if (strcmp(port->service, service) == 0 && strcmp(port->address, address) == 0 &&
		    port->number == number) {
			close_port(p, port);
			return;
		}
	}
}

int ports_add(struct ports *p, const char *service, const char *address, uint16_t number, bool tls, int fd)
{
	static const struct listener_handlers handlers = {.on_stream = on_stream, .refusal = refusal};
	const char *name = find_service(p->smtpd->kind, service);
	struct port *port;

	if (!name) {
		(void)close(fd);
		return -EINVAL;
	}
	ports_remove(p, service, address, number);
	port = xcalloc(1, sizeof *port);
	port->ports = p;
	port->service = name;
	port->address = xstrdup(address);
	port->number = number;
	port->tls_first = tls;
	TAILQ_INSERT_TAIL(&p->list, port, link);
	port->listener = listener_new(p->smtpd->base, fd, &stream_limits, p->limits, &handlers, port);
	if (port->listener)
		return 0;
	close_port(p, port);
	return -ENOMEM;
}
