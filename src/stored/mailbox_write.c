/* SPDX-License-Identifier: ISC
 * Requests of imapd and popd that change mailboxes: each becomes one job of the writer. */
#include "store/mailbox_write.h"

#include "store/folder.h"
#include "stored/mailbox_peer.h"

/* ---- the tree of names ---- */

struct create_op {
	struct op op;
	struct folder_create_job job;
};

static void create_answer(struct op *op, struct channel *c)
{
	const struct folder_create_job *j = &((struct create_op *)op)->job;

	if (op->outcome == STORE_OK)
		(void)mailbox_send_created(c, op->reply.id, &(struct mailbox_created){j->job.commit, j->ret_mailbox});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_create(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	struct create_op *o = op_new(sd, sizeof *o, peer, id);

	folder_create_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.name = arena_copy(&o->op.arena, m->create.name);
	o->job.special_use = m->create.special_use;
	o->op.answer = create_answer;
	op_write(&o->op, &o->job.job);
}

/* DELETE, RENAME, SUBSCRIBE: nothing to tell but the commit. */
static void done_answer(struct op *op, struct channel *c)
{
	if (op->outcome == STORE_OK)
		(void)mailbox_send_done(c, op->reply.id, &(struct mailbox_done){op->write.job->commit});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

struct delete_op {
	struct op op;
	struct folder_delete_job job;
};

void mailbox_on_delete(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	struct delete_op *o = op_new(sd, sizeof *o, peer, id);

	folder_delete_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.name = arena_copy(&o->op.arena, m->delete.name);
	o->op.answer = done_answer;
	op_write(&o->op, &o->job.job);
}

struct rename_op {
	struct op op;
	struct folder_rename_job job;
};

void mailbox_on_rename(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	struct rename_op *o = op_new(sd, sizeof *o, peer, id);

	folder_rename_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.from = arena_copy(&o->op.arena, m->rename.from);
	o->job.to = arena_copy(&o->op.arena, m->rename.to);
	o->op.answer = done_answer;
	op_write(&o->op, &o->job.job);
}

struct subscribe_op {
	struct op op;
	struct folder_subscribe_job job;
};

void mailbox_on_subscribe(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			  const struct mailbox_msg *m)
{
	struct subscribe_op *o = op_new(sd, sizeof *o, peer, id);

	folder_subscribe_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.name = arena_copy(&o->op.arena, m->subscribe.name);
	o->job.on = m->subscribe.on;
	o->op.answer = done_answer;
	op_write(&o->op, &o->job.job);
}

/* ---- flags ---- */

struct flags_op {
	struct op op;
	struct flags_job job;
};

static void flags_answer(struct op *op, struct channel *c)
{
	const struct flags_job *j = &((struct flags_op *)op)->job;
	struct mailbox_range *modified = mailbox_make_ranges(&op->arena, j->ret_modified, j->ret_modified_count);

	if (op->outcome == STORE_OK && modified)
		(void)mailbox_send_flags_done(c, op->reply.id,
					      &(struct mailbox_flags_done){j->job.commit, j->ret_before_modseq,
									   j->ret_highestmodseq, modified,
									   (uint32_t)j->ret_modified_count});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_flags(struct stored *sd, struct peer *peer, uint32_t id, struct session *s, const struct mailbox_msg *m)
{
	const struct mailbox_flags *w = &m->flags;
	struct flags_op *o = op_new(sd, sizeof *o, peer, id);

	flags_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.mailbox = w->mailbox;
	o->job.ranges = mailbox_copy_ranges(&o->op.arena, w->ranges, w->n_ranges);
	o->job.range_count = w->n_ranges;
	o->job.mode = (enum flags_mode)w->mode;
	o->job.flags = w->flags;
	o->job.keywords = mailbox_copy_words(&o->op.arena, w->keywords, w->n_keywords);
	o->job.keyword_count = w->n_keywords;
	o->job.unchanged_since = w->unchanged_since;
	o->op.answer = flags_answer;
	op_write(&o->op, &o->job.job);
}

/* ---- expunge ---- */

struct expunge_op {
	struct op op;
	struct expunge_job job;
};

static void expunge_answer(struct op *op, struct channel *c)
{
	const struct expunge_job *j = &((struct expunge_op *)op)->job;
	struct mailbox_range *gone = mailbox_make_ranges(&op->arena, j->ret_expunged, j->ret_expunged_count);

	if (op->outcome == STORE_OK && gone)
		(void)mailbox_send_expunged(c, op->reply.id,
					    &(struct mailbox_expunged){j->job.commit, j->ret_highestmodseq, gone,
								       (uint32_t)j->ret_expunged_count});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_expunge(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			const struct mailbox_msg *m)
{
	const struct mailbox_expunge *w = &m->expunge;
	struct expunge_op *o = op_new(sd, sizeof *o, peer, id);

	expunge_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.mailbox = w->mailbox;
	o->job.ranges = mailbox_copy_ranges(&o->op.arena, w->ranges, w->n_ranges);
	o->job.range_count = w->n_ranges;
	o->job.all = w->all;
	o->op.answer = expunge_answer;
	op_write(&o->op, &o->job.job);
}

/* ---- copy, move ---- */

struct copy_op {
	struct op op;
	struct copy_job job;
};

static void copy_answer(struct op *op, struct channel *c)
{
	const struct copy_job *j = &((struct copy_op *)op)->job;
	struct mailbox_range *sources = mailbox_make_ranges(&op->arena, j->ret_sources, j->ret_source_count);
	struct mailbox_range *targets = mailbox_make_ranges(&op->arena, j->ret_targets, j->ret_target_count);

	if (op->outcome == STORE_OK && sources && targets)
		(void)mailbox_send_copied(c, op->reply.id,
					  &(struct mailbox_copied){
					      .commit = j->job.commit,
					      .target_uidvalidity = j->ret_target_uidvalidity,
					      .sources = sources,
					      .n_sources = (uint32_t)j->ret_source_count,
					      .targets = targets,
					      .n_targets = (uint32_t)j->ret_target_count,
					  });
	else if (op->outcome == STORE_NO_MAILBOX && !j->ret_no_target)
		mailbox_send_outcome(c, op->reply.id, STORE_NO_MESSAGE); /* the source: no TRYCREATE for that */
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_copy(struct stored *sd, struct peer *peer, uint32_t id, struct session *s, const struct mailbox_msg *m)
{
	const struct mailbox_copy *w = &m->copy;
	struct copy_op *o = op_new(sd, sizeof *o, peer, id);

	copy_job_init(&o->job);
	o->job.account = s->grant->account;
	o->job.mailbox = w->mailbox;
	o->job.ranges = mailbox_copy_ranges(&o->op.arena, w->ranges, w->n_ranges);
	o->job.range_count = w->n_ranges;
	o->job.target = arena_copy(&o->op.arena, w->target);
	o->job.move = w->move;
	o->op.answer = copy_answer;
	op_write(&o->op, &o->job.job);
}
