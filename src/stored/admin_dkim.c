/* SPDX-License-Identifier: ISC
 * The operator's view of the DKIM keys, and new ones. */
#include "stored/admin.h"

#include "base/clock.h"
#include "stored/rotation.h"
#include "stored/signer.h"

enum { KEYS_MAX = 100 };

/* ---- list ---- */

struct list_op {
	struct op op;
	struct view domain;
	const struct dkim_row *rows;
	size_t n;
};

static void list_run(struct op *op, struct store_reader *r)
{
	struct list_op *l = (struct list_op *)op;

	op->outcome = dkim_list(r, l->domain, &op->arena, &l->rows, &l->n);
}

static void list_answer(struct op *op, struct channel *c)
{
	const struct list_op *l = (const struct list_op *)op;
	struct admin_dkim_key keys[KEYS_MAX];
	struct admin_dkim_keys m = {.keys = keys};

	if (op->outcome != STORE_OK) {
		admin_send_outcome(c, op->reply.id, op->outcome, l->domain);
		return;
	}
	for (size_t i = 0; i < l->n && i < KEYS_MAX; i++)
		keys[m.n_keys++] = (struct admin_dkim_key){
		    .selector = l->rows[i].selector,
		    .algorithm = l->rows[i].algorithm,
		    .state = (uint8_t)l->rows[i].state,
		    .public_key = l->rows[i].public_key,
		    .created_s = l->rows[i].created_s,
		    .since_s = l->rows[i].since_s,
		    .seen = rotation_seen(op->sd, l->domain, l->rows[i].selector),
		};
	if (c)
		(void)admin_send_dkim_keys(c, op->reply.id, &m);
}

static void list(struct stored *sd, struct peer *peer, uint32_t id, struct view typed)
{
	struct list_op *l = op_new(sd, sizeof *l, peer, id);

	l->op.answer = list_answer;
	l->op.run = list_run;
	if (admin_domain_key(typed, &l->op.arena, &l->domain)) {
		op_read(&l->op);
		return;
	}
	l->domain = arena_copy(&l->op.arena, typed);
	l->op.outcome = STORE_BAD_REQUEST;
	op_finish(&l->op);
}

void admin_on_dkim_list(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	list(sd, peer, id, m->dkim_list.domain);
}

/* ---- look ---- */

struct look {
	struct stored *sd;
	struct reply reply;
	struct arena arena;
	struct view domain;
};

static void looked(void *ctx)
{
	struct look *l = ctx;

	if (reply_channel(&l->reply))
		list(l->sd, l->reply.peer, l->reply.id, l->domain);
	reply_end(&l->reply);
	arena_fini(&l->arena);
	free_ptr(&l);
}

void admin_on_dkim_look(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct look *l = xcalloc(1, sizeof *l);

	*l = (struct look){.sd = sd, .reply = reply_to(peer, id)};
	arena_init(&l->arena, 4096);
	if (admin_domain_key(m->dkim_look.domain, &l->arena, &l->domain)) {
		rotation_look(sd, l->domain, looked, l);
	} else {
		l->domain = arena_copy(&l->arena, m->dkim_look.domain);
		looked(l); /* the list will say so */
	}
}

/* ---- add ---- */

struct add_op {
	struct op op;
	struct dkim_job job;
	struct view typed;
};

static void add_answer(struct op *op, struct channel *c)
{
	const struct add_op *a = (const struct add_op *)op;

	if (op->outcome == STORE_OK && c)
		(void)admin_send_done(c, op->reply.id, &(struct admin_done){VIEW_LIT("added")});
	else if (op->outcome != STORE_OK)
		admin_send_outcome(c, op->reply.id, op->outcome, a->typed);
}

void admin_on_dkim_add(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct add_op *a = op_new(sd, sizeof *a, peer, id);
	struct dkim_job *j = &a->job;

	a->op.answer = add_answer;
	a->typed = arena_copy(&a->op.arena, m->dkim_add.domain);
	dkim_job_init(j);
	j->change = m->dkim_add.at_once ? DKIM_ADD_SIGNING : DKIM_ADD;
	j->algorithm = m->dkim_add.algorithm;
	j->wall_s = clock_wall_s();
	j->selector = arena_copy(&a->op.arena, m->dkim_add.selector);
	j->public_key = arena_copy(&a->op.arena, m->dkim_add.public_key);
	if (admin_domain_key(m->dkim_add.domain, &a->op.arena, &j->domain)) {
		op_write(&a->op, &j->job);
		return;
	}
	store_job_fini(&j->job);
	a->op.outcome = STORE_BAD_REQUEST;
	op_finish(&a->op);
}
