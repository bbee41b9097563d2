/* SPDX-License-Identifier: ISC
 * The service manager's notify protocol: one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)). */
#include "supervisor/notify.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_(fd_close) int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void notify_reloading(void)
{
	_cleanup_(buf_fini) struct buf state = BUF_INIT(128);

	buf_printf(&state, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_mono_us());
	notify_send(buf_cstr(&state));
}
