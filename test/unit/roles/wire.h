/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_WIRE_H
#define POMBO_TEST_WIRE_H

#include "base/buf.h"

/* Clients at the far ends of sockets, on the loop of what they talk to. */
struct event_base;
struct stream;
struct stream_limits;
enum { WIRE_CLIENTS = 2000 };

struct wire {
	struct event_base *base;
	int clients[WIRE_CLIENTS];
	size_t n;
	struct buf heard; /* by the client that was heard last */
};

void wire_open(struct wire *w, struct event_base *base);
void wire_close(struct wire *w);
/* Runs the loop until what was sent has been answered. */
void wire_turn(struct wire *w);
/* A new client, from loopback or from nowhere, over a pair of Unix sockets: what is sent is there at once, however busy the machine
 * (a TCP segment on loopback is on its way until the kernel finds time). The server's end in `*ret_stream`, without handlers. */
size_t wire_connect(struct wire *w, bool loopback, const struct stream_limits *limits, struct stream **ret_stream);
void wire_send(struct wire *w, size_t client, struct view bytes);
/* Sends and returns all that came back, valid until the next call. */
const char *wire_say(struct wire *w, size_t client, const char *text);
const char *wire_hear(struct wire *w, size_t client);
bool wire_is_closed(struct wire *w, size_t client);
void wire_hang_up(struct wire *w, size_t client);

#endif
