/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_EXPUNGE_H
#define POMBO_STORE_EXPUNGE_H

#include "store/writer.h"

/* What EXPUNGE and MOVE share. */

/* Marks entry `i` of m->state.page gone and counts it. */
must_check int expunge_entry(struct writer *w, struct mbox *m, uint32_t i, uint64_t modseq);
/* Remembers when, for pruning. */
must_check int expunge_log(struct writer *w, const struct mbox *m, uint64_t modseq, uint32_t first_uid,
			   uint32_t last_uid);

#endif
