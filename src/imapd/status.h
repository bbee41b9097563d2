/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_STATUS_H
#define POMBO_IMAPD_STATUS_H

#include "imapd/session.h"

/* "* STATUS name (…)": `items` of enum imap_status_item (RFC 9051 §7.3.4). */
void status_format(struct buf *out, const struct session *s, struct view name, uint32_t items,
		   const struct mailbox_opened *m);

#endif
