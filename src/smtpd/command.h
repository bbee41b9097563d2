/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_COMMAND_H
#define POMBO_SMTPD_COMMAND_H

#include "mail/smtp_command.h"
#include "smtpd/session.h"

/* Where a session stands between two commands. */
enum phase {
	PHASE_NEW = 1, /* no EHLO or HELO yet */
	PHASE_IDLE = 2, /* no message under way */
	PHASE_MAIL = 4, /* sender given, no recipient taken */
	PHASE_RCPT = 8, /* a recipient taken */
	PHASE_CHUNKS = 16, /* between two BDATs */
	PHASE_FAILED = 32, /* a BDAT failed: only RSET helps (RFC 3030 §2) */
	PHASE_ANY = 63,
};

/* One step in SESSION_COMMAND: takes a line and runs its command. */
enum step command_next(struct session *s);

/* The handlers. `c` is valid during the call. */
enum step cmd_ehlo(struct session *s, const struct smtp_command *c);
enum step cmd_helo(struct session *s, const struct smtp_command *c);
enum step cmd_mail(struct session *s, const struct smtp_command *c);
enum step cmd_rcpt(struct session *s, const struct smtp_command *c);
enum step cmd_data(struct session *s, const struct smtp_command *c);
enum step cmd_bdat(struct session *s, const struct smtp_command *c);
enum step cmd_auth(struct session *s, const struct smtp_command *c);
enum step cmd_rset(struct session *s, const struct smtp_command *c);
enum step cmd_noop(struct session *s, const struct smtp_command *c);
enum step cmd_vrfy(struct session *s, const struct smtp_command *c);
enum step cmd_expn(struct session *s, const struct smtp_command *c);
enum step cmd_help(struct session *s, const struct smtp_command *c);
enum step cmd_quit(struct session *s, const struct smtp_command *c);
enum step cmd_starttls(struct session *s, const struct smtp_command *c);

#endif
