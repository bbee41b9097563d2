/* SPDX-License-Identifier: ISC
 * Clients at the far ends of real sockets. */
#include "wire.h"

#include "io/stream_internal.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 12 }; /* from the client to stored and back are six */

void wire_open(struct wire *w, struct event_base *base)
{
	memset(w, 0, sizeof *w);
	w->base = base;
	buf_init(&w->heard, 64 << 20);
}

void wire_close(struct wire *w)
{
	for (size_t i = 0; i < w->n; i++)
		wire_hang_up(w, i);
	buf_fini(&w->heard);
}

void wire_turn(struct wire *w)
{
	for (int i = 0; i < TURNS; i++)
		(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
}

size_t wire_connect(struct wire *w, bool loopback, const struct stream_limits *limits, struct stream **ret_stream)
{
	static const struct stream_handlers none;
	struct stream_peer peer = {.loopback = loopback};
	int fds[2];

	assert(w->n < WIRE_CLIENTS);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	assert(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	(void)snprintf(peer.ip, sizeof peer.ip, "%s", loopback ? "127.0.0.1" : "");
	*ret_stream = stream_new_accepted(w->base, fds[1], &peer, limits, &none, NULL);
	assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	w->clients[w->n] = fds[0];
	return w->n++;
}

void wire_send(struct wire *w, size_t client, struct view bytes)
{
	for (unsigned stuck = 0; bytes.n && stuck < 50;) {
		ssize_t n = send(w->clients[client], bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		stuck = n < 0 ? stuck + 1 : 0;
		bytes = view_sub(bytes, n < 0 ? 0 : (size_t)n, bytes.n);
		wire_turn(w);
	}
}

/* One read of what is there; false at the end. */
static bool read_some(struct wire *w, size_t client, bool keep)
{
	char bytes[16384];
	ssize_t n = recv(w->clients[client], bytes, sizeof bytes, 0);

	if (n > 0 && keep)
		buf_append(&w->heard, bytes, (size_t)n);
	return n > 0;
}

const char *wire_hear(struct wire *w, size_t client)
{
	buf_reset(&w->heard);
	do
		wire_turn(w);
	while (read_some(w, client, true));
	return buf_cstr(&w->heard);
}

const char *wire_say(struct wire *w, size_t client, const char *text)
{
	wire_send(w, client, view_from_cstr(text));
	return wire_hear(w, client);
}

bool wire_is_closed(struct wire *w, size_t client)
{
	char c;
	ssize_t n;

	wire_turn(w);
	while (read_some(w, client, false))
		;
	n = recv(w->clients[client], &c, 1, 0);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

void wire_hang_up(struct wire *w, size_t client)
{
	if (w->clients[client] >= 0)
		(void)close(w->clients[client]);
	w->clients[client] = -1;
	wire_turn(w);
}
