/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_MAILBOX_H
#define POMBO_MAIL_IMAP_MAILBOX_H

#include "base/buf.h"
#include "base/mem.h"

/* Mailbox names. Inside pombo they are UTF-8 in NFC with "/" between levels; on the wire modified UTF-7 (RFC 3501
 * §5.1.3) or, for a client that enabled it, UTF-8. */
enum { IMAP_MAILBOX_BYTES_MAX = 1000, IMAP_MAILBOX_LEVELS_MAX = 32 };

/* Strict: false for 8-bit bytes, an "&" that does not end in "-", base64 of printable ASCII, two shifts in a row that
 * could be one, lone surrogates, bits left over. Appends to out. */
must_check bool imap_mailbox_from_utf7(struct view wire, struct buf *out);
/* False when `utf8` is not UTF-8. */
must_check bool imap_mailbox_to_utf7(struct view utf8, struct buf *out);

/* A name a client sent: decoded (modified UTF-7, or UTF-8 where `utf8` says so or 8-bit bytes show it), normalised to
 * NFC, "INBOX" in any case written INBOX (also as the first level), then checked with imap_mailbox_is_valid(). */
must_check bool imap_mailbox_parse(struct view wire, bool utf8, struct buf *out);
/* Not empty, not too long or deep, no empty level (a "/" at an end or doubled), no control characters, no "*" or "%". */
bool imap_mailbox_is_valid(struct view utf8);
/* For the response: an astring ("INBOX", "\"a b\"", or a literal), modified UTF-7 or UTF-8. */
void imap_mailbox_format(struct buf *out, struct view name, bool utf8);

/* A LIST pattern (already UTF-8) against a name: "*" any characters, "%" any but "/"; INBOX (the first level) ignores
 * ASCII case. Takes O(pattern × name) at worst; false for a pattern over twice IMAP_MAILBOX_BYTES_MAX. */
bool imap_mailbox_match(struct view pattern, struct view name);
/* Whether some name below `name` could match (for \HasChildren-like walks and for "%" answering parents). */
bool imap_mailbox_match_below(struct view pattern, struct view name);

#endif
