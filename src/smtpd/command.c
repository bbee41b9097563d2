/* SPDX-License-Identifier: ISC
 * The table of commands: who may say what, when; and the step that reads a line and runs it. */
#include "smtpd/command.h"

#include "io/stream.h"
#include "smtpd/auth.h"
#include "smtpd/data.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"
#include "smtpd/transaction.h"

enum command_flags {
	NEEDS_LOGIN = 1, /* on submission: TLS, then AUTH, first (RFC 6409 §4.3, RFC 8314 §3.3) */
	HAS_OCTETS = 2, /* its octets follow, also when it is refused */
};

static const struct {
	enum step (*run)(struct session *s, const struct smtp_command *c);
	unsigned kinds;
	unsigned phases;
	unsigned flags;
} commands[] = {
    [SMTP_EHLO] = {cmd_ehlo, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_HELO] = {cmd_helo, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_MAIL] = {cmd_mail, SMTPD_MX | SMTPD_SUBMISSION, PHASE_IDLE, NEEDS_LOGIN},
    [SMTP_RCPT] = {cmd_rcpt, SMTPD_MX | SMTPD_SUBMISSION, PHASE_MAIL | PHASE_RCPT, NEEDS_LOGIN},
    [SMTP_DATA] = {cmd_data, SMTPD_MX | SMTPD_SUBMISSION, PHASE_RCPT, NEEDS_LOGIN},
    [SMTP_BDAT] = {cmd_bdat, SMTPD_MX | SMTPD_SUBMISSION, PHASE_RCPT | PHASE_CHUNKS, NEEDS_LOGIN | HAS_OCTETS},
    [SMTP_RSET] = {cmd_rset, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_NOOP] = {cmd_noop, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_VRFY] = {cmd_vrfy, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_EXPN] = {cmd_expn, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_HELP] = {cmd_help, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_QUIT] = {cmd_quit, SMTPD_MX | SMTPD_SUBMISSION, PHASE_ANY, 0},
    [SMTP_STARTTLS] = {cmd_starttls, SMTPD_MX | SMTPD_SUBMISSION, PHASE_NEW | PHASE_IDLE, 0},
    [SMTP_AUTH] = {cmd_auth, SMTPD_SUBMISSION, PHASE_IDLE, 0},
};

static enum phase phase_of(const struct session *s)
{
	if (!s->helo.p)
		return PHASE_NEW;
	if (!s->tx)
		return PHASE_IDLE;
	if (s->tx->way == WAY_FAILED_CHUNK)
		return PHASE_FAILED;
	if (s->tx->way == WAY_CHUNKS)
		return PHASE_CHUNKS;
	return s->tx->accepted ? PHASE_RCPT : PHASE_MAIL;
}

/* What to say to a command that does not belong where the session stands. */
static struct verdict out_of_place(enum phase phase, enum smtp_verb verb)
{
	switch (phase) {
	case PHASE_NEW:
		return VERDICT(503, 5, 5, 1, "Say EHLO first");
	case PHASE_IDLE:
		return VERDICT(503, 5, 5, 1, "Give a sender with MAIL first");
	case PHASE_MAIL:
		if (verb == SMTP_DATA || verb == SMTP_BDAT)
			return VERDICT(554, 5, 5, 1, "No recipient was accepted");
		break;
	case PHASE_FAILED:
		return VERDICT(503, 5, 5, 1, "The message failed; say RSET");
	case PHASE_CHUNKS:
		return VERDICT(503, 5, 5, 1, "In the middle of BDAT; finish it or say RSET");
	case PHASE_RCPT:
	case PHASE_ANY:
		break;
	}
	return VERDICT(503, 5, 5, 1, "A message is under way; finish it or say RSET");
}

static bool is_permitted(const struct session *s, enum smtp_verb verb, struct verdict *ret_refusal)
{
	enum phase phase = phase_of(s);

	if (!(commands[verb].kinds & s->smtpd->kind))
		*ret_refusal = VERDICT(502, 5, 5, 1, "This command is not offered on this port");
	else if (phase != PHASE_NEW && commands[verb].flags & NEEDS_LOGIN && session_is_submission(s) &&
		 !auth_is_done(s))
		*ret_refusal = session_may_login(s) ? VERDICT(530, 5, 7, 0, "Log in with AUTH first")
						    : VERDICT(530, 5, 7, 0, "Say STARTTLS first");
	else if (!(commands[verb].phases & phase))
		*ret_refusal = out_of_place(phase, verb);
	else
		return true;
	return false;
}

static enum step refuse(struct session *s, const struct smtp_command *c, const struct verdict *v)
{
	if (commands[c->verb].flags & HAS_OCTETS)
		return chunk_refuse(s, c, v);
	reply(s, v);
	return STEP_DONE;
}

/* Requests of other protocols that a browser can be made to send here: no reply, so that nothing is reflected. */
static bool is_foreign(struct view line)
{
	static const char *const words[] = {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT "};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (view_starts_with(line, view_from_cstr(words[i])))
			return true;
	return false;
}

static bool starts_with_verb(struct view line, const char *verb)
{
	struct view v = view_from_cstr(verb);

	return view_starts_with_nocase(line, v) && (line.n == v.n || line.p[v.n] == ' ');
}

static enum step refuse_line(struct session *s, struct view line, struct verdict *v)
{
	if (is_foreign(line)) {
		trail_attack(s, "request of another protocol");
		s->why_closed = "not SMTP";
		return STEP_CLOSE;
	}
	/* RFC 2034 §4: no enhanced code in what answers EHLO and HELO. */
	if (starts_with_verb(line, "EHLO") || starts_with_verb(line, "HELO"))
		v->enhanced = (struct dsn_status){0};
	reply(s, v);
	if (starts_with_verb(line, "BDAT")) {
		/* How many octets follow cannot be known; to take them for commands would be worse. */
		s->why_closed = "malformed BDAT";
		return STEP_CLOSE;
	}
	return STEP_DONE;
}

static const struct verdict too_many_commands = VERDICT(421, 4, 7, 0, "Too many commands; goodbye");

static enum step run_line(struct session *s, struct view line)
{
	struct smtp_command c;
	struct verdict refusal;

	if (s->commands++ >= s->settings->max_commands) {
		reply(s, &too_many_commands);
		s->why_closed = "too many commands";
		return STEP_CLOSE;
	}
	if (!smtp_command_parse(line, s->tx && s->tx->smtputf8, &s->smtpd->scratch, &c, &refusal))
		return refuse_line(s, line, &refusal);
	if (!is_permitted(s, c.verb, &refusal))
		return refuse(s, &c, &refusal);
	return commands[c.verb].run(s, &c);
}

/* While RCPTs wait for their answers only more RCPTs pass; everything else wants to know the outcome. Behind a line that was no line the
 * input is not yet at a command: what looks like RCPT there is the rest of it. */
static bool must_wait(const struct session *s, struct view in)
{
	return transaction_is_waiting(s) && (s->lines.skipping || !view_starts_with_nocase(in, VIEW_LIT("RCPT ")));
}

enum step command_next(struct session *s)
{
	struct view in = stream_input(s->stream), line;
	struct verdict error;

	if (s->parting && !(s->tx && s->tx->way == WAY_CHUNKS) && !transaction_is_waiting(s)) {
		reply_now(s, s->parting);
		s->why_closed = "parted";
		return STEP_CLOSE;
	}
	if (in.n == 0 || stream_is_full(s->stream) || must_wait(s, in))
		return STEP_WAIT;
	if (!smtpd_store_has_room(s->smtpd)) {
		smtpd_stall(s->smtpd, s);
		return STEP_WAIT;
	}
	switch (session_line(s, &line, &error)) {
	case PARSE_MORE:
		return STEP_WAIT;
	case PARSE_BAD:
		reply(s, &error);
		return STEP_DONE;
	case PARSE_DONE:
		break;
	}
	return run_line(s, line);
}
