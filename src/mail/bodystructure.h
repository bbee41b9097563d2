/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_BODYSTRUCTURE_H
#define POMBO_MAIL_BODYSTRUCTURE_H

#include "mail/mime_index.h"

/* The IMAP BODYSTRUCTURE text (RFC 9051 §7.5.2), with extension data, of part `at` of a parsed (not decoded) index.
 * text/plain without a charset says us-ascii; a multipart without parts shows one empty text/plain, because the
 * grammar wants a part; RFC 2231 values stay encoded ("filename*"). */
void bodystructure_format(struct buf *out, const struct mime_index *x, uint32_t at);

/* BODY is BODYSTRUCTURE without extension data: made from its text. False (out is then to be thrown away) when
 * `bodystructure` is not what bodystructure_format() writes. */
must_check bool bodystructure_to_body(struct buf *out, struct view bodystructure);

#endif
