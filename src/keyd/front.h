/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_FRONT_H
#define POMBO_KEYD_FRONT_H

#include "base/mem.h"

/* One front end, answered by the thread that runs this and does nothing else. */
struct keys;
struct front;

/* Asks the scheduler for short turns, for this thread and those it starts later: before the sandbox. A scheduler that knows none (Linux before
 * 6.12) leaves all as it is. */
void front_prepare(void);
/* Takes over `fd`; `k` outlives it. */
struct front *front_new(int fd, struct keys *k);
/* Answers until the front end hangs up (NULL), or breaks the channel's list (how). */
const char *front_run(struct front *f);
int front_fd(const struct front *f);
void front_free(struct front **f);

#endif
