/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_LANDLOCK_H
#define POMBO_BASE_LANDLOCK_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct landlock_rights {
	int folder; /* files beneath it; -1: none */
	bool connects; /* TCP connections go out: to the ports that are listed, or to any when none is */
	const uint16_t *connect_ports;
	size_t n_connect_ports;
};

/* Takes from this thread, and all that it will start, every right on files that the kernel's Landlock knows, except what
 * `rights` leaves; with newer kernels also TCP ports, abstract sockets and signals to others.
 * no_new_privs must be set. 0, -ENOSYS when the kernel has no Landlock, or another -errno. */
must_check int landlock_enter(const struct landlock_rights *rights);

#endif
