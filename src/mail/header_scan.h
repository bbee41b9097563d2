/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_HEADER_SCAN_H
#define POMBO_MAIL_HEADER_SCAN_H

#include "base/mem.h"
#include "base/view.h"

/* Finds the end of the header in a message that arrives in pieces, by the rules of header.h. */
enum header_scan_state { HEADER_SCAN_START, HEADER_SCAN_CR, HEADER_SCAN_NAME, HEADER_SCAN_GAP, HEADER_SCAN_REST };

enum { HEADER_SCAN_NAME_MAX = 6 };

struct header_scan {
	size_t max_bytes;
	size_t total; /* bytes looked at */
	size_t line; /* offset of the line under way */
	size_t content; /* after DONE, or header_scan_end(): offset of the first byte behind the header */
	enum header_scan_state state;
	size_t name_bytes;
	char name[HEADER_SCAN_NAME_MAX]; /* proven: the start of the name under way, enough to know an mbox line */
	bool gap_is_space; /* the name is followed by SP, not HTAB */
};

/* `max_bytes`: how far into the message to look. */
void header_scan_init(struct header_scan *s, size_t max_bytes);
/* The next bytes. DONE: s->content is known (it may lie in an earlier piece); do not call again.
 * BAD: no end within the first max_bytes bytes. */
must_check enum parse header_scan_next(struct header_scan *s, struct view piece);
/* The message is over and DONE was never said: sets s->content. */
void header_scan_end(struct header_scan *s);

#endif
