/* SPDX-License-Identifier: ISC
 * A leased message as frames for relayd. */
#include "stored/outbound_private.h"

enum { PIECE_BYTES = 131072 };

static struct relay_job job_of(const struct queue_lease *l, struct view sender, uint32_t lease_ms, struct view bytes,
			       struct arena *a)
{
	const struct queue_envelope *e = &l->envelope;
	struct relay_job m = {
	    .token = l->token,
	    .message_id = e->message,
	    .lease_ms = lease_ms,
	    .domain = l->domain,
	    .sender = sender,
	    .envid = e->envid,
	    .ret = e->ret,
	    .body = e->body ? 1 : 0,
	    .smtputf8 = e->smtputf8,
	    .requiretls = e->requiretls,
	    .local = e->account != 0,
	    .eightbit = e->body != 0,
	    .long_lines = e->long_lines,
	    .size_bytes = e->size_bytes,
	    .bytes = bytes,
	};

	m.rcpts = arena_array(a, l->rcpt_count, sizeof *m.rcpts);
	for (size_t i = 0; m.rcpts && i < l->rcpt_count; i++) {
		const struct queue_lease_rcpt *r = &l->rcpts[i];

		m.rcpts[m.n_rcpts++] =
		    (struct relay_rcpt){r->id, r->address, view_sub(r->orcpt, 0, 512), r->notify, r->attempts};
	}
	return m;
}

static void send_pieces(struct channel *c, uint64_t token, struct view rest)
{
	while (rest.n) {
		(void)relay_send_piece(c, 0, &(struct relay_piece){token, view_sub(rest, 0, PIECE_BYTES)});
		rest = view_sub(rest, PIECE_BYTES, rest.n);
	}
}

void outbound_send_job(struct channel *c, const struct queue_lease *l, struct view sender, uint32_t lease_ms,
		       struct queue_bytes *b, struct arena *a)
{
	struct relay_job m = job_of(l, sender, lease_ms, view_sub(b->head, 0, PIECE_BYTES), a);

	if (b->content_fd < 0) {
		(void)relay_send_job(c, 0, &m);
	} else {
		struct relay_job_file f = {m.token,
					   m.message_id,
					   m.lease_ms,
					   m.domain,
					   m.sender,
					   m.envid,
					   m.ret,
					   m.body,
					   m.smtputf8,
					   m.requiretls,
					   m.local,
					   m.eightbit,
					   m.long_lines,
					   m.size_bytes,
					   m.rcpts,
					   m.n_rcpts,
					   m.bytes,
					   (uint32_t)b->head.n,
					   b->content_offset,
					   b->content_fd};

		b->content_fd = -1; /* the channel's now */
		(void)relay_send_job_file(c, 0, &f);
	}
	send_pieces(c, m.token, view_sub(b->head, PIECE_BYTES, b->head.n));
}
