/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_MAILBOX_WRITE_H
#define POMBO_STORE_MAILBOX_WRITE_H

#include "store/group.h"

/* Changes to the messages of one mailbox. Outcomes of all: STORE_OK, STORE_NO_MAILBOX (not there, or not this account's),
 * STORE_TEMPORARY, STORE_BAD_REQUEST. UIDs that do not exist, or are expunged, are passed over in silence.
 * Ranges may come in any order and overlap. */

enum flags_mode { FLAGS_REPLACE, FLAGS_ADD, FLAGS_REMOVE };

struct flags_job {
	struct store_job job;
	uint64_t account, mailbox;
	const struct uid_range *ranges;
	size_t range_count;
	enum flags_mode mode;
	uint32_t flags;
	const struct view *keywords;
	size_t keyword_count;
	uint64_t unchanged_since; /* UINT64_MAX: no condition */
	/* Results. A message whose flags were already so keeps its modseq. */
	uint64_t
	    ret_before_modseq; /* highestmodseq that the job found; 0: it went in slices, others may have come between */
	uint64_t ret_highestmodseq;
	const struct uid_range *ret_modified; /* passed over because of unchanged_since */
	size_t ret_modified_count;
};
/* Outcome also: STORE_LIMIT (keywords). */
void flags_job_init(struct flags_job *j);

struct expunge_job {
	struct store_job job;
	uint64_t account, mailbox;
	const struct uid_range *ranges;
	size_t range_count;
	bool all; /* whatever their flags; else only those with \Deleted */
	uint64_t ret_highestmodseq;
	const struct uid_range *ret_expunged;
	size_t ret_expunged_count;
};
void expunge_job_init(struct expunge_job *j);

/* Copies keep flags, keywords, INTERNALDATE, bytes; they get UIDs in the order of the sources' UIDs. `move` expunges the sources
 * in the same step. sources[i] became targets[i], both expanded in order. Outcomes also: STORE_OVER_QUOTA (copy only),
 * STORE_NO_SPACE, STORE_LIMIT. STORE_NO_MAILBOX with ret_no_target: the target is missing ([TRYCREATE]). */
struct copy_job {
	struct store_job job;
	uint64_t account, mailbox;
	const struct uid_range *ranges;
	size_t range_count;
	struct view target;
	bool move;
	bool ret_no_target;
	uint64_t ret_target;
	uint32_t ret_target_uidvalidity;
	const struct uid_range *ret_sources, *ret_targets;
	size_t ret_source_count, ret_target_count;
};
void copy_job_init(struct copy_job *j);

#endif
