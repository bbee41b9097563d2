/* SPDX-License-Identifier: ISC
 * What an import asks before it begins: which messages came before; and what a restore ends with. */
#include "store/backup.h"
#include "store/deliver.h"
#include "stored/mailbox_peer.h"

enum { IDENTITIES_PAGE = 8192 };

struct imported_op {
	struct op op;
	uint64_t account;
	struct view name, after;
	struct buf identities;
};

static void imported_run(struct op *op, struct store_reader *r)
{
	struct imported_op *i = (struct imported_op *)op;

	op->outcome = imported_list(r, i->account, i->name, i->after, IDENTITIES_PAGE, &i->identities);
}

static void imported_answer(struct op *op, struct channel *c)
{
	struct imported_op *i = (struct imported_op *)op;
	size_t n = i->identities.n / STORE_IDENTITY_BYTES;
	struct mailbox_identity *items = arena_array(&op->arena, n, sizeof *items);

	for (size_t k = 0; items && k < n; k++)
		items[k].identity = view_sub(buf_view(&i->identities), k * STORE_IDENTITY_BYTES, STORE_IDENTITY_BYTES);
	if (c && (op->outcome != STORE_OK || !items))
		mailbox_send_outcome(c, op->reply.id, op->outcome == STORE_OK ? STORE_TEMPORARY : op->outcome);
	else if (c)
		(void)mailbox_send_imported(c, op->reply.id,
					    &(struct mailbox_imported){items, (uint32_t)n, n == IDENTITIES_PAGE});
	buf_fini(&i->identities);
}

void mailbox_on_imported_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			      const struct mailbox_msg *m)
{
	struct imported_op *i = op_new(sd, sizeof *i, peer, id);

	i->op.run = imported_run;
	i->op.answer = imported_answer;
	i->account = s->grant->account;
	i->name = arena_copy(&i->op.arena, m->imported_want.name);
	i->after = arena_copy(&i->op.arena, m->imported_want.after);
	i->identities = BUF_INIT(IDENTITIES_PAGE * STORE_IDENTITY_BYTES);
	op_read(&i->op);
}

/* ---- restore ---- */

struct replace_op {
	struct op op;
	struct folder_replace_job job;
};

static void replace_answer(struct op *op, struct channel *c)
{
	const struct replace_op *o = (const struct replace_op *)op;

	if (c && op->outcome == STORE_OK)
		(void)mailbox_send_done(c, op->reply.id, &(struct mailbox_done){o->job.job.commit});
	else if (c)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_replace_folders(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
				const struct mailbox_msg *m)
{
	const struct mailbox_replace_folders *w = &m->replace_folders;
	struct replace_op *o = op_new(sd, sizeof *o, peer, id);
	struct replaced_folder *folders = arena_array(&o->op.arena, w->n_folders + 1U, sizeof *folders);

	for (uint32_t i = 0; i < w->n_folders; i++)
		folders[i] =
		    (struct replaced_folder){arena_copy(&o->op.arena, w->folders[i].from),
					     arena_copy(&o->op.arena, w->folders[i].to), w->folders[i].special_use};
	folder_replace_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.folders = folders;
	o->job.count = w->n_folders;
	o->op.answer = replace_answer;
	op_write(&o->op, &o->job.job);
}
