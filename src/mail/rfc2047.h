/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_RFC2047_H
#define POMBO_MAIL_RFC2047_H

#include "base/buf.h"

/* Appends a header field value as UTF-8: unfolded, encoded-words (RFC 2047, with RFC 2231 §5 languages) decoded, blanks
 * between two of them dropped, neighbours of one charset and encoding joined before conversion (they may cut a
 * character). Words in an unknown charset stay as they stand; raw 8-bit bytes that are no UTF-8 are read as
 * windows-1252. Lenient about where an encoded-word may stand and how long it may be. */
void rfc2047_decode(struct view value, struct buf *out);

/* Appends `utf8` as encoded-words (UTF-8, base64), folded so that no line is over 76 bytes when the first starts in
 * column `column`; ASCII without "=?" and line ends is appended as it is. For header text that pombo writes itself. */
void rfc2047_encode(struct view utf8, size_t column, struct buf *out);

#endif
