/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_QUOTA_H
#define POMBO_STORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/* What an account keeps, or may keep (0: no limit). */
struct quota {
	uint64_t bytes, messages;
};

static inline bool quota_fits(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit == 0 || more == 0 || (used <= limit && more <= limit - used);
}

/* Does `more` fit? What does not grow is never refused. */
static inline bool quota_has_room(struct quota limit, struct quota used, struct quota more)
{
	return quota_fits(limit.bytes, used.bytes, more.bytes) &&
	       quota_fits(limit.messages, used.messages, more.messages);
}

#endif
