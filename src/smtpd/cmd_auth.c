/* SPDX-License-Identifier: ISC
 * AUTH (RFC 4954): carries SASL between the client and authd. This process sees a password only on its way through, and
 * holds a random grant afterwards, nothing that could be used elsewhere. */
#include "smtpd/auth.h"

#include "io/stream.h"
#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool auth_is_done(const struct session *s)
{
	return s->login && !s->login->sasl;
}

struct view auth_grant(const struct session *s)
{
	return auth_is_done(s) ? s->login->grant : VIEW_EMPTY;
}

/* stored need not keep a grant whose session is over. */
static void drop_grant(struct session *s, struct view grant)
{
	if (grant.n && s->smtpd->store)
		(void)smtp_send_grant_drop(s->smtpd->store, 0, &(struct smtp_grant_drop){.grant = grant});
}

void auth_forget(struct session *s)
{
	struct login *login = s->login;

	if (!login)
		return;
	if (login->sasl) {
		drop_grant(s, sasl_client_granted(login->sasl).grant);
		sasl_client_free(&login->sasl);
	} else {
		drop_grant(s, login->grant);
	}
	free((void *)login->grant.p);
	free((void *)login->account.p);
	free(login);
	s->login = NULL;
}

static struct verdict verdict_of(enum sasl_verdict v)
{
	switch (v) {
	case SASL_WRONG:
		return VERDICT(535, 5, 7, 8, "User name or password is wrong");
	case SASL_MALFORMED:
		return VERDICT(501, 5, 5, 2, "That is not a valid response");
	case SASL_CANCELLED:
		return VERDICT(501, 5, 7, 0, "Cancelled");
	case SASL_TLS_NEEDED:
		return VERDICT(538, 5, 7, 11, "Say STARTTLS first; no password is taken without TLS");
	case SASL_NO_MECHANISM:
		return VERDICT(504, 5, 5, 4, "This mechanism is not offered");
	case SASL_GRANTED:
		return VERDICT(235, 2, 7, 0, "Logged in");
	case SASL_PENDING:
	case SASL_CONTINUE:
	case SASL_TEMPORARY:
		break;
	}
	return VERDICT(454, 4, 7, 0, "Logging in is not possible now; try again later");
}

/* The exchange is over, without a login. */
static void fail(struct session *s, const struct verdict *v, bool counts)
{
	static const struct verdict too_many = VERDICT(421, 4, 7, 0, "Too many failed logins; goodbye");

	trail_login(s, VIEW_EMPTY, v);
	auth_forget(s);
	session_enter(s, SESSION_COMMAND);
	if (!counts || ++s->auth_failures < s->settings->max_auth_failures) {
		reply_now(s, v);
		return;
	}
	reply_now(s, &too_many);
	session_close(s, "too many failed logins");
}

static void succeed(struct session *s, const struct sasl_outcome *o)
{
	struct login *login = s->login;
	struct verdict v = verdict_of(SASL_GRANTED);

	login->grant = view_from(xmemdup(o->grant.p, o->grant.n), o->grant.n);
	login->account = view_from(xmemdup(o->address.p, o->address.n), o->address.n);
	sasl_client_free(&login->sasl);
	session_enter(s, SESSION_COMMAND);
	trail_login(s, login->account, &v);
	reply_now(s, &v);
}

static void challenge(struct session *s, struct view text)
{
	struct buf *out = stream_out(s->stream);

	buf_append_cstr(out, "334 ");
	buf_append_view(out, text);
	buf_append_cstr(out, "\r\n");
	session_enter(s, SESSION_AUTH);
}

/* What authd, or the relay to it, says. */
static void heed(struct session *s, const struct sasl_outcome *o)
{
	struct verdict v = verdict_of(o->verdict);

	if (o->verdict == SASL_PENDING)
		return;
	if (o->verdict == SASL_CONTINUE)
		challenge(s, o->text);
	else if (o->verdict == SASL_GRANTED && o->grant.n && o->address.n)
		succeed(s, o);
	else
		fail(s, &v, o->verdict == SASL_WRONG);
}

static void on_outcome(void *ctx, const struct sasl_outcome *o)
{
	struct session *s = ctx;

	if (s->state == SESSION_CLOSED)
		return;
	heed(s, o);
	session_run(s);
}

static enum step start(struct session *s, const struct smtp_command *c)
{
	struct view initial = c->has_initial ? c->initial : (struct view){NULL, 0};
	struct sasl_outcome o = {.verdict = SASL_PENDING};

	if (c->has_initial && initial.n == 0)
		initial = VIEW_LIT("=");
	s->login = xcalloc(1, sizeof *s->login);
	s->login->sasl = sasl_client_new(&s->smtpd->auth, s->stream, session_may_login(s), on_outcome, s);
	session_enter(s, SESSION_ASKING);
	o.verdict = sasl_client_start(s->login->sasl, c->mechanism, initial);
	heed(s, &o);
	return STEP_DONE;
}

enum step cmd_auth(struct session *s, const struct smtp_command *c)
{
	struct verdict tls_needed = verdict_of(SASL_TLS_NEEDED);

	if (auth_is_done(s))
		reply(s, &VERDICT(503, 5, 5, 1, "You are logged in already"));
	else if (!session_may_login(s))
		reply(s, &tls_needed);
	else
		return start(s, c);
	return STEP_DONE;
}

enum step auth_line(struct session *s)
{
	struct sasl_outcome o = {.verdict = SASL_PENDING};
	struct verdict error;
	struct view line;

	if (s->parting) {
		reply_now(s, s->parting);
		s->why_closed = "parted";
		return STEP_CLOSE;
	}
	switch (session_line(s, &line, &error)) {
	case PARSE_MORE:
		return STEP_WAIT;
	case PARSE_BAD:
		fail(s, &error, false);
		return STEP_DONE;
	case PARSE_DONE:
		break;
	}
	session_enter(s, SESSION_ASKING);
	o.verdict = sasl_client_line(s->login->sasl, line);
	if (o.verdict == SASL_GRANTED)
		o = sasl_client_granted(s->login->sasl);
	heed(s, &o);
	return STEP_DONE;
}
