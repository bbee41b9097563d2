/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_REPLY_H
#define POMBO_SMTPD_REPLY_H

#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/session.h"

/* The reply to the command in hand. Waits behind replies of earlier RCPTs that are not out. 5xx counts as an error of the
 * client; one too many ends the session, and so does 421, whoever says it. */
void reply(struct session *s, const struct verdict *v);
/* The same, now: for what is known to be next. */
void reply_now(struct session *s, const struct verdict *v);
/* stored's refusal as it goes to the client. The text is a view into `r`. */
struct verdict reply_of_refusal(const struct smtp_refused *r);
/* The common ones. */
extern const struct verdict reply_store_away; /* 451 4.3.0 */
extern const struct verdict reply_shutting_down; /* 421 4.3.2 */
extern const struct verdict reply_login_ended; /* 421 4.7.0 */

#endif
