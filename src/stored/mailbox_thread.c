/* SPDX-License-Identifier: ISC
 * THREAD (RFC 5256): a search, then who answers whom among what was found, then the threads. */
#include "mail/thread.h"
#include "stored/gather.h"
#include "stored/mailbox_peer.h"

#include <stdlib.h>
#include <string.h>

enum {
	REFS_MAX = 8 << 20, /* of all messages of one command; what is past them is not threaded by them */
	ANSWER_TOKENS = 65536,
};

struct thread_op {
	struct op op;
	struct gather gather;
	enum thread_algorithm algorithm;
	size_t count;
	struct thread_message *messages; /* number 0: gone meanwhile */
	uint64_t *refs;
	size_t refs_n, refs_cap;
	uint32_t *tokens;
	size_t tokens_n;
};

static size_t put_refs(struct thread_op *o, const struct digest_thread *t)
{
	size_t start = o->refs_n;

	if (o->refs_n + t->ref_count > REFS_MAX)
		return start;
	if (o->refs_n + t->ref_count > o->refs_cap) {
		o->refs_cap = o->refs_cap * 2 + THREAD_REFS_MAX;
		o->refs = xrealloc(o->refs, o->refs_cap * sizeof *o->refs);
	}
	for (uint32_t i = 0; i < t->ref_count; i++)
		o->refs[o->refs_n++] = digest_ref(t, i);
	return start;
}

/* Until all are there `refs` may move: a message keeps where its own begin in its place. */
static void take(void *ctx, const struct gathered *g)
{
	struct thread_op *o = ctx;
	size_t start;

	if (!o->messages) {
		o->count = search_found(&o->gather.search);
		o->messages = xcalloc(o->count + 1, sizeof *o->messages);
	}
	start = put_refs(o, &g->thread);
	o->messages[g->at] = (struct thread_message){
	    .number = g->uid,
	    .is_reply = g->thread.is_reply,
	    .sent_s = g->sent_s,
	    .id = g->thread.id,
	    .subject = g->thread.subject,
	    .refs = (const uint64_t *)start,
	    .ref_count = (uint32_t)(o->refs_n - start),
	};
}

static void build(struct thread_op *o)
{
	uint32_t n = 0;

	for (size_t i = 0; i < o->count; i++) {
		if (o->messages[i].number == 0)
			continue;
		o->messages[n] = o->messages[i];
		o->messages[n].refs = o->refs ? o->refs + (size_t)o->messages[i].refs : NULL;
		n++;
	}
	o->tokens = thread_build(o->algorithm, o->messages, n, &o->tokens_n);
}

static void thread_run(struct op *op, struct store_reader *r)
{
	struct thread_op *o = (struct thread_op *)op;

	op->outcome = gather_step(&o->gather, r, &op->again);
	if (op->outcome != STORE_OK)
		op->again = false;
	else if (!op->again)
		build(o);
}

static void send_threads(struct thread_op *o, struct channel *c)
{
	struct mailbox_number *numbers = xcalloc(ANSWER_TOKENS, sizeof *numbers);
	size_t at = 0;

	do {
		size_t n = o->tokens_n - at < ANSWER_TOKENS ? o->tokens_n - at : ANSWER_TOKENS;

		for (size_t i = 0; i < n; i++)
			numbers[i].number = o->tokens[at + i];
		at += n;
		(void)mailbox_send_threads(
		    c, o->op.reply.id,
		    &(struct mailbox_threads){numbers, (uint32_t)n, o->gather.search.highestmodseq, at < o->tokens_n});
	} while (at < o->tokens_n);
	free(numbers);
}

static void thread_answer(struct op *op, struct channel *c)
{
	struct thread_op *o = (struct thread_op *)op;

	if (op->outcome != STORE_OK)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	else if (c)
		send_threads(o, c);
	gather_fini(&o->gather);
	free(o->messages);
	free(o->refs);
	free(o->tokens);
}

void mailbox_on_thread(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	const struct mailbox_thread *w = &m->thread;
	struct thread_op *o = op_new(sd, sizeof *o, peer, id);
	struct arena *a = &o->op.arena;

	o->op.run = thread_run;
	o->op.answer = thread_answer;
	o->algorithm = (enum thread_algorithm)w->algorithm;
	search_init(&o->gather.search, a, s->grant->account, w->mailbox, arena_copy(a, w->program),
		    mailbox_copy_ranges(a, w->ranges, w->n_ranges), w->n_ranges, w->expunged);
	gather_init(&o->gather, GATHER_SENT | GATHER_THREAD, take, o);
	op_read_long(&o->op, s);
}
