/* SPDX-License-Identifier: ISC
 * SEARCH: a search as a request of imapd's. */
#include "mail/charset.h"
#include "stored/mailbox_peer.h"
#include "stored/search.h"

enum { ANSWER_RANGES = 8192 };

struct search_op {
	struct op op;
	struct search search;
};

int search_prepare(void)
{
	charset_preload();
	return 0;
}

static void search_run(struct op *op, struct store_reader *r)
{
	op->outcome = search_step(&((struct search_op *)op)->search, r, &op->again);
}

static void send_matches(struct search_op *o, struct channel *c)
{
	const struct search *s = &o->search;
	size_t at = 0;

	do {
		size_t n = s->found_count - at < ANSWER_RANGES ? s->found_count - at : ANSWER_RANGES;
		struct mailbox_range *ranges = mailbox_make_ranges(&o->op.arena, n ? s->found + at : NULL, n);

		if (!ranges) {
			mailbox_send_outcome(c, o->op.reply.id, STORE_LIMIT);
			return;
		}
		at += n;
		(void)mailbox_send_matches(
		    c, o->op.reply.id,
		    &(struct mailbox_matches){ranges, (uint32_t)n, s->highestmodseq, at < s->found_count});
	} while (at < s->found_count);
}

static void search_answer(struct op *op, struct channel *c)
{
	struct search_op *o = (struct search_op *)op;

	if (op->outcome != STORE_OK)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	else if (c)
		send_matches(o, c);
	search_fini(&o->search);
}

void mailbox_on_search(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	const struct mailbox_search *w = &m->search;
	struct search_op *o = op_new(sd, sizeof *o, peer, id);
	struct arena *a = &o->op.arena;

	o->op.run = search_run;
	o->op.answer = search_answer;
	/* Expunged ones that the session was not told of are still there for it; it names which it means. */
	search_init(&o->search, a, s->grant->account, w->mailbox, arena_copy(a, w->program),
		    mailbox_copy_ranges(a, w->ranges, w->n_ranges), w->n_ranges, true);
	op_read_long(&o->op, s);
}
