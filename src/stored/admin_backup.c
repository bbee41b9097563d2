/* SPDX-License-Identifier: ISC
 * Backup: the list of all there is, and messages' bytes. */
#include "stored/admin.h"

#include "base/clock.h"
#include "store/backup.h"

enum { ANSWER_BYTES = 512 * 1024, BYTES_MAX = 262144 };

/* ---- begin ---- */

struct begin_op {
	struct op op;
	int fd;
	int64_t taken_s;
	struct backup_counts counts;
};

static void begin_run(struct op *op, struct store_reader *r)
{
	struct begin_op *b = (struct begin_op *)op;

	b->taken_s = clock_wall_s();
	op->outcome = backup_list(r, b->fd, b->taken_s, &b->counts);
}

/* Tells stores apart: 64 bits (FNV-1a) of a secret of 256, which they do not give away. */
static void name_store(struct stored *sd, struct buf *out)
{
	struct view secret = store_secret(sd->store);
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < secret.n; i++)
		h = (h ^ (unsigned char)secret.p[i]) * 0x100000001b3;
	buf_printf(out, "%016llx", (unsigned long long)h);
}

static void begin_answer(struct op *op, struct channel *c)
{
	struct begin_op *b = (struct begin_op *)op;
	struct buf name = BUF_INIT(64);

	fd_close(&b->fd);
	name_store(op->sd, &name);
	if (c && op->outcome == STORE_OK)
		(void)admin_send_backup_begun(c, op->reply.id,
					      &(struct admin_backup_begun){buf_view(&name), b->taken_s,
									   b->counts.accounts, b->counts.mailboxes,
									   b->counts.copies});
	else
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_LIT("the backup's list"));
	buf_fini(&name);
}

void admin_on_backup_begin(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct begin_op *b = op_new(sd, sizeof *b, peer, id);

	b->op.run = begin_run;
	b->op.answer = begin_answer;
	b->fd = m->backup_begin.state;
	op_read(&b->op);
}

/* ---- messages ---- */

struct want_op {
	struct op op;
	uint64_t *ids;
	uint32_t n_ids;
	struct admin_message_bytes *messages;
	uint32_t n;
	uint64_t offset;
	uint32_t length;
	struct buf bytes;
};

static void want_run(struct op *op, struct store_reader *r)
{
	struct want_op *w = (struct want_op *)op;
	size_t used = 0;

	op->outcome = STORE_OK;
	for (uint32_t i = 0; i < w->n_ids && used < ANSWER_BYTES; i++) {
		struct backup_message m;

		op->outcome = backup_read(r, w->ids[i], ANSWER_BYTES, &op->arena, &m);
		if (op->outcome != STORE_OK || (w->n && used + m.bytes.n > ANSWER_BYTES))
			break;
		used += m.bytes.n;
		w->messages[w->n++] = (struct admin_message_bytes){m.id, m.prefix_bytes, m.header_bytes,
								   m.content_bytes, m.bytes.p ? m.bytes : VIEW_EMPTY};
	}
}

static void want_answer(struct op *op, struct channel *c)
{
	struct want_op *w = (struct want_op *)op;

	if (c && op->outcome == STORE_OK)
		(void)admin_send_backup_messages(c, op->reply.id, &(struct admin_backup_messages){w->messages, w->n});
	else
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_LIT("a message of the backup"));
}

void admin_on_backup_want(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct want_op *w = op_new(sd, sizeof *w, peer, id);

	w->n_ids = m->backup_want.n_ids;
	w->ids = arena_array(&w->op.arena, w->n_ids + 1U, sizeof *w->ids);
	w->messages = arena_array(&w->op.arena, w->n_ids + 1U, sizeof *w->messages);
	for (uint32_t i = 0; i < w->n_ids; i++)
		w->ids[i] = m->backup_want.ids[i].id;
	w->op.run = want_run;
	w->op.answer = want_answer;
	op_read(&w->op);
}

static void bytes_run(struct op *op, struct store_reader *r)
{
	struct want_op *w = (struct want_op *)op;

	op->outcome = backup_bytes(r, w->ids[0], w->offset, w->length, &w->bytes);
}

static void bytes_answer(struct op *op, struct channel *c)
{
	struct want_op *w = (struct want_op *)op;

	if (c && op->outcome == STORE_OK)
		(void)admin_send_backup_bytes(c, op->reply.id, &(struct admin_backup_bytes){buf_view(&w->bytes)});
	else
		admin_send_outcome(c, op->reply.id, op->outcome, VIEW_LIT("a message of the backup"));
	buf_fini(&w->bytes);
}

void admin_on_backup_bytes_want(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct want_op *w = op_new(sd, sizeof *w, peer, id);

	w->ids = arena_array(&w->op.arena, 1, sizeof *w->ids);
	w->ids[0] = m->backup_bytes_want.id;
	w->offset = m->backup_bytes_want.offset;
	w->length = m->backup_bytes_want.length < BYTES_MAX ? m->backup_bytes_want.length : BYTES_MAX;
	w->bytes = BUF_INIT(BYTES_MAX);
	w->op.run = bytes_run;
	w->op.answer = bytes_answer;
	op_read(&w->op);
}
