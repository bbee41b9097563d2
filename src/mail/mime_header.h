/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MIME_HEADER_H
#define POMBO_MAIL_MIME_HEADER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* Walks the fields of a header block as stored mail has it: nothing is refused, lines end at LF with or without CR.
 *
 *     struct mime_header h = mime_header_start(block);
 *     while (mime_header_next(&h, &field))
 *             …
 */
struct mime_header {
	struct view rest; /* after the last field: the blank line, or nothing */
};

struct mime_header_field {
	struct view raw; /* all its lines, line ends included */
	struct view name; /* without blanks around; empty for a line that is no field */
	struct view value; /* behind the colon, still folded, without the last line end */
};

struct mime_header mime_header_start(struct view block);
/* False at the blank line or the end. */
must_check bool mime_header_next(struct mime_header *h, struct mime_header_field *ret);
/* The first field of that name (ASCII case ignored). */
must_check bool mime_header_find(struct view block, const char *name, struct mime_header_field *ret);

/* RFC 5322 §2.2.3: without the line ends that fold it, and without blanks around. Points into `value` when nothing had
 * to go, else into `a`; an empty view when the arena is full. */
struct view mime_header_unfold(struct view value, struct arena *a);

#endif
