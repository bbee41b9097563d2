/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_OBJECTID_H
#define POMBO_MAIL_OBJECTID_H

#include "base/buf.h"
#include "base/mem.h"

/* Identifiers of mailboxes and messages as IMAP and JMAP show them (RFC 8474): a letter, then the number the store gave, which
 * is never given again. */
enum objectid_kind { OBJECTID_MAILBOX = 'F', OBJECTID_MESSAGE = 'M' };

void objectid_format(struct buf *out, enum objectid_kind kind, uint64_t number);
/* False: not one of ours, as written by objectid_format(). */
must_check bool objectid_parse(struct view text, enum objectid_kind kind, uint64_t *ret);
/* 1*255(ALPHA / DIGIT / "_" / "-"): what a client may ask for. */
bool objectid_is_valid(struct view text);

#endif
