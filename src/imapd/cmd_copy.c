/* SPDX-License-Identifier: ISC
 * COPY, UID COPY, MOVE and UID MOVE (RFC 6851). All or nothing: stored does it in one step. */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "imapd/selected.h"

enum { SPANS_MAX = 65536, SET_MAX = 2 << 20 };

/* What became what, gathered from the frames of one answer as the two sets of COPYUID. */
struct copy {
	struct buf sources, targets;
	struct imap_set_writer source_set, target_set;
	uint32_t first_target, last_target;
};

static void forget(struct command *c)
{
	struct copy *copy = c->state;

	buf_fini(&copy->sources);
	buf_fini(&copy->targets);
}

static void add_ranges(struct imap_set_writer *w, const struct mailbox_range *ranges, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		imap_set_writer_add_span(w, ranges[i].first, ranges[i].last);
}

/* RFC 4315 §3; without it when it would be too long (it is only a SHOULD). */
static bool put_copyuid(struct buf *out, struct copy *copy, uint32_t uidvalidity)
{
	imap_set_writer_end(&copy->source_set);
	imap_set_writer_end(&copy->target_set);
	if (copy->sources.n == 0 || copy->sources.overflow || copy->targets.overflow)
		return false;
	buf_printf(out, "[COPYUID %u ", uidvalidity);
	buf_append_view(out, buf_view(&copy->sources));
	buf_append_char(out, ' ');
	buf_append_view(out, buf_view(&copy->targets));
	buf_append_cstr(out, "] ");
	return true;
}

static enum step answered(struct session *s, struct command *c, struct copy *copy, bool move)
{
	const struct mailbox_copied *m;

	if (!c->answer || c->answer->type != MAILBOX_COPIED)
		return command_failed(c, "[TRYCREATE]");
	m = &c->answer->copied;
	add_ranges(&copy->source_set, m->sources, m->n_sources);
	add_ranges(&copy->target_set, m->targets, m->n_targets);
	for (uint32_t i = 0; i < m->n_targets; i++) {
		copy->first_target = copy->first_target ? copy->first_target : m->targets[i].first;
		copy->last_target = m->targets[i].last;
	}
	if (m->more)
		return command_await(c, AWAIT_ANSWER);
	if (move)
		s->selected->noticed = true; /* the expunges are to be told */
	selected_wrote_into(s, m->target_uidvalidity);
	notify_wrote(s, m->target_uidvalidity, copy->first_target, copy->last_target);
	if (!move) {
		if (put_copyuid(&c->text, copy, m->target_uidvalidity))
			buf_printf(&c->text, "%s completed", c->spec->name);
		return STEP_DONE;
	}
	/* Before the expunges, so that the UIDs still mean something (RFC 6851 §4.3). */
	if (copy->sources.n || copy->source_set.first) {
		c->expunged = true;
		buf_append_cstr(session_out(s), "* OK ");
		(void)put_copyuid(session_out(s), copy, m->target_uidvalidity);
		buf_append_cstr(session_out(s), "Moved\r\n");
	}
	return STEP_DONE;
}

static enum step begin(struct session *s, struct command *c, bool move)
{
	struct mailbox_copy m = {.session = s->conn.store_id, .mailbox = s->selected->mailbox, .move = move};
	struct copy *copy = command_state(c, sizeof *copy);
	struct imap_set set;
	enum step step;

	buf_init(&copy->sources, SET_MAX);
	buf_init(&copy->targets, SET_MAX);
	imap_set_writer_init(&copy->source_set, &copy->sources);
	imap_set_writer_init(&copy->target_set, &copy->targets);
	c->forget = forget;
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
	return command_await_answer(c,
				    mailbox_call_copy(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step copy_command(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, c->state, false) : begin(s, c, false);
}

static enum step move(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, c->state, true) : begin(s, c, true);
}

const struct command_spec cmd_copy_table[] = {
    {"COPY", copy_command, SESSION_SELECTED, COMMAND_NUMBERS},
    {"MOVE", move, SESSION_SELECTED, COMMAND_NUMBERS | COMMAND_SHOWS},
    {"UID COPY", copy_command, SESSION_SELECTED, COMMAND_UID},
    {"UID MOVE", move, SESSION_SELECTED, COMMAND_UID | COMMAND_SHOWS},
    {NULL, NULL, 0, 0},
};
