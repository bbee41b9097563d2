/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_BULK_H
#define POMBO_STORE_BULK_H

#include "store/ranges.h"
#include "store/writer.h"

/* A change to more messages than one transaction takes (doc/schema.md, "Bulk"):
 *
 *     bulk_begin     claims the mailbox; from here on its state pages are written to uid_staged
 *       │  ┌──────── bulk_resume at the start of every further slice
 *     (slices: pages staged, counts kept in memory)          readers see nothing; a crash here leaves nothing
 *     bulk_switch    counts written, overlay set              readers see all; a crash from here on is finished by bulk_recover()
 *     bulk_merge     staged pages to their place, in slices
 *     (done)         overlay cleared, claim released at the end of the job
 *
 * A job keeps two of these: where the slice under way stands, and where the last durable one ended; a replayed group starts again
 * from the latter. */

/* How much is done at once, so that a transaction takes about 10 ms. Tests make it little. */
struct bulk_limits {
	uint32_t flags_direct, flags_slice; /* state pages: in one go; a slice */
	uint32_t expunge_direct, expunge_slice;
	uint32_t copy_direct, copy_slice; /* messages */
	uint32_t merge; /* staged pages */
};
extern struct bulk_limits bulk_limits;

enum bulk_phase { BULK_STAGE, BULK_MERGE };

struct bulk_side {
	uint64_t mailbox;
	struct mbox_counts counts;
};

struct bulk {
	enum bulk_phase phase;
	struct bulk_side sides[2];
	size_t side_count;
};

must_check int bulk_begin(struct writer *w, struct bulk *b, struct mbox *m, const struct store_job *job);
must_check int bulk_resume(struct writer *w, const struct bulk *b, size_t side, struct mbox **ret);
/* At the end of a slice that is not the last. */
void bulk_keep(struct bulk *b, size_t side, const struct mbox *m);
must_check int bulk_switch(struct writer *w, struct bulk *b, struct mbox *m);
/* A slice; *ret_done when all sides have their pages in place. */
must_check int bulk_merge(struct writer *w, const struct bulk *b, bool *ret_done);

/* Are there more than `direct_pages` pages that hold `ranges`? */
must_check int bulk_is_needed(struct writer *w, struct mbox *m, const struct range_list *ranges, uint32_t direct_pages,
			      bool *ret);
/* Is it durable, and visible, all but the moving of pages? */
bool bulk_is_switched(const struct bulk *b);
/* A slice of ending what a job left that failed: staged pages are forgotten if it failed before the switch, and moved to their place if
 * behind it. Until *ret_done nobody else may use the mailbox: its new copies hold references under UIDs that others would get. */
must_check int bulk_end(struct writer *w, uint64_t mailbox, bool *ret_done);
/* At open: ends what a crash left. */
must_check int bulk_recover(struct writer *w);

#endif
