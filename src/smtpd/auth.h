/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_AUTH_H
#define POMBO_SMTPD_AUTH_H

#include "ipc/sasl_client.h"
#include "smtpd/session.h"

enum { AUTH_LINE_MAX = SASL_LINE_MAX + 2 };

/* A login, under way or done (cmd_auth.c). */
struct login {
	struct sasl_client *sasl; /* NULL once it is done */
	struct view grant; /* owned; for stored */
	struct view account; /* owned */
};

/* One step in SESSION_AUTH: takes a line as the response. */
enum step auth_line(struct session *s);
/* The grant of the session, or empty. */
struct view auth_grant(const struct session *s);
bool auth_is_done(const struct session *s);
/* Takes back a login, at authd and stored too. */
void auth_forget(struct session *s);

#endif
