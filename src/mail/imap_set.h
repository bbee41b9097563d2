/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_SET_H
#define POMBO_MAIL_IMAP_SET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* Sets of message numbers or UIDs (RFC 9051 §9 sequence-set, uid-set). */
enum { IMAP_STAR = 0 }; /* "*": no number is 0 */

struct imap_span {
	uint32_t first, last; /* as written: last may be below first, either may be IMAP_STAR */
};

struct imap_set {
	struct imap_span *spans;
	uint32_t count;
	bool saved; /* "$": the result of the last SEARCH … SAVE (RFC 5182); count is 0 */
};

/* As written. False: not a set, or the arena is too small. */
must_check bool imap_set_parse(struct view text, struct arena *a, struct imap_set *ret);
/* As imap_set_parse(), but no "*" and no "$" (uid-set of QRESYNC). */
must_check bool imap_set_parse_known(struct view text, struct arena *a, struct imap_set *ret);

/* In place: "*" becomes `max` (of numbers: the count of messages; of UIDs: the last UID; 0 in an empty mailbox, where
 * spans with a star vanish), spans are turned the right way, sorted and joined. */
void imap_set_resolve(struct imap_set *set, uint32_t max);
/* These ask a resolved set. */
bool imap_set_has(const struct imap_set *set, uint32_t n);
uint64_t imap_set_count(const struct imap_set *set);
bool imap_set_max(const struct imap_set *set, uint32_t *ret); /* false: empty */

/* Positions in a list of results (RFC 9394): first <= last; counted from the end when the client wrote "-1:-100". */
struct imap_partial {
	bool from_end;
	uint32_t first, last;
};
must_check bool imap_partial_parse(struct view text, struct imap_partial *ret);
/* Of `total` results, the positions from 1 on. False: none of them exists. */
must_check bool imap_partial_of(const struct imap_partial *p, uint32_t total, uint32_t *ret_first, uint32_t *ret_last);

/* Writes numbers, given one by one, as a compact set: "1:3,7". Ascending runs are joined, in the order given. */
struct imap_set_writer {
	struct buf *out;
	uint32_t first, last; /* the run not yet written; first 0: none */
	bool any;
};
void imap_set_writer_init(struct imap_set_writer *w, struct buf *out);
void imap_set_writer_add(struct imap_set_writer *w, uint32_t n);
void imap_set_writer_add_span(struct imap_set_writer *w, uint32_t first, uint32_t last);
void imap_set_writer_end(struct imap_set_writer *w);

#endif
