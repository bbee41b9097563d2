/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_COPIER_H
#define POMBO_STORE_COPIER_H

#include "store/bulk.h"

/* Copies, or moves, the copies in a list of ranges from one mailbox to another (or the same) of one account: behind COPY, MOVE and
 * the renaming of INBOX. A few in one go, more in slices (bulk.h) with both mailboxes switched at once. */
struct copier;

/* The caller has checked that neither mailbox is busy, and frees *ret, which is set also on failure. */
must_check int copier_new(struct writer *w, const struct store_job *job, struct mbox *source, struct mbox *target,
			  const struct uid_range *ranges, size_t range_count, bool move, struct copier **ret);
void copier_free(struct copier **c);
/* The next slice; STEP_DONE when all is in place. */
enum job_step copier_run(struct writer *w, struct copier *c);
void copier_advance(struct copier *c);
/* A slice is durable: the copier must be kept over a replay. */
bool copier_has_started(const struct copier *c);
/* All of it is durable, though the job cannot go on. */
bool copier_is_settled(const struct copier *c);
const struct range_list *copier_sources(const struct copier *c);
const struct range_list *copier_targets(const struct copier *c);

#endif
