/* SPDX-License-Identifier: ISC
 * The small commands: RSET NOOP VRFY EXPN HELP QUIT, and STARTTLS. */
#include "smtpd/command.h"

#include "io/stream.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"

enum step cmd_rset(struct session *s, const struct smtp_command *c)
{
	(void)c;
	session_reset(s);
	reply(s, &VERDICT(250, 2, 0, 0, "Ok"));
	return STEP_DONE;
}

enum step cmd_noop(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, &VERDICT(250, 2, 0, 0, "Ok"));
	return STEP_DONE;
}

/* RFC 5321 §3.5.3, §7.3: nobody learns here who exists. */
enum step cmd_vrfy(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, &VERDICT(252, 2, 0, 0, "Not verified; send the message and see"));
	return STEP_DONE;
}

enum step cmd_expn(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, &VERDICT(502, 5, 5, 1, "Lists are not expanded here"));
	return STEP_DONE;
}

enum step cmd_help(struct session *s, const struct smtp_command *c)
{
	(void)c;
	if (session_is_submission(s))
		reply(s, &VERDICT(214, 2, 0, 0,
				  "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
				  "Log in, then hand in mail to anybody (RFC 6409)"));
	else
		reply(s, &VERDICT(214, 2, 0, 0,
				  "EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
				  "Mail for this server's own addresses (RFC 5321)"));
	return STEP_DONE;
}

enum step cmd_quit(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, &VERDICT(221, 2, 0, 0, "Goodbye"));
	s->why_closed = NULL;
	return STEP_CLOSE;
}

enum step cmd_starttls(struct session *s, const struct smtp_command *c)
{
	(void)c;
	if (session_is_tls(s)) {
		reply(s, &VERDICT(503, 5, 5, 1, "TLS is in use already"));
		return STEP_DONE;
	}
	if (!s->smtpd->tls) {
		reply(s, &VERDICT(454, 4, 7, 0, "TLS is not available now"));
		return STEP_DONE;
	}
	if (stream_input(s->stream).n) {
		/* Whoever wrote it, it must not be taken for something said under TLS (RFC 3207 §6, CVE-2011-0411). */
		trail_attack(s, "text behind STARTTLS");
		s->why_closed = "text behind STARTTLS";
		return STEP_CLOSE;
	}
	reply(s, &VERDICT(220, 2, 0, 0, "Go ahead with TLS"));
	session_forget(s);
	session_enter(s, SESSION_HANDSHAKE);
	stream_flush(s->stream);
	stream_set_idle_timeout(s->stream, s->settings->handshake_timeout_ms);
	stream_start_tls(s->stream, s->smtpd->tls);
	return STEP_WAIT;
}
