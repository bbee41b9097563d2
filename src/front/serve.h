/* SPDX-License-Identifier: ISC */
#ifndef POMBO_FRONT_SERVE_H
#define POMBO_FRONT_SERVE_H

#include "io/ports.h"
#include "ipc/role.h"

/* The main() of a role that listens: its ports, its TLS whose keys keyd has, a reload, a stop. What the role is besides is its server. */
struct tls_server;

struct serve_spec {
	const char *name; /* "smtpd" */
	/* Makes the server, before the sandbox, and says what it listens on (static); on_stream of that is called with the server. 0 or
	 * a negative errno. */
	int (*prepare)(struct role *r, void **ret_server, const struct ports_spec **ret_ports);
	/* A channel of any list but `sign`. Takes over `fd`; 0 or a negative errno. */
	int (*set_channel)(void *server, const char *list, int fd);
	/* Takes the reference over. */
	void (*set_tls)(void *server, struct tls_server *tls);
	/* New settings, by a reload: 0 or a negative errno. */
	int (*configure)(void *server, const struct conf *conf);
	/* Ends what is under way, then calls `fn`, maybe before this returns. */
	void (*stop)(void *server, void (*fn)(void *ctx), void *ctx);
	void (*count)(void *server, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		      uint64_t *ret_in_flight);
};

int serve_run(const struct serve_spec *spec);

#endif
