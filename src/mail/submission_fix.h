/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SUBMISSION_FIX_H
#define POMBO_MAIL_SUBMISSION_FIX_H

#include "mail/address_list.h"
#include "mail/date.h"

/* What a submission server looks at in a message, and adds (RFC 6409 §8; which fields once: RFC 5322 §3.6). */
enum submission_problem {
	SUBMISSION_NO_DATE = 1, /* to be added */
	SUBMISSION_NO_MESSAGE_ID = 2, /* to be added */
	SUBMISSION_NO_FROM = 4,
	SUBMISSION_BAD_FROM = 8, /* malformed in some place, or without any address */
	SUBMISSION_BAD_SENDER = 16, /* malformed, or not exactly one address */
	SUBMISSION_SEVERAL_DATE = 32,
	SUBMISSION_SEVERAL_MESSAGE_ID = 64,
	SUBMISSION_SEVERAL_FROM = 128, /* more than one From field */
	SUBMISSION_SEVERAL_SENDER = 256,
	/* Lines that are no fields: readers differ about whether what follows is still header. */
	SUBMISSION_JUNK = 512,
};

/* Those that an added field does not mend. */
enum { SUBMISSION_REFUSE = ~(SUBMISSION_NO_DATE | SUBMISSION_NO_MESSAGE_ID) };

struct submission {
	unsigned problems; /* bits of enum submission_problem */
	const struct address_item
	    *addresses; /* every mailbox of every From and Sender field, malformed ones too; in the arena */
	size_t address_count;
};

/* `block` is the header block or more. False: over max_addresses, or `a` is full. */
must_check bool submission_check(struct view block, size_t max_addresses, struct arena *a, struct submission *ret);

/* The fields for SUBMISSION_NO_DATE and SUBMISSION_NO_MESSAGE_ID in `problems`, to stand before the header block;
 * nothing when there is nothing to add. `message_id` without its angle brackets. */
void submission_fix_format(struct buf *out, unsigned problems, const struct date *date, struct view message_id);

#endif
