/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_LISTEN_H
#define POMBO_SUPERVISOR_LISTEN_H

#include "supervisor/kind.h"

/* The listening sockets that the settings ask for. */
struct listen_socket {
	const struct kind_service *service;
	char *address; /* as text: "0.0.0.0", "::", "192.0.2.1" */
	uint16_t port;
	int fd;
};

struct listen_set {
	struct listen_socket *sockets;
	size_t n;
};

/* Opens all of them; what `old` has already (NULL: nothing) is shared, not bound again. 0, or a status of <sysexits.h> with
 * `error`, and nothing is open. */
must_check int listen_open(const struct conf *conf, const struct listen_set *old, struct listen_set *ret,
			   struct buf *error);
void listen_fini(struct listen_set *s);

#endif
