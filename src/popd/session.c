/* SPDX-License-Identifier: ISC
 * One connection: its engine, its states, its end. */
#include "popd/session.h"

#include "base/clock.h"
#include "popd/command.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
	COMMANDS_A_TURN = 32, /* of one session before the others get theirs */
	TURN_US = 5000, /* or as long as this */
	BLOCKED_MS = 5 * 60 * 1000,
	COMMAND_LINE_MAX = 512, /* RFC 2449 §4 asks for 255 */
	SASL_LINE_MAX_BYTES = 16384 + 2, /* base64 of the longest SASL response (ipc/sasl_client.h) */
	ARENA_MAX = 64 << 10,
};

struct buf *session_out(struct session *s)
{
	return stream_out(s->stream);
}

void session_say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(session_out(s), fmt, ap);
	va_end(ap);
	buf_append_cstr(session_out(s), "\r\n");
}

void session_log_begin(struct log_line *l, const struct session *s, enum log_level level, const char *event)
{
	char id[ID_TEXT_BYTES + 1];

	id_format(s->id, id);
	log_begin(l, level, event);
	log_cstr(l, "session", id);
	log_cstr(l, "client", stream_peer(s->stream)->ip);
	if (s->address)
		log_cstr(l, "account", s->address);
}

void session_enter(struct session *s, enum session_state state)
{
	assert(state > s->state);
	s->state = state;
	if (state == SESSION_TRANSACTION) {
		stream_set_total_timeout(s->stream, 0);
		stream_set_idle_timeout(s->stream, s->popd->settings.idle_timeout_ms);
		s->errors = 0;
	}
}

bool session_may_login(const struct session *s)
{
	if (stream_is_tls(s->stream))
		return true;
	return s->popd->settings.plaintext_auth_on_loopback && stream_peer(s->stream)->loopback;
}

static void end_command(struct session *s)
{
	if (s->forget)
		s->forget(s);
	if (s->call_id)
		channel_call_cancel(s->popd->store, s->call_id);
	s->call_id = 0;
	s->forget = NULL;
	s->task = NULL;
	s->command = NULL;
	s->wait = AWAIT_NOTHING;
	s->lines.max_bytes = COMMAND_LINE_MAX;
	arena_fini(&s->arena);
}

void session_close(struct session *s)
{
	if (s->closing)
		return;
	s->closing = true;
	end_command(s);
	if (session_out(s)->n)
		stream_flush(s->stream);
	stream_close(s->stream);
}

void session_part(struct session *s, const char *text)
{
	if (s->closing)
		return;
	session_say(s, "-ERR %s", text);
	session_close(s);
}

enum step session_refuse(struct session *s, const char *text)
{
	if (++s->errors >= s->popd->settings.max_errors) {
		session_part(s, "Too many errors");
		return STEP_CLOSE;
	}
	session_say(s, "-ERR %s", text);
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
		s->call_id = channel_call_id(s->popd->store);
	else
		s->answered = true;
	return STEP_WAIT;
}

void session_on_answer(void *session, const struct mailbox_msg *answer)
{
	struct session *s = session;

	s->call_id = 0;
	if (!s->command)
		return;
	s->answered = true;
	s->answer = answer;
	session_run(s);
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
		return !stream_is_full(s->stream);
	case AWAIT_LINE:
		return s->line.p != NULL;
	}
	return false;
}

/* ---- the engine ---- */

static void start_tls(struct session *s)
{
	struct log_line l;

	if (stream_input(s->stream).n) { /* RFC 2595 §4, CVE-2011-0411 */
		session_log_begin(&l, s, LOG_LEVEL_WARNING, "attack");
		log_cstr(&l, "what", "text ahead of TLS");
		log_end(&l);
		session_close(s);
		return;
	}
	if (session_out(s)->n)
		stream_flush(s->stream);
	s->handshaking = true;
	stream_start_tls(s->stream, s->popd->tls);
}

static void run_command(struct session *s)
{
	bool tls;

	switch (s->command->run(s)) {
	case STEP_WAIT:
		return;
	case STEP_CLOSE:
		session_close(s);
		return;
	case STEP_DONE:
		break;
	}
	tls = s->starts_tls;
	s->starts_tls = false;
	end_command(s);
	if (s->state == SESSION_UPDATE)
		session_close(s);
	else if (s->popd->stopping)
		session_stop(s);
	else if (tls)
		start_tls(s);
}

/* False: more bytes are needed. */
static bool read_line(struct session *s)
{
	struct view line;
	size_t consumed;
	enum parse r = smtp_line_next(&s->lines, stream_input(s->stream), &consumed, &line);

	if (r == PARSE_DONE && s->command)
		s->line = arena_copy(&s->arena, line);
	else if (r == PARSE_DONE)
		command_begin(s, line);
	else if (r == PARSE_BAD)
		(void)session_refuse(s, s->lines.error == SMTP_LINE_TOO_LONG ? "The line is too long"
									     : "Lines end in CRLF");
	stream_consume(s->stream, consumed);
	if (r == PARSE_DONE && s->command && s->wait == AWAIT_LINE && !s->line.p)
		session_part(s, "The line is too long");
	return r != PARSE_MORE || consumed > 0;
}

/* A client that does not take the replies to its commands gives no more of them. */
static bool wants_input(const struct session *s)
{
	if (s->handshaking)
		return false;
	return s->command ? s->wait == AWAIT_LINE : !stream_is_full(s->stream);
}

/* One thing more; false: nothing to do for now. */
static bool advance(struct session *s)
{
	if (s->closing || s->handshaking)
		return false;
	if (s->command && is_ready(s)) {
		run_command(s);
		return true;
	}
	return wants_input(s) && read_line(s);
}

/* The idle deadline rests while a command runs; a client that does not take what it asked for has one of its own. */
static void watch_blocked(struct session *s)
{
	bool blocked = s->command ? s->wait == AWAIT_DRAIN : stream_is_full(s->stream);

	if (s->state != SESSION_AUTHORIZATION && blocked != s->blocked)
		stream_set_total_timeout(s->stream, blocked ? BLOCKED_MS : 0);
	s->blocked = blocked;
}

/* Reading goes on or rests; `more`: what has been read already is not done with. */
static void settle(struct session *s, bool more)
{
	bool wants = wants_input(s);

	if (s->closing)
		return;
	if (session_out(s)->n)
		stream_flush(s->stream);
	watch_blocked(s);
	if (more && wants) {
		s->paused = false;
		stream_yield(s->stream);
	} else if (s->paused && wants) {
		s->paused = false;
		stream_resume(s->stream);
	} else if (!s->paused && !wants) {
		stream_pause(s->stream);
		s->paused = true;
	}
}

/* Between two commands, and only where there is input: that brings the session back. */
static bool is_turn_over(const struct session *s, uint32_t first_command, uint64_t from_us)
{
	if (s->command || stream_input(s->stream).n == 0)
		return false;
	return s->commands - first_command >= COMMANDS_A_TURN || clock_mono_us() - from_us >= TURN_US;
}

void session_run(struct session *s)
{
	const uint32_t first_command = s->commands;
	const uint64_t from_us = clock_mono_us();
	bool over = false;

	if (s->running || s->closing)
		return;
	s->running = true;
	while (!over && advance(s))
		over = is_turn_over(s, first_command, from_us);
	s->running = false;
	settle(s, over);
}

/* ---- what the stream says ---- */

static void on_input(void *ctx)
{
	session_run(ctx);
}

static void greet(struct session *s)
{
	session_say(s, "+OK %s pombo ready", buf_cstr(&s->popd->settings.hostname));
}

static void on_tls(void *ctx, const char *error)
{
	struct session *s = ctx;
	struct log_line l;

	s->handshaking = false;
	if (error) {
		session_log_begin(&l, s, LOG_LEVEL_INFO, "tls_failed");
		log_cstr(&l, "error", error);
		log_end(&l);
		return;
	}
	if (s->tls_first)
		greet(s);
	session_run(s);
}

static void on_timeout(void *ctx)
{
	struct session *s = ctx;

	if (s->state == SESSION_AUTHORIZATION)
		session_part(s, "Too slow to log in");
	else
		session_close(s); /* without a word, and nothing is deleted (RFC 1939 §3) */
}

static void forget(struct session *s)
{
	struct popd *d = s->popd;

	end_command(s);
	maildrop_fini(&s->drop);
	if (s->store_id) {
		(void)map_u64_remove(&d->by_store_id, s->store_id);
		if (d->store)
			(void)mailbox_send_session_close(d->store, 0,
							 &(struct mailbox_session_close){.session = s->store_id});
	}
	TAILQ_REMOVE(&d->sessions, s, link);
	free(s->user);
	free(s->address);
	free(s);
	popd_session_gone(d);
}

static void on_closed(void *ctx, enum stream_end end)
{
	static const char *const ends[] = {
	    [STREAM_CLOSED_BY_US] = "done",
	    [STREAM_CLOSED_BY_PEER] = "client went",
	    [STREAM_ERROR] = "error",
	    [STREAM_TIMEOUT] = "timeout",
	};
	struct session *s = ctx;
	struct log_line l;

	session_log_begin(&l, s, s->address ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "disconnected");
	log_cstr(&l, "why", ends[end]);
	log_u64(&l, "retrieved", s->retrieved);
	log_u64(&l, "deleted", s->deleted);
	log_u64(&l, "ms", clock_mono_ms() - s->started_ms);
	log_end(&l);
	forget(s);
}

static const struct stream_handlers handlers = {on_input, on_input, on_tls, on_closed, on_timeout};

void session_new(struct popd *d, struct stream *stream, const char *service, bool tls_first)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->popd = d;
	s->stream = stream;
	s->id = id_next(&d->ids);
	s->started_ms = clock_mono_ms();
	s->service = service;
	s->state = SESSION_AUTHORIZATION;
	s->tls_first = tls_first;
	smtp_line_init(&s->lines, COMMAND_LINE_MAX);
	arena_init(&s->arena, ARENA_MAX);
	TAILQ_INSERT_TAIL(&d->sessions, s, link);
	stream_set_handlers(stream, &handlers, s);
	stream_set_total_timeout(stream, d->settings.login_timeout_ms);
	if (tls_first) {
		start_tls(s);
	} else {
		greet(s);
		settle(s, false);
	}
}

void session_stop(struct session *s)
{
	if (!s->command || s->wait == AWAIT_LINE)
		session_part(s, "[SYS/TEMP] The server is going down");
}
