/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_SESSION_H
#define POMBO_SMTPD_SESSION_H

#include "mail/dsn_status.h"
#include "mail/smtp_line.h"
#include "smtpd/smtpd.h"

/* One connection. Its life is a walk through the states; session_run() is the only engine:
 *
 *             HANDSHAKE <──────── STARTTLS ───────┐
 *                 │ done                          │
 *     new ──> COMMAND <─────────────────────┬─────┘
 *              │  │ └─ MAIL, AUTH ─> ASKING ┤ answer        (RCPT asks too, but lets further RCPTs pass)
 *              │  │                 │ └─ challenge ─> AUTH ─ response ─> ASKING
 *              │  └─ BDAT ─> CHUNK ─┴─ octets taken ┤
 *              └─ DATA ─> DATA ── "." ─> SENDING ─ all handed on ─> KEEPING ─ verdict ─> COMMAND
 *     any ──> CLOSED: the stream was told to close; the session goes when it has
 */
enum session_state {
	SESSION_COMMAND, /* the next line is a command */
	SESSION_HANDSHAKE, /* TLS is being set up */
	SESSION_ASKING, /* stored or authd will answer; the command's reply follows */
	SESSION_AUTH, /* the next line is a SASL response */
	SESSION_DATA, /* message text up to the dot */
	SESSION_CHUNK, /* the octets of one BDAT */
	SESSION_SENDING, /* the message is whole; stored has not had all of it yet */
	SESSION_KEEPING, /* stored has all of it; its verdict follows */
	SESSION_CLOSED,
};

/* What a step of the engine says (STYLE 34). */
enum step { STEP_DONE, STEP_WAIT, STEP_CLOSE };

struct login;
struct transaction;

struct session {
	/* connection */
	struct smtpd *smtpd;
	struct stream *stream;
	struct settings *settings;
	TAILQ_ENTRY(session) link;
	TAILQ_ENTRY(session) stalled_link;
	uint64_t id;
	uint64_t started_ms;
	const char *service; /* static */
	enum session_state state;
	bool tls_first;
	bool trusted; /* may relay (mx only) */
	bool stalled;
	bool running; /* session_run() is on the stack */
	bool said_421; /* the last reply of a session (RFC 5321 §3.8) is out */
	const struct verdict *parting; /* static; said at the next border between commands, then closed */
	const char *why_closed; /* static; for the log; NULL: after QUIT */
	struct smtp_line lines;
	uint32_t commands, errors, mails, auth_failures, kept;
	/* since EHLO or HELO */
	bool esmtp;
	struct view helo; /* owned; empty before the greeting */
	struct login *login; /* NULL until AUTH */
	struct transaction *tx; /* NULL outside of one */
	/* one command */
	uint32_t call_id; /* of the question to stored about the sender; 0: none */
	uint64_t chunk_left, chunk_size;
	bool chunk_last;
	struct verdict chunk_verdict; /* code 0: the octets count */
};

/* Makes the session of a new connection and greets. */
void session_new(struct smtpd *d, struct stream *stream, const char *service, bool tls_first);
/* Goes on until there is nothing to do. Callbacks call it last; within itself it does nothing. */
void session_run(struct session *s);
void session_enter(struct session *s, enum session_state state);
/* Ends the session from outside: now if it is between commands, else as soon as it is. `why` is static. */
void session_part(struct session *s, const struct verdict *why);
/* Closes the stream after what was written; the session goes with it. `why` (static) for the log, NULL after QUIT. */
void session_close(struct session *s, const char *why);
/* Frees it at once, stream and all: only when the process ends. */
void session_abandon(struct session *s);

/* RFC 5321 §4.1.4: what EHLO, HELO, RSET and the end of a message clear. */
void session_reset(struct session *s);
/* RFC 3207 §4.2: nothing that was said before TLS counts. */
void session_forget(struct session *s);
/* The next line, copied; DONE, MORE, or BAD with the reply. */
must_check enum parse session_line(struct session *s, struct view *ret_line, struct verdict *ret_error);
bool session_is_tls(const struct session *s);
/* A password may be sent: TLS, or loopback where the operator asked for it. */
bool session_may_login(const struct session *s);
bool session_is_submission(const struct session *s);

#endif
