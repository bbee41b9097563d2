/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_PROGRESS_H
#define POMBO_CLI_PROGRESS_H

#include "base/buf.h"

/* One line on a terminal's standard error that says how far long work has come; silent elsewhere. */
struct progress {
	bool on, drawn;
	uint64_t started_ms, drawn_ms;
	uint64_t done, total; /* of any unit; total 0: not known */
	uint64_t messages;
	const char *verb; /* "importing" */
	const char *one, *many; /* what `messages` counts, where it is something else */
};

void progress_init(struct progress *p, const char *verb, bool quiet);
/* `what` (a folder) is made harmless for the terminal. Draws at most five times a second. */
void progress_show(struct progress *p, struct view what);
/* Takes the line away: before anything else is written, and at the end. */
void progress_clear(struct progress *p);

#endif
