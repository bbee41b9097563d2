/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_QUEUE_H
#define POMBO_STORE_QUEUE_H

#include "store/store.h"

/* Recipients on other servers that wait to be sent to. They come in with deliver_job, in the commit of the message. */
struct queue_item {
	uint64_t message_id;
	struct view sender, recipient;
	uint64_t size_bytes;
	int64_t queued_s, next_s;
	uint32_t attempts;
	struct view last_reply;
	bool held;
};
/* By (message, recipient), after the one named (0, "" from the start). Reader. */
must_check enum store_outcome queue_list(struct store_reader *r, uint64_t after_message, struct view after_recipient,
					 size_t max, struct arena *a, const struct queue_item **ret, size_t *ret_count,
					 bool *ret_more);
/* How many wait. */
must_check enum store_outcome queue_count(struct store_reader *r, uint64_t *ret);

#endif
