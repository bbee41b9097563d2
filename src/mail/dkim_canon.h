/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DKIM_CANON_H
#define POMBO_MAIL_DKIM_CANON_H

#include "base/buf.h"

/* The "relaxed" forms of DKIM (RFC 6376 §3.4.2 and §3.4.4). Pure. A line ends at LF, with or without CR before it. */

/* A header field as it is hashed: name in lower case, value on one line with its blanks reduced, CRLF. */
void dkim_canon_field(struct buf *out, struct view name, struct view value);

/* The body, in pieces cut anywhere. `put` gets the canonical bytes in pieces of at most DKIM_BODY_PIECE_MAX. */
typedef void dkim_body_put(void *ctx, struct view bytes);
enum { DKIM_BODY_PIECE_MAX = 4096 };

struct dkim_body {
	dkim_body_put *put;
	void *ctx;
	uint64_t empty_lines; /* not yet given: at the end they do not count */
	bool has_text; /* in the line under way */
	bool blank; /* one or more, not yet given: at the end of a line they do not count */
	bool cr; /* not yet given: a line end maybe */
	size_t n;
	char bytes[DKIM_BODY_PIECE_MAX]; /* proven: given away when full */
};

void dkim_body_init(struct dkim_body *b, dkim_body_put *put, void *ctx);
void dkim_body_feed(struct dkim_body *b, struct view bytes);
/* The end of the message: a last line without its line end gets one; nothing at all stays nothing. */
void dkim_body_finish(struct dkim_body *b);

#endif
