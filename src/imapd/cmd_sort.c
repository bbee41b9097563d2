/* SPDX-License-Identifier: ISC
 * SORT and UID SORT (RFC 5256, 5957). stored sorts; what comes back is written as the client takes it. */
#include "imapd/commands.h"
#include "imapd/search_scope.h"
#include "imapd/selected.h"
#include "mail/imap_sort.h"

#include <stdlib.h>

enum { NUMBERS_A_PIECE = 4096 };

struct sort {
	struct imap_sort args;
	struct number_list uids;
	uint64_t modseq;
	bool saying;
	size_t said;
	uint32_t found;
};

static void forget(struct command *c)
{
	free(((struct sort *)c->state)->uids.at);
}

static void put_piece(struct session *s, const struct command *c, struct sort *sort)
{
	bool uids = (c->spec->flags & COMMAND_UID) != 0;
	struct buf *out = session_out(s);

	for (unsigned i = 0; i < NUMBERS_A_PIECE && sort->said < sort->uids.n; i++) {
		uint32_t uid = sort->uids.at[sort->said++], seq = seqmap_seq(&s->selected->map, uid);

		if (!seq)
			continue;
		buf_append_char(out, ' ');
		buf_append_u64(out, uids ? uid : seq);
		sort->found++;
	}
}

static enum step say(struct session *s, struct command *c)
{
	struct sort *sort = c->state;

	if (!sort->saying)
		buf_append_cstr(session_out(s), "* SORT");
	sort->saying = true;
	while (sort->said < sort->uids.n) {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		put_piece(s, c, sort);
	}
	if (sort->args.search.uses_modseq && sort->found) /* RFC 7162 §3.1.6 */
		buf_printf(session_out(s), " (MODSEQ %llu)", (unsigned long long)sort->modseq);
	buf_append_cstr(session_out(s), "\r\n");
	return STEP_DONE;
}

static enum step heard(struct session *s, struct command *c, struct sort *sort)
{
	const struct mailbox_msg *m = c->answer;

	if (!m || m->type != MAILBOX_SORTED)
		return command_failed(c, "[NONEXISTENT]");
	if (!number_list_add(&sort->uids, m->sorted.uids, m->sorted.n_uids))
		return command_no(c, "[SERVERBUG]", "The result is not as expected");
	sort->modseq = m->sorted.highestmodseq;
	return m->sorted.more ? command_await(c, AWAIT_ANSWER) : say(s, c);
}

/* A search_send_fn. */
static bool send(struct session *s, const struct command *c, const struct search_scope *scope)
{
	const struct sort *sort = c->state;
	struct mailbox_criterion criteria[IMAP_SORT_CRITERIA_MAX];
	struct mailbox_sort m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = scope->ranges,
	    .n_ranges = scope->n_ranges,
	    .expunged = scope->expunged,
	    .program = scope->program,
	    .criteria = criteria,
	    .n_criteria = sort->args.count,
	};

	for (uint32_t i = 0; i < sort->args.count; i++)
		criteria[i] =
		    (struct mailbox_criterion){(uint8_t)sort->args.criteria[i].key, sort->args.criteria[i].reverse};
	return mailbox_call_sort(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s);
}

static enum step begin(struct session *s, struct command *c)
{
	struct sort *sort = command_state(c, sizeof *sort);
	const char *error;

	c->forget = forget;
	if (!imap_sort_parse(c->args, &c->arena, &sort->args, &error))
		return command_bad(c, error);
	return search_scope_ask(s, c, &sort->args.search, send, say);
}

static enum step sort_command(struct session *s, struct command *c)
{
	struct sort *sort = c->state;

	if (!sort)
		return begin(s, c);
	return sort->saying ? say(s, c) : heard(s, c, sort);
}

const struct command_spec cmd_sort_table[] = {
    {"SORT", sort_command, SESSION_SELECTED, COMMAND_NO_EXPUNGE | COMMAND_NUMBERS},
    {"UID SORT", sort_command, SESSION_SELECTED, COMMAND_UID},
    {NULL, NULL, 0, 0},
};
