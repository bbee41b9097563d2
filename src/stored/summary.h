/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_SUMMARY_H
#define POMBO_STORED_SUMMARY_H

#include "mail/summary.h"
#include "store/queue.h"

/* The lines of a summary, one a recipient as the sender wrote it, out of a message's events. False: `a` is full. Pure. */
must_check bool summary_lines(const struct queue_sum *q, struct arena *a, struct summary *ret);

#endif
