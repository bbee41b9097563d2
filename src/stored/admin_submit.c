/* SPDX-License-Identifier: ISC
 * Messages that the command line hands in: the operator's own, from this machine. */
#include "stored/admin_submit.h"

#include "stored/admin.h"
#include "stored/handed_in.h"

#include <stdlib.h>

struct admin_submits {
	struct handed_in_table *messages;
};

static void send_kept(struct channel *c, uint32_t id, uint64_t message_id)
{
	(void)admin_send_kept(c, id, &(struct admin_kept){message_id});
}

/* As the command line's exit statuses have it: try again, no such address (RFC 3463 §3.2), not allowed (§3.8), bad data. */
static uint8_t exit_status_of(const struct verdict *v)
{
	if (v->class == VERDICT_TEMPORARY)
		return 75;
	return v->enhanced.subject == 1 ? 67 : v->enhanced.subject == 7 ? 77 : 65;
}

static void send_refused(struct channel *c, uint32_t id, const struct verdict *v, struct view message_id)
{
	(void)message_id;
	(void)admin_send_failed(c, id, &(struct admin_failed){exit_status_of(v), view_sub(v->text, 0, 1024)});
}

static void send_more(struct channel *c, uint32_t id, uint32_t bytes)
{
	(void)admin_send_more(c, id, &(struct admin_more){bytes});
}

struct admin_submits *admin_submits_new(struct stored *sd, struct peer *peer)
{
	static const struct handed_in_answers answers = {.kept = send_kept, .refused = send_refused, .more = send_more};
	struct admin_submits *s = xcalloc(1, sizeof *s);

	s->messages = handed_in_table_new(sd, peer, &answers);
	return s;
}

void admin_submits_free(struct admin_submits **sp)
{
	handed_in_table_free(&(*sp)->messages);
	free(*sp);
	*sp = NULL;
}

static void begin(struct admin_submits *s, uint32_t id, const struct admin_submit *m)
{
	struct smtp_rcpt *rcpts = xcalloc(m->n_rcpts, sizeof *rcpts);

	for (uint32_t i = 0; i < m->n_rcpts; i++)
		rcpts[i].address = m->rcpts[i].text;
	handed_in_begin(s->messages, id, BY_OPERATOR, 0, VIEW_EMPTY,
			&(struct smtp_begin){
			    .sender = m->sender,
			    .rcpts = rcpts,
			    .n_rcpts = m->n_rcpts,
			    .protocol = VIEW_LIT("local"),
			    .body = 1,
			    .size_bytes = m->size_bytes,
			});
	free(rcpts);
}

bool admin_submit_msg(struct admin_submits *s, uint32_t id, const struct admin_msg *m)
{
	if (m->type == ADMIN_SUBMIT)
		begin(s, id, &m->submit);
	else if (m->type == ADMIN_SUBMIT_DATA)
		handed_in_piece(s->messages, id, m->submit_data.bytes);
	else if (m->type == ADMIN_SUBMIT_END)
		handed_in_end(s->messages, id);
	else
		return false;
	return true;
}
