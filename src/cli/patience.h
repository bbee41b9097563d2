/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_PATIENCE_H
#define POMBO_CLI_PATIENCE_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* How long a command waits for another server, however much it still has to say: until nothing came for a while, or, six times as long, hardly
 * anything (a server may keep a connection alive for ever with a byte a minute). What comes pays for waiting: each byte for 4 ms, each answer to
 * a command for a fifth of the while, so that no end is set to what gets on, be it a thousand slow folders. Pure. */
struct patience {
	uint64_t idle_ms;
	uint64_t silent_ms; /* waited since something came */
	uint64_t left_ms; /* to be waited for hardly anything */
};
void patience_init(struct patience *p, uint64_t idle_ms);
/* How long may be waited now; 0: it has come to its end. */
uint64_t patience_left_ms(const struct patience *p);
/* So long it was waited; `came`: until something came, be it a byte. */
void patience_waited(struct patience *p, uint64_t ms, bool came);
void patience_got(struct patience *p, uint64_t bytes);
void patience_answered(struct patience *p);
/* At its end: was there nothing at all? */
bool patience_was_silent(const struct patience *p);

#endif
