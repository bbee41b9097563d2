/* SPDX-License-Identifier: ISC */
#ifndef POMBO_FRONT_CONN_H
#define POMBO_FRONT_CONN_H

#include "base/log.h"
#include "io/stream.h"
#include "ipc/msgs/mailbox_msgs.h"
#include "ipc/sasl_client.h"

#include <sys/queue.h>

/* One client's connection to a front end: from the greeting to the last words. A role's session begins with it. conn_run() is
 * its only engine: it lets the protocol take one step after the other (front.h), until there is nothing to do or others should get their
 * turn. Callbacks note what came and call it last. */
struct front;

/* What the client's next bytes meet. */
enum conn_state {
	CONN_IDLE, /* no command is under way */
	CONN_READS, /* the one that is takes them */
	CONN_DRAINS, /* ... waits for room in the stream's output */
	CONN_WORKS, /* ... waits for something else */
};

/* What a handler of a command says (STYLE 34). */
enum step { STEP_DONE, STEP_WAIT, STEP_CLOSE };

struct conn {
	struct front *front;
	struct stream *stream;
	TAILQ_ENTRY(conn) link;
	uint64_t id;
	uint64_t started_ms;
	uint64_t turn_from_us; /* when conn_run() began */
	const char *service; /* static */
	bool tls_first;
	bool handshaking;
	bool running; /* conn_run() is on the stack */
	bool closing; /* the stream was told to close */
	bool paused; /* the stream does not read */
	bool blocked; /* waits for the client to take what it asked for */
	bool logged_in; /* conn_log_in() */
	uint32_t commands, errors, auth_failures; /* `commands`: counted by the protocol */
	uint32_t call_id; /* of the question to stored that is out; 0: none */
	uint64_t store_id; /* stored's name for the session; 0 before login */
	char *address; /* of the account; NULL before */
};

/* Makes the session of a new connection and greets. */
void conn_new(struct front *f, struct stream *stream, const char *service, bool tls_first);
/* Goes on until there is nothing to do. Within itself it does nothing. */
void conn_run(struct conn *c);
/* The others should get theirs: what goes on for long waits for its next turn. */
bool conn_had_its_turn(const struct conn *c);
/* Begins TLS; what the client had sent ahead of it ends the connection (RFC 2595 §4, 9051 §6.2.1, CVE-2011-0411). */
void conn_start_tls(struct conn *c);
/* A password may be sent: TLS, or loopback where the operator asked for it. */
bool conn_may_login(const struct conn *c);
/* authd granted a login: stored is asked for its session, within the time to log in. As mailbox_call_x(). */
must_check bool conn_open(struct conn *c, const struct sasl_outcome *granted, mailbox_answer_fn *fn, void *ctx);
/* Takes the session that stored answered with; false: it did not. */
must_check bool conn_opened(struct conn *c, const struct mailbox_msg *answer);
/* The client goes before that answer came: its session is closed, however late it comes. */
void conn_leave_opening(struct conn *c);
/* `why` it failed; NULL: it did not. */
void conn_log_login(const struct conn *c, struct view mechanism, const char *why);
/* From now on the deadline is that of idle clients, and mistakes count anew. */
void conn_log_in(struct conn *c);
/* As it was before the login, with the deadline of a stranger. */
void conn_log_out(struct conn *c);

/* A line to the client, CRLF is added. */
void conn_say(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Counts a mistake of the client; false: one too many, the connection ends. */
bool conn_forgives(struct conn *c);
/* Says the last words, then closes. */
void conn_part(struct conn *c, const char *text);
/* Closes the stream after what was written; the session goes with it. */
void conn_close(struct conn *c);
/* The process is stopping: parts now, or, called by the protocol again, after the command that is under way. */
void conn_stop(struct conn *c);
/* Log lines of the connection carry its id and the client. */
void conn_log_begin(struct log_line *l, const struct conn *c, enum log_level level, const char *event);

#endif
