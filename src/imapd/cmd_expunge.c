/* SPDX-License-Identifier: ISC
 * EXPUNGE and UID EXPUNGE (RFC 4315). */
#include "imapd/commands.h"
#include "imapd/selected.h"

enum { SPANS_MAX = 8192 };

struct expunge {
	struct mailbox_range *spans;
	uint32_t n_spans, span_at;
};

static enum step ask(struct session *s, struct command *c, struct expunge *expunge)
{
	uint32_t left = expunge->n_spans - expunge->span_at, n = left < SPANS_MAX ? left : SPANS_MAX;
	struct mailbox_expunge m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = expunge->spans + expunge->span_at,
	    .n_ranges = n,
	};

	expunge->span_at += n;
	return command_await_answer(
	    c, mailbox_call_expunge(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static bool take_set(struct session *s, struct command *c, struct expunge *expunge)
{
	struct imap_set set;

	return command_set_arg(c, c->args, &set) && !c->args->next &&
	       selected_resolve(s->selected, &set, true, &c->arena, &expunge->spans, &expunge->n_spans);
}

static enum step begin(struct session *s, struct command *c)
{
	struct expunge *expunge = command_state(c, sizeof *expunge);

	if (c->spec->flags & COMMAND_UID) {
		if (!take_set(s, c, expunge))
			return command_bad(c, "Not a set of UIDs");
	} else {
		if (c->args)
			return command_bad(c, "EXPUNGE has no arguments");
		expunge->spans = arena_alloc(&c->arena, sizeof *expunge->spans);
		expunge->n_spans = selected_everything(s->selected, expunge->spans);
	}
	if (s->selected->read_only)
		return command_no(c, "[READ-ONLY]", "The mailbox was opened for reading only");
	return expunge->n_spans ? ask(s, c, expunge) : STEP_DONE;
}

static enum step answered(struct session *s, struct command *c, struct expunge *expunge)
{
	if (!c->answer || c->answer->type != MAILBOX_EXPUNGED)
		return command_failed(c, "[NONEXISTENT]");
	c->expunged = c->expunged || c->answer->expunged.count;
	selected_wrote(s->selected, 0, c->answer->expunged.highestmodseq, false);
	return expunge->span_at < expunge->n_spans ? ask(s, c, expunge) : STEP_DONE;
}

static enum step expunge_command(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, c->state) : begin(s, c);
}

const struct command_spec cmd_expunge_table[] = {
    {"EXPUNGE", expunge_command, SESSION_SELECTED, COMMAND_SHOWS},
    {"UID EXPUNGE", expunge_command, SESSION_SELECTED, COMMAND_UID | COMMAND_SHOWS},
    {NULL, NULL, 0, 0},
};
