/* SPDX-License-Identifier: ISC
 * The operator has search indexes made anew. */
#include "stored/admin.h"

#include "store/directory.h"
#include "stored/indexer.h"

struct reindex_op {
	struct op op;
	struct view address; /* empty: all accounts */
	struct directory_account account;
};

static void reindex_run(struct op *op, struct store_reader *r)
{
	struct reindex_op *o = (struct reindex_op *)op;

	op->outcome = directory_account(r, o->address, &op->arena, &o->account);
}

static void reindex_answer(struct op *op, struct channel *c)
{
	struct reindex_op *o = (struct reindex_op *)op;

	if (op->outcome != STORE_OK)
		admin_send_outcome(c, op->reply.id, op->outcome, o->address);
	else if (c && indexer_rebuild(op->sd->indexer, o->account.account))
		(void)admin_send_done(c, op->reply.id, &(struct admin_done){VIEW_EMPTY});
	else if (c)
		(void)admin_send_failed(
		    c, op->reply.id,
		    &(struct admin_failed){75, VIEW_LIT("another reindex is under way: wait for its end")});
}

void admin_on_reindex(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct reindex_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = reindex_run;
	o->op.answer = reindex_answer;
	o->address = VIEW_EMPTY;
	if (m->reindex.address.n == 0) {
		o->op.outcome = STORE_OK;
		op_finish(&o->op);
		return;
	}
	if (admin_address_key(m->reindex.address, false, &o->op.arena, &o->address)) {
		op_read(&o->op);
		return;
	}
	o->address = arena_copy(&o->op.arena, m->reindex.address);
	o->op.outcome = STORE_BAD_REQUEST;
	op_finish(&o->op);
}

void admin_on_reindex_ask(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct indexer_progress p;

	(void)m;
	indexer_progress(sd->indexer, &p);
	(void)admin_send_reindex_state(peer->channel, id,
				       &(struct admin_reindex_state){
					   .running = p.running,
					   .accounts = p.accounts,
					   .accounts_done = p.accounts_done,
					   .accounts_failed = p.accounts_failed,
					   .messages = p.messages,
					   .messages_done = p.messages_done,
					   .messages_all = p.messages_all,
				       });
}
