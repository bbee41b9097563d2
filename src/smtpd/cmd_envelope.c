/* SPDX-License-Identifier: ISC
 * MAIL and RCPT (RFC 5321 §4.1.1.2, §4.1.1.3): who sends to whom. Whether an address is ours, may be relayed to or may be
 * sent from is stored's to say; here only syntax, offered parameters and limits count. */
#include "smtpd/command.h"

#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/auth.h"
#include "smtpd/refusals.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"
#include "smtpd/transaction.h"

enum { ENVELOPE_DEADLINE_MS = 30000, ENVELOPE_ADDRESS_MAX = 320 };

static const struct verdict sender_ok = VERDICT(250, 2, 1, 0, "Sender ok");
static const struct verdict rcpt_ok = VERDICT(250, 2, 1, 5, "Recipient ok");
static const struct verdict too_busy = VERDICT(452, 4, 4, 5, "Too much mail is under way; try again soon");
static const struct verdict too_many_rcpts = VERDICT(452, 4, 5, 3, "Too many recipients; send them another copy");

/* The address as stored wants it: no brackets, no source route, no needless quotes; a bare Postmaster stays bare. */
static struct view path_text(struct session *s, const struct smtp_path *path)
{
	struct buf text = BUF_INIT(ENVELOPE_ADDRESS_MAX);
	struct view copy;

	switch (path->kind) {
	case SMTP_PATH_NULL:
		return VIEW_EMPTY;
	case SMTP_PATH_POSTMASTER:
		return VIEW_LIT("postmaster");
	case SMTP_PATH_MAILBOX:
		break;
	}
	address_format(&text, path->address.local, path->address.domain);
	copy = arena_copy(&s->smtpd->scratch, buf_view(&text));
	if (text.overflow || !copy.p)
		copy = (struct view){NULL, 0};
	buf_fini(&text);
	return copy;
}

static unsigned offered_params(const struct session *s)
{
	unsigned offered = SMTP_PARAM_SIZE | SMTP_PARAM_BODY | SMTP_PARAM_SMTPUTF8 | SMTP_PARAM_RET | SMTP_PARAM_ENVID;

	if (session_is_tls(s))
		offered |= SMTP_PARAM_REQUIRETLS;
	/* RFC 4954 §5: taken and not believed, as any AUTH= of somebody who is not another server of ours. */
	return session_is_submission(s) ? offered | SMTP_PARAM_AUTH : offered;
}

/* RFC 5321 §4.1.1.11: a parameter that was not offered is a 555. */
static bool params_are_offered(const struct session *s, const struct smtp_params *p)
{
	if (p->unknown_count || p->present & ~offered_params(s))
		return false;
	return !(p->present & SMTP_PARAM_BODY) || p->body != SMTP_BODY_BINARYMIME;
}

static struct verdict refuse_mail(const struct session *s, const struct smtp_params *p)
{
	const struct smtpd *d = s->smtpd;

	if (!params_are_offered(s, p))
		return VERDICT(555, 5, 5, 4, "A parameter of MAIL is not offered here");
	if (p->present & SMTP_PARAM_SIZE && p->size_bytes > s->settings->max_message_bytes)
		return VERDICT(552, 5, 3, 4, "Message is too big");
	if (d->space_low)
		return VERDICT(452, 4, 3, 1, "The disk is nearly full; try again later");
	if (d->bytes_held >= s->settings->max_bytes_in_flight)
		return too_busy;
	if (!d->store)
		return reply_store_away;
	return (struct verdict){0};
}

static void tell_sender_refused(struct session *s, struct view sender, const struct verdict *v)
{
	trail_refused(s, "MAIL", VIEW_EMPTY, v);
	refusals_note(s, sender, VIEW_EMPTY, v);
}

static void tell_rcpt_refused(struct session *s, struct view address, const struct verdict *v)
{
	trail_refused(s, "RCPT", address, v);
	refusals_note(s, s->tx->sender, address, v);
}

static void mail_answered(struct session *s, const struct verdict *v)
{
	s->call_id = 0;
	if (s->state == SESSION_CLOSED)
		return;
	session_enter(s, SESSION_COMMAND);
	if (v->class != VERDICT_DONE) {
		tell_sender_refused(s, s->tx->sender, v);
		session_reset(s);
	}
	reply_now(s, v);
	session_run(s);
}

static void on_sender_answer(void *ctx, const struct smtp_msg *answer)
{
	struct session *s = ctx;
	struct verdict v = reply_store_away;

	if (answer && answer->type == SMTP_SENDER_OK)
		v = sender_ok;
	else if (answer && answer->type == SMTP_REFUSED)
		v = reply_of_refusal(&answer->refused);
	mail_answered(s, &v);
}

/* RFC 6409 §6.1: the sender must belong to who logged in. */
static enum step ask_sender(struct session *s)
{
	struct smtp_sender_check q = {.grant = auth_grant(s), .sender = s->tx->sender};
	struct channel *store = s->smtpd->store;

	if (!smtp_call_sender_check(store, &q, ENVELOPE_DEADLINE_MS, on_sender_answer, s)) {
		tell_sender_refused(s, s->tx->sender, &reply_store_away);
		session_reset(s);
		reply(s, &reply_store_away);
		return STEP_DONE;
	}
	s->call_id = channel_call_id(store);
	session_enter(s, SESSION_ASKING);
	return STEP_WAIT;
}

enum step cmd_mail(struct session *s, const struct smtp_command *c)
{
	static const struct verdict too_many = VERDICT(421, 4, 7, 0, "Too many messages in one session; connect again");
	struct view sender = path_text(s, &c->path);
	struct verdict refusal;

	if (s->mails++ >= s->settings->max_messages) { /* RFC 9422: every MAIL counts */
		reply(s, &too_many);
		s->why_closed = "too many messages";
		return STEP_CLOSE;
	}
	refusal = refuse_mail(s, &c->params);
	if (!refusal.code && (!sender.p || !transaction_begin(s, sender)))
		refusal = VERDICT(501, 5, 1, 7, "Sender address is too long");
	if (refusal.code) {
		tell_sender_refused(s, sender, &refusal);
		reply(s, &refusal);
		return STEP_DONE;
	}
	s->tx->requiretls = c->params.present & SMTP_PARAM_REQUIRETLS;
	s->tx->smtputf8 = c->params.present & SMTP_PARAM_SMTPUTF8;
	s->tx->body = c->params.present & SMTP_PARAM_BODY ? c->params.body : SMTP_BODY_7BIT;
	if (c->params.present & SMTP_PARAM_RET)
		s->tx->ret = c->params.ret == SMTP_RET_FULL ? 1 : 2;
	if (c->params.present & SMTP_PARAM_ENVID)
		s->tx->envid = transaction_keep(s, c->params.envid);
	s->tx->size_bytes = c->params.present & SMTP_PARAM_SIZE ? c->params.size_bytes : 0;
	if (session_is_submission(s))
		return ask_sender(s);
	reply(s, &sender_ok);
	return STEP_DONE;
}

static void rcpt_answered(struct rcpt *r, const struct verdict *v)
{
	struct session *s = r->session;

	r->call_id = 0;
	r->accepted = v->class == VERDICT_DONE;
	s->tx->accepted += r->accepted;
	if (!r->accepted)
		tell_rcpt_refused(s, r->address, v);
	transaction_answer(s, r, v);
}

static void on_rcpt_answer(void *ctx, const struct smtp_msg *answer)
{
	struct rcpt *r = ctx;
	struct session *s = r->session;
	struct verdict v = reply_store_away;

	if (answer && answer->type == SMTP_RCPT_OK)
		v = rcpt_ok;
	else if (answer && answer->type == SMTP_REFUSED)
		v = reply_of_refusal(&answer->refused);
	rcpt_answered(r, &v);
	session_run(s);
}

static void ask_rcpt(struct session *s, struct rcpt *r)
{
	struct smtp_rcpt_check q = {
	    .grant = auth_grant(s),
	    .sender = s->tx->sender,
	    .address = r->address,
	    .size_bytes = s->tx->size_bytes,
	    .trusted = s->trusted,
	};
	struct channel *store = s->smtpd->store;

	if (store && smtp_call_rcpt_check(store, &q, ENVELOPE_DEADLINE_MS, on_rcpt_answer, r))
		r->call_id = channel_call_id(store);
	else
		rcpt_answered(r, &reply_store_away);
}

/* RFC 3461 §4: what the sender wants to hear of this recipient. */
static bool keep_dsn(struct session *s, struct rcpt *r, const struct smtp_params *p)
{
	struct buf orcpt = BUF_INIT(512);

	if (p->present & SMTP_PARAM_NOTIFY)
		r->notify = (uint8_t)p->notify;
	if (p->present & SMTP_PARAM_ORCPT) {
		buf_printf(&orcpt, "%.*s;%.*s", VIEW_FMT(p->orcpt_type), VIEW_FMT(p->orcpt_address));
		if (!orcpt.overflow)
			r->orcpt = transaction_keep(s, buf_view(&orcpt));
	}
	buf_fini(&orcpt);
	return r->orcpt.p != NULL;
}

/* What is wrong with it before anybody is asked; code 0: nothing. */
static struct verdict refuse_rcpt(struct session *s, const struct smtp_command *c, struct view address)
{
	if (c->params.unknown_count || c->params.present & ~(unsigned)(SMTP_PARAM_NOTIFY | SMTP_PARAM_ORCPT))
		return VERDICT(555, 5, 5, 4, "A parameter of RCPT is not offered here");
	if (!address.p)
		return VERDICT(501, 5, 1, 3, "Recipient address is too long");
	if (s->tx->rcpt_commands++ >= s->settings->max_recipients)
		return too_many_rcpts;
	if (s->smtpd->bytes_held >= s->settings->max_bytes_in_flight)
		return too_busy;
	return (struct verdict){0};
}

enum step cmd_rcpt(struct session *s, const struct smtp_command *c)
{
	struct view address = path_text(s, &c->path);
	struct verdict refusal = refuse_rcpt(s, c, address);
	struct rcpt *r = refusal.code ? NULL : transaction_add(s, address);

	if (r && keep_dsn(s, r, &c->params)) {
		ask_rcpt(s, r);
		return STEP_DONE;
	}
	if (!refusal.code)
		refusal = too_many_rcpts;
	tell_rcpt_refused(s, address.p ? address : VIEW_EMPTY, &refusal);
	reply(s, &refusal);
	return STEP_DONE;
}
