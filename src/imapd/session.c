/* SPDX-License-Identifier: ISC
 * One connection: what its client says, its states, its end. */
#include "imapd/session.h"

#include "imapd/capability.h"
#include "imapd/command.h"
#include "imapd/notify.h"
#include "imapd/selected.h"
#include "ipc/msgs/auth_msgs.h"

#include <assert.h>

enum { LINE_MAX_BYTES = 16384 }; /* base64 of the longest SASL response (ipc/sasl_client.h) */

void session_enter(struct session *s, enum session_state state)
{
	assert(s->state != SESSION_LOGOUT || state == SESSION_LOGOUT);
	assert(state != SESSION_SELECTED || s->selected);
	if (s->state == SESSION_FRESH && state == SESSION_AUTHENTICATED)
		conn_log_in(&s->conn);
	s->state = state;
}

static void give_up(struct conn *c)
{
	struct session *s = session_of(c);

	session_enter(s, SESSION_LOGOUT);
	command_abandon(&s->command);
}

/* The reply to what the watch is ended with does not matter. */
static void ignore_answer(void *ctx, const struct mailbox_msg *answer)
{
	(void)ctx;
	(void)answer;
}

void session_deselect(struct session *s)
{
	struct mailbox_watch none = {.session = s->conn.store_id};

	if (!s->selected)
		return;
	selected_free(&s->selected);
	notify_deselected(s);
	session_enter(s, SESSION_AUTHENTICATED);
	(void)mailbox_call_watch(session_store(s), &none, STORE_DEADLINE_MS, ignore_answer, NULL);
}

void session_forget_login(struct session *s)
{
	struct log_line l;

	conn_log_begin(&l, &s->conn, LOG_LEVEL_INFO, "unauthenticated");
	log_end(&l);
	session_deselect(s);
	conn_log_out(&s->conn);
	notify_free(&s->notify);
	s->condstore = s->qresync = s->rev2 = s->utf8 = s->uidonly = false;
	s->reader.limits = &imap_reader_limits_before_login;
	session_enter(s, SESSION_FRESH);
}

void session_enable_condstore(struct session *s)
{
	if (!s->condstore && s->selected)
		conn_say(&s->conn, "* OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)s->selected->told);
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
	conn_run(&s->conn);
}

/* ---- what the client says ---- */

static void refuse_literal(struct session *s)
{
	imap_reader_refuse(&s->reader);
	conn_say(&s->conn, "%.*s BAD [TOOBIG] The literal is too long", VIEW_FMT(s->reader.command.tag));
	imap_reader_reset(&s->reader);
	(void)conn_forgives(&s->conn);
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
	(void)conn_forgives(&s->conn);
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
		conn_say(&s->conn, "+ OK");
}

static void on_bad(struct session *s)
{
	struct view tag = s->reader.command.tag;

	if (tag.n)
		conn_say(&s->conn, "%.*s BAD %s", VIEW_FMT(tag), s->reader.error);
	else
		conn_say(&s->conn, "* BAD %s", s->reader.error);
	command_abandon(&s->command);
	imap_reader_reset(&s->reader);
	(void)conn_forgives(&s->conn);
}

static void on_command(struct session *s)
{
	if (s->command) {
		s->command->literal = LITERAL_OVER;
	} else if (!command_begin(s)) {
		imap_reader_reset(&s->reader);
		(void)conn_forgives(&s->conn);
	}
}

/* Reads on; false: more bytes are needed. */
static bool read_command(struct session *s)
{
	size_t used;
	enum imap_read what = imap_reader_next(&s->reader, stream_input(s->conn.stream), &used);

	if (what == IMAP_READ_DATA) {
		s->command->literal = LITERAL_BYTES;
		s->command->data = s->reader.data;
		(void)command_run(s); /* waits again, or is over */
		stream_consume(s->conn.stream, used);
		return true;
	}
	stream_consume(s->conn.stream, used);
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
		conn_part(&s->conn, "[TOOBIG] What comes behind a refusal is too long" /* RFC 7888 §5 */);
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
	enum parse r = imap_reader_line(&s->reader, stream_input(s->conn.stream), LINE_MAX_BYTES, &used, &line);

	stream_consume(s->conn.stream, used);
	if (r == PARSE_BAD)
		conn_part(&s->conn, "[CLIENTBUG] Not a line");
	if (r == PARSE_DONE)
		s->command->line = line;
	return r == PARSE_DONE;
}

static enum conn_state conn_state(const struct conn *c)
{
	const struct command *command = ((const struct session *)c)->command;

	if (!command)
		return CONN_IDLE;
	if (command_reads(command))
		return CONN_READS;
	return command->wait == AWAIT_DRAIN ? CONN_DRAINS : CONN_WORKS;
}

/* The client is in the middle of a command: it may be holding back the rest until it hears from us. */
static bool is_halfway(const struct session *s)
{
	return (s->command && s->command->wait == AWAIT_LITERAL) || !imap_reader_is_idle(&s->reader);
}

static bool read_on(struct session *s)
{
	bool more = s->command && s->command->wait != AWAIT_LITERAL ? read_line(s) : read_command(s);

	if (!more && is_halfway(s))
		stream_acknowledge(s->conn.stream);
	return more;
}

static bool advance(struct conn *c)
{
	struct session *s = session_of(c);

	if (!s->command && notify_is_due(s))
		command_begin_unasked(s, &notify_spec);
	if (!s->command)
		return !stream_is_full(c->stream) && read_on(s);
	if (command_is_ready(s)) {
		if (command_run(s) == STEP_CLOSE)
			conn_close(c);
		return true;
	}
	return command_reads(s->command) && read_on(s);
}

/* ---- its beginning and its end ---- */

static void begin(struct conn *c)
{
	struct session *s = session_of(c);

	s->state = SESSION_FRESH;
	imap_reader_init(&s->reader, &imap_reader_limits_before_login);
}

static void greet(struct conn *c)
{
	struct buf capabilities = BUF_INIT(1024);

	capability_format(&capabilities, session_of(c));
	conn_say(c, "* OK [CAPABILITY %s] %s pombo ready", buf_cstr(&capabilities),
		 buf_cstr(&c->front->settings.hostname));
	buf_fini(&capabilities);
}

static void log_session(const struct conn *c, struct log_line *l)
{
	log_u64(l, "commands", c->commands);
}

static void end(struct conn *c)
{
	struct session *s = session_of(c);

	command_abandon(&s->command);
	selected_free(&s->selected);
	notify_free(&s->notify);
	imap_reader_fini(&s->reader);
}

const struct front_protocol session_protocol = {
    .store_peer = MAILBOX_PEER_IMAP,
    .auth_peer = AUTH_PEER_IMAP,
    .session_bytes = sizeof(struct session),
    .parting = "* BYE ",
    .too_slow = "[CLIENTBUG] Too slow to log in",
    .idle = "Idle for too long",
    .too_many_errors = "[CLIENTBUG] Too many errors",
    .login_ended = "[UNAVAILABLE] The login has ended, log in again",
    .store_away = "[UNAVAILABLE] The mail store is away, try again later",
    .going_down = "[UNAVAILABLE] The server is going down",
    .begin = begin,
    .end = end,
    .greet = greet,
    .state = conn_state,
    .advance = advance,
    .give_up = give_up,
    .log = log_session,
    .on_store_msg = imapd_on_store_msg,
    .on_store_room = imapd_on_store_room,
};
