/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_ADMIN_SUBMIT_H
#define POMBO_STORED_ADMIN_SUBMIT_H

#include "ipc/msgs/admin_msgs.h"
#include "stored/stored.h"

/* Messages that the command line (sendmail, cron) hands in over its connection. */
struct admin_submits;

struct admin_submits *admin_submits_new(struct stored *sd, struct peer *peer);
void admin_submits_free(struct admin_submits **s);
/* True when `m` was submit, submit_data or submit_end. */
bool admin_submit_msg(struct admin_submits *s, uint32_t id, const struct admin_msg *m);

#endif
