/* SPDX-License-Identifier: ISC
 * Requests of imapd and popd that change mailboxes: each becomes one job of the writer. */
#include "store/mailbox_write.h"

#include "store/folder.h"
#include "stored/mailbox_peer.h"

enum { RANGES_A_FRAME = 8192 }; /* as in msgs/mailbox.def */

/* The next ranges of a long list, as many as one frame holds; `*at` moves behind them. */
static uint32_t take_ranges(const struct uid_range *ranges, size_t count, size_t *at,
			    struct mailbox_range page[RANGES_A_FRAME])
{
	uint32_t n = 0;

	for (; n < RANGES_A_FRAME && *at < count; n++, (*at)++)
		page[n] = (struct mailbox_range){ranges[*at].first, ranges[*at].last};
	return n;
}

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
	o->job.by_operator = peer->is_cli;
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
	struct mailbox_range page[RANGES_A_FRAME];
	struct mailbox_flags_done m = {
	    .commit = j->job.commit,
	    .before = j->ret_before_modseq,
	    .highestmodseq = j->ret_highestmodseq,
	    .modified = page,
	};
	size_t at = 0;

	if (op->outcome != STORE_OK) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	do {
		m.n_modified = take_ranges(j->ret_modified, j->ret_modified_count, &at, page);
		m.more = at < j->ret_modified_count;
	} while (mailbox_send_flags_done(c, op->reply.id, &m) && m.more);
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
	uint32_t count = 0;

	for (size_t i = 0; i < j->ret_expunged_count; i++)
		count += j->ret_expunged[i].last - j->ret_expunged[i].first + 1;
	if (op->outcome == STORE_OK)
		(void)mailbox_send_expunged(c, op->reply.id,
					    &(struct mailbox_expunged){j->job.commit, j->ret_highestmodseq, count});
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

static void send_copied(const struct copy_job *j, struct channel *c, uint32_t id)
{
	struct mailbox_range sources[RANGES_A_FRAME], targets[RANGES_A_FRAME];
	struct mailbox_copied m = {
	    .commit = j->job.commit,
	    .target_uidvalidity = j->ret_target_uidvalidity,
	    .sources = sources,
	    .targets = targets,
	};
	size_t source = 0, target = 0;

	do {
		m.n_sources = take_ranges(j->ret_sources, j->ret_source_count, &source, sources);
		m.n_targets = take_ranges(j->ret_targets, j->ret_target_count, &target, targets);
		m.more = source < j->ret_source_count || target < j->ret_target_count;
	} while (mailbox_send_copied(c, id, &m) && m.more);
}

static void copy_answer(struct op *op, struct channel *c)
{
	const struct copy_job *j = &((struct copy_op *)op)->job;

	if (op->outcome == STORE_OK)
		send_copied(j, c, op->reply.id);
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
