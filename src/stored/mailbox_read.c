/* SPDX-License-Identifier: ISC
 * Requests of imapd and popd that only read: pages of names, UIDs, rows, bytes and changes. */
#include "store/mailbox_read.h"

#include "store/folder.h"
#include "stored/mailbox_peer.h"

#include <stdatomic.h>

enum {
	NAMES_PAGE = 500,
	RANGES_PAGE = 8192,
	CHANGES_PAGE = 2000,
	ROWS_COUNTED = 10000,
	BYTES_MAX = 262144,
	KEYWORDS_BYTES = 512 * 1024, /* of `opened`: FLAGS names these; others are learnt from the messages */
};

/* ---- names ---- */

struct names_op {
	struct op op;
	uint64_t account;
	struct view after;
	struct folder_names result;
};

static void names_run(struct op *op, struct store_reader *r)
{
	struct names_op *n = (struct names_op *)op;

	op->outcome = folder_list(r, n->account, n->after, NAMES_PAGE, &op->arena, &n->result);
}

static void names_answer(struct op *op, struct channel *c)
{
	struct names_op *n = (struct names_op *)op;
	struct mailbox_name *names = arena_array(&op->arena, n->result.count, sizeof *names);

	if (op->outcome != STORE_OK || !names) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	for (size_t i = 0; i < n->result.count; i++) {
		const struct folder_name *f = &n->result.names[i];

		names[i] = (struct mailbox_name){f->mailbox, f->name, f->attributes, f->uidvalidity};
	}
	(void)mailbox_send_names(c, op->reply.id,
				 &(struct mailbox_names){names, (uint32_t)n->result.count, n->result.more});
}

void mailbox_on_names_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			   const struct mailbox_msg *m)
{
	struct names_op *n = op_new(sd, sizeof *n, peer, id);

	n->op.run = names_run;
	n->op.answer = names_answer;
	n->account = s->grant->account;
	n->after = arena_copy(&n->op.arena, m->names_want.name_after);
	op_read(&n->op);
}

/* ---- names, and how things stand in each ---- */

static void states_run(struct op *op, struct store_reader *r)
{
	struct names_op *n = (struct names_op *)op;

	op->outcome = folder_states(r, n->account, n->after, NAMES_PAGE, &op->arena, &n->result);
}

static void states_answer(struct op *op, struct channel *c)
{
	struct names_op *n = (struct names_op *)op;
	struct mailbox_state *states = arena_array(&op->arena, n->result.count, sizeof *states);

	if (op->outcome != STORE_OK || !states) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	for (size_t i = 0; i < n->result.count; i++) {
		const struct folder_name *f = &n->result.names[i];

		states[i] = (struct mailbox_state){f->mailbox, f->name,     f->attributes, f->uidvalidity,
						   f->uidnext, f->messages, f->unseen,     f->highestmodseq};
	}
	(void)mailbox_send_states(c, op->reply.id,
				  &(struct mailbox_states){states, (uint32_t)n->result.count, n->result.more});
}

void mailbox_on_states_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			    const struct mailbox_msg *m)
{
	struct names_op *n = op_new(sd, sizeof *n, peer, id);

	n->op.run = states_run;
	n->op.answer = states_answer;
	n->account = s->grant->account;
	n->after = arena_copy(&n->op.arena, m->states_want.name_after);
	/* From here on a commit is told again. */
	if (n->after.n == 0)
		s->account_notice_due = false;
	op_read(&n->op);
}

/* ---- open ---- */

struct open_op {
	struct op op;
	uint64_t account;
	struct view name;
	bool counts_deleted;
	struct rows_query query; /* for the rows that are deleted */
	uint64_t deleted_bytes;
	struct box_status result;
};

/* A page of what counters do not tell. */
static void count_deleted(struct open_op *o, struct store_reader *r)
{
	struct arena page;
	struct box_rows rows;

	arena_init(&page, OP_ARENA_MAX);
	o->op.outcome = box_rows(r, &o->query, &page, &rows);
	for (size_t i = 0; o->op.outcome == STORE_OK && i < rows.count; i++)
		if (rows.rows[i].flags & STORE_DELETED)
			o->deleted_bytes += rows.rows[i].size_bytes;
	if (o->op.outcome == STORE_OK) {
		o->query.uid_from = rows.next;
		o->op.again = rows.next != 0;
	}
	arena_fini(&page);
}

static void open_run(struct op *op, struct store_reader *r)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct open_op *o = (struct open_op *)op;

	if (o->query.mailbox) {
		count_deleted(o, r);
		return;
	}
	op->outcome = box_open(r, o->account, o->name, &op->arena, &o->result);
	if (op->outcome != STORE_OK || !o->counts_deleted || o->result.deleted == 0)
		return;
	o->query = (struct rows_query){
	    .account = o->account,
	    .mailbox = o->result.mailbox,
	    .ranges = &all,
	    .range_count = 1,
	    .uid_from = 1,
	    .fields = ROW_FLAGS | ROW_SIZE,
	    .max_rows = ROWS_COUNTED,
	    .max_bytes = UINT32_MAX,
	};
	op->again = true;
}

static void open_answer(struct op *op, struct channel *c)
{
	const struct box_status *st = &((struct open_op *)op)->result;
	struct mailbox_word *words = arena_array(&op->arena, st->keyword_count, sizeof *words);
	size_t count = 0, bytes = 0;

	if (op->outcome != STORE_OK || !words) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	for (; count < st->keyword_count && (bytes += st->keywords[count].n) <= KEYWORDS_BYTES; count++)
		words[count].word = st->keywords[count];
	(void)mailbox_send_opened(c, op->reply.id,
				  &(struct mailbox_opened){
				      .mailbox = st->mailbox,
				      .uidvalidity = st->uidvalidity,
				      .uidnext = st->uidnext,
				      .exists = st->exists,
				      .unseen = st->unseen,
				      .deleted = st->deleted,
				      .size_bytes = st->size_bytes,
				      .highestmodseq = st->highestmodseq,
				      .first_unseen_uid = st->first_unseen_uid,
				      .deleted_bytes = ((struct open_op *)op)->deleted_bytes,
				      .keywords = words,
				      .n_keywords = (uint32_t)count,
				  });
}

void mailbox_on_open(struct stored *sd, struct peer *peer, uint32_t id, struct session *s, const struct mailbox_msg *m)
{
	struct open_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = open_run;
	o->op.answer = open_answer;
	o->account = s->grant->account;
	o->name = arena_copy(&o->op.arena, m->open.name);
	o->counts_deleted = m->open.counts_deleted;
	op_read(&o->op);
}

/* ---- UIDs ---- */

struct uids_op {
	struct op op;
	uint64_t account, mailbox;
	uint32_t uid_from;
	struct box_uids result;
};

static void uids_run(struct op *op, struct store_reader *r)
{
	struct uids_op *u = (struct uids_op *)op;

	op->outcome = box_uids(r, u->account, u->mailbox, u->uid_from, RANGES_PAGE, &op->arena, &u->result);
}

static void uids_answer(struct op *op, struct channel *c)
{
	const struct box_uids *res = &((struct uids_op *)op)->result;
	struct mailbox_range *ranges = mailbox_make_ranges(&op->arena, res->ranges, res->count);

	if (op->outcome != STORE_OK || !ranges) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	(void)mailbox_send_uids(
	    c, op->reply.id,
	    &(struct mailbox_uids){res->highestmodseq, res->uidnext, ranges, (uint32_t)res->count, res->next});
}

void mailbox_on_uids_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			  const struct mailbox_msg *m)
{
	struct uids_op *u = op_new(sd, sizeof *u, peer, id);

	u->op.run = uids_run;
	u->op.answer = uids_answer;
	u->account = s->grant->account;
	u->mailbox = m->uids_want.mailbox;
	u->uid_from = m->uids_want.uid_from;
	op_read(&u->op);
}

/* ---- bytes ---- */

struct bytes_op {
	struct op op;
	uint64_t account, mailbox, offset;
	uint32_t uid, length;
	struct buf bytes;
	uint64_t size_bytes;
};

static void bytes_run(struct op *op, struct store_reader *r)
{
	struct bytes_op *b = (struct bytes_op *)op;

	op->outcome = box_bytes(r, b->account, b->mailbox, b->uid, b->offset, b->length, &b->bytes, &b->size_bytes);
}

static void bytes_answer(struct op *op, struct channel *c)
{
	struct bytes_op *b = (struct bytes_op *)op;

	if (op->outcome == STORE_OK)
		(void)mailbox_send_bytes(c, op->reply.id, &(struct mailbox_bytes){b->size_bytes, buf_view(&b->bytes)});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	buf_fini(&b->bytes);
}

void mailbox_on_bytes_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			   const struct mailbox_msg *m)
{
	const struct mailbox_bytes_want *w = &m->bytes_want;
	struct bytes_op *b = op_new(sd, sizeof *b, peer, id);

	b->op.run = bytes_run;
	b->op.answer = bytes_answer;
	b->account = s->grant->account;
	b->mailbox = w->mailbox;
	b->uid = w->uid;
	b->offset = w->offset;
	b->length = w->length < BYTES_MAX ? w->length : BYTES_MAX;
	b->bytes = BUF_INIT(BYTES_MAX);
	op_read(&b->op);
}

/* ---- changes ---- */

/* After a commit all sessions that watch a mailbox ask the same. Those that ask before a reader has begun with the first one's
 * question wait for its answer: its snapshot is younger than their questions. */
struct changes_op {
	struct op op;
	uint64_t session;
	struct changes_query query;
	struct box_changes result; /* of a follower: its leader's */
	atomic_bool begun; /* by a reader thread: nobody may follow any more */
	STAILQ_HEAD(, changes_op) followers; /* the loop's alone, as all below */
	STAILQ_ENTRY(changes_op) link;
};

static struct changes_op **changes_leader(struct stored *sd, uint64_t mailbox)
{
	return &sd->changes_leaders[mailbox % ARRAY_LEN(sd->changes_leaders)];
}

static bool is_same_question(const struct changes_query *a, const struct changes_query *b)
{
	return a->account == b->account && a->mailbox == b->mailbox && a->since == b->since &&
	       a->uid_from == b->uid_from && a->all == b->all && a->max_rows == b->max_rows;
}

/* Waits for the answer to the same question of another session, or asks a reader. */
static void changes_ask(struct changes_op *o)
{
	struct changes_op **leader = changes_leader(o->op.sd, o->query.mailbox);

	if (*leader && is_same_question(&(*leader)->query, &o->query) && !atomic_load(&(*leader)->begun)) {
		STAILQ_INSERT_TAIL(&(*leader)->followers, o, link);
		return;
	}
	*leader = o;
	op_read(&o->op);
}

static void changes_answer_followers(struct changes_op *o)
{
	struct changes_op **leader = changes_leader(o->op.sd, o->query.mailbox), *follower;

	if (*leader == o)
		*leader = NULL;
	while ((follower = STAILQ_FIRST(&o->followers))) {
		STAILQ_REMOVE_HEAD(&o->followers, link);
		follower->op.outcome = o->op.outcome;
		follower->result = o->result;
		op_finish(&follower->op);
	}
}

static void changes_run(struct op *op, struct store_reader *r)
{
	struct changes_op *o = (struct changes_op *)op;

	atomic_store(&o->begun, true);
	op->outcome = box_changes(r, &o->query, &op->arena, &o->result);
}

static void changes_send(struct op *op, struct channel *c)
{
	struct changes_op *o = (struct changes_op *)op;
	const struct box_changes *res = &o->result;
	struct mailbox_range *vanished = mailbox_make_ranges(&op->arena, res->vanished, res->vanished_count);
	struct mailbox_change *rows = arena_array(&op->arena, res->count, sizeof *rows);
	struct session *s;

	if (op->outcome != STORE_OK || !vanished || !rows) {
		mailbox_send_outcome(c, op->reply.id, op->outcome);
		return;
	}
	for (size_t i = 0; i < res->count; i++) {
		const struct box_change *ch = &res->rows[i];

		rows[i] = (struct mailbox_change){ch->uid, ch->flags, ch->keywords, ch->modseq, ch->is_new};
	}
	s = sessions_find(op->sd->sessions, o->session, op->reply.peer);
	if (s && res->next == 0 && s->watched_mailbox == o->query.mailbox && res->highestmodseq > s->told_modseq)
		s->told_modseq = res->highestmodseq;
	(void)mailbox_send_changes(c, op->reply.id,
				   &(struct mailbox_changes){
				       .highestmodseq = res->highestmodseq,
				       .uidnext = res->uidnext,
				       .mailbox_gone = res->mailbox_gone,
				       .vanished = vanished,
				       .n_vanished = (uint32_t)res->vanished_count,
				       .rows = rows,
				       .n_rows = (uint32_t)res->count,
				       .next = res->next,
				   });
}

static void changes_answer(struct op *op, struct channel *c)
{
	changes_send(op, c);
	changes_answer_followers((struct changes_op *)op);
}

void mailbox_on_changes_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			     const struct mailbox_msg *m)
{
	const struct mailbox_changes_want *w = &m->changes_want;
	struct changes_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = changes_run;
	o->op.answer = changes_answer;
	o->session = s->id;
	o->query = (struct changes_query){
	    .account = s->grant->account,
	    .mailbox = w->mailbox,
	    .since = w->since,
	    .uid_from = w->uid_from,
	    .all = w->all,
	    .max_rows = CHANGES_PAGE,
	};
	/* From here on a commit is told again: the snapshot may be taken before or after it. */
	if (s->watched_mailbox == w->mailbox)
		s->notice_due = false;
	STAILQ_INIT(&o->followers);
	changes_ask(o);
}

/* ---- quota ---- */

struct quota_op {
	struct op op;
	uint64_t account;
	struct quota_usage result;
};

static void quota_run(struct op *op, struct store_reader *r)
{
	struct quota_op *q = (struct quota_op *)op;

	op->outcome = quota_read(r, q->account, &q->result);
}

static void quota_answer(struct op *op, struct channel *c)
{
	const struct quota_usage *u = &((struct quota_op *)op)->result;

	if (op->outcome == STORE_OK)
		(void)mailbox_send_quota(
		    c, op->reply.id,
		    &(struct mailbox_quota){u->used.bytes, u->limit.bytes, u->used.messages, u->limit.messages});
	else
		mailbox_send_outcome(c, op->reply.id, op->outcome);
}

void mailbox_on_quota_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			   const struct mailbox_msg *m)
{
	struct quota_op *q = op_new(sd, sizeof *q, peer, id);

	(void)m;
	q->op.run = quota_run;
	q->op.answer = quota_answer;
	q->account = s->grant->account;
	op_read(&q->op);
}
