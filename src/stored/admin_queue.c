/* SPDX-License-Identifier: ISC
 * What the operator does with the queue, the life of messages, and what was refused. */
#include "stored/admin.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/queue.h"
#include "store/refusal.h"

enum { EVENTS = 200, FOUND = 200, REFUSALS = 100, ALL_SLICES = 25 };

/* ---- changes ---- */

struct change_op {
	struct op op;
	struct queue_change_job job;
};

static void changed(struct op *op, struct channel *c)
{
	const struct change_op *x = (const struct change_op *)op;
	_cleanup_(buf_fini) struct buf text = BUF_INIT(256);
	char id[ID_TEXT_BYTES + 1];

	if (!c)
		return;
	if (op->outcome == STORE_NO_MESSAGE) {
		id_format(x->job.message, id);
		buf_printf(&text, "%s: nothing of this message waits so in the queue: see 'pombo queue list'", id);
		(void)admin_send_failed(c, op->reply.id, &(struct admin_failed){67, buf_view(&text)});
	} else if (op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_LIT("the queue"));
	} else {
		const struct admin_queue_changed m = {x->job.ret_count, x->job.ret_looked_at, x->job.ret_more,
						      x->job.ret_place.message, queue_place_text(&x->job.ret_place)};

		(void)admin_send_queue_changed(c, op->reply.id, &m);
	}
}

void admin_on_queue_change(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change_op *x = op_new(sd, sizeof *x, peer, id);

	x->op.answer = changed;
	queue_change_job_init(&x->job);
	x->job.wall_s = clock_wall_s();
	x->job.change = (enum queue_change)m->queue_change.change;
	x->job.message = m->queue_change.message_id;
	x->job.from = queue_place_at(m->queue_change.after_message, m->queue_change.after_recipient);
	x->job.slices = x->job.message ? 0 : ALL_SLICES;
	if (x->job.message == 0 && x->job.change != QUEUE_RETRY) {
		x->op.outcome = STORE_BAD_REQUEST;
		op_finish(&x->op);
		return;
	}
	op_write(&x->op, &x->job.job);
}

/* ---- the life of a message ---- */

struct trace_op {
	struct op op;
	uint64_t message, after_seq, last_seq;
	const struct trace_event *events;
	size_t count;
	bool more;
};

static void trace_run(struct op *op, struct store_reader *r)
{
	struct trace_op *t = (struct trace_op *)op;

	op->outcome =
	    trace_of(r, t->message, t->after_seq, EVENTS, &op->arena, &t->events, &t->count, &t->last_seq, &t->more);
}

static void trace_answer(struct op *op, struct channel *c)
{
	const struct trace_op *t = (const struct trace_op *)op;
	struct admin_event *items = c ? arena_array(&op->arena, t->count + 1, sizeof *items) : NULL;

	if (!items || op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_EMPTY);
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->events[i];

		items[i] = (struct admin_event){e->message,
						e->at_ms,
						view_from_cstr(trace_kind_name(e->kind)),
						view_sub(e->address, 0, 998),
						view_sub(e->peer, 0, 512),
						view_sub(e->tls, 0, 256),
						view_sub(e->words, 0, 2048),
						e->until_s,
						view_sub(e->notes, 0, 1024)};
	}
	(void)admin_send_trace(c, op->reply.id, &(struct admin_trace){items, (uint32_t)t->count, t->last_seq, t->more});
}

void admin_on_trace_ask(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct trace_op *t = op_new(sd, sizeof *t, peer, id);

	t->message = m->trace_ask.message_id;
	t->after_seq = m->trace_ask.after_seq;
	t->op.run = trace_run;
	t->op.answer = trace_answer;
	op_read(&t->op);
}

struct find_op {
	struct op op;
	struct view text;
	uint64_t after, ret_after;
	uint64_t *messages;
	size_t count;
	bool more;
};

static void find_run(struct op *op, struct store_reader *r)
{
	struct find_op *f = (struct find_op *)op;

	f->messages = arena_array(&op->arena, FOUND, sizeof *f->messages);
	op->outcome = f->messages
			  ? trace_find(r, f->after, f->text, f->messages, FOUND, &f->count, &f->ret_after, &f->more)
			  : STORE_TEMPORARY;
}

static void find_answer(struct op *op, struct channel *c)
{
	const struct find_op *f = (const struct find_op *)op;
	struct admin_found *items = c ? arena_array(&op->arena, FOUND, sizeof *items) : NULL;

	if (!items || op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_EMPTY);
		return;
	}
	for (size_t i = 0; i < f->count; i++)
		items[i].message_id = f->messages[i];
	(void)admin_send_trace_found(c, op->reply.id,
				     &(struct admin_trace_found){items, (uint32_t)f->count, f->ret_after, f->more});
}

void admin_on_trace_find(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct find_op *f = op_new(sd, sizeof *f, peer, id);

	f->text = arena_copy(&f->op.arena, m->trace_find.text);
	f->after = m->trace_find.after;
	f->op.run = find_run;
	f->op.answer = find_answer;
	op_read(&f->op);
}

/* ---- what was refused ---- */

struct refusals_op {
	struct op op;
	struct view text;
	uint64_t after, ret_after, left_out;
	int64_t since_ms, left_out_first_ms, left_out_last_ms;
	struct refusal *refusals;
	size_t count;
	bool more;
};

static void refusals_run(struct op *op, struct store_reader *r)
{
	struct refusals_op *f = (struct refusals_op *)op;

	f->refusals = arena_array(&op->arena, REFUSALS, sizeof *f->refusals);
	op->outcome = f->refusals ? refusal_find(r, f->text, f->after, f->since_ms, REFUSALS, &op->arena, f->refusals,
						 &f->count, &f->ret_after, &f->more)
				  : STORE_TEMPORARY;
	if (op->outcome == STORE_OK)
		op->outcome =
		    refusal_left_out(r, f->since_ms, &f->left_out, &f->left_out_first_ms, &f->left_out_last_ms);
}

static struct admin_refusal as_found(const struct refusal *r)
{
	return (struct admin_refusal){
	    .session = r->session,
	    .first_ms = r->first_ms,
	    .last_ms = r->last_ms,
	    .count = r->times,
	    .sender = r->sender,
	    .recipient = r->recipient,
	    .client_ip = r->client_ip,
	    .client_name = r->client_name,
	    .helo = r->helo,
	    .account = r->account,
	    .tls = r->tls,
	    .listener = r->listener,
	    .code = r->code,
	    .enhanced = r->status,
	    .text = r->words,
	    .message_id = r->message_id,
	};
}

static void refusals_answer(struct op *op, struct channel *c)
{
	const struct refusals_op *f = (const struct refusals_op *)op;
	struct admin_refusal *items = c ? arena_array(&op->arena, REFUSALS, sizeof *items) : NULL;

	if (!items || op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_EMPTY);
		return;
	}
	for (size_t i = 0; i < f->count; i++)
		items[i] = as_found(&f->refusals[i]);
	(void)admin_send_refusals_found(c, op->reply.id,
					&(struct admin_refusals_found){.refusals = items,
								       .n_refusals = (uint32_t)f->count,
								       .after = f->ret_after,
								       .more = f->more,
								       .left_out = f->left_out,
								       .left_out_first_ms = f->left_out_first_ms,
								       .left_out_last_ms = f->left_out_last_ms});
}

void admin_on_refusals_find(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct refusals_op *f = op_new(sd, sizeof *f, peer, id);

	f->text = arena_copy(&f->op.arena, m->refusals_find.text);
	f->after = m->refusals_find.after;
	f->since_ms = m->refusals_find.since_ms;
	f->op.run = refusals_run;
	f->op.answer = refusals_answer;
	op_read(&f->op);
}
