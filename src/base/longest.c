/* SPDX-License-Identifier: ISC
 * The longest of what went on lately. */
#include "base/longest.h"

static void move_on(struct longest *l, uint64_t now_ms)
{
	uint64_t span = now_ms / LONGEST_SPAN_MS;

	if (span == l->span)
		return;
	l->former_us = span == l->span + 1 ? l->now_us : 0;
	l->now_us = 0;
	l->span = span;
}

void longest_note(struct longest *l, uint64_t us, uint64_t now_ms)
{
	move_on(l, now_ms);
	if (us > l->now_us)
		l->now_us = us;
}

uint64_t longest_get(struct longest *l, uint64_t now_ms)
{
	move_on(l, now_ms);
	return l->now_us > l->former_us ? l->now_us : l->former_us;
}
