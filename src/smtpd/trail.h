/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_TRAIL_H
#define POMBO_SMTPD_TRAIL_H

#include "mail/dsn_status.h"
#include "smtpd/session.h"

/* The log lines of a session; each carries session and client. */

/* A message was kept. */
void trail_kept(const struct session *s, uint64_t message_id);
/* MAIL, RCPT or a message was refused; `address` of the recipient, or empty. */
void trail_refused(const struct session *s, const char *stage, struct view address, const struct verdict *v);
/* `account`: empty where none was granted. */
void trail_login(const struct session *s, struct view account, const struct verdict *v);
/* The connection is over: quietly after QUIT, with the reason otherwise. */
void trail_end(const struct session *s, const char *why);
/* Something a well-behaved client does not do: text sent ahead of TLS, a request of another protocol. */
void trail_attack(const struct session *s, const char *what);

#endif
