/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_ENVELOPE_H
#define POMBO_MAIL_ENVELOPE_H

#include "base/buf.h"

/* The IMAP ENVELOPE text (RFC 9051 §7.5.2) of a header block: "(date subject from sender reply-to to cc bcc
 * in-reply-to message-id)". Values are unfolded and trimmed, encoded-words stay as they are. Absent: NIL; Sender and
 * Reply-To that are absent or empty are From. Several fields of a name: address lists are joined, of the others the
 * first counts. An address without a domain has the host "". Bytes a quoted string cannot hold come as literals, NUL as
 * "?". Lists end early, between two addresses, once the text would pass `max_bytes`. */
void envelope_format(struct buf *out, struct view header, size_t max_bytes);

/* True for the names of the fields that envelope_format() reads. */
bool envelope_uses_field(struct view name);

#endif
