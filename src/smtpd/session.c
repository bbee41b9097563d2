/* SPDX-License-Identifier: ISC
 * One connection: its states, the engine that walks through them, and what the stream reports. */
#include "smtpd/session.h"

#include "base/clock.h"
#include "io/netset.h"
#include "io/stream.h"
#include "io/tls.h"
#include "ipc/msgs/smtp_msgs.h"
#include "mail/ip.h"
#include "smtpd/auth.h"
#include "smtpd/command.h"
#include "smtpd/data.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"
#include "smtpd/transaction.h"

#include <assert.h>
#include <stdlib.h>

static enum step wait_run(struct session *s)
{
	(void)s;
	return STEP_WAIT;
}

#define TO(state) (1u << SESSION_##state)

static const struct {
	const char *name;
	enum step (*run)(struct session *s);
	unsigned next; /* where session_enter() may go */
} states[] = {
    [SESSION_COMMAND] = {"command", command_next, TO(HANDSHAKE) | TO(ASKING) | TO(DATA) | TO(CHUNK) | TO(CLOSED)},
    [SESSION_HANDSHAKE] = {"handshake", wait_run, TO(COMMAND) | TO(CLOSED)},
    [SESSION_ASKING] = {"asking", wait_run, TO(COMMAND) | TO(AUTH) | TO(CLOSED)},
    [SESSION_AUTH] = {"auth", auth_line, TO(ASKING) | TO(COMMAND) | TO(CLOSED)},
    [SESSION_DATA] = {"data", data_run, TO(SENDING) | TO(CLOSED)},
    [SESSION_CHUNK] = {"chunk", chunk_run, TO(SENDING) | TO(COMMAND) | TO(CLOSED)},
    [SESSION_SENDING] = {"sending", sending_run, TO(KEEPING) | TO(COMMAND) | TO(CLOSED)},
    [SESSION_KEEPING] = {"keeping", wait_run, TO(COMMAND) | TO(CLOSED)},
    [SESSION_CLOSED] = {"closed", wait_run, 0},
};

/* A login may need longer lines than all else (RFC 4954 §4). */
static size_t max_line_bytes(const struct session *s)
{
	bool is_login = s->state == SESSION_AUTH || (session_may_login(s) && !auth_is_done(s));

	return is_login && s->settings->max_line_bytes < AUTH_LINE_MAX ? AUTH_LINE_MAX : s->settings->max_line_bytes;
}

void session_enter(struct session *s, enum session_state state)
{
	struct log_line l;

	assert(states[s->state].next & 1u << state);
	if (log_enabled(LOG_LEVEL_DEBUG)) {
		log_begin(&l, LOG_LEVEL_DEBUG, "state");
		log_u64(&l, "session", s->id);
		log_cstr(&l, "from", states[s->state].name);
		log_cstr(&l, "to", states[state].name);
		log_end(&l);
	}
	s->state = state;
	s->lines.max_bytes = max_line_bytes(s);
}

/* The client has nothing to do but wait for us: its silence is no fault, and its leaving no reason to stop. */
static bool is_our_turn(const struct session *s)
{
	return s->state == SESSION_ASKING || s->state == SESSION_SENDING || s->state == SESSION_KEEPING || s->stalled ||
	       transaction_is_waiting(s);
}

void session_run(struct session *s)
{
	enum step step = STEP_DONE;

	if (s->running || s->state == SESSION_CLOSED)
		return;
	smtpd_unstall(s->smtpd, s);
	s->running = true;
	while (step == STEP_DONE)
		step = s->said_421 ? STEP_CLOSE : states[s->state].run(s);
	s->running = false;
	if (step == STEP_CLOSE) {
		session_close(s, s->why_closed);
		return;
	}
	if (is_our_turn(s))
		stream_pause(s->stream);
	else
		stream_resume(s->stream);
	stream_flush(s->stream);
}

void session_close(struct session *s, const char *why)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->why_closed = why;
	smtpd_unstall(s->smtpd, s); /* it may stay a while, and whoever stalled behind it would not be woken */
	session_enter(s, SESSION_CLOSED);
	stream_flush(s->stream);
	stream_close(s->stream);
}

/* Nothing is under way that the client should hear the end of. */
static bool is_between_commands(const struct session *s)
{
	if (s->tx && (transaction_is_waiting(s) || s->tx->way == WAY_CHUNKS))
		return false;
	return s->state == SESSION_COMMAND || s->state == SESSION_AUTH;
}

void session_part(struct session *s, const struct verdict *why)
{
	if (s->state == SESSION_CLOSED)
		return;
	if (s->state == SESSION_HANDSHAKE) {
		session_close(s, "parted");
	} else if (is_between_commands(s)) {
		reply_now(s, why);
		session_close(s, "parted");
	} else if (!s->parting) {
		s->parting = why;
	}
}

void session_reset(struct session *s)
{
	if (s->tx)
		transaction_end(s);
}

void session_forget(struct session *s)
{
	session_reset(s);
	auth_forget(s);
	free((void *)s->helo.p);
	s->helo = (struct view){NULL, 0};
	s->esmtp = false;
}

bool session_is_tls(const struct session *s)
{
	return stream_is_tls(s->stream);
}

bool session_is_submission(const struct session *s)
{
	return s->smtpd->kind == SMTPD_SUBMISSION;
}

bool session_may_login(const struct session *s)
{
	if (!session_is_submission(s))
		return false;
	return session_is_tls(s) || (stream_peer(s->stream)->loopback && s->settings->plaintext_auth_on_loopback);
}

static struct verdict line_fault(const struct session *s)
{
	switch (s->lines.error) {
	case SMTP_LINE_TOO_LONG:
		if (s->state == SESSION_AUTH)
			return VERDICT(500, 5, 5, 6, "Authentication exchange line is too long");
		return VERDICT(500, 5, 5, 2, "Line is too long");
	case SMTP_LINE_BARE_CR:
		return VERDICT(500, 5, 5, 2, "CR without LF: lines end in CRLF");
	case SMTP_LINE_BARE_LF:
		return VERDICT(500, 5, 5, 2, "LF without CR: lines end in CRLF");
	case SMTP_LINE_NUL:
		return VERDICT(500, 5, 5, 2, "NUL is not allowed in a command");
	case SMTP_LINE_OK:
		break;
	}
	return VERDICT(500, 5, 5, 2, "Line is not valid");
}

enum parse session_line(struct session *s, struct view *ret_line, struct verdict *ret_error)
{
	struct view line;
	size_t used;
	enum parse r = smtp_line_next(&s->lines, stream_input(s->stream), &used, &line);

	if (r == PARSE_DONE) {
		arena_reset(&s->smtpd->scratch);
		*ret_line = arena_copy(&s->smtpd->scratch, line);
		assert(ret_line->p);
	} else if (r == PARSE_BAD) {
		*ret_error = line_fault(s);
	}
	stream_consume(s->stream, used);
	return r;
}

static void greet(struct session *s)
{
	struct buf *out = stream_out(s->stream);

	stream_set_idle_timeout(s->stream, s->settings->idle_timeout_ms);
	buf_append_cstr(out, "220 ");
	buf_append_cstr(out, s->settings->hostname);
	buf_append_cstr(out, " ESMTP pombo\r\n");
	stream_flush(s->stream);
}

static void on_input(void *ctx)
{
	session_run(ctx);
}

static void on_tls(void *ctx, const char *error)
{
	struct session *s = ctx;

	if (error) {
		s->why_closed = error;
		return;
	}
	session_enter(s, SESSION_COMMAND);
	if (s->tls_first)
		greet(s);
	else
		stream_set_idle_timeout(s->stream, s->settings->idle_timeout_ms);
	session_run(s);
}

static void session_free(struct session *s)
{
	struct smtpd *d = s->smtpd;

	session_forget(s);
	smtpd_unstall(d, s);
	TAILQ_REMOVE(&d->sessions, s, link);
	settings_unref(&s->settings);
	free(s);
	smtpd_session_gone(d);
}

static void on_closed(void *ctx, enum stream_end end)
{
	static const char *const whys[] = {
	    [STREAM_CLOSED_BY_PEER] = "closed by client",
	    [STREAM_ERROR] = "connection error",
	    [STREAM_TIMEOUT] = "timeout",
	};
	struct session *s = ctx;

	trail_end(s, end == STREAM_CLOSED_BY_US || s->why_closed ? s->why_closed : whys[end]);
	session_free(s);
}

static const struct verdict idle_too_long = VERDICT(421, 4, 4, 2, "Nothing heard for too long; goodbye");
static const struct verdict open_too_long = VERDICT(421, 4, 4, 2, "This connection is open for too long; goodbye");

static void on_timeout(void *ctx)
{
	struct session *s = ctx;
	bool total = clock_mono_ms() - s->started_ms >= s->settings->total_timeout_ms;

	if (s->state == SESSION_CLOSED)
		return;
	if (s->state != SESSION_HANDSHAKE)
		reply_now(s, total ? &open_too_long : &idle_too_long);
	session_close(s, "timeout");
}

static const struct stream_handlers handlers = {
    .on_input = on_input,
    .on_drain = on_input,
    .on_tls = on_tls,
    .on_closed = on_closed,
    .on_timeout = on_timeout,
};

/* Its name is looked up while it says hello. */
static void tell_of_client(const struct session *s)
{
	enum { NOBODY, PUBLIC };
	struct view address = view_from_cstr(stream_peer(s->stream)->ip);
	struct ip ip;

	if (s->smtpd->kind != SMTPD_MX || !s->smtpd->store || s->settings->client_names == NOBODY ||
	    !ip_parse(address, &ip) || (s->settings->client_names == PUBLIC && !ip_is_public(&ip)))
		return;
	(void)smtp_send_client(s->smtpd->store, 0, &(struct smtp_client){address});
}

void session_new(struct smtpd *d, struct stream *stream, const char *service, bool tls_first)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->smtpd = d;
	s->stream = stream;
	s->settings = settings_ref(d->settings);
	s->id = id_next(&d->ids);
	s->started_ms = clock_mono_ms();
	s->service = service;
	s->tls_first = tls_first;
	s->trusted = d->kind == SMTPD_MX && netset_contains(s->settings->trusted, stream_peer(stream)->ip);
	smtp_line_init(&s->lines, max_line_bytes(s));
	TAILQ_INSERT_TAIL(&d->sessions, s, link);
	stream_set_handlers(stream, &handlers, s);
	stream_set_total_timeout(stream, s->settings->total_timeout_ms);
	tell_of_client(s);
	if (!tls_first) {
		greet(s);
	} else if (d->tls) {
		session_enter(s, SESSION_HANDSHAKE);
		stream_set_idle_timeout(stream, s->settings->handshake_timeout_ms);
		stream_start_tls(stream, d->tls);
	} else {
		session_close(s, "no certificate");
	}
}

void session_abandon(struct session *s)
{
	static const struct stream_handlers no_handlers;
	struct stream *stream = s->stream;

	stream_set_handlers(stream, &no_handlers, NULL);
	stream_close(stream);
	session_free(s);
}
