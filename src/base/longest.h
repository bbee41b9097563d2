/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_LONGEST_H
#define POMBO_BASE_LONGEST_H

#include <stdint.h>

/* The longest of many things that go on all the time, of the last 10 to 20 minutes: for operators. */
enum { LONGEST_SPAN_MS = 600000 };
struct longest {
	uint64_t now_us, former_us; /* in the running span, and in the one before it */
	uint64_t span; /* clock_mono_ms() / LONGEST_SPAN_MS */
};

void longest_note(struct longest *l, uint64_t us, uint64_t now_ms);
uint64_t longest_get(struct longest *l, uint64_t now_ms);

#endif
