/* SPDX-License-Identifier: ISC
 * Requests of imapd about annotations. */
#include "store/annotation.h"
#include "stored/mailbox_peer.h"

enum {
	ANNOTATIONS_PAGE = 256,
	PAGE_BYTES = 512 * 1024,
	TOLD_BYTES = 64 * 1024, /* of entries, to each session that hears of them: imapd keeps no more for a client */
};

struct annotations_op {
	struct op op;
	uint64_t account;
	struct view name, after;
	struct annotations result;
};

static void annotations_run(struct op *op, struct store_reader *r)
{
	struct annotations_op *o = (struct annotations_op *)op;

	op->outcome =
	    annotation_list(r, o->account, o->name, o->after, ANNOTATIONS_PAGE, PAGE_BYTES, &op->arena, &o->result);
}

static void annotations_answer(struct op *op, struct channel *c)
{
	const struct annotations *res = &((struct annotations_op *)op)->result;
	struct mailbox_annotation *all = arena_array(&op->arena, res->count, sizeof *all);

	if (op->outcome != STORE_OK || !all) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	for (size_t i = 0; i < res->count; i++)
		all[i] = (struct mailbox_annotation){res->at[i].entry, res->at[i].value};
	(void)mailbox_send_annotations(
	    c, op->reply.id, &(struct mailbox_annotations){all, (uint32_t)res->count, res->special_use, res->more});
}

void mailbox_on_annotations_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
				 const struct mailbox_msg *m)
{
	struct annotations_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = annotations_run;
	o->op.answer = annotations_answer;
	o->account = s->grant->account;
	o->name = arena_copy(&o->op.arena, m->annotations_want.name);
	o->after = arena_copy(&o->op.arena, m->annotations_want.entry_after);
	op_read(&o->op);
}

struct annotate_op {
	struct op op;
	uint64_t session;
	struct annotate_job job;
	struct mailbox_annotated told;
};

/* The list that each session is told; none when it is long. */
static void make_told(struct annotate_op *o)
{
	struct mailbox_entry *entries = arena_array(&o->op.arena, o->job.count, sizeof *entries);
	size_t bytes = 0;

	o->told.name = o->job.name;
	for (size_t i = 0; entries && i < o->job.count; i++) {
		entries[i].entry = o->job.changes[i].entry;
		bytes += o->job.changes[i].entry.n;
	}
	if (entries && bytes <= TOLD_BYTES) {
		o->told.entries = entries;
		o->told.n_entries = (uint32_t)o->job.count;
	}
}

/* To the others that watch the account. They may be many, all at one channel: once it is full they are told that there was something. */
static void tell_annotated(void *ctx, struct session *s)
{
	const struct annotate_op *o = ctx;
	struct mailbox_annotated m = o->told;

	if (s->id == o->session)
		return;
	m.session = s->id;
	if (channel_is_full(s->peer->channel))
		m.n_entries = 0;
	(void)mailbox_send_annotated(s->peer->channel, 0, &m);
}

static void annotate_answer(struct op *op, struct channel *c)
{
	struct annotate_op *o = (struct annotate_op *)op;

	if (op->outcome == STORE_OK && o->job.count) {
		make_told(o);
		sessions_each_annotated(op->sd->sessions, o->job.account, tell_annotated, o);
	}
	if (op->outcome == STORE_OK)
		(void)mailbox_send_done(c, op->reply.id, &(struct mailbox_done){op->write.job->commit});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

static struct annotation_change *copy_changes(struct arena *a, const struct mailbox_annotate *w)
{
	struct annotation_change *changes = arena_array(a, w->n_changes, sizeof *changes);

	for (uint32_t i = 0; changes && i < w->n_changes; i++)
		changes[i] = (struct annotation_change){arena_copy(a, w->changes[i].entry),
							arena_copy(a, w->changes[i].value), w->changes[i].remove};
	return changes;
}

void mailbox_on_annotate(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			 const struct mailbox_msg *m)
{
	const struct mailbox_annotate *w = &m->annotate;
	struct annotate_op *o = op_new(sd, sizeof *o, peer, id);

	annotate_job_init(&o->job);
	o->session = s->id;
	o->job.account = s->grant->account;
	o->job.name = arena_copy(&o->op.arena, w->name);
	o->job.changes = copy_changes(&o->op.arena, w);
	o->job.count = w->n_changes;
	o->job.sets_special_use = w->sets_special_use;
	o->job.special_use = w->special_use;
	o->op.answer = annotate_answer;
	op_write(&o->op, &o->job.job);
}
