/* SPDX-License-Identifier: ISC
 * CAPA, NOOP, DELE, RSET and QUIT. */
#include "popd/command.h"

enum { SPANS_MAX = 8192 };

/* RFC 2449 §6, 5034 §4, 2595 §4, 3206 */
static enum step capa(struct session *s)
{
	bool tls = stream_is_tls(s->conn.stream);

	conn_say(&s->conn, "+OK Capabilities follow");
	conn_say(&s->conn, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER");
	if (!tls && s->conn.front->tls && s->state == SESSION_AUTHORIZATION)
		conn_say(&s->conn, "STLS");
	if (conn_may_login(&s->conn)) {
		buf_append_cstr(session_out(s), "USER\r\nSASL ");
		sasl_client_mechanisms(session_out(s), "", tls, true);
		buf_append_cstr(session_out(s), "\r\n");
	}
	conn_say(&s->conn, "IMPLEMENTATION pombo-" POMBO_VERSION "\r\n.");
	return STEP_DONE;
}

static enum step noop(struct session *s)
{
	conn_say(&s->conn, "+OK");
	return STEP_DONE;
}

static enum step dele(struct session *s)
{
	uint32_t number;
	struct maildrop_message *m = command_message_arg(s, s->args, &number);

	if (!m)
		return STEP_DONE;
	m->deleted = true;
	conn_say(&s->conn, "+OK Message %u will be deleted", number);
	return STEP_DONE;
}

static enum step rset(struct session *s)
{
	maildrop_reset(&s->drop);
	conn_say(&s->conn, "+OK");
	return STEP_DONE;
}

/* ---- QUIT: what is marked goes ---- */

struct quit {
	uint32_t at; /* index in the maildrop */
	struct mailbox_range *spans;
};

static bool take_spans(struct session *s, struct quit *quit, uint32_t *ret_n)
{
	struct maildrop_span span;
	uint32_t n = 0;

	while (n < SPANS_MAX && maildrop_next_deleted(&s->drop, &quit->at, &span))
		quit->spans[n++] = (struct mailbox_range){span.first, span.last};
	*ret_n = n;
	return n > 0;
}

static void forget(struct session *s)
{
	struct quit *quit = s->task;

	free_ptr(&quit->spans);
}

static enum step bye(struct session *s, bool done)
{
	session_enter(s, SESSION_UPDATE);
	if (done)
		conn_say(&s->conn, "+OK Goodbye");
	else
		conn_say(&s->conn, "-ERR [SYS/TEMP] Some deleted messages were not removed");
	return STEP_DONE;
}

static enum step expunge_next(struct session *s, struct quit *quit)
{
	struct mailbox_expunge m = {
	    .session = s->conn.store_id,
	    .mailbox = s->drop.mailbox,
	    .ranges = quit->spans,
	    .all = true,
	};

	if (!take_spans(s, quit, &m.n_ranges))
		return bye(s, true);
	return session_await_answer(
	    s, mailbox_call_expunge(session_store(s), &m, STORE_DEADLINE_MS, session_on_answer, s));
}

static enum step quit_command(struct session *s)
{
	struct quit *quit = s->task;

	if (s->state == SESSION_AUTHORIZATION)
		return bye(s, true);
	if (!quit) {
		quit = session_task(s, sizeof *quit);
		quit->spans = xcalloc(SPANS_MAX, sizeof *quit->spans);
		s->forget = forget;
		return expunge_next(s, quit);
	}
	if (!s->answer || s->answer->type != MAILBOX_EXPUNGED)
		return bye(s, false);
	s->deleted += s->answer->expunged.count;
	return expunge_next(s, quit);
}

enum { ANY = SESSION_AUTHORIZATION | SESSION_TRANSACTION };

const struct command_spec cmd_basic_table[] = {
    {"DELE", dele, SESSION_TRANSACTION, false}, {"QUIT", quit_command, ANY, false},         {"CAPA", capa, ANY, false},
    {"NOOP", noop, SESSION_TRANSACTION, false}, {"RSET", rset, SESSION_TRANSACTION, false}, {NULL, NULL, 0, false},
};
