/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_JUDGE_H
#define POMBO_STORED_JUDGE_H

#include "ipc/msgs/judge_msgs.h"

#include <sys/queue.h>

/* The policyd processes behind stored: each message goes to the one with the fewest questions open. */
struct judges;
struct event_base;

struct judges *judges_new(struct event_base *base);
void judges_free(struct judges **js);
/* A policyd's channel (again after a restart; `index` replaces). */
must_check int judges_add(struct judges *js, unsigned index, int fd);

enum { JUDGE_DEADLINE_MS = 60000 };

enum judges_ask {
	JUDGES_ASKED, /* exactly one answer follows: judged, refused, or NULL when policyd could not say */
	JUDGES_BUSY, /* every channel is full: judges_wait(), then ask again */
	JUDGES_NONE, /* no policyd is there */
};
must_check enum judges_ask judges_ask(struct judges *js, const struct judge_judge *question, judge_answer_fn *fn,
				      void *ctx);
/* The question's fd is taken over in either case. */
must_check enum judges_ask judges_ask_file(struct judges *js, const struct judge_judge_file *question,
					   judge_answer_fn *fn, void *ctx);

/* Somebody who found them busy. `ready` comes once, in the order of waiting, when there is room again or nobody is left. */
struct judges_waiter {
	TAILQ_ENTRY(judges_waiter) link;
	void (*ready)(struct judges_waiter *w);
};
void judges_wait(struct judges *js, struct judges_waiter *w);
void judges_unwait(struct judges *js, struct judges_waiter *w);

#endif
