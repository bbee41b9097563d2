/* SPDX-License-Identifier: ISC
 * Rows of many messages: pages encoded as they are read, the next one ahead of its being asked for. */
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "store/mailbox_read.h"
#include "stored/mailbox_peer.h"

#include <string.h>

/* The answer is encoded on the reader's thread, row by row as they are read: the bytes of a message are copied from the database's
 * page to the frame at once. */
struct rows_op {
	struct op op;
	uint64_t session;
	struct rows_query query;
	enum mailbox_type type; /* of the answer */
	struct buf frame;
	uint32_t count, next;
	bool goes_on; /* the session asks for one page after the other */
};
enum {
	ROWS_PAGE = 2000,
	ROWS_PAGE_BYTES = 256 * 1024,
	INLINE_MAX = 256 * 1024,
	AHEAD_MAX = 32, /* pages that wait to be asked for, of all sessions: at most 1 MiB each */
	ROWS_COUNT_AT = FRAME_HEAD_BYTES, /* a list begins with its count */
	ROWS_FRAME_FIRST = ROWS_PAGE_BYTES + 32 * 1024, /* where rows may be long: room for most pages */
	ROWS_MARKS = 1 << 13, /* of rows_want's fields */
	MARKS_PAGE = 4096,
	MARKS_PAGE_BYTES = 768 * 1024, /* as box_rows_each() counts */
	ROWS_LONG = ROW_HEADER | ROW_INDEX | ROW_MESSAGE | ROW_ENVELOPE | ROW_BODYSTRUCTURE,
};

static struct mailbox_row row_out(const struct box_row *row)
{
	return (struct mailbox_row){
	    .uid = row->uid,
	    .expunged = row->expunged,
	    .flags = row->flags,
	    .keywords = row->keywords,
	    .modseq = row->modseq,
	    .internaldate_s = row->internaldate_s,
	    .size_bytes = row->size_bytes,
	    .prefix_bytes = row->prefix_bytes,
	    .header_bytes = row->prefix_bytes + row->header_bytes,
	    .header = row->header,
	    .index = row->index,
	    .message = row->message,
	    .uidl = row->uidl,
	    .message_id = row->message_id,
	    .savedate_s = row->savedate_s,
	};
}

/* What does not fit is left to the next page. */
static bool took_row(struct rows_op *o, size_t before, bool put)
{
	if (!put || o->frame.overflow) {
		o->frame.overflow = false;
		buf_truncate(&o->frame, before);
		return false;
	}
	o->count++;
	return true;
}

static bool put_row(void *ctx, const struct box_row *row)
{
	struct rows_op *o = ctx;
	struct mailbox_row out = row_out(row);
	size_t before = o->frame.n;

	return took_row(o, before, mailbox_put_sub_row(&o->frame, &out));
}

static bool put_mark(void *ctx, const struct box_row *row)
{
	struct rows_op *o = ctx;
	struct mailbox_mark out = {row->uid, row->expunged, (uint8_t)row->flags, row->modseq, row->keywords};
	size_t before = o->frame.n;

	return took_row(o, before, mailbox_put_sub_mark(&o->frame, &out));
}

static void rows_run(struct op *op, struct store_reader *r)
{
	struct rows_op *o = (struct rows_op *)op;
	struct box_rows_end end;

	buf_init(&o->frame, FRAME_HEAD_BYTES + CHANNEL_FRAME_MAX - sizeof end.next);
	if (o->query.fields & ROWS_LONG)
		(void)buf_reserve(&o->frame, ROWS_FRAME_FIRST);
	(void)codec_put_room(&o->frame, FRAME_HEAD_BYTES + sizeof o->count);
	op->outcome = box_rows_each(r, &o->query, &op->arena, o->type == MAILBOX_MARKS ? put_mark : put_row, o, &end);
	if (op->outcome != STORE_OK)
		return;
	o->next = end.next;
	codec_store_u32(o->frame.p + ROWS_COUNT_AT, o->count);
	o->frame.max += sizeof end.next;
	codec_put_u32(&o->frame, end.next);
}

/* ---- reading ahead ----
 * A session that has asked for two pages in a row, and for nothing else between them, will ask for the third: it is read while the
 * front end writes the second. Any other request of the session lets go of it, so that what a session reads is never older than its last
 * write or the last change it was told of. */

static void forget_ahead(struct session *s)
{
	struct rows_op *o = (struct rows_op *)s->ahead;

	s->rows_next = 0;
	s->ahead = NULL;
	if (!o)
		return;
	o->op.sd->rows_ahead--;
	o->op.forgotten = true;
	op_release(&o->op);
}

void mailbox_forget_ahead(struct session *s)
{
	if (s->ahead || s->rows_next)
		forget_ahead(s);
}

static bool is_same_query(const struct rows_query *a, const struct rows_query *b)
{
	if (a->mailbox != b->mailbox || a->fields != b->fields || a->changed_since != b->changed_since ||
	    a->inline_max != b->inline_max || a->max_rows != b->max_rows || a->range_count != b->range_count)
		return false;
	for (size_t i = 0; i < a->range_count; i++)
		if (a->ranges[i].first != b->ranges[i].first || a->ranges[i].last != b->ranges[i].last)
			return false;
	return true;
}

static void rows_answer(struct op *op, struct channel *c);

static struct rows_op *rows_op_new(struct stored *sd, struct peer *peer, uint32_t id, const struct session *s,
				   enum mailbox_type type)
{
	struct rows_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = rows_run;
	o->op.answer = rows_answer;
	o->session = s->id;
	o->type = type;
	return o;
}

static void read_ahead(const struct rows_op *o, struct session *s)
{
	const size_t n = o->query.range_count;
	struct rows_op *next = rows_op_new(o->op.sd, o->op.reply.peer, 0, s, o->type);
	struct uid_range *ranges = arena_array(&next->op.arena, n, sizeof *ranges);

	next->op.held = true;
	next->goes_on = true;
	next->query = o->query;
	next->query.uid_from = o->next;
	next->query.ranges = ranges;
	if (!ranges) { /* cannot be: the first page had room for them */
		next->op.forgotten = true;
		next->op.held = false;
		op_finish(&next->op);
		return;
	}
	if (n > 0)
		memcpy(ranges, o->query.ranges, n * sizeof *ranges);
	s->ahead = &next->op;
	s->forget_ahead = forget_ahead;
	o->op.sd->rows_ahead++;
	op_read(&next->op);
}

static void rows_answer(struct op *op, struct channel *c)
{
	struct rows_op *o = (struct rows_op *)op;
	struct session *s = c ? sessions_find(op->sd->sessions, o->session, op->reply.peer) : NULL;
	bool sent = false;

	if (op->outcome != STORE_OK)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	else if (c && !(sent = channel_frame_give(c, (uint16_t)o->type, op->reply.id, &o->frame)))
		mailbox_send_outcome(c, op->reply.id, STORE_TOO_BIG);
	buf_fini(&o->frame);
	if (!s || !sent)
		return;
	s->rows_next = o->next;
	if (o->goes_on && o->next && !s->ahead && op->sd->rows_ahead < AHEAD_MAX) {
		channel_flush(c);
		read_ahead(o, s);
	}
}

/* What was read ahead is what is asked for now: it answers `id` as soon as it is there. */
static bool answer_from_ahead(struct session *s, uint32_t id, const struct rows_query *q)
{
	struct rows_op *o = (struct rows_op *)s->ahead;

	if (!o || o->query.uid_from != q->uid_from || !is_same_query(&o->query, q))
		return false;
	s->ahead = NULL;
	o->op.sd->rows_ahead--;
	o->op.reply.id = id;
	op_release(&o->op);
	return true;
}

void mailbox_on_rows_want(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
			  const struct mailbox_msg *m)
{
	const struct mailbox_rows_want *w = &m->rows_want;
	bool marks = w->fields & ROWS_MARKS && !(w->fields & (uint32_t) ~(ROWS_MARKS | ROW_FLAGS | ROW_MODSEQ));
	struct rows_op *o = rows_op_new(sd, peer, id, s, marks ? MAILBOX_MARKS : MAILBOX_ROWS);

	o->goes_on = w->uid_from > 1 && w->uid_from == s->rows_next;
	o->query = (struct rows_query){
	    .account = s->grant->account,
	    .mailbox = w->mailbox,
	    .ranges = mailbox_copy_ranges(&o->op.arena, w->ranges, w->n_ranges),
	    .range_count = w->n_ranges,
	    .uid_from = w->uid_from,
	    .fields = w->fields & (uint32_t)~ROWS_MARKS,
	    .changed_since = w->changed_since,
	    .with_expunged = true,
	    .inline_max = w->inline_max < INLINE_MAX ? w->inline_max : INLINE_MAX,
	    .max_rows = marks ? MARKS_PAGE : ROWS_PAGE,
	    .max_bytes = marks ? MARKS_PAGE_BYTES : ROWS_PAGE_BYTES,
	};
	if (answer_from_ahead(s, id, &o->query)) {
		o->op.forgotten = true;
		op_finish(&o->op);
		return;
	}
	mailbox_forget_ahead(s);
	op_read(&o->op);
}
