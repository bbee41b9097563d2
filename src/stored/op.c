/* SPDX-License-Identifier: ISC
 * One request on its way through a thread and back. */
#include "stored/op.h"

#include "stored/session.h"

#include <stdlib.h>

/* A peer that has REQUESTS_MAX questions open is not read from until some are answered. Of a paced one READS_MAX are worked on at a time:
 * what they find is what can still come when its channel is full. */
enum { REQUESTS_MAX = 2048, READS_MAX = 32 };

void *op_new(struct stored *sd, size_t size, struct peer *peer, uint32_t id)
{
	struct op *op = xcalloc(1, size);

	op->sd = sd;
	op->reply = reply_to(peer, id);
	if (++peer->requests == REQUESTS_MAX && peer->channel)
		channel_pause(peer->channel);
	op->outcome = STORE_TEMPORARY;
	arena_init(&op->arena, OP_ARENA_MAX);
	return op;
}

static void leave_session(struct op *op)
{
	struct session *s = NULL;

	if (op->session && reply_channel(&op->reply)) /* sessions end with the channel */
		s = sessions_find(op->sd->sessions, op->session, op->reply.peer);
	if (s && s->long_read == op)
		s->long_read = NULL;
}

static void op_free(struct op *op)
{
	struct peer *peer = op->reply.peer;

	leave_session(op);
	if (peer->requests-- == REQUESTS_MAX && peer->channel)
		channel_resume(peer->channel);
	reply_end(&op->reply);
	arena_fini(&op->arena);
	free(op);
}

static void answer(struct op *op)
{
	op->answer(op, op->forgotten ? NULL : reply_channel(&op->reply));
	op_free(op);
}

void op_finish(struct op *op)
{
	struct peer *p = op->reply.peer;

	if (op->held)
		op->finished = true;
	else if (p->is_paced && !op->forgotten && channel_is_full(p->channel))
		STAILQ_INSERT_TAIL(&p->answers_waiting, op, link);
	else
		answer(op);
}

void op_release(struct op *op)
{
	op->held = false;
	if (op->finished)
		op_finish(op);
}

static void run_read(struct task *t, unsigned thread_index)
{
	struct op *op = (struct op *)t;

	op->run(op, op->sd->reader_connections[thread_index]);
}

static void read_done(struct completion *c);

static void end_read(struct op *op)
{
	op->reply.peer->reads -= op->counted;
	op->counted = false;
	op_finish(op);
}

static void put(struct op *op)
{
	op->task.completion.done = read_done;
	op->task.run = run_read;
	if (!pool_put(op->sd->readers, &op->task)) {
		op->outcome = STORE_TEMPORARY;
		end_read(op);
	}
}

static bool may_read(const struct peer *p)
{
	return p->reads < READS_MAX && STAILQ_EMPTY(&p->answers_waiting) && !channel_is_full(p->channel);
}

static void begin(struct op *op)
{
	op->counted = true;
	op->reply.peer->reads++;
	put(op);
}

void op_go_on(struct peer *p)
{
	struct op *op;

	if (p->going_on)
		return;
	p->going_on = true;
	p->refs++;
	while ((op = STAILQ_FIRST(&p->answers_waiting)) && !channel_is_full(p->channel)) {
		STAILQ_REMOVE_HEAD(&p->answers_waiting, link);
		answer(op);
	}
	while ((op = STAILQ_FIRST(&p->reads_waiting)) && may_read(p)) {
		STAILQ_REMOVE_HEAD(&p->reads_waiting, link);
		if (p->channel && !op->forgotten)
			begin(op);
		else
			op_finish(op);
	}
	p->going_on = false;
	peer_unref(&p);
}

static void read_done(struct completion *c)
{
	struct op *op = (struct op *)c;
	struct peer *p = op->reply.peer;

	if (op->again && !op->forgotten && reply_channel(&op->reply)) {
		op->again = false;
		put(op);
		return;
	}
	p->refs++;
	end_read(op);
	op_go_on(p);
	peer_unref(&p);
}

void op_read(struct op *op)
{
	struct peer *p = op->reply.peer;

	if (p->is_paced && (!STAILQ_EMPTY(&p->reads_waiting) || !may_read(p)))
		STAILQ_INSERT_TAIL(&p->reads_waiting, op, link);
	else
		begin(op);
}

void op_read_long(struct op *op, struct session *s)
{
	if (s->long_read)
		s->long_read->forgotten = true;
	s->long_read = op;
	op->session = s->id;
	op->task.lane = (const void *)(uintptr_t)s->grant->account;
	put(op);
}

static void write_done(struct completion *c)
{
	struct op *op = (struct op *)c;
	struct store_job *job = op->write.job;

	op->outcome = job->outcome;
	op->answer(op, reply_channel(&op->reply));
	store_job_fini(job);
	op_free(op);
}

void op_write(struct op *op, struct store_job *job)
{
	op->write.completion.done = write_done;
	op->write.job = job;
	write_put(op->sd->writer, &op->write);
}

void op_write_later(struct op *op, struct store_job *job)
{
	op->write.completion.done = write_done;
	op->write.job = job;
	write_put_later(op->sd->writer, &op->write);
}

void op_write_behind(struct op *op, struct store_job *job)
{
	op->write.completion.done = write_done;
	op->write.job = job;
	write_put_behind(op->sd->writer, &op->write);
}
