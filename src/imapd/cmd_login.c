/* SPDX-License-Identifier: ISC
 * STARTTLS, AUTHENTICATE and LOGIN: from a stranger to a session at stored. */
#include "imapd/capability.h"
#include "imapd/commands.h"

#include <stdlib.h>

/* SPEAKING ─ continue ─> LISTENING ─ line ─> SPEAKING;  SPEAKING ─ granted ─> OPENING ─ session ─> done */
enum login_phase { SPEAKING, LISTENING, OPENING };

struct login {
	enum login_phase phase;
	struct sasl_client *sasl;
	enum sasl_verdict verdict; /* PENDING until authd answers */
	struct buf text; /* for the client */
	struct view mechanism;
};

static void forget(struct command *c)
{
	struct login *login = c->state;

	if (login->phase == OPENING)
		conn_leave_opening(&c->session->conn);
	sasl_client_free(&login->sasl);
	buf_fini(&login->text);
}

static void on_verdict(void *ctx, const struct sasl_outcome *outcome)
{
	struct session *s = ctx;
	struct login *login = s->command->state;

	login->verdict = outcome->verdict;
	buf_reset(&login->text);
	buf_append_view(&login->text, outcome->text);
	s->command->answered = true;
	conn_run(&s->conn);
}

static struct login *begin(struct session *s, struct command *c)
{
	struct login *login = command_state(c, sizeof *login);

	buf_init(&login->text, SASL_LINE_MAX + 4);
	login->sasl = sasl_client_new(&s->conn.front->auth, s->conn.stream, conn_may_login(&s->conn), on_verdict, s);
	c->forget = forget;
	return login;
}

static enum step too_often(struct session *s)
{
	conn_part(&s->conn, "[CLIENTBUG] Too many failed logins");
	return STEP_CLOSE;
}

/* RFC 5530 §3 */
static enum step refuse(struct session *s, struct command *c, const struct login *login)
{
	static const struct {
		const char *code, *text, *why;
	} refusals[] = {
	    [SASL_WRONG] = {"[AUTHENTICATIONFAILED]", "Wrong user name or password", "wrong"},
	    [SASL_TEMPORARY] = {"[UNAVAILABLE]", "Logging in is not possible now, try again later", "temporary"},
	    [SASL_TLS_NEEDED] = {"[PRIVACYREQUIRED]", "Use TLS first", "no TLS"},
	    [SASL_NO_MECHANISM] = {"[CANNOT]", "There is no such mechanism", "no such mechanism"},
	};
	enum sasl_verdict v = login->verdict;

	conn_log_login(&s->conn, login->mechanism,
		       v == SASL_MALFORMED || v == SASL_CANCELLED ? "malformed" : refusals[v].why);
	if (v == SASL_MALFORMED)
		return command_bad(c, "Not what the mechanism says");
	if (v == SASL_CANCELLED)
		return command_bad(c, "Cancelled");
	if (v == SASL_WRONG && ++s->conn.auth_failures >= s->conn.front->settings.max_auth_failures)
		return too_often(s);
	if (v != SASL_WRONG && !conn_forgives(&s->conn)) /* each is a line of the log */
		return STEP_CLOSE;
	return command_no(c, refusals[v].code, refusals[v].text);
}

static enum step open_session(struct session *s, struct command *c, struct login *login)
{
	struct sasl_outcome granted = sasl_client_granted(login->sasl);

	login->phase = OPENING;
	return command_await_answer(c, conn_open(&s->conn, &granted, command_on_answer, s));
}

static enum step opened(struct session *s, struct command *c, const struct login *login)
{
	struct buf capabilities = BUF_INIT(1024);

	if (!conn_opened(&s->conn, c->answer)) {
		conn_log_login(&s->conn, login->mechanism, "store");
		free(s->conn.address);
		s->conn.address = NULL;
		return command_no(c, "[UNAVAILABLE]", "The mail store is away, try again later");
	}
	session_enter(s, SESSION_AUTHENTICATED);
	s->reader.limits = &imap_reader_limits_default;
	conn_log_login(&s->conn, login->mechanism, NULL);
	capability_format(&capabilities, s);
	buf_printf(&c->text, "[CAPABILITY %s] Logged in", buf_cstr(&capabilities));
	buf_fini(&capabilities);
	return STEP_DONE;
}

static enum step judge(struct session *s, struct command *c, struct login *login)
{
	switch (login->verdict) {
	case SASL_PENDING:
		return command_await(c, AWAIT_ANSWER);
	case SASL_CONTINUE:
		login->phase = LISTENING;
		conn_say(&s->conn, "+ %s", buf_cstr(&login->text));
		return command_await_line(c);
	case SASL_GRANTED:
		return open_session(s, c, login);
	case SASL_WRONG:
	case SASL_MALFORMED:
	case SASL_CANCELLED:
	case SASL_TEMPORARY:
	case SASL_TLS_NEEDED:
	case SASL_NO_MECHANISM:
		return refuse(s, c, login);
	}
	return STEP_CLOSE;
}

static enum step go_on(struct session *s, struct command *c, struct login *login)
{
	switch (login->phase) {
	case SPEAKING:
		return judge(s, c, login);
	case LISTENING:
		login->phase = SPEAKING;
		login->verdict = sasl_client_line(login->sasl, c->line);
		return judge(s, c, login);
	case OPENING:
		return opened(s, c, login);
	}
	return STEP_CLOSE;
}

static enum step authenticate(struct session *s, struct command *c)
{
	struct login *login = c->state;
	struct view mechanism, initial = {NULL, 0};

	if (login)
		return go_on(s, c, login);
	if (!imap_arg_atom(c->args, &mechanism))
		return command_bad(c, "The name of a mechanism is missing");
	if (c->args->next && (!imap_arg_astring(c->args->next, &initial) || c->args->next->next))
		return command_bad(c, "Not an initial response");
	if (!conn_may_login(&s->conn))
		return command_no(c, "[PRIVACYREQUIRED]", "Use TLS first");
	login = begin(s, c);
	login->mechanism = arena_copy(&c->arena, mechanism);
	login->verdict = sasl_client_start(login->sasl, mechanism, initial);
	return judge(s, c, login);
}

static enum step login_command(struct session *s, struct command *c)
{
	struct login *login = c->state;
	struct view user, password;

	if (login)
		return go_on(s, c, login);
	if (!imap_arg_astring(c->args, &user) || !imap_arg_astring(c->args->next, &password) || c->args->next->next)
		return command_bad(c, "A user name and a password are needed");
	if (!conn_may_login(&s->conn))
		return command_no(c, "[PRIVACYREQUIRED]", "Use TLS first");
	login = begin(s, c);
	login->mechanism = VIEW_LIT("LOGIN");
	login->verdict = sasl_client_login(login->sasl, user, password);
	return judge(s, c, login);
}

static enum step starttls(struct session *s, struct command *c)
{
	if (c->args)
		return command_bad(c, "STARTTLS has no arguments");
	if (stream_is_tls(s->conn.stream))
		return command_bad(c, "TLS is on already");
	if (!s->conn.front->tls)
		return command_no(c, "[UNAVAILABLE]", "There is no certificate");
	return command_ok(c, NULL, "Begin TLS now");
}

/* RFC 8437: back to before the login; what the client enabled, selected and saved is gone. NO is not permitted: where packing would have to
 * end on both sides in step, the connection ends instead. */
static enum step unauthenticate(struct session *s, struct command *c)
{
	if (c->args)
		return command_bad(c, "UNAUTHENTICATE has no arguments");
	if (!session_imapd(s)->settings.unauthenticate)
		return command_bad(c, "Unknown command");
	if (stream_is_deflated(s->conn.stream)) {
		conn_part(&s->conn, "[UNAVAILABLE] Connect anew, compression cannot be ended");
		return STEP_CLOSE;
	}
	session_forget_login(s);
	return STEP_DONE;
}

const struct command_spec cmd_login_table[] = {
    {"UNAUTHENTICATE", unauthenticate, SESSION_AUTHENTICATED | SESSION_SELECTED, COMMAND_NO_SYNC},
    {"LOGIN", login_command, SESSION_FRESH, 0},
    {"AUTHENTICATE", authenticate, SESSION_FRESH, 0},
    {"STARTTLS", starttls, SESSION_FRESH, COMMAND_STARTS_TLS},
    {NULL, NULL, 0, 0},
};
