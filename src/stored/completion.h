/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_COMPLETION_H
#define POMBO_STORED_COMPLETION_H

#include "base/mem.h"

#include <stdbool.h>
#include <sys/queue.h>

/* How threads hand finished work back to the loop. Any thread puts; the loop runs `done` of each, in order. One wake-up
 * carries all that gathered meanwhile. */
struct event_base;
struct completions;

struct completion {
	STAILQ_ENTRY(completion) link;
	void (*done)(struct completion *c); /* on the loop */
};
STAILQ_HEAD(completion_list, completion);

must_check int completions_new(struct event_base *base, struct completions **ret);
void completions_free(struct completions **cs); /* no thread may put any more */
void completions_put(struct completions *cs, struct completion *c);
/* Moves all of `list` over at once: what one commit finished. */
void completions_put_all(struct completions *cs, struct completion_list *list);

#endif
