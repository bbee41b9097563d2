/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_LISTENER_H
#define POMBO_IO_LISTENER_H

#include "conf/conf.h"
#include "io/stream.h"

/* Accepts on a listening socket that several processes share, counts connections per address (IPv6: /64) and in all, reads the PROXY header of
 * listed networks before anybody sees the stream, and hands over streams. A want of descriptors pauses accepting for a moment instead of
 * spinning. */
struct listener;
struct listener_limits; /* shared by all listeners of a process: connections per address, in all */

struct listener_limits *listener_limits_new(const struct conf *conf);
void listener_limits_configure(struct listener_limits *l, const struct conf *conf); /* on reload */
void listener_limits_free(struct listener_limits **l);

enum listener_refusal { LISTENER_TOO_MANY, LISTENER_TOO_MANY_FROM_ADDRESS };

struct listener_handlers {
	/* A new connection (after PROXY). The callee sets its handlers, before it returns, and closes it some day. A TLS-first listener's calls
	 * stream_start_tls() in here. */
	void (*on_stream)(void *ctx, struct listener *l, struct stream *s);
	/* The line to write before closing a refused connection ("421 4.7.0 …\r\n"), or empty (always empty for TLS-first listeners). */
	struct view (*refusal)(void *ctx, struct listener *l, enum listener_refusal why);
};

/* Takes over `fd`. */
struct listener *listener_new(struct event_base *base, int fd, const struct stream_limits *stream_limits,
			      struct listener_limits *limits, const struct listener_handlers *handlers, void *ctx);
void listener_free(struct listener **l); /* stops accepting; streams stay */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

#endif
