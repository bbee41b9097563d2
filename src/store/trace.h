/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_TRACE_H
#define POMBO_STORE_TRACE_H

#include "store/store.h"

/* What happened to each message, an event a row, written in the commit that made it happen. What finds
 * them by address is made later (trace_index.h), so a delivery stays cheap. */
struct writer;

enum trace_kind {
	TRACE_RECEIVED =
	    1, /* address: the sender; peer: client; tls; words: Message-ID; notes: what was checked, and its signatures */
	TRACE_DELIVERED, /* address: the recipient; peer: the account, where that has another address; words: the folder, empty: INBOX */
	TRACE_QUEUED, /* address: the recipient on another server; peer: what the sender wrote, where that is another address */
	TRACE_SENT, /* peer: the other server; tls; words: its reply */
	TRACE_DEFERRED,
	TRACE_FAILED,
	TRACE_EXPIRED,
	TRACE_REMOVED, /* by the operator */
	TRACE_HELD,
	TRACE_RELEASED,
	TRACE_RETRIED,
	TRACE_NOTICE, /* words: the id of the notice, and what it is: "ID, delay notice about bob@far.example" */
	TRACE_NO_NOTICE, /* none could be sent; words: why */
	TRACE_SUMMARY, /* words: the id of the summary */
	TRACE_MADE, /* by ourselves: address: for whom; peer: what it is; words: Message-ID; notes: its signatures */
	TRACE_KINDS
};
const char *trace_kind_name(enum trace_kind kind); /* "sent" */

struct trace_event {
	uint64_t message;
	enum trace_kind kind;
	struct view address, peer, tls, words;
	int64_t at_ms;
	int64_t until_s; /* TRACE_DEFERRED: when it is tried again; else 0 */
	struct view notes; /* lines, "\n" between them */
};

/* For jobs of the store. 0 or negative errno. */
must_check int trace_add(struct writer *w, const struct trace_event *e);

/* The events of one message in order, behind `after_seq`. Reader. */
must_check enum store_outcome trace_of(struct store_reader *r, uint64_t message, uint64_t after_seq, size_t max,
				       struct arena *a, const struct trace_event **ret, size_t *ret_count,
				       uint64_t *ret_last_seq, bool *ret_more);
/* The next messages behind id `after` that have `text` as an address (any case) or as Message-ID (with or without its angle
 * brackets). A call looks at a bounded number of events: ret_more says whether to ask again, from *ret_after. */
must_check enum store_outcome trace_find(struct store_reader *r, uint64_t after, struct view text, uint64_t *ret,
					 size_t max, size_t *ret_count, uint64_t *ret_after, bool *ret_more);

#endif
