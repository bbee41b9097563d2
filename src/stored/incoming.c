/* SPDX-License-Identifier: ISC
 * The bytes of one message on their way in: memory or spool, then policyd. */
#include "stored/incoming.h"

#include "stored/judge.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum incoming_state { RECEIVING, SYNCING, WAITING_FOR_JUDGE, JUDGING, DONE };

struct incoming {
	struct stored *sd;
	const struct incoming_handlers *handlers;
	void *ctx;
	enum incoming_state state;
	uint64_t id;
	uint64_t bytes;
	uint64_t max_bytes;
	struct buf head; /* the whole message, or the part of a large one that may hold its header */
	struct content_file *file;
	bool spooled;
	bool kept;
	bool freed; /* the owner is gone; the last spool task, or policyd's answer, ends it */
	unsigned busy; /* our own calls on the stack: `done` may free us below them */
	unsigned spool_tasks;
	int spool_error;
	struct arena arena; /* of the question */
	struct judge_judge question;
	struct judges_waiter waiter;
};

/* ---- spool threads ---- */

enum spool_step { SPOOL_APPEND, SPOOL_FINISH };

struct spool_task {
	struct task task;
	struct incoming *in;
	enum spool_step step;
	int result;
	size_t n;
	char bytes[];
};

static void spool_run(struct task *t, unsigned thread_index)
{
	struct spool_task *st = (struct spool_task *)t;
	struct incoming *in = st->in;

	(void)thread_index;
	/* Tasks of one message run one after another (their lane), so these fields have one thread at a time. */
	if (in->spool_error) {
		st->result = in->spool_error;
		return;
	}
	if (!in->file)
		st->result = content_create(in->sd->store, in->id, &in->file);
	if (st->result == 0)
		st->result = st->step == SPOOL_APPEND ? content_append(in->file, view_from(st->bytes, st->n))
						      : content_sync(in->file);
	if (st->result == 0 && st->step == SPOOL_FINISH)
		st->result = content_place(in->file);
	in->spool_error = st->result;
}

static void really_free(struct incoming *in)
{
	content_free(&in->file, in->kept);
	in->sd->head_bytes -= in->head.n;
	buf_fini(&in->head);
	arena_fini(&in->arena);
	free(in);
}

static void enter(struct incoming *in)
{
	in->busy++;
}

/* Frees when the owner is gone and nothing else points here. */
static void leave(struct incoming *in)
{
	in->busy--;
	if (in->freed && in->busy == 0 && in->spool_tasks == 0 && in->state != JUDGING)
		really_free(in);
}

static void finish(struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	if (in->state == DONE)
		return;
	in->state = DONE;
	if (!in->freed)
		in->handlers->done(in->ctx, in, end, answer);
}

static void ask_judge(struct incoming *in);

static void spool_done(struct completion *c)
{
	struct spool_task *st = (struct spool_task *)c;
	struct incoming *in = st->in;

	enter(in);
	in->spool_tasks--;
	in->sd->bytes_in_flight -= st->n;
	if (in->freed) {
		/* leave() sees to it */
	} else if (st->result < 0) {
		finish(in, st->result == -ENOSPC || st->result == -EDQUOT ? INCOMING_NO_SPACE : INCOMING_TEMPORARY,
		       NULL);
	} else if (st->step == SPOOL_FINISH) {
		ask_judge(in);
	} else if (in->state == RECEIVING) {
		in->handlers->more(in->ctx, in, (uint32_t)st->n);
	}
	leave(in);
	free(st);
}

static void spool(struct incoming *in, enum spool_step step, struct view bytes)
{
	struct spool_task *st = xmalloc(sizeof *st + bytes.n);

	*st = (struct spool_task){.task = {.completion.done = spool_done, .run = spool_run, .lane = in},
				  .in = in,
				  .step = step,
				  .n = bytes.n};
	if (bytes.n)
		memcpy(st->bytes, bytes.p, bytes.n);
	if (!pool_put(in->sd->spoolers, &st->task)) {
		free(st);
		finish(in, INCOMING_TEMPORARY, NULL);
		return;
	}
	in->spool_tasks++;
	in->sd->bytes_in_flight += bytes.n;
}

/* ---- bytes ---- */

struct incoming *incoming_new(struct stored *sd, uint64_t message_id, uint64_t max_bytes,
			      const struct incoming_handlers *handlers, void *ctx)
{
	struct incoming *in = xcalloc(1, sizeof *in);
	uint64_t head_max = role_conf(sd->role)->max_header_size;

	in->sd = sd;
	in->id = message_id;
	in->max_bytes = max_bytes;
	in->handlers = handlers;
	in->ctx = ctx;
	/* Either a whole inline message, or whatever may be a header, whichever is more. */
	in->head = BUF_INIT(head_max > STORE_INLINE_MAX ? head_max : STORE_INLINE_MAX);
	arena_init(&in->arena, 16384);
	return in;
}

/* Of `bytes`, what still fits in front is kept in memory: the header is needed as a row of its own. */
static void keep_head(struct incoming *in, struct view bytes)
{
	struct view kept = view_sub(bytes, 0, in->head.max - in->head.n);

	buf_append_view(&in->head, kept);
	in->sd->head_bytes += kept.n;
}

/* Front ends hand on what they may not hold themselves, so this is where all of it meets. */
static bool has_memory(const struct incoming *in)
{
	return in->head.n == in->head.max ||
	       in->sd->head_bytes < INCOMING_MEMORY_FACTOR * role_conf(in->sd->role)->max_bytes_in_flight;
}

static void take_bytes(struct incoming *in, struct view bytes)
{
	if (!in->spooled && in->bytes > STORE_INLINE_MAX) {
		in->spooled = true;
		if (in->head.n)
			spool(in, SPOOL_APPEND, buf_view(&in->head));
	}
	if (in->spooled)
		spool(in, SPOOL_APPEND, bytes);
	keep_head(in, bytes);
}

void incoming_data(struct incoming *in, struct view bytes)
{
	if (in->state != RECEIVING)
		return;
	enter(in);
	in->bytes += bytes.n;
	if (in->bytes > in->max_bytes)
		finish(in, INCOMING_TOO_BIG, NULL);
	else if (!has_memory(in))
		finish(in, INCOMING_TEMPORARY, NULL);
	else
		take_bytes(in, bytes);
	leave(in);
}

uint64_t incoming_bytes(const struct incoming *in)
{
	return in->bytes;
}

struct view incoming_head(const struct incoming *in)
{
	return buf_view(&in->head);
}

/* ---- judging ---- */

static void on_verdict(void *ctx, const struct judge_msg *answer)
{
	struct incoming *in = ctx;

	enter(in);
	if (in->freed)
		in->state = DONE;
	else if (!answer)
		finish(in, INCOMING_TEMPORARY, NULL);
	else if (answer->type == JUDGE_JUDGED)
		finish(in, INCOMING_JUDGED, answer);
	else if (answer->type == JUDGE_REFUSED)
		finish(in, INCOMING_REFUSED, answer);
	else
		finish(in, INCOMING_TEMPORARY, NULL);
	leave(in);
}

static enum judges_ask ask_about_file(struct incoming *in)
{
	const struct judge_judge *q = &in->question;
	int fd = content_open_fd(in->file);

	if (fd < 0)
		return JUDGES_NONE;
	return judges_ask_file(in->sd->judges,
			       &(struct judge_judge_file){
				   .message_id = in->id,
				   .purpose = q->purpose,
				   .sender = q->sender,
				   .client_ip = q->client_ip,
				   .helo = q->helo,
				   .hostname = q->hostname,
				   .wall_s = q->wall_s,
				   .max_hops = q->max_hops,
				   .max_header_bytes = q->max_header_bytes,
				   .sign = q->sign,
				   .size_bytes = in->bytes,
				   .message = fd,
			       },
			       on_verdict, in);
}

static void judge_is_ready(struct judges_waiter *w)
{
	struct incoming *in = (struct incoming *)((char *)w - offsetof(struct incoming, waiter));

	enter(in);
	ask_judge(in);
	leave(in);
}

static void ask_judge(struct incoming *in)
{
	in->state = JUDGING;
	in->question.message_id = in->id;
	in->question.message = buf_view(&in->head);
	switch (in->spooled ? ask_about_file(in) : judges_ask(in->sd->judges, &in->question, on_verdict, in)) {
	case JUDGES_ASKED:
		break;
	case JUDGES_BUSY:
		in->state = WAITING_FOR_JUDGE;
		in->waiter.ready = judge_is_ready;
		judges_wait(in->sd->judges, &in->waiter);
		break;
	case JUDGES_NONE:
		finish(in, INCOMING_TEMPORARY, NULL);
		break;
	}
}

void incoming_finish(struct incoming *in, const struct judge_judge *question)
{
	if (in->state != RECEIVING)
		return;
	enter(in);
	in->question = *question;
	in->question.sender = arena_copy(&in->arena, question->sender);
	in->question.client_ip = arena_copy(&in->arena, question->client_ip);
	in->question.helo = arena_copy(&in->arena, question->helo);
	in->question.hostname = arena_copy(&in->arena, question->hostname);
	if (in->spooled) {
		in->state = SYNCING;
		spool(in, SPOOL_FINISH, VIEW_EMPTY);
	} else {
		ask_judge(in);
	}
	leave(in);
}

bool incoming_message(struct incoming *in, const struct judge_judged *judged, struct arena *a, struct new_message *ret)
{
	struct view head = buf_view(&in->head);

	if (judged->header_bytes > head.n || judged->header_bytes > in->bytes)
		return false;
	*ret = (struct new_message){
	    .id = in->id,
	    .header_add = arena_copy(a, judged->header_add),
	    .header = view_sub(head, 0, judged->header_bytes),
	    .index = arena_copy(a, judged->index),
	    .sent_s = judged->date_s,
	};
	if (!ret->header_add.p || !ret->index.p)
		return false;
	if (in->spooled) {
		ret->file = in->file;
		ret->file_offset = judged->header_bytes;
	} else {
		ret->content = view_sub(head, judged->header_bytes, head.n);
	}
	return true;
}

void incoming_free(struct incoming **inp, bool kept)
{
	struct incoming *in = *inp;

	*inp = NULL;
	if (!in)
		return;
	enter(in);
	if (in->state == WAITING_FOR_JUDGE) {
		judges_unwait(in->sd->judges, &in->waiter);
		in->state = DONE;
	}
	in->kept = kept;
	in->freed = true;
	leave(in);
}
