/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MIME_DETAILS_H
#define POMBO_MAIL_MIME_DETAILS_H

#include "mail/mime_index.h"

/* What the MIME fields of a part's header say (RFC 2045, 2183, 3282, 2557). */

/* True for the names of the fields that mime_details_read() reads. */
bool mime_details_uses_field(struct view name);
/* Reads the fields, of each the first, into `a` and into part's type, subtype, charset and encoding. The type stays as it
 * is without a Content-Type, and is text/plain when that is broken (RFC 2045 §5.2). NULL: the arena is full. */
struct mime_details *mime_details_read(struct view header, struct arena *a, struct mime_part *part);

#endif
