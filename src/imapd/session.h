/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SESSION_H
#define POMBO_IMAPD_SESSION_H

#include "imapd/imapd.h"
#include "ipc/msgs/mailbox_msgs.h"
#include "mail/imap_parse.h"

/* One connection. session_run() is its only engine: it reads commands while none is under way, and runs the one that is
 * (command.h) whenever what that waits for has come. Callbacks note what came and call it last.
 *
 *     new ──> FRESH ── AUTHENTICATE, LOGIN ──> AUTHENTICATED ── SELECT, EXAMINE ──> SELECTED
 *                                                   ^ └── CLOSE, UNSELECT, a SELECT that failed ──┘
 *     any ──> LOGOUT: BYE was said and the stream told to close; the session goes when it has
 */
enum session_state {
	/* Bits, as the command table uses them. */
	SESSION_FRESH = 1,
	SESSION_AUTHENTICATED = 2,
	SESSION_SELECTED = 4,
	SESSION_LOGOUT = 8,
};

/* What a handler or a step of the engine says (STYLE 34). */
enum step { STEP_DONE, STEP_WAIT, STEP_CLOSE };

struct command;
struct selected;
struct notify;

struct session {
	/* connection */
	struct imapd *imapd;
	struct stream *stream;
	TAILQ_ENTRY(session) link;
	uint64_t id;
	uint64_t started_ms;
	const char *service; /* static */
	enum session_state state;
	bool tls_first;
	bool handshaking;
	bool running; /* session_run() is on the stack */
	bool closing; /* the stream was told to close */
	bool paused; /* the stream does not read */
	bool blocked; /* waits for the client to take what it asked for */
	/* what the client enabled (RFC 5161), until UNAUTHENTICATE */
	bool condstore; /* RFC 7162 §3.1: the client asked for modseqs */
	bool qresync; /* RFC 7162 §3.2 */
	bool rev2; /* IMAP4rev2 (RFC 9051) */
	bool utf8; /* UTF8=ACCEPT (RFC 6855) */
	bool uidonly; /* RFC 9586 */
	uint32_t commands, errors, auth_failures;
	uint64_t turn_from_us; /* when session_run() began */
	struct imap_reader reader;
	/* since login */
	uint64_t store_id; /* stored's name for the session; 0 before */
	char *address;
	struct notify *notify; /* NULL before the first NOTIFY (RFC 5465) */
	/* since SELECT */
	struct selected *selected;
	/* one command */
	struct command *command;
	uint32_t call_id; /* of the question to stored that is out; 0: none */
};

/* Makes the session of a new connection and greets. */
void session_new(struct imapd *d, struct stream *stream, const char *service, bool tls_first);
/* Goes on until there is nothing to do. Within itself it does nothing. */
void session_run(struct session *s);
/* The others should get theirs: what goes on for long says command_await_turn() then. */
bool session_had_its_turn(const struct session *s);
void session_enter(struct session *s, enum session_state state);
/* "* BYE …" (`text`: response code and words, static), then closes. */
void session_bye(struct session *s, const char *text);
/* Closes the stream after what was written; the session goes with it. */
void session_close(struct session *s);
/* The process is stopping: BYE now, or after the command that is under way. */
void session_stop(struct session *s);

/* Begins TLS; what the client had sent ahead of it ends the connection (RFC 9051 §6.2.1, CVE-2011-0411). */
void session_start_tls(struct session *s);
/* A password may be sent: TLS, or loopback where the operator asked for it. */
bool session_may_login(const struct session *s);
/* As it was before the login, with the limits of a stranger. */
void session_forget_login(struct session *s);
/* Leaves the selected mailbox, if any. */
void session_deselect(struct session *s);
/* From now on FETCH responses carry modseqs (RFC 7162 §3.1); the first time, the client hears where the selected mailbox stands. */
void session_enable_condstore(struct session *s);
/* Names of mailboxes are UTF-8 on the wire, not modified UTF-7 (RFC 9051 §5.1, 6855 §3). */
static inline bool session_utf8_names(const struct session *s)
{
	return s->rev2 || s->utf8;
}
/* VANISHED takes the place of EXPUNGE (RFC 7162 §3.2.10, 9586 §3.3). */
static inline bool session_tells_vanished(const struct session *s)
{
	return s->qresync || s->uidonly;
}
/* There may be something to tell unasked: between commands, or in IDLE. */
void session_wake(struct session *s);
/* stored says: the mailbox that the session watches changed. */
void session_notice(struct session *s, const struct mailbox_changed *m);

/* Where responses go. What a piece of output may be at most, and when to stop, is said in imapd.c. */
struct buf *session_out(struct session *s);
/* A line of response, CRLF is added. */
void session_say(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Counts a mistake of the client; one too many ends the session. */
void session_forgive(struct session *s);
/* Log lines of the session carry its id and the client. */
void session_log_begin(struct log_line *l, const struct session *s, enum log_level level, const char *event);

#endif
