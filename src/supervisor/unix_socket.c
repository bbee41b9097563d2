/* SPDX-License-Identifier: ISC
 * Connects to the UNIX socket of a route for relayd, which may open neither files nor such sockets. It names the route alone: where that
 * leads stands in our own settings. */
#include "supervisor/server.h"

#include "conf/route.h"
#include "ipc/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *path_of(const struct server *s, struct view name)
{
	const struct conf_route *r = conf_route_named(s->in.conf, name);

	return r ? r->socket : "";
}

int unix_socket_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd, error;

	if (n == 0)
		return -ENODEV;
	if (n >= sizeof to.sun_path)
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	error = errno;
	fd_close(&fd);
	return -error;
}

/* What is connected leaves before the next is: who asks and does not listen gathers no descriptors here. */
static bool listens(struct process *p)
{
	channel_flush(p->control);
	return !channel_has_unwritten(p->control);
}

void unix_socket_asked(struct process *p, uint32_t id, struct view route)
{
	const char *path = path_of(p->server, route);
	int fd = listens(p) ? unix_socket_connect(path) : -EAGAIN;

	if (fd >= 0)
		(void)control_send_connected(p->control, id, &(struct control_connected){view_from_cstr(path), fd});
	else
		(void)control_send_not_connected(p->control, id,
						 &(struct control_not_connected){view_from_cstr(path), (uint32_t)-fd});
}
