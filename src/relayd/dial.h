/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_DIAL_H
#define POMBO_RELAYD_DIAL_H

#include "mail/ip.h"

#include <stddef.h>

/* A TCP connection to one of a host's addresses, raced (RFC 8305): the next address is tried 250 ms after the former, or at once when that
 * failed; the first that answers wins. Or one to a UNIX socket, which the supervisor makes for us. */
struct dial;
struct event_base;
struct role;

struct dial_spec {
	const struct ip *addresses; /* stay until the end */
	size_t count;
	uint16_t port;
	const struct ip *sources; /* of connections of their families; the kernel chooses for others */
	size_t source_count;
	uint32_t timeout_ms; /* of each address */
};

/* `fd` >= 0: connected, the callee's; `address` which (NULL: a UNIX socket). Otherwise `error` (positive errno) of the last one. From the loop, once; the dial frees
 * itself after that. */
typedef void dial_fn(void *ctx, int fd, const struct ip *address, int error);

struct dial *dial_new(struct event_base *base, const struct dial_spec *spec, dial_fn *fn, void *ctx);
/* To the UNIX socket of a route, which is at `path` (both stay until the end). ESTALE: the supervisor's settings are others by now. */
struct dial *dial_new_local(struct role *role, struct view route, struct view path, dial_fn *fn, void *ctx);
void dial_cancel(struct dial **d); /* fn is not called */

#endif
