/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_SESSION_H
#define POMBO_POPD_SESSION_H

#include "base/arena.h"
#include "ipc/msgs/mailbox_msgs.h"
#include "mail/smtp_line.h"
#include "popd/maildrop.h"
#include "popd/popd.h"

/* One connection (RFC 1939 §3). session_run() is its only engine: it reads a line while no command is under way, and runs the one
 * that is whenever what that waits for has come. Callbacks note what came and call it last.
 *
 *     new ──> AUTHORIZATION ── PASS, AUTH ──> TRANSACTION ── QUIT ──> UPDATE: the stream was told to close
 */
enum session_state {
	/* Bits, as the command table uses them. */
	SESSION_AUTHORIZATION = 1,
	SESSION_TRANSACTION = 2,
	SESSION_UPDATE = 4,
};

/* What a handler says (STYLE 34). */
enum step { STEP_DONE, STEP_WAIT, STEP_CLOSE };

enum session_wait {
	AWAIT_NOTHING,
	AWAIT_ANSWER, /* s->answer */
	AWAIT_DRAIN, /* room in the stream's output */
	AWAIT_LINE, /* s->line */
};

struct command_spec;
struct sasl_client;

struct session {
	/* connection */
	struct popd *popd;
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
	uint32_t commands, errors, auth_failures;
	uint32_t retrieved, deleted; /* messages, for the log */
	struct smtp_line lines;
	/* before login */
	char *user; /* that USER named */
	/* since login */
	uint64_t store_id; /* stored's name for the session; 0 before */
	char *address;
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
	uint32_t call_id; /* of the question to stored that is out; 0: none */
};

/* Makes the session of a new connection and greets. */
void session_new(struct popd *d, struct stream *stream, const char *service, bool tls_first);
/* Goes on until there is nothing to do. Within itself it does nothing. */
void session_run(struct session *s);
void session_enter(struct session *s, enum session_state state);
/* "-ERR …", then closes. */
void session_part(struct session *s, const char *text);
/* Closes the stream after what was written; the session goes with it. */
void session_close(struct session *s);
/* The process is stopping: now, or after the command that is under way. */
void session_stop(struct session *s);
/* A password may be sent: TLS, or loopback where the operator asked for it. */
bool session_may_login(const struct session *s);

/* A line of reply, CRLF is added. */
void session_say(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "-ERR …" for a mistake of the client: one too many ends the session. */
enum step session_refuse(struct session *s, const char *text);
struct buf *session_out(struct session *s);

/* What a handler that says STEP_WAIT waits for. */
enum step session_await(struct session *s, enum session_wait wait);
/* After a mailbox_call_x() with session_on_answer: `sent` false: the handler runs again without an answer. */
enum step session_await_answer(struct session *s, bool sent);
void session_on_answer(void *session, const struct mailbox_msg *answer);
enum { STORE_DEADLINE_MS = 60000 };
/* Memory of the handler, zeroed; becomes s->task. */
void *session_task(struct session *s, size_t n);

/* Log lines of the session carry its id and the client. */
void session_log_begin(struct log_line *l, const struct session *s, enum log_level level, const char *event);

#endif
