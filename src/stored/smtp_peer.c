/* SPDX-License-Identifier: ISC
 * smtpd's channels: may this recipient be taken, may this account send so, and messages handed in. */
#include "stored/smtp_peer.h"

#include "base/bucket.h"
#include "ipc/msgs/smtp_msgs.h"
#include "stored/client_name.h"
#include "stored/handed_in.h"
#include "stored/op.h"
#include "stored/recipients.h"
#include "stored/refusals.h"
#include "stored/session.h"

#include <stdlib.h>

struct smtp_link {
	struct stored *sd;
	struct peer *peer;
	unsigned kind; /* SMTP_PEER_MX or _SUBMISSION */
	struct handed_in_table *messages;
	struct bucket refusals; /* what it may have kept */
	struct smtp_link *next;
};

static const struct verdict no_grant = VERDICT_INIT(421, 4, 7, 0, "your login has ended; connect again");

static void send_refused(struct channel *c, uint32_t id, const struct verdict *v, struct view message_id)
{
	_cleanup_(buf_fini) struct buf enhanced = BUF_INIT(16);

	dsn_status_format(&enhanced, v->enhanced);
	(void)smtp_send_refused(c, id, &(struct smtp_refused){v->code, buf_view(&enhanced), v->text, message_id});
}

static void smtp_send_verdict(struct channel *c, uint32_t id, const struct verdict *v)
{
	send_refused(c, id, v, VIEW_EMPTY);
}

static void send_kept(struct channel *c, uint32_t id, uint64_t message_id)
{
	(void)smtp_send_kept(c, id, &(struct smtp_kept){message_id});
}

static void send_more(struct channel *c, uint32_t id, uint32_t bytes)
{
	(void)smtp_send_more(c, id, &(struct smtp_more){bytes});
}

static const struct handed_in_answers answers = {.kept = send_kept, .refused = send_refused, .more = send_more};

/* ---- recipients and senders ---- */

enum question { ASK_RCPT, ASK_SENDER };

struct address_op {
	struct op op;
	enum question question;
	struct view address;
	uint64_t account;
	bool may_relay;
	uint64_t size_bytes;
	struct recipient result;
};

static struct recipient resolve(struct address_op *a, struct store_reader *r)
{
	if (a->question == ASK_SENDER)
		return sender_resolve(a->op.sd->store, r, a->account, a->address, &a->op.arena);
	return recipient_resolve(a->op.sd->store, r, a->address, a->may_relay, a->size_bytes, &a->op.arena);
}

static void address_run(struct op *op, struct store_reader *r)
{
	struct address_op *a = (struct address_op *)op;

	a->result = resolve(a, r);
	op->outcome = STORE_OK;
}

static void address_answer(struct op *op, struct channel *c)
{
	static const struct verdict busy = VERDICT_INIT(451, 4, 3, 0, "the server is busy; try again later");
	struct address_op *a = (struct address_op *)op;

	if (!c)
		return;
	if (op->outcome != STORE_OK)
		smtp_send_verdict(c, op->reply.id, &busy);
	else if (a->result.answer == RECIPIENT_REFUSED)
		smtp_send_verdict(c, op->reply.id, &a->result.verdict);
	else if (a->question == ASK_SENDER)
		(void)smtp_send_sender_ok(c, op->reply.id, &(struct smtp_sender_ok){0});
	else
		(void)smtp_send_rcpt_ok(c, op->reply.id, &(struct smtp_rcpt_ok){a->result.local});
}

/* Answers out of memory when the directory's cache knows; else a reader finds out. */
static void ask_address(struct smtp_link *sp, uint32_t id, const struct address_op *question)
{
	struct address_op *a = op_new(sp->sd, sizeof *a, sp->peer, id);

	a->op.run = address_run;
	a->op.answer = address_answer;
	a->question = question->question;
	a->account = question->account;
	a->may_relay = question->may_relay;
	a->size_bytes = question->size_bytes;
	a->address = arena_copy(&a->op.arena, question->address);
	a->result = resolve(a, NULL);
	if (a->result.answer == RECIPIENT_UNKNOWN) {
		op_read(&a->op);
		return;
	}
	a->op.outcome = STORE_OK;
	op_finish(&a->op);
}

/* An mx is not believed that a client is in trusted-networks where there are none. */
static bool is_trusted(const struct smtp_link *sp, bool trusted)
{
	return trusted && role_conf(sp->sd->role)->trusted_networks.n > 0;
}

static void on_rcpt_check(struct smtp_link *sp, uint32_t id, const struct smtp_rcpt_check *m)
{
	static const struct verdict full =
	    VERDICT_INIT(452, 4, 3, 1, "the server's disk is nearly full; try again later");
	struct address_op q = {.question = ASK_RCPT, .address = m->address, .size_bytes = m->size_bytes};

	if (sp->kind == SMTP_PEER_SUBMISSION) {
		struct grant *g = sessions_find_grant(sp->sd->sessions, m->grant, sp->peer);

		if (!g) {
			smtp_send_verdict(sp->peer->channel, id, &no_grant);
			return;
		}
		q.may_relay = true;
	} else {
		q.may_relay = is_trusted(sp, m->trusted) || recipient_is_backup(role_conf(sp->sd->role), m->address);
	}
	if (sp->sd->space_is_low)
		smtp_send_verdict(sp->peer->channel, id, &full);
	else
		ask_address(sp, id, &q);
}

static void on_sender_check(struct smtp_link *sp, uint32_t id, const struct smtp_sender_check *m)
{
	struct grant *g = sessions_find_grant(sp->sd->sessions, m->grant, sp->peer);

	if (g)
		ask_address(sp, id,
			    &(struct address_op){.question = ASK_SENDER, .address = m->sender, .account = g->account});
	else
		smtp_send_verdict(sp->peer->channel, id, &no_grant);
}

static void on_begin(struct smtp_link *sp, uint32_t id, const struct smtp_begin *m)
{
	struct grant *g;

	if (sp->kind == SMTP_PEER_MX) {
		handed_in_begin(sp->messages, id, is_trusted(sp, m->trusted) ? BY_TRUSTED_NETWORK : BY_STRANGER, 0,
				VIEW_EMPTY, m);
		return;
	}
	g = sessions_find_grant(sp->sd->sessions, m->grant, sp->peer);
	if (g)
		handed_in_begin(sp->messages, id, BY_ACCOUNT, g->account, view_from_cstr(g->address), m);
	else
		smtp_send_verdict(sp->peer->channel, id, &no_grant);
}

static void on_grant_drop(struct smtp_link *sp, const struct smtp_grant_drop *m)
{
	struct grant *g = sessions_find_grant(sp->sd->sessions, m->grant, sp->peer);

	if (g && g->sessions == 0)
		sessions_drop_grant(sp->sd->sessions, g);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct smtp_link *sp = ctx;
	const struct smtp_msg *m = msg;

	(void)c;
	switch (m->type) {
	case SMTP_RCPT_CHECK:
		on_rcpt_check(sp, id, &m->rcpt_check);
		return;
	case SMTP_SENDER_CHECK:
		on_sender_check(sp, id, &m->sender_check);
		return;
	case SMTP_BEGIN:
		on_begin(sp, id, &m->begin);
		return;
	case SMTP_PIECE:
		handed_in_piece(sp->messages, id, m->piece.bytes);
		return;
	case SMTP_END:
		handed_in_end(sp->messages, id);
		return;
	case SMTP_ABORT:
		handed_in_abort(sp->messages, id);
		return;
	case SMTP_CLIENT:
		client_name_expect(sp->sd, m->client.address);
		return;
	case SMTP_REFUSALS:
		refusals_take(sp->sd, &sp->refusals, &m->refusals);
		return;
	case SMTP_GRANT_DROP:
		on_grant_drop(sp, &m->grant_drop);
		return;
	case SMTP_RCPT_OK:
	case SMTP_REFUSED:
	case SMTP_SENDER_OK:
	case SMTP_MORE:
	case SMTP_KEPT:
	case SMTP_GRANT_ENDED:
	case SMTP_SPACE:
		return; /* ours to send; the decoder refuses them from a front end */
	}
}

static void on_close(void *ctx, struct channel *c)
{
	struct smtp_link *sp = ctx;
	struct smtp_link **link = &sp->sd->smtp_peers;

	(void)c;
	while (*link != sp)
		link = &(*link)->next;
	*link = sp->next;
	handed_in_table_free(&sp->messages);
	sessions_forget_peer(sp->sd->sessions, sp->peer);
	sp->peer->channel = NULL;
	peer_unref(&sp->peer);
	free(sp);
}

int smtp_peer_add(struct stored *sd, const char *kind, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	struct smtp_link *sp = xcalloc(1, sizeof *sp);

	sp->sd = sd;
	sp->kind = view_eq_lit(view_from_cstr(kind), "submission") ? SMTP_PEER_SUBMISSION : SMTP_PEER_MX;
	sp->peer = peer_new();
	sp->messages = handed_in_table_new(sd, sp->peer, &answers);
	sp->peer->channel = channel_new(role_base(sd->role), fd, &smtp_proto, SMTP_PEER_STORE, sp->kind, &handlers, sp);
	sp->peer->is_submission = sp->kind == SMTP_PEER_SUBMISSION;
	sp->next = sd->smtp_peers;
	sd->smtp_peers = sp;
	if (sd->space_is_low)
		(void)smtp_send_space(sp->peer->channel, 0, &(struct smtp_space){true});
	return 0;
}

void smtp_peers_tell_space(struct stored *sd, bool low)
{
	for (struct smtp_link *sp = sd->smtp_peers; sp; sp = sp->next)
		(void)smtp_send_space(sp->peer->channel, 0, &(struct smtp_space){low});
}

void smtp_peers_tell_grant_ended(struct stored *sd, struct view handle)
{
	for (struct smtp_link *sp = sd->smtp_peers; sp; sp = sp->next)
		smtp_peer_tell_grant_ended(sp->peer, handle);
}

void smtp_peer_tell_grant_ended(struct peer *peer, struct view handle)
{
	if (peer->channel && peer->is_submission)
		(void)smtp_send_grant_ended(peer->channel, 0, &(struct smtp_grant_ended){handle});
}
