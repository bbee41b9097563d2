/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_PREVIEW_H
#define POMBO_MAIL_PREVIEW_H

#include "mail/mime_index.h"

/* The beginning of a message's text as one line for a list of messages (RFC 8970). */
enum {
	PREVIEW_CHARS = 200, /* RFC 8970 §3.3: at most 256, better 200 */
	PREVIEW_BYTES = PREVIEW_CHARS * 4,
	PREVIEW_SOURCE_MAX = 65536, /* what of a part is looked at */
};

/* The part to begin with, or the next one when `after` gave nothing: text that is not in a message inside this one; NULL: none. */
const struct mime_part *preview_part(const struct mime_index *x, const struct mime_part *after);
/* Appends what the front of a text part (as it stands in the message) reads, in UTF-8: transfer encoding and charset undone, of
 * HTML the markup away, of plain text what is quoted and the signature away, blanks joined. Maybe nothing. */
void preview_format(const struct mime_part *part, struct view front, struct buf *out);

#endif
