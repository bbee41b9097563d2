/* SPDX-License-Identifier: ISC
 * How long a command waits for another server. */
#include "cli/patience.h"

enum { SLOW_TIMES = 6, ANSWER_PART = 5, BYTE_MS = 4 };

void patience_init(struct patience *p, uint64_t idle_ms)
{
	*p = (struct patience){.idle_ms = idle_ms, .left_ms = SLOW_TIMES * idle_ms};
}

uint64_t patience_left_ms(const struct patience *p)
{
	uint64_t idle = p->silent_ms < p->idle_ms ? p->idle_ms - p->silent_ms : 0;

	return idle < p->left_ms ? idle : p->left_ms;
}

void patience_waited(struct patience *p, uint64_t ms, bool came)
{
	p->silent_ms = came ? 0 : p->silent_ms + ms;
	p->left_ms = ms < p->left_ms ? p->left_ms - ms : 0;
}

static void pay(struct patience *p, uint64_t ms)
{
	uint64_t most = SLOW_TIMES * p->idle_ms;

	p->left_ms = ms < most - p->left_ms ? p->left_ms + ms : most;
}

void patience_got(struct patience *p, uint64_t bytes)
{
	pay(p, bytes * BYTE_MS);
}

void patience_answered(struct patience *p)
{
	pay(p, p->idle_ms / ANSWER_PART);
}

bool patience_was_silent(const struct patience *p)
{
	return p->silent_ms >= p->idle_ms;
}
