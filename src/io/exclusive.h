/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_EXCLUSIVE_H
#define POMBO_IO_EXCLUSIVE_H

#include <stdbool.h>

/* Makes the kernel wake one of the processes that wait for `fd`, not all of them (EPOLLEXCLUSIVE). To be called after each event_add() of the one
 * event that reads from `fd`. False where that is not possible: everything works as before, each connection just wakes everybody. For src/io
 * only. */
bool exclusive_wakeups(int fd);

#endif
