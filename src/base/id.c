/* SPDX-License-Identifier: ISC
 * Message ids that sort by time. */
#include "base/id.h"

#include "base/clock.h"

#include <assert.h>

#define EPOCH_MS 1704067200000LL /* 2024-01-01T00:00:00Z */
enum { NODE_BITS = 6, SEQUENCE_BITS = 16 };
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_source_init(struct id_source *s, uint32_t node, uint64_t last_given)
{
	assert(node < 1u << NODE_BITS);
	*s = (struct id_source){last_given, node};
}

uint64_t id_next(struct id_source *s)
{
	int64_t since_ms = clock_wall_us() / 1000 - EPOCH_MS;
	uint64_t ms = since_ms > 0 ? (uint64_t)since_ms : 0; /* a machine without a battery begins in 1970 */
	uint64_t id = ms << (NODE_BITS + SEQUENCE_BITS) | (uint64_t)s->node << SEQUENCE_BITS;

	if (id <= s->last) {
		/* Same millisecond, or a clock that stepped back: count on; a full sequence borrows the next millisecond. */
		uint64_t sequence = s->last & ((1u << SEQUENCE_BITS) - 1);

		ms = s->last >> (NODE_BITS + SEQUENCE_BITS);
		if (++sequence >> SEQUENCE_BITS) {
			sequence = 0;
			ms++;
		}
		id = ms << (NODE_BITS + SEQUENCE_BITS) | (uint64_t)s->node << SEQUENCE_BITS | sequence;
	}
	s->last = id;
	return id;
}

void id_format(uint64_t id, char ret[ID_TEXT_BYTES + 1])
{
	for (int i = ID_TEXT_BYTES - 1; i >= 0; i--) {
		ret[i] = digits[id & 31];
		id >>= 5;
	}
	ret[ID_TEXT_BYTES] = '\0';
}

bool id_parse(struct view text, uint64_t *ret)
{
	uint64_t id = 0;

	if (text.n != ID_TEXT_BYTES)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = ascii_lower(text.p[i]);
		struct view all = VIEW_LIT(digits);
		size_t at;

		c = c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
		at = view_find_char(all, c);
		if (at == all.n || id >> 58)
			return false;
		id = id << 5 | at;
	}
	if (id >> 63)
		return false;
	*ret = id;
	return true;
}

int64_t id_wall_us(uint64_t id)
{
	return ((int64_t)(id >> (NODE_BITS + SEQUENCE_BITS)) + EPOCH_MS) * 1000;
}
