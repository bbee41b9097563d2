/* SPDX-License-Identifier: ISC
 * The envelope of one message and the order of its replies. */
#include "smtpd/transaction.h"

#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/reply.h"

#include <stdlib.h>

bool transaction_begin(struct session *s, struct view sender)
{
	struct transaction *tx = xcalloc(1, sizeof *tx);

	arena_init(&tx->arena, TRANSACTION_MAX);
	tx->sender = arena_copy(&tx->arena, sender);
	if (!tx->sender.p) {
		arena_fini(&tx->arena);
		free(tx);
		return false;
	}
	s->tx = tx;
	return true;
}

static void take_back_questions(struct session *s)
{
	for (struct rcpt *r = s->tx->unsaid; r; r = r->next)
		if (r->call_id && s->smtpd->store)
			channel_call_cancel(s->smtpd->store, r->call_id);
	if (s->call_id && s->smtpd->store)
		channel_call_cancel(s->smtpd->store, s->call_id);
	s->call_id = 0;
}

void transaction_end(struct session *s)
{
	struct transaction *tx = s->tx;

	take_back_questions(s);
	intake_fini(s);
	s->tx = NULL;
	arena_fini(&tx->arena);
	free(tx);
}

struct rcpt *transaction_add(struct session *s, struct view address)
{
	struct transaction *tx = s->tx;
	struct rcpt *r = arena_alloc(&tx->arena, sizeof *r);

	if (!r)
		return NULL;
	r->session = s;
	r->address = arena_copy(&tx->arena, address);
	if (!r->address.p)
		return NULL;
	if (tx->last)
		tx->last->next = r;
	else
		tx->first = r;
	tx->last = r;
	if (!tx->unsaid)
		tx->unsaid = r;
	return r;
}

void transaction_answer(struct session *s, struct rcpt *r, const struct verdict *v)
{
	struct transaction *tx = s->tx;

	r->verdict = *v;
	r->verdict.text = arena_copy(&tx->arena, v->text);
	if (!r->verdict.text.p)
		r->verdict.text = VIEW_EMPTY;
	r->answered = true;
	while (tx->unsaid && tx->unsaid->answered) {
		struct rcpt *next = tx->unsaid->next;

		reply_now(s, &tx->unsaid->verdict);
		tx->unsaid = next;
	}
}

bool transaction_is_waiting(const struct session *s)
{
	return s->tx && s->tx->unsaid;
}
