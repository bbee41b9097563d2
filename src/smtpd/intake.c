/* SPDX-License-Identifier: ISC
 * A message's bytes on their way from the client to stored. */
#include "smtpd/intake.h"

#include "base/clock.h"
#include "io/stream.h"
#include "mail/message_id.h"
#include "mail/received.h"
#include "smtpd/auth.h"
#include "smtpd/data.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

#include <assert.h>

enum { MESSAGE_ID_MAX = 255 };

static const struct verdict too_big = VERDICT(552, 5, 3, 4, "Message is too big");

void intake_init(struct session *s)
{
	s->tx->intake = (struct intake){
	    .held = smtpd_take_buffer(s->smtpd, INTAKE_CHUNK),
	    .credit_bytes = INTAKE_CREDIT,
	    .open = true,
	};
}

static void let_go(struct session *s)
{
	struct intake *in = &s->tx->intake;

	s->smtpd->bytes_held -= in->held.n;
	smtpd_give_buffer(s->smtpd, &in->held);
}

/* stored is not to keep it, or not to answer any more. */
static void forget_at_store(struct session *s)
{
	struct intake *in = &s->tx->intake;
	struct channel *store = s->smtpd->store;

	if (!in->call_id || !store)
		return;
	if (!in->ended)
		(void)smtp_send_abort(store, in->call_id, &(struct smtp_abort){0});
	channel_call_cancel(store, in->call_id);
	in->call_id = 0;
}

void intake_fini(struct session *s)
{
	if (!s->tx->intake.open)
		return;
	forget_at_store(s);
	let_go(s);
	s->tx->intake.open = false;
}

void intake_note_header(struct session *s, struct view text)
{
	_cleanup_(buf_fini) struct buf id = BUF_INIT(MESSAGE_ID_MAX);
	struct intake *in = &s->tx->intake;

	if (!in->begun && !in->message_id.p && message_id_of(text, &id))
		in->message_id = transaction_keep(s, buf_view(&id));
}

void intake_fail(struct session *s, const struct verdict *v)
{
	struct intake *in = &s->tx->intake;

	if (in->fault.code)
		return;
	in->fault = *v;
	intake_note_header(s, buf_view(&in->held));
	forget_at_store(s);
	let_go(s);
}

bool intake_drop(struct session *s, size_t n)
{
	struct intake *in = &s->tx->intake;

	in->dropped_bytes += n;
	return in->dropped_bytes <= 2 * s->settings->max_message_bytes;
}

/* The accepted recipients, in the scratch arena; NULL when there is no room. */
static struct smtp_rcpt *list_rcpts(struct session *s, uint32_t *ret_count)
{
	struct smtp_rcpt *list;
	uint32_t n = 0;

	arena_reset(&s->smtpd->scratch);
	list = arena_array(&s->smtpd->scratch, s->tx->accepted, sizeof *list);
	if (!list)
		return NULL;
	for (struct rcpt *r = s->tx->first; r; r = r->next)
		if (r->accepted)
			list[n++] = (struct smtp_rcpt){.address = r->address, .orcpt = r->orcpt, .notify = r->notify};
	assert(n == s->tx->accepted);
	*ret_count = n;
	return list;
}

static void on_answer(void *ctx, const struct smtp_msg *answer)
{
	struct session *s = ctx;
	struct intake *in = &s->tx->intake;
	struct verdict v = reply_store_away;

	if (answer && answer->type == SMTP_MORE) {
		in->credit_bytes += answer->more.bytes;
		channel_call_continues(s->smtpd->store);
		session_run(s);
		return;
	}
	in->call_id = 0;
	if (answer && answer->type == SMTP_KEPT && s->state == SESSION_KEEPING) {
		data_kept(s, answer->kept.message_id);
		return;
	}
	if (answer && answer->type == SMTP_REFUSED) {
		v = reply_of_refusal(&answer->refused);
		in->message_id = answer->refused.message_id;
	}
	if (s->state == SESSION_KEEPING) {
		data_refused(s, &v);
		return;
	}
	v.text = transaction_keep(s, v.text);
	in->message_id = transaction_keep(s, in->message_id);
	intake_fail(s, v.text.p ? &v : &reply_store_away);
	session_run(s);
}

/* Announces the message; `size_bytes` 0: not known yet. */
static bool begin(struct session *s, uint64_t size_bytes)
{
	struct intake *in = &s->tx->intake;
	const struct stream_peer *peer = stream_peer(s->stream);
	const char *protocol = received_protocol(s->esmtp, session_is_tls(s), auth_is_done(s), s->tx->smtputf8);
	struct smtp_begin m = {
	    .grant = auth_grant(s),
	    .sender = s->tx->sender,
	    .client_ip = view_from_cstr(peer->ip),
	    .client_name = VIEW_EMPTY,
	    .helo = s->helo,
	    .protocol = view_from_cstr(protocol),
	    .tls = stream_tls_text(s->stream),
	    .listener = view_from_cstr(s->service),
	    .body = (uint8_t)s->tx->body,
	    .smtputf8 = s->tx->smtputf8,
	    .requiretls = s->tx->requiretls,
	    .ret = s->tx->ret,
	    .envid = s->tx->envid,
	    .trusted = s->trusted,
	    .size_bytes = size_bytes,
	};
	uint64_t deadline_ms = INTAKE_VERDICT_MS + (size_bytes ? 0 : s->settings->total_timeout_ms);
	struct channel *store = s->smtpd->store;

	m.rcpts = list_rcpts(s, &m.n_rcpts);
	if (!m.rcpts)
		return false;
	if (!smtp_call_begin(store, &m, deadline_ms < UINT32_MAX ? (uint32_t)deadline_ms : UINT32_MAX, on_answer, s))
		return false;
	in->call_id = channel_call_id(store);
	in->begun = true;
	return true;
}

static bool send_held(struct session *s)
{
	struct intake *in = &s->tx->intake;
	struct smtp_piece m = {.bytes = buf_view(&in->held)};

	if (m.bytes.n && !smtp_send_piece(s->smtpd->store, in->call_id, &m))
		return false;
	in->credit_bytes -= m.bytes.n;
	s->smtpd->bytes_held -= m.bytes.n;
	buf_reset(&in->held);
	return true;
}

/* Hands on what is held. False: no room now. */
static bool flush(struct session *s)
{
	struct intake *in = &s->tx->intake;

	if (!smtpd_store_has_room(s->smtpd) || in->credit_bytes < in->held.n)
		return false;
	if (!s->smtpd->store || (!in->begun && !begin(s, 0)) || !send_held(s))
		intake_fail(s, &reply_store_away);
	return true;
}

size_t intake_room(struct session *s)
{
	struct intake *in = &s->tx->intake;

	if (in->held.n == INTAKE_CHUNK && !flush(s)) {
		smtpd_stall(s->smtpd, s);
		return 0;
	}
	return in->fault.code ? SIZE_MAX : INTAKE_CHUNK - in->held.n;
}

void intake_take(struct session *s, struct view bytes)
{
	struct intake *in = &s->tx->intake;

	if (in->fault.code)
		return;
	in->size_bytes += bytes.n;
	if (in->size_bytes > s->settings->max_message_bytes) {
		if (in->size_bytes == bytes.n)
			intake_note_header(s, bytes);
		intake_fail(s, &too_big);
		return;
	}
	buf_append_view(&in->held, bytes);
	assert(!in->held.overflow);
	s->smtpd->bytes_held += bytes.n;
	if (s->smtpd->bytes_held > s->settings->max_bytes_in_flight)
		(void)flush(s);
}

bool intake_finish(struct session *s)
{
	struct intake *in = &s->tx->intake;
	struct channel *store = s->smtpd->store;

	if (in->fault.code)
		return true;
	if (!smtpd_store_has_room(s->smtpd) || in->credit_bytes < in->held.n) {
		smtpd_stall(s->smtpd, s);
		return false;
	}
	if (!store || (!in->begun && !begin(s, in->size_bytes)) || !send_held(s) ||
	    !smtp_send_end(store, in->call_id, &(struct smtp_end){0}))
		intake_fail(s, &reply_store_away);
	in->ended = true;
	let_go(s);
	return true;
}
