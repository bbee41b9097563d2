/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_KEYD_H
#define POMBO_KEYD_KEYD_H

#include "ipc/role.h"

/* The process: the callbacks of its role table. */
int keyd_prepare(struct role *r);
int keyd_file(struct role *r, const char *name, int fd);
int keyd_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd);
int keyd_start(struct role *r);

/* Answers stored's questions for DKIM signatures until it hangs up. Takes over `fd`; `k` outlives the channel. */
struct dkim_keys;
void keyd_serve_dkim(struct event_base *base, int fd, struct dkim_keys *k);

#endif
