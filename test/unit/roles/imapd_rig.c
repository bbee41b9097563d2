/* SPDX-License-Identifier: ISC
 * Real imapd sessions with a stored and an authd that live in the test. */
#include "imapd_rig.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 12 }; /* from the client to stored and back are six */

void rig_open(struct rig *r, const char *config)
{
	struct buf text = BUF_INIT(65536), error = BUF_INIT(1024);
	int fd;

	memset(r, 0, sizeof *r);
	log_set(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	r->base = event_base_new();
	buf_init(&r->heard, 64 << 20);
	buf_printf(&text, "hostname = mx.example.org\nallow-plaintext-auth-on-loopback = yes\n%s", config);
	if (conf_parse(buf_view(&text), "test", &r->conf, &error) < 0) {
		fprintf(stderr, "%s\n", buf_cstr(&error));
		abort();
	}
	buf_fini(&text);
	buf_fini(&error);
	imapd_init(&r->imapd, r->base, 0, r->conf);
	box_store_open(&r->store, r->base, MAILBOX_PEER_IMAP, &fd);
	imapd_set_store(&r->imapd, fd);
	fake_auth_open(&r->auth, r->base, AUTH_PEER_IMAP, &fd);
	imapd_set_auth(&r->imapd, fd);
	rig_turn(r);
}

void rig_close(struct rig *r)
{
	for (size_t i = 0; i < r->client_count; i++)
		rig_hang_up(r, i);
	while (r->imapd.session_count)
		rig_turn(r);
	box_store_close(&r->store);
	fake_auth_close(&r->auth);
	imapd_fini(&r->imapd);
	(void)event_base_loop(r->base, EVLOOP_NONBLOCK); /* streams free themselves */
	buf_fini(&r->heard);
	conf_free(&r->conf);
	event_base_free(r->base);
}

void rig_store_dies(struct rig *r)
{
	int fd;

	box_store_close(&r->store);
	rig_turn(r);
	box_store_open(&r->store, r->base, MAILBOX_PEER_IMAP, &fd);
	imapd_set_store(&r->imapd, fd);
	rig_turn(r);
}

void rig_turn(struct rig *r)
{
	for (int i = 0; i < TURNS; i++)
		(void)event_base_loop(r->base, EVLOOP_NONBLOCK);
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert(bind(l, (struct sockaddr *)&a, n) == 0 && listen(l, 1) == 0);
	assert(getsockname(l, (struct sockaddr *)&a, &n) == 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(connect(fds[0], (struct sockaddr *)&a, n) == 0);
	assert(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
	fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert(fds[1] >= 0);
	(void)close(l);
}

size_t rig_connect(struct rig *r, bool loopback)
{
	static const struct stream_handlers none;
	int fds[2];

	assert(r->client_count < RIG_CLIENTS);
	if (loopback)
		tcp_pair(fds);
	else
		assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	r->clients[r->client_count] = fds[0];
	imapd_accept(&r->imapd, stream_new(r->base, fds[1], &imapd_stream_limits, &none, NULL), "imap", false);
	return r->client_count++;
}

size_t rig_login(struct rig *r)
{
	size_t client = rig_connect(r, true);

	(void)rig_say(r, client, "l LOGIN me secret\r\n");
	assert(strstr(buf_cstr(&r->heard), "l OK"));
	return client;
}

size_t rig_select(struct rig *r)
{
	size_t client = rig_login(r);

	(void)rig_say(r, client, "s SELECT INBOX\r\n");
	assert(strstr(buf_cstr(&r->heard), "s OK"));
	return client;
}

void rig_send(struct rig *r, size_t client, struct view bytes)
{
	for (unsigned stuck = 0; bytes.n && stuck < 50;) {
		ssize_t n = send(r->clients[client], bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		stuck = n < 0 ? stuck + 1 : 0;
		bytes = view_sub(bytes, n < 0 ? 0 : (size_t)n, bytes.n);
		rig_turn(r);
	}
}

/* One read of what is there; false at the end. */
static bool read_some(struct rig *r, size_t client, bool keep)
{
	char bytes[16384];
	ssize_t n = recv(r->clients[client], bytes, sizeof bytes, 0);

	if (n > 0 && keep)
		buf_append(&r->heard, bytes, (size_t)n);
	return n > 0;
}

const char *rig_hear(struct rig *r, size_t client)
{
	buf_reset(&r->heard);
	do
		rig_turn(r);
	while (read_some(r, client, true));
	return buf_cstr(&r->heard);
}

const char *rig_say(struct rig *r, size_t client, const char *text)
{
	rig_send(r, client, view_from_cstr(text));
	return rig_hear(r, client);
}

bool rig_is_closed(struct rig *r, size_t client)
{
	char c;
	ssize_t n;

	rig_turn(r);
	while (read_some(r, client, false))
		;
	n = recv(r->clients[client], &c, 1, 0);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

void rig_hang_up(struct rig *r, size_t client)
{
	if (r->clients[client] >= 0)
		(void)close(r->clients[client]);
	r->clients[client] = -1;
	rig_turn(r);
}
