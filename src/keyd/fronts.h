/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_FRONTS_H
#define POMBO_KEYD_FRONTS_H

#include "base/mem.h"

/* The front ends, a thread each: one that asks for slow RSA signatures holds up no other. Only the loop's thread calls these. */
struct event_base;
struct keys;
struct fronts;

/* `k` outlives the process: threads that serve are never stopped. */
struct fronts *fronts_new(struct event_base *base, struct keys *k);
/* Takes over `fd`. When the front end hangs up, or breaks the list, the loop hears of it and says so (channel_ended()). 0 or -errno. */
must_check int fronts_add(struct fronts *f, int fd);
/* Those that are served. */
size_t fronts_count(const struct fronts *f);
/* Only when none is served any more. */
void fronts_free(struct fronts **f);

#endif
