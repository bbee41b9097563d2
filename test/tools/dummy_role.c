/* SPDX-License-Identifier: ISC
 * A role that does next to nothing, to try the supervisor with: greets whoever connects and answers lines. "crash" ends it,
 * "exit N" ends it with that status at once, "hostname" answers what the settings say, "folder" where its folder is. */
#include "ipc/role.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef DUMMY_PROFILE
#define DUMMY_PROFILE SANDBOX_NET
#endif

static struct role *the_role;
static size_t n_sessions, n_accepted;

struct session {
	int fd;
	struct event *readable;
};

static void say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
	(void)!write(fd, "\r\n", 2);
}

static void session_end(struct session *s)
{
	event_free(s->readable);
	(void)close(s->fd);
	free(s);
	n_sessions--;
	if (role_stopping(the_role) && n_sessions == 0)
		role_finished(the_role);
}

static void answer(int fd, const char *line)
{
	if (strncmp(line, "crash", 5) == 0)
		abort();
	else if (strncmp(line, "hostname", 8) == 0)
		say(fd, role_conf(the_role)->hostname);
	else if (strncmp(line, "folder", 6) == 0)
		say(fd, role_folder(the_role));
	else
		say(fd, "what?");
}

static void on_line(evutil_socket_t fd, short what, void *ctx)
{
	struct session *s = ctx;
	char line[256];
	ssize_t n = read(fd, line, sizeof line - 1);

	(void)what;
	if (n <= 0) {
		session_end(s);
		return;
	}
	line[n] = '\0';
	answer(fd, line);
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct session *s;
	char greeting[64];
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)what;
	(void)ctx;
	if (client < 0)
		return;
	s = xcalloc(1, sizeof *s);
	s->fd = client;
	s->readable = event_new(role_base(the_role), client, EV_READ | EV_PERSIST, on_line, s);
	(void)event_add(s->readable, NULL);
	n_sessions++;
	n_accepted++;
	(void)snprintf(greeting, sizeof greeting, "220 %s %u", role_kind(the_role), role_index(the_role));
	say(client, greeting);
}

static struct {
	uint16_t port;
	struct event *readable;
} listeners[64];

static int on_listener(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd)
{
	(void)service;
	(void)address;
	(void)tls;
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		if (listeners[i].readable)
			continue;
		listeners[i].port = port;
		listeners[i].readable = event_new(role_base(r), fd, EV_READ | EV_PERSIST, on_accept, NULL);
		return event_add(listeners[i].readable, NULL);
	}
	return -1;
}

static void on_listener_gone(struct role *r, const char *service, const char *address, uint16_t port)
{
	(void)r;
	(void)service;
	(void)address;
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		if (!listeners[i].readable || listeners[i].port != port)
			continue;
		(void)close(event_get_fd(listeners[i].readable));
		event_free(listeners[i].readable);
		listeners[i].readable = NULL;
	}
}

static int prepare(struct role *r)
{
	the_role = r;
	return 0;
}

static int keep_fd(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	(void)r;
	(void)list;
	(void)peer;
	(void)index;
	return fd < 0 ? -1 : 0;
}

static int on_file(struct role *r, const char *name, int fd)
{
	(void)r;
	(void)name;
	(void)close(fd);
	return 0;
}

static void stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	if (n_sessions == 0)
		role_finished(r);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	(void)r;
	(void)ret_messages;
	(void)ret_in_flight;
	*ret_sessions = n_sessions;
	*ret_accepted = n_accepted;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "dummy",
	    .sandbox = DUMMY_PROFILE,
	    .prepare = prepare,
	    .on_listener = on_listener,
	    .on_listener_gone = on_listener_gone,
	    .on_channel = keep_fd,
	    .on_file = on_file,
	    .stop = stop,
	    .count = count,
	};

	return role_run(&spec);
}
