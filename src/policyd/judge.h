/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICYD_JUDGE_H
#define POMBO_POLICYD_JUDGE_H

#include "ipc/msgs/judge_msgs.h"

/* Answers stored's questions (ipc/msgs/judge.def). */
struct judge;

struct judge *judge_new(void);
void judge_free(struct judge **j);
/* One question of channel `c`, answered at once. */
void judge_hear(struct judge *j, struct channel *c, uint32_t id, const struct judge_msg *m);

#endif
