/* SPDX-License-Identifier: ISC
 * The operator's lists: pages of domains, accounts, aliases and queued recipients. */
#include "stored/admin.h"

#include "base/clock.h"
#include "store/directory.h"
#include "store/queue.h"

#include <string.h>

enum {
	PAGE = 500,
	DETAILS_MAX = 1000,
	ITEM_BYTES = 16 /* what the codec adds to an alias, and to the list, at most */
};

struct list_op {
	struct op op;
	struct view after;
	uint64_t after_message;
	size_t count;
	bool more;
	union {
		const struct directory_domain *domains;
		const struct directory_account *accounts;
		const struct directory_alias *aliases;
		const struct queue_item *queue;
	};
};

static struct list_op *list_new(struct stored *sd, struct peer *peer, uint32_t id, struct view after)
{
	struct list_op *l = op_new(sd, sizeof *l, peer, id);

	l->after = arena_copy(&l->op.arena, after);
	return l;
}

/* Items for the answer; NULL, with the failure told, when there are none to give. */
static void *answer_items(struct op *op, struct channel *c, size_t item_size)
{
	struct list_op *l = (struct list_op *)op;
	void *items = c && op->outcome == STORE_OK ? arena_array(&op->arena, l->count, item_size) : NULL;

	if (!items)
		admin_send_outcome(c, op->reply.id, op->outcome == STORE_OK ? STORE_TEMPORARY : op->outcome,
				   VIEW_EMPTY);
	return items;
}

/* ---- domains ---- */

static void domains_run(struct op *op, struct store_reader *r)
{
	struct list_op *l = (struct list_op *)op;

	op->outcome = directory_domains(r, l->after, PAGE, &op->arena, &l->domains, &l->count, &l->more);
}

static void domains_answer(struct op *op, struct channel *c)
{
	const struct list_op *l = (const struct list_op *)op;
	struct admin_domain *items = answer_items(op, c, sizeof *items);

	for (size_t i = 0; items && i < l->count; i++)
		items[i] = (struct admin_domain){l->domains[i].domain, l->domains[i].alias_of, l->domains[i].accounts,
						 l->domains[i].created_s};
	if (items)
		(void)admin_send_domains(c, op->reply.id, &(struct admin_domains){items, (uint32_t)l->count, l->more});
}

void admin_on_domain_list(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct list_op *l = list_new(sd, peer, id, m->domain_list.after);

	l->op.run = domains_run;
	l->op.answer = domains_answer;
	op_read(&l->op);
}

/* ---- accounts ---- */

static void accounts_run(struct op *op, struct store_reader *r)
{
	struct list_op *l = (struct list_op *)op;

	op->outcome = directory_accounts(r, l->after, PAGE, &op->arena, &l->accounts, &l->count, &l->more);
}

static void accounts_answer(struct op *op, struct channel *c)
{
	const struct list_op *l = (const struct list_op *)op;
	struct admin_account *items = answer_items(op, c, sizeof *items);

	for (size_t i = 0; items && i < l->count; i++) {
		const struct directory_account *a = &l->accounts[i];

		items[i] = (struct admin_account){a->address,       a->disabled,  a->limit.bytes,  a->used.bytes,
						  a->used.messages, a->created_s, a->last_login_s, a->limit.messages};
	}
	if (items)
		(void)admin_send_accounts(c, op->reply.id,
					  &(struct admin_accounts){items, (uint32_t)l->count, l->more});
}

void admin_on_account_list(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct list_op *l = list_new(sd, peer, id, m->account_list.after);

	l->op.run = accounts_run;
	l->op.answer = accounts_answer;
	op_read(&l->op);
}

/* ---- one account ---- */

struct show_op {
	struct op op;
	struct view address;
	struct directory_account account;
	struct directory_account_details details;
};

static void show_run(struct op *op, struct store_reader *r)
{
	struct show_op *s = (struct show_op *)op;

	op->outcome = directory_account(r, s->address, &op->arena, &s->account);
	if (op->outcome == STORE_OK)
		op->outcome = directory_account_details(r, s->account.account, DETAILS_MAX, &op->arena, &s->details);
}

static struct admin_text *texts(struct arena *a, const struct view *views, size_t n)
{
	struct admin_text *out = arena_array(a, n, sizeof *out);

	for (size_t i = 0; out && i < n; i++)
		out[i].text = views[i];
	return out;
}

static void show_answer(struct op *op, struct channel *c)
{
	const struct show_op *s = (const struct show_op *)op;
	const struct directory_account *a = &s->account;
	const struct directory_account_details *d = &s->details;
	struct admin_folder *folders = arena_array(&op->arena, d->folder_count, sizeof *folders);

	if (!c || op->outcome != STORE_OK || !folders) {
		admin_send_outcome(c, op->reply.id, op->outcome == STORE_OK ? STORE_TEMPORARY : op->outcome,
				   s->address);
		return;
	}
	for (size_t i = 0; i < d->folder_count; i++)
		folders[i] = (struct admin_folder){d->folders[i].name, d->folders[i].messages, d->folders[i].unseen,
						   d->folders[i].size_bytes};
	(void)admin_send_account_is(c, op->reply.id,
				    &(struct admin_account_is){
					.address = a->address,
					.disabled = a->disabled,
					.quota_bytes = a->limit.bytes,
					.quota_messages = a->limit.messages,
					.used_bytes = a->used.bytes,
					.messages = a->used.messages,
					.created_s = a->created_s,
					.last_login_s = a->last_login_s,
					.confirm = a->confirm,
					.folders = folders,
					.n_folders = (uint32_t)d->folder_count,
					.aliases = texts(&op->arena, d->aliases, d->alias_count),
					.n_aliases = (uint32_t)d->alias_count,
					.send_as = texts(&op->arena, d->send_as, d->send_as_count),
					.n_send_as = (uint32_t)d->send_as_count,
				    });
}

void admin_on_account_show(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct show_op *s = op_new(sd, sizeof *s, peer, id);

	s->op.run = show_run;
	s->op.answer = show_answer;
	if (admin_address_key(m->account_show.address, false, &s->op.arena, &s->address)) {
		op_read(&s->op);
		return;
	}
	s->address = arena_copy(&s->op.arena, m->account_show.address);
	s->op.outcome = STORE_BAD_REQUEST;
	op_finish(&s->op);
}

/* ---- aliases ---- */

static void aliases_run(struct op *op, struct store_reader *r)
{
	struct list_op *l = (struct list_op *)op;

	op->outcome = directory_aliases(r, l->after, PAGE, &op->arena, &l->aliases, &l->count, &l->more);
}

/* Targets joined by line ends. */
static struct view joined(struct arena *a, const struct view *words, size_t n)
{
	size_t bytes = 0, at = 0;
	char *out;

	for (size_t i = 0; i < n; i++)
		bytes += words[i].n + 1;
	out = arena_alloc(a, bytes);
	for (size_t i = 0; out && i < n; i++) {
		if (i)
			out[at++] = '\n';
		memcpy(out + at, words[i].p, words[i].n);
		at += words[i].n;
	}
	return view_from(out, out ? at : 0);
}

static void aliases_answer(struct op *op, struct channel *c)
{
	const struct list_op *l = (const struct list_op *)op;
	struct admin_alias *items = answer_items(op, c, sizeof *items);

	size_t n = 0, bytes = 0;

	for (; items && n < l->count; n++) {
		items[n] = (struct admin_alias){l->aliases[n].address,
						joined(&op->arena, l->aliases[n].targets, l->aliases[n].target_count)};
		bytes += ITEM_BYTES + items[n].address.n + items[n].targets.n;
		if (n && (!items[n].targets.p || bytes > CHANNEL_FRAME_MAX - ITEM_BYTES))
			break; /* the next page begins with it */
	}
	if (items)
		(void)admin_send_aliases(c, op->reply.id,
					 &(struct admin_aliases){items, (uint32_t)n, l->more || n < l->count});
}

void admin_on_alias_list(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct list_op *l = list_new(sd, peer, id, m->alias_list.after);

	l->op.run = aliases_run;
	l->op.answer = aliases_answer;
	op_read(&l->op);
}

/* ---- queue ---- */

enum { QUEUED_WAITS, QUEUED_SENDING, QUEUED_HELD, QUEUED_ENDED };

struct figures_op {
	struct op op;
	struct queue_figures figures;
};

static void figures_run(struct op *op, struct store_reader *r)
{
	op->outcome = queue_figures(r, &((struct figures_op *)op)->figures);
}

static void figures_answer(struct op *op, struct channel *c)
{
	const struct queue_figures *f = &((const struct figures_op *)op)->figures;

	if (!c || op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_LIT("the queue"));
		return;
	}
	(void)admin_send_queue_figures(
	    c, op->reply.id, &(struct admin_queue_figures){f->recipients, f->tried, f->sending, f->held, f->oldest});
}

void admin_on_queue_figures_ask(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct figures_op *f = op_new(sd, sizeof *f, peer, id);

	(void)m;
	f->op.run = figures_run;
	f->op.answer = figures_answer;
	op_read(&f->op);
}

static void queue_run(struct op *op, struct store_reader *r)
{
	struct list_op *l = (struct list_op *)op;

	op->outcome = queue_list(r, l->after_message, l->after, PAGE, &op->arena, &l->queue, &l->count, &l->more);
}

static void queue_answer(struct op *op, struct channel *c)
{
	const struct list_op *l = (const struct list_op *)op;
	struct admin_queued *items = answer_items(op, c, sizeof *items);
	int64_t now_s = clock_wall_s();

	for (size_t i = 0; items && i < l->count; i++) {
		const struct queue_item *q = &l->queue[i];
		bool waits = !q->ended && !q->leased && !q->held;
		bool closed = waits && q->closed_s > q->next_s && q->closed_s > now_s;

		items[i] = (struct admin_queued){q->message_id,
						 q->sender,
						 q->recipient,
						 q->size_bytes,
						 q->queued_s,
						 closed ? q->closed_s : q->next_s,
						 q->attempts,
						 view_sub(q->last_reply, 0, 1024),
						 view_sub(q->mta, 0, 320),
						 q->held,
						 q->ended    ? QUEUED_ENDED
						 : q->leased ? QUEUED_SENDING
						 : q->held   ? QUEUED_HELD
							     : QUEUED_WAITS,
						 closed};
	}
	if (items)
		(void)admin_send_queue(c, op->reply.id, &(struct admin_queue){items, (uint32_t)l->count, l->more});
}

void admin_on_queue_list(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct list_op *l = list_new(sd, peer, id, m->queue_list.after_recipient);

	l->after_message = m->queue_list.after_message;
	l->op.run = queue_run;
	l->op.answer = queue_answer;
	op_read(&l->op);
}
