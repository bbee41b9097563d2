/* SPDX-License-Identifier: ISC
 * USER, PASS, AUTH and STLS: from a stranger to a session with its INBOX. */
#include "popd/command.h"

#include <stdlib.h>

/* SPEAKING ─ continue ─> LISTENING ─ line ─> SPEAKING;  SPEAKING ─ granted ─> OPENING ─> COUNTING ─> LISTING ─> done */
enum login_phase { SPEAKING, LISTENING, OPENING, COUNTING, LISTING };

struct login {
	enum login_phase phase;
	struct sasl_client *sasl;
	enum sasl_verdict verdict; /* PENDING until authd answers */
	struct buf text; /* for the client */
	struct view mechanism;
};

enum { FIELD_SIZE = 1 << 3 };

static void forget(struct session *s)
{
	struct login *login = s->task;

	if (login->phase == OPENING)
		conn_leave_opening(&s->conn);
	sasl_client_free(&login->sasl);
	buf_fini(&login->text);
}

static void on_verdict(void *ctx, const struct sasl_outcome *outcome)
{
	struct session *s = ctx;
	struct login *login = s->task;

	login->verdict = outcome->verdict;
	buf_reset(&login->text);
	buf_append_view(&login->text, outcome->text);
	s->answered = true;
	conn_run(&s->conn);
}

static struct login *begin(struct session *s, struct view mechanism)
{
	struct login *login = session_task(s, sizeof *login);

	buf_init(&login->text, SASL_LINE_MAX + 4);
	login->mechanism = mechanism;
	login->sasl = sasl_client_new(&s->conn.front->auth, s->conn.stream, conn_may_login(&s->conn), on_verdict, s);
	s->forget = forget;
	return login;
}

/* RFC 2449 §8, 3206 §4 */
static enum step refuse(struct session *s, const struct login *login)
{
	static const struct {
		const char *text, *why;
	} refusals[] = {
	    [SASL_WRONG] = {"[AUTH] Wrong user name or password", "wrong"},
	    [SASL_MALFORMED] = {"Not what the mechanism says", "malformed"},
	    [SASL_CANCELLED] = {"Cancelled", "cancelled"},
	    [SASL_TEMPORARY] = {"[SYS/TEMP] Logging in is not possible now, try again later", "temporary"},
	    [SASL_TLS_NEEDED] = {"Use TLS first", "no TLS"},
	    [SASL_NO_MECHANISM] = {"There is no such mechanism", "no such mechanism"},
	};
	enum sasl_verdict v = login->verdict;

	conn_log_login(&s->conn, login->mechanism, refusals[v].why);
	free(s->user);
	s->user = NULL;
	if (v != SASL_WRONG) /* each is a line of the log */
		return session_refuse(s, refusals[v].text);
	if (++s->conn.auth_failures >= s->conn.front->settings.max_auth_failures) {
		conn_part(&s->conn, "[AUTH] Too many failed logins");
		return STEP_CLOSE;
	}
	conn_say(&s->conn, "-ERR %s", refusals[v].text);
	return STEP_DONE;
}

static enum step open_session(struct session *s, struct login *login)
{
	struct sasl_outcome granted = sasl_client_granted(login->sasl);

	login->phase = OPENING;
	return session_await_answer(s, conn_open(&s->conn, &granted, session_on_answer, s));
}

static enum step open_inbox(struct session *s, struct login *login)
{
	struct mailbox_open m = {.session = s->conn.store_id, .name = VIEW_LIT("INBOX")};

	login->phase = COUNTING;
	return session_await_answer(s,
				    mailbox_call_open(session_store(s), &m, STORE_DEADLINE_MS, session_on_answer, s));
}

static enum step ask_rows(struct session *s, struct login *login, uint32_t uid_from)
{
	struct mailbox_range all = {1, UINT32_MAX};
	struct mailbox_rows_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->drop.mailbox,
	    .ranges = &all,
	    .n_ranges = 1,
	    .uid_from = uid_from,
	    .fields = FIELD_SIZE,
	};

	login->phase = LISTING;
	return session_await_answer(
	    s, mailbox_call_rows_want(session_store(s), &m, STORE_DEADLINE_MS, session_on_answer, s));
}

static enum step welcome(struct session *s, const struct login *login)
{
	uint64_t bytes;
	uint32_t n = maildrop_count(&s->drop, &bytes);

	session_enter(s, SESSION_TRANSACTION);
	conn_log_login(&s->conn, login->mechanism, NULL);
	conn_say(&s->conn, "+OK %u messages (%llu octets)", n, (unsigned long long)bytes);
	return STEP_DONE;
}

static bool take_rows(struct session *s, const struct mailbox_rows *m)
{
	for (uint32_t i = 0; i < m->n_rows; i++)
		if (!m->rows[i].expunged && !maildrop_add(&s->drop, m->rows[i].uid, m->rows[i].size_bytes))
			return false;
	return true;
}

static enum step without_store(struct session *s, const struct login *login)
{
	conn_log_login(&s->conn, login->mechanism, "store");
	conn_part(&s->conn, "[SYS/TEMP] The mail store is away, try again later");
	return STEP_CLOSE;
}

/* Behind the grant. */
static enum step enter(struct session *s, struct login *login)
{
	const struct mailbox_msg *m = s->answer;

	if (login->phase == OPENING && conn_opened(&s->conn, m))
		return open_inbox(s, login);
	if (login->phase == COUNTING && m && m->type == MAILBOX_OPENED) {
		s->drop.mailbox = m->opened.mailbox;
		return ask_rows(s, login, 1);
	}
	if (login->phase != LISTING || !m || m->type != MAILBOX_ROWS || !take_rows(s, &m->rows))
		return without_store(s, login);
	return m->rows.next ? ask_rows(s, login, m->rows.next) : welcome(s, login);
}

static enum step judge(struct session *s, struct login *login)
{
	switch (login->verdict) {
	case SASL_PENDING:
		return session_await(s, AWAIT_ANSWER);
	case SASL_CONTINUE:
		login->phase = LISTENING;
		conn_say(&s->conn, "+ %s", buf_cstr(&login->text));
		return session_await(s, AWAIT_LINE);
	case SASL_GRANTED:
		return open_session(s, login);
	case SASL_WRONG:
	case SASL_MALFORMED:
	case SASL_CANCELLED:
	case SASL_TEMPORARY:
	case SASL_TLS_NEEDED:
	case SASL_NO_MECHANISM:
		return refuse(s, login);
	}
	return STEP_CLOSE;
}

static enum step go_on(struct session *s, struct login *login)
{
	if (login->phase > LISTENING)
		return enter(s, login);
	if (login->phase == LISTENING) {
		login->phase = SPEAKING;
		login->verdict = sasl_client_line(login->sasl, s->line);
	}
	return judge(s, login);
}

static enum step no_tls(struct session *s)
{
	conn_say(&s->conn, "-ERR Use TLS first");
	return STEP_DONE;
}

static enum step user(struct session *s)
{
	if (!conn_may_login(&s->conn))
		return no_tls(s);
	if (s->args.n == 0)
		return session_refuse(s, "A user name is needed");
	free(s->user);
	s->user = view_to_cstr(s->args); /* a line holds no NUL */
	conn_say(&s->conn, "+OK");
	return STEP_DONE;
}

static enum step pass(struct session *s)
{
	struct login *login = s->task;

	if (login)
		return go_on(s, login);
	if (!conn_may_login(&s->conn))
		return no_tls(s);
	if (!s->user)
		return session_refuse(s, "USER comes first");
	login = begin(s, VIEW_LIT("USER"));
	login->verdict = sasl_client_login(login->sasl, view_from_cstr(s->user), s->args);
	return judge(s, login);
}

/* AUTH alone is no more than a list, but old clients ask so. */
static enum step say_mechanisms(struct session *s)
{
	struct buf names = BUF_INIT(256);
	struct view rest, one;

	sasl_client_mechanisms(&names, "", stream_is_tls(s->conn.stream), conn_may_login(&s->conn));
	buf_append_char(&names, ' ');
	rest = buf_view(&names);
	conn_say(&s->conn, "+OK");
	while (view_cut(rest, ' ', &one, &rest))
		if (one.n)
			conn_say(&s->conn, "%.*s", VIEW_FMT(one));
	conn_say(&s->conn, ".");
	buf_fini(&names);
	return STEP_DONE;
}

static enum step auth(struct session *s)
{
	struct login *login = s->task;
	struct view mechanism = s->args, initial = {NULL, 0};

	if (login)
		return go_on(s, login);
	if (s->args.n == 0)
		return say_mechanisms(s);
	if (!conn_may_login(&s->conn))
		return no_tls(s);
	(void)view_cut(s->args, ' ', &mechanism, &initial);
	login = begin(s, mechanism);
	login->verdict = sasl_client_start(login->sasl, mechanism, initial);
	return judge(s, login);
}

static enum step stls(struct session *s)
{
	if (stream_is_tls(s->conn.stream))
		return session_refuse(s, "TLS is on already");
	if (!s->conn.front->tls) {
		conn_say(&s->conn, "-ERR [SYS/TEMP] There is no certificate");
		return STEP_DONE;
	}
	free(s->user); /* nothing said before TLS counts */
	s->user = NULL;
	s->starts_tls = true;
	conn_say(&s->conn, "+OK Begin TLS now");
	return STEP_DONE;
}

const struct command_spec cmd_login_table[] = {
    {"USER", user, SESSION_AUTHORIZATION, false},
    {"PASS", pass, SESSION_AUTHORIZATION, true},
    {"AUTH", auth, SESSION_AUTHORIZATION, false},
    {"STLS", stls, SESSION_AUTHORIZATION, false},
    {NULL, NULL, 0, false},
};
