/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_ROTATION_H
#define POMBO_STORED_ROTATION_H

#include "stored/stored.h"

/* DKIM keys that wait sign once every name server of their domain shows their record (each is asked alone, through dnsd); looked for
 * every ten minutes, and when the operator asks. The former ones stay published for ROTATION_RETIRED_S, then they are forgotten.
 *
 * Loop thread only. */
struct rotation;

enum { ROTATION_RETIRED_S = 14 * 86400 };

struct rotation *rotation_new(struct stored *sd);
/* Once a second. */
void rotation_tick(struct stored *sd);
/* Looks for the domain's waiting keys now; `done` comes once, maybe out of this call. */
void rotation_look(struct stored *sd, struct view domain, void (*done)(void *ctx), void *ctx);
/* What the last look saw of a key, for people; empty where nobody looked. Valid until the loop turns. */
struct view rotation_seen(const struct stored *sd, struct view domain, struct view selector);

#endif
