/* SPDX-License-Identifier: ISC
 * An account's mail for its owner's tools: a channel of the list `mailbox`, opened with the operator's right. */
#include "stored/admin.h"

#include "base/random.h"
#include "store/directory.h"
#include "stored/session.h"

struct mail_op {
	struct op op;
	struct view address;
	int fd;
	struct directory_account account;
};

static void mail_run(struct op *op, struct store_reader *r)
{
	struct mail_op *o = (struct mail_op *)op;

	op->outcome = directory_account(r, o->address, &op->arena, &o->account);
}

static void mail_answer(struct op *op, struct channel *c)
{
	struct mail_op *o = (struct mail_op *)op;
	uint8_t handle[GRANT_BYTES_MAX] = {0};
	struct view grant = view_from(handle, sizeof handle);

	random_bytes(handle, sizeof handle);
	if (op->outcome == STORE_OK &&
	    !sessions_grant(op->sd->sessions, grant, o->account.account, o->account.generation, o->account.address))
		op->outcome = STORE_TEMPORARY;
	if (op->outcome == STORE_OK && c) {
		(void)!mailbox_peer_add(op->sd, "cli", o->fd);
		o->fd = -1;
		(void)admin_send_mail_opened(c, op->reply.id, &(struct admin_mail_opened){grant, o->account.address});
	} else {
		admin_send_outcome(c, op->reply.id, op->outcome, o->address);
	}
	fd_close(&o->fd);
}

void admin_on_mail_open(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct mail_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = mail_run;
	o->op.answer = mail_answer;
	o->fd = m->mail_open.channel;
	if (admin_address_key(m->mail_open.address, false, &o->op.arena, &o->address)) {
		op_read(&o->op);
		return;
	}
	o->address = arena_copy(&o->op.arena, m->mail_open.address);
	o->op.outcome = STORE_BAD_REQUEST;
	op_finish(&o->op);
}
