/* SPDX-License-Identifier: ISC
 * One connection: its engine, its states, its end. */
#include "imapd/session.h"

#include "base/clock.h"
#include "imapd/capability.h"
#include "imapd/command.h"
#include "imapd/notify.h"
#include "imapd/selected.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
	COMMANDS_A_TURN = 32, /* of one session before the others get theirs */
	TURN_US = 5000, /* or as long as this */
	BLOCKED_MS = 5 * 60 * 1000,
	LINE_MAX_BYTES = 16384, /* base64 of the longest SASL response (ipc/sasl_client.h) */
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
	const struct imapd_settings *settings = &s->imapd->settings;

	assert(s->state != SESSION_LOGOUT || state == SESSION_LOGOUT);
	assert(state != SESSION_SELECTED || s->selected);
	if (s->state == SESSION_FRESH && state == SESSION_AUTHENTICATED) {
		stream_set_total_timeout(s->stream, 0);
		stream_set_idle_timeout(s->stream, settings->idle_timeout_ms);
		s->errors = 0;
	}
	s->state = state;
}

bool session_may_login(const struct session *s)
{
	if (stream_is_tls(s->stream))
		return true;
	return s->imapd->settings.plaintext_auth_on_loopback && stream_peer(s->stream)->loopback;
}

void session_close(struct session *s)
{
	if (s->closing)
		return;
	s->closing = true;
	session_enter(s, SESSION_LOGOUT);
	command_abandon(&s->command);
	if (session_out(s)->n)
		stream_flush(s->stream);
	stream_close(s->stream);
}

void session_bye(struct session *s, const char *text)
{
	if (s->closing)
		return;
	session_say(s, "* BYE %s", text);
	session_close(s);
}

void session_forgive(struct session *s)
{
	if (++s->errors >= s->imapd->settings.max_errors)
		session_bye(s, "[CLIENTBUG] Too many errors");
}

/* The reply to what the watch is ended with does not matter. */
static void ignore_answer(void *ctx, const struct mailbox_msg *answer)
{
	(void)ctx;
	(void)answer;
}

void session_deselect(struct session *s)
{
	struct mailbox_watch none = {.session = s->store_id};

	if (!s->selected)
		return;
	selected_free(&s->selected);
	notify_deselected(s);
	session_enter(s, SESSION_AUTHENTICATED);
	(void)mailbox_call_watch(s->imapd->store, &none, STORE_DEADLINE_MS, ignore_answer, NULL);
}

/* stored is told that its session is over. */
static void end_store_session(struct session *s)
{
	struct imapd *d = s->imapd;

	if (!s->store_id)
		return;
	(void)map_u64_remove(&d->by_store_id, s->store_id);
	if (d->store)
		(void)mailbox_send_session_close(d->store, 0, &(struct mailbox_session_close){.session = s->store_id});
	s->store_id = 0;
}

void session_forget_login(struct session *s)
{
	struct log_line l;

	session_log_begin(&l, s, LOG_LEVEL_INFO, "unauthenticated");
	log_end(&l);
	session_deselect(s);
	end_store_session(s);
	notify_free(&s->notify);
	free(s->address);
	s->address = NULL;
	s->condstore = s->qresync = s->rev2 = s->utf8 = s->uidonly = false;
	s->reader.limits = &imap_reader_limits_before_login;
	session_enter(s, SESSION_FRESH);
	stream_set_total_timeout(s->stream, s->imapd->settings.login_timeout_ms);
}

void session_enable_condstore(struct session *s)
{
	if (!s->condstore && s->selected)
		session_say(s, "* OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)s->selected->told);
	s->condstore = true;
}

void session_notice(struct session *s, const struct mailbox_changed *m)
{
	struct selected *x = s->selected;

	if (!x || x->mailbox != m->mailbox)
		return;
	x->noticed = true;
	if (m->highestmodseq > x->latest)
		x->latest = m->highestmodseq;
	if (s->command || s->notify)
		session_wake(s);
}

void session_wake(struct session *s)
{
	if (s->command && s->command->wait != AWAIT_NEWS)
		return;
	if (s->command)
		s->command->overheard = true;
	session_run(s);
}

/* ---- the engine ---- */

static void refuse_literal(struct session *s)
{
	imap_reader_refuse(&s->reader);
	session_say(s, "%.*s BAD [TOOBIG] The literal is too long", VIEW_FMT(s->reader.command.tag));
	imap_reader_reset(&s->reader);
	session_forgive(s);
}

/* Arguments in front of the message may be literals too: names, which are kept. */
static bool streams(const struct session *s)
{
	const struct imap_command *read = &s->reader.command;
	const struct command_spec *spec = command_find(read->name, read->args);
	const struct imap_arg *arg = read->args;

	if (!spec || !(spec->flags & COMMAND_STREAMS) || !(spec->states & s->state))
		return false;
	for (unsigned kept = spec->kept_args; arg && kept; kept--)
		arg = arg->next;
	return arg != NULL;
}

/* The command is BAD before its literal is asked for. */
static void refuse_command(struct session *s)
{
	imap_reader_refuse(&s->reader);
	imap_reader_reset(&s->reader);
	session_forgive(s);
}

static void on_literal(struct session *s)
{
	if (streams(s)) {
		if (s->command || command_begin(s))
			s->command->literal = LITERAL_ANNOUNCED;
		else
			refuse_command(s);
		return;
	}
	if (!imap_reader_keep(&s->reader))
		refuse_literal(s);
	else if (s->reader.literal.sync)
		session_say(s, "+ OK");
}

static void on_bad(struct session *s)
{
	struct view tag = s->reader.command.tag;

	if (tag.n)
		session_say(s, "%.*s BAD %s", VIEW_FMT(tag), s->reader.error);
	else
		session_say(s, "* BAD %s", s->reader.error);
	command_abandon(&s->command);
	imap_reader_reset(&s->reader);
	session_forgive(s);
}

static void on_command(struct session *s)
{
	if (s->command) {
		s->command->literal = LITERAL_OVER;
	} else if (!command_begin(s)) {
		imap_reader_reset(&s->reader);
		session_forgive(s);
	}
}

/* Reads on; false: more bytes are needed. */
static bool read_command(struct session *s)
{
	size_t used;
	enum imap_read what = imap_reader_next(&s->reader, stream_input(s->stream), &used);

	if (what == IMAP_READ_DATA) {
		s->command->literal = LITERAL_BYTES;
		s->command->data = s->reader.data;
		(void)command_run(s); /* waits again, or is over */
		stream_consume(s->stream, used);
		return true;
	}
	stream_consume(s->stream, used);
	switch (what) {
	case IMAP_READ_MORE:
		return false;
	case IMAP_READ_LITERAL:
		on_literal(s);
		break;
	case IMAP_READ_COMMAND:
		on_command(s);
		break;
	case IMAP_READ_BAD:
		on_bad(s);
		break;
	case IMAP_READ_CLOSE:
		session_bye(s, "[TOOBIG] What comes behind a refusal is too long" /* RFC 7888 §5 */);
		break;
	case IMAP_READ_DATA:
		break;
	}
	return true;
}

static bool read_line(struct session *s)
{
	size_t used;
	struct view line;
	enum parse r = imap_reader_line(&s->reader, stream_input(s->stream), LINE_MAX_BYTES, &used, &line);

	stream_consume(s->stream, used);
	if (r == PARSE_BAD)
		session_bye(s, "[CLIENTBUG] Not a line");
	if (r == PARSE_DONE)
		s->command->line = line;
	return r == PARSE_DONE;
}

/* One thing more; false: nothing to do for now. */
static bool advance(struct session *s)
{
	if (s->closing || s->handshaking)
		return false;
	if (!s->command && notify_is_due(s))
		command_begin_unasked(s, &notify_spec);
	if (!s->command)
		return !stream_is_full(s->stream) && read_command(s);
	if (command_is_ready(s)) {
		if (command_run(s) == STEP_CLOSE)
			session_close(s);
		return true;
	}
	if (!command_reads(s->command))
		return false;
	return s->command->wait == AWAIT_LITERAL ? read_command(s) : read_line(s);
}

/* A client that does not take the replies to its commands gives no more of them. */
static bool wants_input(const struct session *s)
{
	if (s->handshaking)
		return false;
	return s->command ? command_reads(s->command) : !stream_is_full(s->stream);
}

/* The idle deadline rests while a command runs; a client that does not take what it asked for has one of its own. */
static void watch_blocked(struct session *s)
{
	bool blocked = s->command ? s->command->wait == AWAIT_DRAIN : stream_is_full(s->stream);

	if (s->state != SESSION_FRESH && blocked != s->blocked)
		stream_set_total_timeout(s->stream, blocked ? BLOCKED_MS : 0);
	s->blocked = blocked;
}

/* The client is in the middle of a command: it may be holding back the rest until it hears from us. */
static bool is_halfway(const struct session *s)
{
	return (s->command && s->command->wait == AWAIT_LITERAL) || !imap_reader_is_idle(&s->reader);
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
	if (wants && !more && is_halfway(s))
		stream_acknowledge(s->stream);
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

bool session_had_its_turn(const struct session *s)
{
	return clock_mono_us() - s->turn_from_us >= TURN_US;
}

/* Between two commands, and only where there is input: that brings the session back. */
static bool is_turn_over(const struct session *s, uint32_t first_command)
{
	if (s->command || stream_input(s->stream).n == 0)
		return false;
	return s->commands - first_command >= COMMANDS_A_TURN || session_had_its_turn(s);
}

void session_run(struct session *s)
{
	const uint32_t first_command = s->commands;
	bool over = false;

	if (s->running || s->closing)
		return;
	s->running = true;
	s->turn_from_us = clock_mono_us();
	while (!over && advance(s))
		over = is_turn_over(s, first_command);
	s->running = false;
	settle(s, over);
}

/* ---- what the stream says ---- */

static void on_input(void *ctx)
{
	session_run(ctx);
}

static void on_drain(void *ctx)
{
	struct session *s = ctx;

	session_run(s);
}

static void greet(struct session *s)
{
	struct buf capabilities = BUF_INIT(1024);

	capability_format(&capabilities, s);
	session_say(s, "* OK [CAPABILITY %s] %s pombo ready", buf_cstr(&capabilities),
		    buf_cstr(&s->imapd->settings.hostname));
	buf_fini(&capabilities);
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

	session_bye(s, s->state == SESSION_FRESH ? "[CLIENTBUG] Too slow to log in" : "Idle for too long");
}

static void forget(struct session *s)
{
	struct imapd *d = s->imapd;

	command_abandon(&s->command);
	selected_free(&s->selected);
	end_store_session(s);
	notify_free(&s->notify);
	TAILQ_REMOVE(&d->sessions, s, link);
	imap_reader_fini(&s->reader);
	free(s->address);
	free(s);
	imapd_session_gone(d);
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
	log_u64(&l, "commands", s->commands);
	log_u64(&l, "ms", clock_mono_ms() - s->started_ms);
	log_end(&l);
	forget(s);
}

static const struct stream_handlers handlers = {on_input, on_drain, on_tls, on_closed, on_timeout};

void session_new(struct imapd *d, struct stream *stream, const char *service, bool tls_first)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->imapd = d;
	s->stream = stream;
	s->id = id_next(&d->ids);
	s->started_ms = clock_mono_ms();
	s->service = service;
	s->state = SESSION_FRESH;
	s->tls_first = tls_first;
	imap_reader_init(&s->reader, &imap_reader_limits_before_login);
	TAILQ_INSERT_TAIL(&d->sessions, s, link);
	stream_set_handlers(stream, &handlers, s);
	stream_set_total_timeout(stream, d->settings.login_timeout_ms);
	if (tls_first) {
		session_start_tls(s);
	} else {
		greet(s);
		settle(s, false);
	}
}

void session_start_tls(struct session *s)
{
	if (stream_input(s->stream).n) {
		struct log_line l;

		session_log_begin(&l, s, LOG_LEVEL_WARNING, "attack");
		log_cstr(&l, "what", "text ahead of TLS");
		log_end(&l);
		session_close(s);
		return;
	}
	if (session_out(s)->n)
		stream_flush(s->stream);
	s->handshaking = true;
	stream_start_tls(s->stream, s->imapd->tls);
}

void session_stop(struct session *s)
{
	if (!s->command || command_reads(s->command))
		session_bye(s, "[UNAVAILABLE] The server is going down");
}
