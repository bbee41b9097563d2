/* SPDX-License-Identifier: ISC
 * One connection: its lines, its states, its end. */
#include "popd/session.h"

#include "ipc/msgs/auth_msgs.h"
#include "popd/command.h"

#include <assert.h>
#include <stdlib.h>

enum {
	COMMAND_LINE_MAX = 512, /* RFC 2449 §4 asks for 255 */
	SASL_LINE_MAX_BYTES = 16384 + 2, /* base64 of the longest SASL response (ipc/sasl_client.h) */
	ARENA_MAX = 64 << 10,
};

void session_enter(struct session *s, enum session_state state)
{
	assert(state > s->state);
	s->state = state;
	if (state == SESSION_TRANSACTION)
		conn_log_in(&s->conn);
}

static struct session *session_of(struct conn *c)
{
	return (struct session *)c;
}

static void end_command(struct session *s)
{
	if (s->forget)
		s->forget(s);
	if (s->conn.call_id)
		channel_call_cancel(session_store(s), s->conn.call_id);
	s->conn.call_id = 0;
	s->forget = NULL;
	s->task = NULL;
	s->command = NULL;
	s->wait = AWAIT_NOTHING;
	s->lines.max_bytes = COMMAND_LINE_MAX;
	arena_fini(&s->arena);
}

enum step session_refuse(struct session *s, const char *text)
{
	if (!conn_forgives(&s->conn))
		return STEP_CLOSE;
	conn_say(&s->conn, "-ERR %s", text);
	return STEP_DONE;
}

/* ---- waiting ---- */

enum step session_await(struct session *s, enum session_wait wait)
{
	s->answered = false;
	s->answer = NULL;
	s->line = (struct view){NULL, 0};
	s->wait = wait;
	if (wait == AWAIT_LINE)
		s->lines.max_bytes = SASL_LINE_MAX_BYTES;
	return STEP_WAIT;
}

enum step session_await_answer(struct session *s, bool sent)
{
	(void)session_await(s, AWAIT_ANSWER);
	if (sent)
		s->conn.call_id = channel_call_id(session_store(s));
	else
		s->answered = true;
	return STEP_WAIT;
}

void session_on_answer(void *session, const struct mailbox_msg *answer)
{
	struct session *s = session;

	s->conn.call_id = 0;
	if (!s->command)
		return;
	s->answered = true;
	s->answer = answer;
	conn_run(&s->conn);
	s->answer = NULL;
}

void *session_task(struct session *s, size_t n)
{
	s->task = arena_alloc(&s->arena, n); /* a line and a task fit */
	return s->task;
}

static bool is_ready(const struct session *s)
{
	switch (s->wait) {
	case AWAIT_NOTHING:
		return true;
	case AWAIT_ANSWER:
		return s->answered;
	case AWAIT_DRAIN:
		return !stream_is_full(s->conn.stream);
	case AWAIT_LINE:
		return s->line.p != NULL;
	}
	return false;
}

/* ---- what the client says ---- */

static void run_command(struct session *s)
{
	bool tls;

	switch (s->command->run(s)) {
	case STEP_WAIT:
		return;
	case STEP_CLOSE:
		conn_close(&s->conn);
		return;
	case STEP_DONE:
		break;
	}
	tls = s->starts_tls;
	s->starts_tls = false;
	end_command(s);
	if (s->state == SESSION_UPDATE)
		conn_close(&s->conn);
	else if (s->conn.front->stopping)
		conn_stop(&s->conn);
	else if (tls)
		conn_start_tls(&s->conn);
}

/* False: more bytes are needed. */
static bool read_line(struct session *s)
{
	struct view line;
	size_t consumed;
	enum parse r = smtp_line_next(&s->lines, stream_input(s->conn.stream), &consumed, &line);

	if (r == PARSE_DONE && s->command)
		s->line = arena_copy(&s->arena, line);
	else if (r == PARSE_DONE)
		command_begin(s, line);
	else if (r == PARSE_BAD)
		(void)session_refuse(s, s->lines.error == SMTP_LINE_TOO_LONG ? "The line is too long"
									     : "Lines end in CRLF");
	stream_consume(s->conn.stream, consumed);
	if (r == PARSE_DONE && s->command && s->wait == AWAIT_LINE && !s->line.p)
		conn_part(&s->conn, "The line is too long");
	return r != PARSE_MORE || consumed > 0;
}

static enum conn_state conn_state(const struct conn *c)
{
	const struct session *s = (const struct session *)c;

	if (!s->command)
		return CONN_IDLE;
	if (s->wait == AWAIT_LINE)
		return CONN_READS;
	return s->wait == AWAIT_DRAIN ? CONN_DRAINS : CONN_WORKS;
}

static bool advance(struct conn *c)
{
	struct session *s = session_of(c);

	if (s->command && is_ready(s)) {
		run_command(s);
		return true;
	}
	if (s->command ? s->wait != AWAIT_LINE : stream_is_full(c->stream))
		return false;
	return read_line(s);
}

/* ---- its beginning and its end ---- */

static void begin(struct conn *c)
{
	struct session *s = session_of(c);

	s->state = SESSION_AUTHORIZATION;
	smtp_line_init(&s->lines, COMMAND_LINE_MAX);
	arena_init(&s->arena, ARENA_MAX);
}

static void greet(struct conn *c)
{
	conn_say(c, "+OK %s pombo ready", buf_cstr(&c->front->settings.hostname));
}

static void give_up(struct conn *c)
{
	end_command(session_of(c));
}

static void log_session(const struct conn *c, struct log_line *l)
{
	const struct session *s = (const struct session *)c;

	log_u64(l, "retrieved", s->retrieved);
	log_u64(l, "deleted", s->deleted);
}

static void end(struct conn *c)
{
	struct session *s = session_of(c);

	end_command(s);
	maildrop_fini(&s->drop);
	free(s->user);
}

const struct front_protocol session_protocol = {
    .store_peer = MAILBOX_PEER_POP,
    .auth_peer = AUTH_PEER_POP,
    .session_bytes = sizeof(struct session),
    .parting = "-ERR ",
    .too_slow = "Too slow to log in",
    .idle = NULL, /* nothing is said, and nothing is deleted (RFC 1939 §3) */
    .too_many_errors = "Too many errors",
    .login_ended = "[AUTH] The login has ended, log in again",
    .store_away = "[SYS/TEMP] The mail store is away, try again later",
    .going_down = "[SYS/TEMP] The server is going down",
    .begin = begin,
    .end = end,
    .greet = greet,
    .state = conn_state,
    .advance = advance,
    .give_up = give_up,
    .log = log_session,
};
