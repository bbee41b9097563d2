/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_CAPABILITY_H
#define POMBO_IMAPD_CAPABILITY_H

#include "imapd/session.h"

/* "IMAP4rev1 …": what the session may use now (RFC 9051 §7.2.2). Only what is whole, and was used in a test by a client or
 * suite that is not ours, stands in it. */
void capability_format(struct buf *out, const struct session *s);

#endif
