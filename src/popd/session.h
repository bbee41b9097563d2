/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_SESSION_H
#define POMBO_POPD_SESSION_H

#include "base/arena.h"
#include "front/front.h"
#include "ipc/msgs/mailbox_msgs.h"
#include "mail/smtp_line.h"
#include "popd/maildrop.h"

/* One connection (front/conn.h, RFC 1939 §3): it reads a line while no command is under way, and runs the one that is whenever what
 * that waits for has come.
 *
 *     new ──> AUTHORIZATION ── PASS, AUTH ──> TRANSACTION ── QUIT ──> UPDATE: the stream was told to close
 */
enum session_state {
	/* Bits, as the command table uses them. */
	SESSION_AUTHORIZATION = 1,
	SESSION_TRANSACTION = 2,
	SESSION_UPDATE = 4,
};

enum session_wait {
	AWAIT_NOTHING,
	AWAIT_ANSWER, /* s->answer */
	AWAIT_DRAIN, /* room in the stream's output */
	AWAIT_LINE, /* s->line */
};

struct command_spec;
struct sasl_client;

struct session {
	struct conn conn; /* first */
	enum session_state state;
	uint32_t retrieved, deleted; /* messages, for the log */
	struct smtp_line lines;
	/* before login */
	char *user; /* that USER named */
	/* since login */
	struct maildrop drop;
	/* one command */
	const struct command_spec *command; /* NULL: none is under way */
	struct arena arena; /* its arguments, and what its handler keeps */
	struct view args; /* behind the name */
	void *task; /* the handler's own; NULL at its first call */
	void (*forget)(struct session *s); /* NULL, or frees what of `task` is not in the arena */
	bool starts_tls; /* behind its +OK */
	enum session_wait wait;
	bool answered;
	const struct mailbox_msg *answer; /* valid during one call; NULL: stored did not answer */
	struct view line; /* likewise */
};

/* What makes a front end one of POP3. */
extern const struct front_protocol session_protocol;

/* The channel to stored; NULL while it is away. */
static inline struct channel *session_store(const struct session *s)
{
	return s->conn.front->store;
}
static inline struct buf *session_out(struct session *s)
{
	return stream_out(s->conn.stream);
}

void session_enter(struct session *s, enum session_state state);
/* "-ERR …" for a mistake of the client: one too many ends the session. */
enum step session_refuse(struct session *s, const char *text);

/* What a handler that says STEP_WAIT waits for. */
enum step session_await(struct session *s, enum session_wait wait);
/* After a mailbox_call_x() with session_on_answer: `sent` false: the handler runs again without an answer. */
enum step session_await_answer(struct session *s, bool sent);
void session_on_answer(void *session, const struct mailbox_msg *answer);
enum { STORE_DEADLINE_MS = 60000 };
/* Memory of the handler, zeroed; becomes s->task. */
void *session_task(struct session *s, size_t n);

#endif
