/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_LANDLOCK_H
#define POMBO_BASE_LANDLOCK_H

#include "base/mem.h"

/* Takes from this thread, and all that it will start, every right on files that the kernel's Landlock knows, except what
 * lies beneath `folder` (-1: nothing); with newer kernels also TCP ports, abstract sockets and signals to others.
 * no_new_privs must be set. 0, -ENOSYS when the kernel has no Landlock, or another -errno. */
must_check int landlock_enter(int folder);

#endif
