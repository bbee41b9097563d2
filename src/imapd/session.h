/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SESSION_H
#define POMBO_IMAPD_SESSION_H

#include "imapd/imapd.h"
#include "ipc/msgs/mailbox_msgs.h"
#include "mail/imap_parse.h"

/* One connection (front/conn.h): it reads commands while none is under way, and runs the one that is (command.h) whenever what that
 * waits for has come.
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

struct command;
struct selected;
struct notify;

struct session {
	struct conn conn; /* first */
	enum session_state state;
	/* what the client enabled (RFC 5161), until UNAUTHENTICATE */
	bool condstore; /* RFC 7162 §3.1: the client asked for modseqs */
	bool qresync; /* RFC 7162 §3.2 */
	bool rev2; /* IMAP4rev2 (RFC 9051) */
	bool utf8; /* UTF8=ACCEPT (RFC 6855) */
	bool uidonly; /* RFC 9586 */
	struct imap_reader reader;
	struct notify *notify; /* NULL before the first NOTIFY (RFC 5465) */
	/* since SELECT */
	struct selected *selected;
	/* one command */
	struct command *command;
};

/* What makes a front end one of IMAP. */
extern const struct front_protocol session_protocol;

static inline struct session *session_of(struct conn *c)
{
	return (struct session *)c;
}
static inline struct imapd *session_imapd(const struct session *s)
{
	return (struct imapd *)s->conn.front;
}
/* The channel to stored; NULL while it is away. */
static inline struct channel *session_store(const struct session *s)
{
	return s->conn.front->store;
}
/* Where responses go. What a piece of output may be at most, and when to stop, is said in imapd.c. */
static inline struct buf *session_out(struct session *s)
{
	return stream_out(s->conn.stream);
}

void session_enter(struct session *s, enum session_state state);
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

#endif
