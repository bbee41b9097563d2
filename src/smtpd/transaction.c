/* SPDX-License-Identifier: ISC
 * The envelope of one message and the order of its replies. */
#include "smtpd/transaction.h"

#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/reply.h"

#include <stdlib.h>
#include <string.h>

/* Memory for the envelope counts as bytes in flight: recipients are as good as text for filling memory. */
static void *take(struct session *s, size_t n)
{
	size_t before = s->tx->arena.used;
	void *p = arena_alloc(&s->tx->arena, n);

	s->smtpd->bytes_held += s->tx->arena.used - before;
	return p;
}

struct view transaction_keep(struct session *s, struct view text)
{
	char *p = take(s, text.n);

	if (p && text.n)
		memcpy(p, text.p, text.n);
	return (struct view){p, p ? text.n : 0};
}

bool transaction_begin(struct session *s, struct view sender)
{
	struct transaction *tx = xcalloc(1, sizeof *tx);

	arena_init(&tx->arena, TRANSACTION_MAX);
	s->tx = tx;
	tx->envid = VIEW_EMPTY;
	tx->sender = transaction_keep(s, sender);
	if (tx->sender.p)
		return true;
	transaction_end(s);
	return false;
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
	s->smtpd->bytes_held -= tx->arena.used;
	s->tx = NULL;
	arena_fini(&tx->arena);
	free(tx);
}

struct rcpt *transaction_add(struct session *s, struct view address)
{
	struct transaction *tx = s->tx;
	struct rcpt *r = take(s, sizeof *r);

	if (!r)
		return NULL;
	r->session = s;
	r->orcpt = VIEW_EMPTY;
	r->address = transaction_keep(s, address);
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

/* Says what is known in order, up to the first that is not. */
static void say_answered(struct session *s)
{
	struct transaction *tx = s->tx;

	while (tx->unsaid && tx->unsaid->answered) {
		struct rcpt *r = tx->unsaid;

		tx->unsaid = r->next;
		reply_now(s, &r->verdict);
	}
}

void transaction_answer(struct session *s, struct rcpt *r, const struct verdict *v)
{
	struct transaction *tx = s->tx;

	r->answered = true;
	if (tx->unsaid == r) {
		tx->unsaid = r->next;
		reply_now(s, v);
		say_answered(s);
		return;
	}
	r->verdict = *v;
	r->verdict.text = transaction_keep(s, v->text);
	if (!r->verdict.text.p)
		r->verdict.text = VIEW_EMPTY;
}

bool transaction_is_waiting(const struct session *s)
{
	return s->tx && s->tx->unsaid;
}
