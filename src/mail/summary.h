/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SUMMARY_H
#define POMBO_MAIL_SUMMARY_H

#include "base/buf.h"
#include "base/mem.h"

/* The one message that tells a sender what became of all recipients of a message of his, good or bad: text for people. What another server
 * took is "accepted" there, never "delivered". */
enum summary_fate { SUMMARY_REFUSED, SUMMARY_EXPIRED, SUMMARY_REMOVED, SUMMARY_ACCEPTED, SUMMARY_DELIVERED };

struct summary_line {
	enum summary_fate fate;
	struct view address; /* as the sender wrote it */
	bool behind; /* it stands for others, and this is the fate of one of them */
	struct view mta; /* the other server; empty: none was reached */
	struct view
	    tls; /* as `pombo trace` has it: "TLSv1.3 CIPHER (DANE verified)"; "over a UNIX socket"; empty: none */
	struct view words; /* what was said last; may be empty */
	size_t mailboxes; /* SUMMARY_DELIVERED */
};

struct summary {
	struct view hostname; /* ours */
	struct view to;
	struct view id; /* of the message, for `pombo trace` */
	struct view summary_id;
	int64_t now_s, arrived_s;
	int32_t zone_min;
	struct view header; /* of the message */
	const struct summary_line *lines;
	size_t count;
	size_t left_out; /* lines that found no room */
};

/* Appends the whole message, without trace fields; at most SUMMARY_LINES_MAX lines, those that went wrong first. out->overflow: too long. */
enum { SUMMARY_LINES_MAX = 2000 };
void summary_format(struct buf *out, const struct summary *s);

#endif
