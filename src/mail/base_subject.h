/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_BASE_SUBJECT_H
#define POMBO_MAIL_BASE_SUBJECT_H

#include "base/buf.h"

/* The base subject of a Subject value (RFC 5256 §2.1): `utf8` is the value once decoded (rfc2047_decode()); "Re:", "Fwd:", "[list]",
 * "(fwd)" … are taken off. The base is appended to `out`, not folded. True: what was taken off says that the message is a reply or
 * a forward (§3, REFERENCES). Linear in the length of the value. */
bool base_subject(struct view utf8, struct buf *out);

#endif
