/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_APPEND_H
#define POMBO_STORED_APPEND_H

#include "ipc/msgs/mailbox_msgs.h"
#include "stored/session.h"
#include "stored/stored.h"

/* The APPENDs under way on one imapd's channel. */
struct append_table;

struct append_table *append_table_new(struct stored *sd, struct peer *peer);
void append_table_free(struct append_table **t); /* the channel went: those not yet committing end */
void append_begin(struct append_table *t, uint32_t id, struct session *s, const struct mailbox_append *m);
/* True when `m` was data, append_as, append_next, append_end or append_abort (of an append under way or not). */
bool append_continue(struct append_table *t, uint32_t id, const struct mailbox_msg *m);

#endif
