/* SPDX-License-Identifier: ISC
 * Expunged messages and deleted mailboxes: what there is, and bringing it back. */
#include "store/undelete.h"
#include "stored/mailbox_peer.h"

enum { TIMES_PAGE = 8192, GONE_PAGE = 500 };

struct want_op {
	struct op op;
	uint64_t account, mailbox, after;
	const struct expunge_time *times;
	const struct gone_mailbox *gone;
	size_t count;
};

static struct want_op *want_new(struct stored *sd, struct peer *peer, uint32_t id, const struct session *s,
				uint64_t mailbox, uint64_t after)
{
	struct want_op *w = op_new(sd, sizeof *w, peer, id);

	w->account = s->grant->account;
	w->mailbox = mailbox;
	w->after = after;
	return w;
}

static void times_run(struct op *op, struct store_reader *r)
{
	struct want_op *w = (struct want_op *)op;

	op->outcome = undelete_times(r, w->account, w->mailbox, w->after, TIMES_PAGE, &op->arena, &w->times, &w->count);
}

static void times_answer(struct op *op, struct channel *c)
{
	const struct want_op *w = (const struct want_op *)op;
	struct mailbox_expunge_time *times = arena_array(&op->arena, w->count + 1, sizeof *times);

	if (!c)
		return;
	if (op->outcome != STORE_OK || !times) {
		mailbox_send_outcome(c, op->reply.id, op->outcome == STORE_OK ? STORE_TEMPORARY : op->outcome);
		return;
	}
	for (size_t i = 0; i < w->count; i++)
		times[i] = (struct mailbox_expunge_time){w->times[i].modseq, w->times[i].wall_s};
	(void)mailbox_send_expunge_times(c, op->reply.id, &(struct mailbox_expunge_times){times, (uint32_t)w->count});
}

void mailbox_on_expunge_times_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
				   const struct mailbox_msg *m)
{
	struct want_op *w =
	    want_new(sd, peer, id, s, m->expunge_times_want.mailbox, m->expunge_times_want.after_modseq);

	w->op.run = times_run;
	w->op.answer = times_answer;
	op_read(&w->op);
}

static void gone_run(struct op *op, struct store_reader *r)
{
	struct want_op *w = (struct want_op *)op;

	op->outcome = undelete_mailboxes(r, w->account, w->after, GONE_PAGE, &op->arena, &w->gone, &w->count);
}

static void gone_answer(struct op *op, struct channel *c)
{
	const struct want_op *w = (const struct want_op *)op;
	struct mailbox_gone *items = arena_array(&op->arena, w->count + 1, sizeof *items);

	if (!c)
		return;
	if (op->outcome != STORE_OK || !items) {
		mailbox_send_outcome(c, op->reply.id, op->outcome == STORE_OK ? STORE_TEMPORARY : op->outcome);
		return;
	}
	for (size_t i = 0; i < w->count; i++) {
		const struct gone_mailbox *g = &w->gone[i];

		items[i] = (struct mailbox_gone){g->mailbox, g->name, g->gone_s, g->messages, g->size_bytes};
	}
	(void)mailbox_send_gone_mailboxes(c, op->reply.id, &(struct mailbox_gone_mailboxes){items, (uint32_t)w->count});
}

void mailbox_on_gone_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			  const struct mailbox_msg *m)
{
	struct want_op *w = want_new(sd, peer, id, s, 0, m->gone_want.after);

	w->op.run = gone_run;
	w->op.answer = gone_answer;
	op_read(&w->op);
}

/* ---- writes ---- */

struct undelete_op {
	struct op op;
	union {
		struct undelete_job messages;
		struct undelete_mailbox_job mailbox;
	};
};

static void undelete_answer(struct op *op, struct channel *c)
{
	const struct undelete_op *o = (const struct undelete_op *)op;

	if (c && op->outcome == STORE_OK)
		(void)mailbox_send_undeleted(
		    c, op->reply.id, &(struct mailbox_undeleted){o->messages.job.commit, o->messages.ret_count});
	else if (c)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_undelete(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			 const struct mailbox_msg *m)
{
	struct undelete_op *o = op_new(sd, sizeof *o, peer, id);
	uint32_t *uids = arena_array(&o->op.arena, m->undelete.n_uids + 1U, sizeof *uids);

	for (uint32_t i = 0; i < m->undelete.n_uids; i++)
		uids[i] = m->undelete.uids[i].uid;
	undelete_job_init(&o->messages);
	o->messages.account = s->grant->account;
	o->messages.mailbox = m->undelete.mailbox;
	o->messages.uids = uids;
	o->messages.count = m->undelete.n_uids;
	o->op.answer = undelete_answer;
	op_write(&o->op, &o->messages.job);
}

static void mailbox_answer(struct op *op, struct channel *c)
{
	const struct undelete_op *o = (const struct undelete_op *)op;

	if (c && op->outcome == STORE_OK)
		(void)mailbox_send_done(c, op->reply.id, &(struct mailbox_done){o->mailbox.job.commit});
	else if (c)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_undelete_mailbox(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
				 const struct mailbox_msg *m)
{
	struct undelete_op *o = op_new(sd, sizeof *o, peer, id);

	undelete_mailbox_job_init(&o->mailbox);
	o->mailbox.account = s->grant->account;
	o->mailbox.mailbox = m->undelete_mailbox.mailbox;
	o->mailbox.name = arena_copy(&o->op.arena, m->undelete_mailbox.name);
	o->op.answer = mailbox_answer;
	op_write(&o->op, &o->mailbox.job);
}
