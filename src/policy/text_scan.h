/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICY_TEXT_SCAN_H
#define POMBO_POLICY_TEXT_SCAN_H

#include "base/view.h"

#include <stdbool.h>

/* What the bytes of a message are like: what another server must be able to take to get it. */
struct text_scan {
	bool is_eightbit; /* a byte above 127 */
	bool has_long_line; /* over 998 octets without its CRLF (RFC 5322 §2.1.1) */
	uint64_t line_bytes; /* of the line under way */
};

#define TEXT_SCAN_INIT ((struct text_scan){false, false, 0})

/* The next bytes, cut anywhere. A line ends at LF. */
void text_scan_feed(struct text_scan *s, struct view bytes);

#endif
