/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_ID_H
#define POMBO_BASE_ID_H

#include "base/view.h"

/* A message's one name for life: 63 bits that sort by time (41 bits of milliseconds since 2024-01-01,
 * 6 bits of node, 16 bits of sequence), written as 13 lower-case Crockford base-32 digits. */
enum { ID_TEXT_BYTES = 13 };

struct id_source {
	uint64_t last;
	uint32_t node;
};

void id_source_init(struct id_source *s, uint32_t node, uint64_t last_given);
/* Strictly greater than every id given before, even when the clock steps back. */
uint64_t id_next(struct id_source *s);
void id_format(uint64_t id, char ret[ID_TEXT_BYTES + 1]);
bool id_parse(struct view text, uint64_t *ret); /* upper case, and o/i/l for 0/1/1, are taken too */
int64_t id_wall_us(uint64_t id); /* when it was given, to the millisecond */

#endif
