/* SPDX-License-Identifier: ISC
 * The log lines of a session. */
#include "smtpd/trail.h"

#include "io/stream.h"
#include "smtpd/auth.h"
#include "smtpd/transaction.h"

static void begin(struct log_line *l, enum log_level level, const char *event, const struct session *s)
{
	char id[ID_TEXT_BYTES + 1];

	log_begin(l, level, event);
	id_format(s->id, id);
	log_cstr(l, "session", id);
	log_cstr(l, "client", stream_peer(s->stream)->ip);
	log_cstr(l, "port", s->service);
}

static void verdict(struct log_line *l, struct smtpd *d, const struct verdict *v)
{
	log_u64(l, "code", v->code);
	buf_reset(&d->text);
	dsn_status_format(&d->text, v->enhanced);
	log_str(l, "status", buf_view(&d->text));
	log_str(l, "why", v->text);
}

static void envelope(struct log_line *l, const struct session *s)
{
	if (auth_is_done(s))
		log_str(l, "account", s->login->account);
	if (s->tx)
		log_str(l, "sender", s->tx->sender);
}

void trail_kept(const struct session *s, uint64_t message_id)
{
	char id[ID_TEXT_BYTES + 1];
	struct log_line l;

	begin(&l, LOG_LEVEL_INFO, "accepted", s);
	id_format(message_id, id);
	log_cstr(&l, "id", id);
	envelope(&l, s);
	log_u64(&l, "recipients", s->tx->accepted);
	log_u64(&l, "size", s->tx->intake.size_bytes);
	log_str(&l, "helo", s->helo);
	if (session_is_tls(s))
		log_str(&l, "tls", stream_tls_text(s->stream));
	log_end(&l);
}

void trail_refused(const struct session *s, const char *stage, struct view address, const struct verdict *v)
{
	struct log_line l;

	begin(&l, LOG_LEVEL_INFO, "refused", s);
	log_cstr(&l, "stage", stage);
	envelope(&l, s);
	if (address.n)
		log_str(&l, "recipient", address);
	verdict(&l, s->smtpd, v);
	log_end(&l);
}

void trail_login(const struct session *s, struct view account, const struct verdict *v)
{
	struct log_line l;

	begin(&l, LOG_LEVEL_INFO, v->class == VERDICT_DONE ? "login" : "login_failed", s);
	if (account.n)
		log_str(&l, "account", account);
	verdict(&l, s->smtpd, v);
	log_end(&l);
}

void trail_end(const struct session *s, const char *why)
{
	struct log_line l;

	begin(&l, why ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "disconnected", s);
	if (why)
		log_cstr(&l, "why", why);
	log_u64(&l, "messages", s->kept);
	log_u64(&l, "commands", s->commands);
	log_u64(&l, "errors", s->errors);
	log_end(&l);
}

void trail_attack(const struct session *s, const char *what)
{
	struct log_line l;

	begin(&l, LOG_LEVEL_WARNING, "attack", s);
	log_cstr(&l, "what", what);
	log_end(&l);
}
