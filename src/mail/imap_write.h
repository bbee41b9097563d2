/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_WRITE_H
#define POMBO_MAIL_IMAP_WRITE_H

#include "base/buf.h"

/* Pieces of IMAP responses (RFC 9051 §9). Flags: imap_flags.h; sets: imap_set.h; dates: date.h; mailbox names:
 * imap_mailbox.h. */

/* A string: quoted when it is 7-bit, without NUL, CR and LF, and at most 1000 bytes, else a literal. NUL, which neither
 * may hold, is written "?". */
void imap_write_string(struct buf *out, struct view v);
/* The same, but UTF-8 may stand in a quoted string (after ENABLE IMAP4rev2 or UTF8=ACCEPT). */
void imap_write_string_utf8(struct buf *out, struct view v);
/* NIL where v.p is NULL. */
void imap_write_nstring(struct buf *out, struct view v);
/* An atom where that is possible (and it does not read NIL), else a string. */
void imap_write_astring(struct buf *out, struct view v);
/* "{n}\r\n" / "~{n}\r\n": the announcement alone; the bytes follow from elsewhere. */
void imap_write_literal(struct buf *out, uint64_t bytes);
void imap_write_literal8(struct buf *out, uint64_t bytes);

#endif
