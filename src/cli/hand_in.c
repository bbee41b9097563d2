/* SPDX-License-Identifier: ISC
 * A message given to the running server through its control socket. */
#include "cli/hand_in.h"

#include "cli/show.h"
#include "cli/store_client.h"

#include <errno.h>
#include <stdlib.h>

enum {
	FREE_CREDIT = 262144, /* admin.def: submit_data before the first `more` */
	PIECE_BYTES = 65536,
	ANSWER_MS = 120000, /* judging and a commit, on a busy machine */
};

static int fail(int error)
{
	return cli_fail_errno(CLI_NOT_RUNNING, "the server did not take the message", error, "see its log");
}

/* The server's last word. */
static int finish(const struct admin_msg *m, uint64_t *ret_id)
{
	_cleanup_(free_ptr) char *text = NULL;

	if (m->type == ADMIN_KEPT) {
		*ret_id = m->kept.message_id;
		return 0;
	}
	if (m->type != ADMIN_FAILED)
		return cli_fail(CLI_OTHER, "the server gave an odd answer", NULL, "see its log");
	text = view_to_cstr(m->failed.text);
	return cli_fail((enum cli_status)m->failed.exit_status, "the message was refused", text, NULL);
}

static int begin(struct store_client *s, const struct hand_in *m)
{
	struct admin_submit submit = {.sender = m->sender, .size_bytes = m->message.n};
	struct admin_text *rcpts = xcalloc(m->recipients->n, sizeof *rcpts);
	bool encoded;
	int r;

	for (size_t i = 0; i < m->recipients->n; i++)
		rcpts[submit.n_rcpts++].text = m->recipients->items[i].address;
	submit.rcpts = rcpts;
	encoded = admin_put_submit(&s->payload, &submit);
	free(rcpts);
	r = encoded ? sync_channel_begin(&s->channel, ADMIN_SUBMIT, buf_view(&s->payload), NULL, 0, ANSWER_MS) : -E2BIG;
	buf_reset(&s->payload);
	return r;
}

/* All of the message, as fast as the server takes it. 1: it has answered already. */
static int put_message(struct store_client *s, struct view rest, struct admin_msg *answer)
{
	uint64_t credit = FREE_CREDIT;

	while (rest.n) {
		struct view piece = view_sub(rest, 0, PIECE_BYTES);
		int r;

		if (credit < piece.n) {
			r = sync_channel_next(&s->channel, ANSWER_MS, answer);
			if (r < 0 || answer->type != ADMIN_MORE)
				return r < 0 ? r : 1;
			credit += answer->more.bytes;
			continue;
		}
		if (!admin_put_submit_data(&s->payload, &(struct admin_submit_data){piece}))
			return -E2BIG;
		r = sync_channel_follow(&s->channel, ADMIN_SUBMIT_DATA, buf_view(&s->payload), NULL, 0, ANSWER_MS);
		buf_reset(&s->payload);
		if (r < 0)
			return r;
		credit -= piece.n;
		rest = view_sub(rest, piece.n, rest.n);
	}
	return 0;
}

static int submit(struct store_client *s, const struct hand_in *m, struct admin_msg *answer)
{
	int r = begin(s, m);

	if (r == 0)
		r = put_message(s, m->message, answer);
	if (r)
		return r;
	if (!admin_put_submit_end(&s->payload, &(struct admin_submit_end){0}))
		return -E2BIG;
	r = sync_channel_follow(&s->channel, ADMIN_SUBMIT_END, buf_view(&s->payload), NULL, 0, ANSWER_MS);
	do {
		if (r == 0)
			r = sync_channel_next(&s->channel, ANSWER_MS, answer);
	} while (r == 0 && answer->type == ADMIN_MORE);
	return r;
}

int hand_in(const struct cli *c, const struct hand_in *m, uint64_t *ret_id)
{
	struct admin_msg answer;
	struct store_client s;
	int r = store_client_connect(c, &s);

	if (r)
		return r;
	r = submit(&s, m, &answer);
	r = r < 0 ? fail(r) : finish(&answer, ret_id);
	store_client_close(&s);
	return r;
}

int hand_in_default_domain(const struct cli *c, struct buf *ret)
{
	const struct admin_domain *first = NULL;
	struct admin_msg answer;
	struct store_client s;
	int r = store_client_connect(c, &s);

	if (r)
		return r;
	/* One page: who has a thousand domains writes addresses out. */
	r = store_client_ask(&s, admin_put_domain_list(&s.payload, &(struct admin_domain_list){VIEW_EMPTY}),
			     ADMIN_DOMAIN_LIST, "domain list", ADMIN_DOMAINS, &answer);
	for (uint32_t i = 0; r == 0 && i < answer.domains.n_domains; i++) {
		const struct admin_domain *d = &answer.domains.domains[i];

		if (d->alias_of.n == 0 && (!first || d->created_s < first->created_s))
			first = d;
	}
	if (first)
		buf_append_view(ret, first->domain);
	store_client_close(&s);
	return r;
}
