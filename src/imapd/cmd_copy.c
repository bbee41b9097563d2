/* SPDX-License-Identifier: ISC
 * COPY, UID COPY, MOVE and UID MOVE (RFC 6851). All or nothing: stored does it in one step. */
#include "imapd/commands.h"
#include "imapd/selected.h"

enum { SPANS_MAX = 8192 };

static void put_ranges(struct buf *out, const struct mailbox_range *ranges, uint32_t n)
{
	struct imap_set_writer w;

	imap_set_writer_init(&w, out);
	for (uint32_t i = 0; i < n; i++)
		imap_set_writer_add_span(&w, ranges[i].first, ranges[i].last);
	imap_set_writer_end(&w);
}

/* RFC 4315 §3 */
static void put_copyuid(struct buf *out, const struct mailbox_copied *m)
{
	buf_printf(out, "[COPYUID %u ", m->target_uidvalidity);
	put_ranges(out, m->sources, m->n_sources);
	buf_append_char(out, ' ');
	put_ranges(out, m->targets, m->n_targets);
	buf_append_cstr(out, "] ");
}

static enum step answered(struct session *s, struct command *c, bool move)
{
	const struct mailbox_copied *m;

	if (!c->answer || c->answer->type != MAILBOX_COPIED)
		return command_failed(c, "[TRYCREATE]");
	m = &c->answer->copied;
	if (move)
		s->selected->noticed = true; /* the expunges are to be told */
	selected_wrote_into(s, m->target_uidvalidity);
	if (m->n_sources == 0 || m->n_targets == 0)
		return STEP_DONE;
	if (move) {
		/* Before the expunges, so that the UIDs still mean something (RFC 6851 §4.3). */
		buf_append_cstr(session_out(s), "* OK ");
		put_copyuid(session_out(s), m);
		buf_append_cstr(session_out(s), "Moved\r\n");
	} else {
		put_copyuid(&c->text, m);
		buf_printf(&c->text, "%s completed", c->spec->name);
	}
	return STEP_DONE;
}

static enum step begin(struct session *s, struct command *c, bool move)
{
	struct mailbox_copy m = {.session = s->store_id, .mailbox = s->selected->mailbox, .move = move};
	struct imap_set set;
	enum step step;

	(void)command_state(c, 1);
	if (!command_set_arg(c, c->args, &set))
		return command_bad(c, "Not a set of messages");
	if (!command_mailbox_arg(c, c->args->next, &m.target, &step))
		return step;
	if (c->args->next->next || !selected_resolve(s->selected, &set, (c->spec->flags & COMMAND_UID) != 0, &c->arena,
						     &m.ranges, &m.n_ranges))
		return command_bad(c, "There is no such message");
	if (move && s->selected->read_only)
		return command_no(c, "[READ-ONLY]", "The mailbox was opened for reading only");
	if (m.n_ranges > SPANS_MAX)
		return command_no(c, "[LIMIT]", "The set has too many parts");
	if (m.n_ranges == 0)
		return STEP_DONE;
	return command_await_answer(c, mailbox_call_copy(s->imapd->store, &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step copy(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, false) : begin(s, c, false);
}

static enum step move(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, true) : begin(s, c, true);
}

const struct command_spec cmd_copy_table[] = {
    {"COPY", copy, SESSION_SELECTED, 0},
    {"MOVE", move, SESSION_SELECTED, 0},
    {"UID COPY", copy, SESSION_SELECTED, COMMAND_UID},
    {"UID MOVE", move, SESSION_SELECTED, COMMAND_UID},
    {NULL, NULL, 0, 0},
};
