/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SEARCH_PROGRAM_H
#define POMBO_IMAPD_SEARCH_PROGRAM_H

#include "imapd/selected.h"
#include "mail/imap_search.h"

/* What a client searches for, as stored is asked for it (`search` of msgs/mailbox.def): numbers turned into UIDs, texts into
 * quoted UTF-8. */
enum search_program { SEARCH_PROGRAM_OK, SEARCH_PROGRAM_CHARSET, SEARCH_PROGRAM_TOO_LONG };

must_check enum search_program search_program_format(const struct imap_search_program *p, const struct selected *x,
						     struct arena *a, struct buf *out);

#endif
