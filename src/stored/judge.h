/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_JUDGE_H
#define POMBO_STORED_JUDGE_H

#include "ipc/msgs/judge_msgs.h"

/* The policyd processes behind stored: each message goes to the one with the fewest questions open. */
struct judges;
struct event_base;

struct judges *judges_new(struct event_base *base);
void judges_free(struct judges **js);
/* A policyd's channel (again after a restart; `index` replaces). */
must_check int judges_add(struct judges *js, unsigned index, int fd);

enum { JUDGE_DEADLINE_MS = 60000 };

/* Exactly one answer: judged, refused, or NULL when no policyd could say (for now). False: none is there; no answer follows. */
must_check bool judges_ask(struct judges *js, const struct judge_judge *question, judge_answer_fn *fn, void *ctx);
must_check bool judges_ask_file(struct judges *js, const struct judge_judge_file *question, judge_answer_fn *fn,
				void *ctx);

#endif
