/* SPDX-License-Identifier: ISC
 * One connection: its engine, its deadlines, its end. */
#include "front/conn.h"

#include "base/clock.h"
#include "front/front.h"

#include <stdarg.h>
#include <stdlib.h>

enum {
	COMMANDS_A_TURN = 32, /* of one session before the others get theirs */
	TURN_US = 5000, /* or as long as this */
	BLOCKED_MS = 5 * 60 * 1000,
};

void conn_say(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(stream_out(c->stream), fmt, ap);
	va_end(ap);
	buf_append_cstr(stream_out(c->stream), "\r\n");
}

void conn_log_begin(struct log_line *l, const struct conn *c, enum log_level level, const char *event)
{
	char id[ID_TEXT_BYTES + 1];

	id_format(c->id, id);
	log_begin(l, level, event);
	log_cstr(l, "session", id);
	log_cstr(l, "client", stream_peer(c->stream)->ip);
	if (c->address)
		log_cstr(l, "account", c->address);
}

static void flush_output(struct conn *c)
{
	if (stream_out(c->stream)->n)
		stream_flush(c->stream);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	c->front->protocol->give_up(c);
	flush_output(c);
	stream_close(c->stream);
}

void conn_part(struct conn *c, const char *text)
{
	if (c->closing)
		return;
	conn_say(c, "%s%s", c->front->protocol->parting, text);
	conn_close(c);
}

bool conn_forgives(struct conn *c)
{
	if (++c->errors < c->front->settings.max_errors)
		return true;
	conn_part(c, c->front->protocol->too_many_errors);
	return false;
}

/* ---- login ---- */

bool conn_may_login(const struct conn *c)
{
	if (stream_is_tls(c->stream))
		return true;
	return c->front->settings.plaintext_auth_on_loopback && stream_peer(c->stream)->loopback;
}

void conn_log_in(struct conn *c)
{
	stream_set_total_timeout(c->stream, 0);
	stream_set_idle_timeout(c->stream, c->front->settings.idle_timeout_ms);
	c->errors = 0;
	c->logged_in = true;
}

bool conn_open(struct conn *c, const struct sasl_outcome *granted, mailbox_answer_fn *fn, void *ctx)
{
	struct mailbox_session_open m = {.grant = granted->grant};

	c->address = view_to_cstr(granted->address);
	return mailbox_call_session_open(c->front->store, &m, 0, fn, ctx);
}

bool conn_opened(struct conn *c, const struct mailbox_msg *answer)
{
	if (!answer || answer->type != MAILBOX_SESSION)
		return false;
	c->store_id = answer->session.session;
	(void)map_u64_set(&c->front->by_store_id, c->store_id, c);
	return true;
}

/* stored is told that its session is over. */
static void close_session(struct front *f, uint64_t store_id)
{
	(void)mailbox_send_session_close(f->store, 0, &(struct mailbox_session_close){.session = store_id});
}

static void close_unclaimed(void *ctx, const void *answer)
{
	const struct mailbox_msg *m = answer;

	if (m && m->type == MAILBOX_SESSION)
		close_session(ctx, m->session.session);
}

void conn_leave_opening(struct conn *c)
{
	if (c->call_id)
		channel_call_leave(c->front->store, c->call_id, close_unclaimed, c->front);
	c->call_id = 0;
}

static void end_login(struct conn *c)
{
	if (c->store_id) {
		(void)map_u64_remove(&c->front->by_store_id, c->store_id);
		close_session(c->front, c->store_id);
	}
	c->store_id = 0;
	free(c->address);
	c->address = NULL;
}

void conn_log_login(const struct conn *c, struct view mechanism, const char *why)
{
	struct log_line l;

	conn_log_begin(&l, c, LOG_LEVEL_INFO, why ? "login_failed" : "login");
	log_cstr(&l, "service", c->service);
	log_str(&l, "mechanism", mechanism);
	if (stream_is_tls(c->stream))
		log_str(&l, "tls", stream_tls_text(c->stream));
	if (why)
		log_cstr(&l, "why", why);
	log_end(&l);
}

void conn_log_out(struct conn *c)
{
	end_login(c);
	c->logged_in = false;
	stream_set_total_timeout(c->stream, c->front->settings.login_timeout_ms);
}

/* ---- the engine ---- */

/* A client that does not take the replies to its commands gives no more of them. */
static bool wants_input(const struct conn *c, enum conn_state state)
{
	if (c->handshaking)
		return false;
	return state == CONN_READS || (state == CONN_IDLE && !stream_is_full(c->stream));
}

/* The idle deadline rests while a command runs; a client that does not take what it asked for has one of its own. */
static void watch_blocked(struct conn *c, enum conn_state state)
{
	bool blocked = state == CONN_DRAINS || (state == CONN_IDLE && stream_is_full(c->stream));

	if (c->logged_in && blocked != c->blocked)
		stream_set_total_timeout(c->stream, blocked ? BLOCKED_MS : 0);
	c->blocked = blocked;
}

/* Reading goes on or rests; `more`: what has been read already is not done with. */
static void settle(struct conn *c, bool more)
{
	enum conn_state state = c->front->protocol->state(c);
	bool wants = wants_input(c, state);

	if (c->closing)
		return;
	flush_output(c);
	watch_blocked(c, state);
	if (more && wants) {
		c->paused = false;
		stream_yield(c->stream);
	} else if (c->paused && wants) {
		c->paused = false;
		stream_resume(c->stream);
	} else if (!c->paused && !wants) {
		stream_pause(c->stream);
		c->paused = true;
	}
}

bool conn_had_its_turn(const struct conn *c)
{
	return clock_mono_us() - c->turn_from_us >= TURN_US;
}

/* Between two commands, and only where there is input: that brings the session back. */
static bool is_turn_over(const struct conn *c, uint32_t first_command)
{
	if (c->front->protocol->state(c) != CONN_IDLE || stream_input(c->stream).n == 0)
		return false;
	return c->commands - first_command >= COMMANDS_A_TURN || conn_had_its_turn(c);
}

static bool advance(struct conn *c)
{
	return !c->closing && !c->handshaking && c->front->protocol->advance(c);
}

void conn_run(struct conn *c)
{
	const uint32_t first_command = c->commands;
	bool over = false;

	if (c->running || c->closing)
		return;
	c->running = true;
	c->turn_from_us = clock_mono_us();
	while (!over && advance(c))
		over = is_turn_over(c, first_command);
	c->running = false;
	settle(c, over);
}

void conn_start_tls(struct conn *c)
{
	struct log_line l;

	if (stream_input(c->stream).n) {
		conn_log_begin(&l, c, LOG_LEVEL_WARNING, "attack");
		log_cstr(&l, "what", "text ahead of TLS");
		log_end(&l);
		conn_close(c);
		return;
	}
	flush_output(c);
	c->handshaking = true;
	stream_start_tls(c->stream, c->front->tls);
}

void conn_stop(struct conn *c)
{
	enum conn_state state = c->front->protocol->state(c);

	if (state == CONN_IDLE || state == CONN_READS)
		conn_part(c, c->front->protocol->going_down);
}

/* ---- what the stream says ---- */

static void on_input(void *ctx)
{
	conn_run(ctx);
}

static void on_tls(void *ctx, const char *error)
{
	struct conn *c = ctx;
	struct log_line l;

	c->handshaking = false;
	if (error) {
		conn_log_begin(&l, c, LOG_LEVEL_INFO, "tls_failed");
		log_cstr(&l, "error", error);
		log_end(&l);
		return;
	}
	if (c->tls_first)
		c->front->protocol->greet(c);
	conn_run(c);
}

static void on_timeout(void *ctx)
{
	struct conn *c = ctx;
	const struct front_protocol *p = c->front->protocol;
	const char *text = c->logged_in ? p->idle : p->too_slow;

	if (text)
		conn_part(c, text);
	else
		conn_close(c);
}

static void on_closed(void *ctx, enum stream_end end)
{
	static const char *const ends[] = {
	    [STREAM_CLOSED_BY_US] = "done",
	    [STREAM_CLOSED_BY_PEER] = "client went",
	    [STREAM_ERROR] = "error",
	    [STREAM_TIMEOUT] = "timeout",
	};
	struct conn *c = ctx;
	struct front *f = c->front;
	struct log_line l;

	conn_log_begin(&l, c, c->address ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "disconnected");
	log_cstr(&l, "why", ends[end]);
	f->protocol->log(c, &l);
	log_u64(&l, "ms", clock_mono_ms() - c->started_ms);
	log_end(&l);
	f->protocol->end(c);
	end_login(c);
	TAILQ_REMOVE(&f->conns, c, link);
	free(c);
	front_conn_gone(f);
}

void conn_new(struct front *f, struct stream *stream, const char *service, bool tls_first)
{
	static const struct stream_handlers handlers = {on_input, on_input, on_tls, on_closed, on_timeout};
	struct conn *c = xcalloc(1, f->protocol->session_bytes);

	c->front = f;
	c->stream = stream;
	c->id = id_next(&f->ids);
	c->started_ms = clock_mono_ms();
	c->service = service;
	c->tls_first = tls_first;
	f->protocol->begin(c);
	TAILQ_INSERT_TAIL(&f->conns, c, link);
	stream_set_handlers(stream, &handlers, c);
	stream_set_total_timeout(stream, f->settings.login_timeout_ms);
	if (tls_first) {
		conn_start_tls(c);
	} else {
		f->protocol->greet(c);
		settle(c, false);
	}
}
