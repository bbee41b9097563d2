/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_UNITEXT_H
#define POMBO_MAIL_UNITEXT_H

#include "base/buf.h"
#include "base/mem.h"

/* Addresses of type utf-8 in ORCPT and in reports (RFC 6533 §3): "\x{HEX}" stands for a character that may not stand there itself. */

/* Any of the three forms, decoded. False: it is none (then it is passed on as it came); what was appended counts for nothing. */
must_check bool unitext_decode(struct buf *out, struct view text);
/* utf-8-addr-unitext; ascii: utf-8-addr-xtext, which goes where SMTPUTF8 is not offered. `address` is UTF-8. */
void unitext_encode(struct buf *out, struct view address, bool ascii);

#endif
