/* SPDX-License-Identifier: ISC
 * Asks for EPOLLEXCLUSIVE behind libevent's back, as libevent 2.1 has no way to ask for it.
 *
 * A connection on a shared socket wakes every process that waits in epoll; all but one find nothing to accept. Measured with four
 * processes and one client: 172 µs of CPU a connection instead of 65. An epoll of our own beneath libevent's would not do: exclusive
 * wake-ups do not reach through nested ones.
 *
 * libevent tells nobody its epoll descriptor, but the kernel does: EPOLL_CTL_MOD of a socket succeeds on that descriptor only in whose
 * set it is. The set's entry is then replaced by one that differs in the one flag; libevent keeps seeing the same descriptor. */
#include "io/exclusive.h"

#include <event2/event.h>
#include <string.h>
#include <sys/epoll.h>

enum { DESCRIPTORS = 256, LIBEVENT_2_1 = 0x0201 };

bool exclusive_wakeups(int fd)
{
	struct epoll_event as_libevent_has_it = {.events = EPOLLIN, .data = {.fd = fd}};
	struct epoll_event exclusive = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {.fd = fd}};
	int epoll = 0;

	if (event_get_version_number() >> 16 != LIBEVENT_2_1)
		return false; /* what the entry holds is its own business */
	while (epoll < DESCRIPTORS && epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &as_libevent_has_it) < 0)
		epoll++;
	if (epoll == DESCRIPTORS || epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0)
		return false;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &exclusive) == 0)
		return true;
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &as_libevent_has_it);
	return false;
}
