/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_LISTENER_H
#define POMBO_IO_LISTENER_H

#include "conf/conf.h"
#include "io/stream.h"

/* Accepts on an inherited listening socket that several processes share (EPOLLEXCLUSIVE), counts connections per
 * address and in all, reads the PROXY header from listed networks before anybody sees the stream, and hands over streams.
 * accept() errors for want of descriptors pause accepting for a moment instead of spinning. */
struct listener;
struct listener_limits; /* shared by all listeners of a process: connections per address, in all */

struct listener_limits *listener_limits_new(const struct conf *conf);
void listener_limits_configure(struct listener_limits *l, const struct conf *conf); /* on reload */
void listener_limits_free(struct listener_limits **l);

enum listener_refusal { LISTENER_TOO_MANY, LISTENER_TOO_MANY_FROM_ADDRESS };

struct listener_handlers {
	/* A new connection (after PROXY). The callee owns the stream and sets its handlers. */
	void (*on_stream)(void *ctx, struct listener *l, struct stream *s);
	/* The line to write before closing a refused connection ("421 4.7.0 …\r\n"), or empty (always empty for TLS-first listeners). */
	struct view (*refusal)(void *ctx, struct listener *l, enum listener_refusal why);
};

struct listener *listener_new(struct event_base *base, int fd, const struct stream_limits *stream_limits,
			      struct listener_limits *limits, const struct listener_handlers *handlers, void *ctx);
void listener_free(struct listener **l); /* stops accepting; streams stay */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

#endif
