/* SPDX-License-Identifier: ISC
 * SELECT, EXAMINE, CLOSE and UNSELECT. */
#include "imapd/commands.h"
#include "imapd/earlier.h"
#include "imapd/selected.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"
#include "mail/objectid.h"

/* The watch begins before the UIDs are read: nothing can happen in between unheard. What happened since a client looked last (QRESYNC) is
 * told once the mailbox is open. One page of changes is told at once; of more, first what vanished, then, in a second pass, the flags. */
enum select_phase { ASK_OPEN, ASK_WATCH, ASK_UIDS, RESYNC_VANISHED, RESYNC_ROWS };

struct select {
	enum select_phase phase;
	bool read_only;
	bool has_uids;
	struct view name;
	struct imap_select args;
	struct earlier earlier;
	uint32_t first_unseen_uid;
	struct selected *selected;
};

static void forget(struct command *c)
{
	struct select *sel = c->state;

	selected_free(&sel->selected);
}

static enum step begin(struct session *s, struct command *c, bool read_only)
{
	struct select *sel;
	struct imap_select args;
	struct mailbox_open m = {.session = s->conn.store_id};
	enum step step;

	if (!command_mailbox_arg(c, c->args, &m.name, &step))
		return step;
	if (!imap_args_select(c->args->next, &c->arena, &args))
		return command_bad(c, "Not a parameter of SELECT");
	if (args.qresync && !s->qresync)
		return command_bad(c, "QRESYNC was not enabled");
	if (args.match_numbers.count && s->uidonly)
		return command_bad(c, "[UIDREQUIRED] Message numbers are not used in this session");
	sel = command_state(c, sizeof *sel);
	sel->read_only = read_only;
	sel->name = m.name;
	sel->args = args;
	c->forget = forget;
	if (s->selected)
		conn_say(&s->conn, "* OK [CLOSED] The mailbox selected before is closed");
	session_deselect(s);
	return command_await_answer(c,
				    mailbox_call_open(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step ask_watch(struct session *s, struct command *c, struct select *sel)
{
	const struct mailbox_opened *opened = &c->answer->opened;
	struct mailbox_watch m = {
	    .session = s->conn.store_id,
	    .mailbox = opened->mailbox,
	    .highestmodseq_seen = opened->highestmodseq,
	};

	sel->selected = selected_new(opened, sel->read_only);
	sel->first_unseen_uid = opened->first_unseen_uid;
	sel->phase = ASK_WATCH;
	return command_await_answer(c,
				    mailbox_call_watch(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step ask_uids(struct session *s, struct command *c, struct select *sel, uint32_t uid_from)
{
	struct mailbox_uids_want m = {
	    .session = s->conn.store_id,
	    .mailbox = sel->selected->mailbox,
	    .uid_from = uid_from,
	};

	sel->phase = ASK_UIDS;
	return command_await_answer(
	    c, mailbox_call_uids_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* Without what came after the first page. */
static bool append_known(struct selected *x, uint32_t first, uint32_t last)
{
	last = last < x->uidnext ? last : x->uidnext - 1;
	return first > last || seqmap_append(&x->map, first, last);
}

/* Pages are snapshots of their own: what the first one knew is what the client is told. */
static bool take_uids(struct select *sel, const struct mailbox_uids *m)
{
	struct selected *x = sel->selected;

	if (!sel->has_uids) {
		x->told = x->latest = m->highestmodseq;
		x->uidnext = m->uidnext;
	}
	sel->has_uids = true;
	if (m->highestmodseq > x->latest)
		x->latest = m->highestmodseq;
	for (uint32_t i = 0; i < m->n_ranges; i++)
		if (!append_known(x, m->ranges[i].first, m->ranges[i].last))
			return false;
	return true;
}

static void say_unseen(struct session *s, uint32_t first_unseen_uid)
{
	uint32_t seq = seqmap_seq(&s->selected->map, first_unseen_uid);

	if (seq)
		conn_say(&s->conn, "* OK [UNSEEN %u] The first unseen message", seq);
}

/* RFC 9051 §6.3.2: without \Recent and the first unseen message, with a LIST response. */
static void say_list(struct session *s, struct view name)
{
	buf_append_cstr(session_out(s), "* LIST () \"/\" ");
	imap_mailbox_format(session_out(s), name, true);
	buf_append_cstr(session_out(s), "\r\n");
}

static enum step resync(struct session *s, struct command *c, struct select *sel)
{
	struct earlier *e = &sel->earlier;
	struct imap_select *args = &sel->args;

	e->since = args->modseq;
	e->has_known = args->known_uids.count > 0;
	e->known = args->known_uids;
	imap_set_resolve(&e->known, s->selected->uidnext - 1);
	e->above = earlier_match(s->selected, &args->match_numbers, &args->match_uids);
	sel->phase = RESYNC_VANISHED;
	return earlier_ask(s, c, e);
}

static enum step done(struct session *s, struct command *c, struct select *sel)
{
	struct selected *x = sel->selected;

	if (sel->args.condstore)
		session_enable_condstore(s);
	s->selected = x;
	sel->selected = NULL;
	session_enter(s, SESSION_SELECTED);
	selected_say_flags(s);
	conn_say(&s->conn, "* %u EXISTS", x->map.count);
	/* \Recent is not kept (RFC 9051 has none). */
	if (!s->rev2)
		conn_say(&s->conn, "* 0 RECENT");
	if (!s->rev2 && !s->uidonly)
		say_unseen(s, sel->first_unseen_uid);
	conn_say(&s->conn, "* OK [UIDVALIDITY %u] UIDs are valid", x->uidvalidity);
	conn_say(&s->conn, "* OK [UIDNEXT %u] Predicted next UID", x->uidnext);
	conn_say(&s->conn, "* OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)x->told);
	buf_append_cstr(session_out(s), "* OK [MAILBOXID (");
	objectid_format(session_out(s), OBJECTID_MAILBOX, x->mailbox);
	buf_append_cstr(session_out(s), ")] The same whatever its name\r\n");
	if (s->rev2)
		say_list(s, sel->name);
	buf_printf(&c->text, "[READ-%s] %s completed", x->read_only ? "ONLY" : "WRITE", c->spec->name);
	if (sel->args.qresync && sel->args.uidvalidity == x->uidvalidity)
		return resync(s, c, sel);
	return STEP_DONE;
}

/* ---- QRESYNC (RFC 7162 §3.2.5) ---- */

static enum step next_page(struct session *s, struct command *c, struct select *sel)
{
	if (sel->earlier.uid_from == 0 && sel->phase == RESYNC_ROWS)
		return STEP_DONE;
	if (sel->earlier.uid_from == 0)
		sel->phase = RESYNC_ROWS; /* once more from the beginning */
	return earlier_ask(s, c, &sel->earlier);
}

static enum step take_changes(struct session *s, struct command *c, struct select *sel)
{
	const struct mailbox_changes *m = &c->answer->changes;
	bool alone = sel->phase == RESYNC_VANISHED && sel->earlier.uid_from == 0 && m->next == 0;

	if (sel->phase == RESYNC_VANISHED)
		earlier_tell_vanished(s, &sel->earlier, m);
	if (sel->phase == RESYNC_ROWS || alone)
		earlier_tell_rows(s, &sel->earlier, m);
	if (alone)
		return STEP_DONE;
	sel->earlier.uid_from = m->next;
	return stream_is_full(s->conn.stream) ? command_await_drain(c) : next_page(s, c, sel);
}

static enum step go_on_resync(struct session *s, struct command *c, struct select *sel)
{
	if (!c->answered)
		return next_page(s, c, sel);
	if (!c->answer || c->answer->type != MAILBOX_CHANGES || c->answer->changes.mailbox_gone) {
		session_deselect(s);
		return command_failed(c, "[NONEXISTENT]");
	}
	return take_changes(s, c, sel);
}

static enum step go_on(struct session *s, struct command *c, struct select *sel)
{
	const struct mailbox_msg *m = c->answer;

	if (sel->phase >= RESYNC_VANISHED)
		return go_on_resync(s, c, sel);
	if (sel->phase == ASK_OPEN && m && m->type == MAILBOX_OPENED)
		return ask_watch(s, c, sel);
	if (sel->phase == ASK_WATCH && m && m->type == MAILBOX_DONE)
		return ask_uids(s, c, sel, 1);
	if (sel->phase != ASK_UIDS || !m || m->type != MAILBOX_UIDS || !take_uids(sel, &m->uids))
		return command_failed(c, "[NONEXISTENT]");
	return m->uids.next ? ask_uids(s, c, sel, m->uids.next) : done(s, c, sel);
}

static enum step select_command(struct session *s, struct command *c)
{
	return c->state ? go_on(s, c, c->state) : begin(s, c, false);
}

static enum step examine(struct session *s, struct command *c)
{
	return c->state ? go_on(s, c, c->state) : begin(s, c, true);
}

/* Expunges without telling (RFC 9051 §6.4.1). */
static enum step close_command(struct session *s, struct command *c)
{
	struct mailbox_range all;
	struct mailbox_expunge m = {.session = s->conn.store_id, .mailbox = s->selected->mailbox, .ranges = &all};

	if (c->args)
		return command_bad(c, "CLOSE has no arguments");
	m.n_ranges = selected_everything(s->selected, &all);
	if (!c->state && !s->selected->read_only && m.n_ranges) {
		(void)command_state(c, 1);
		return command_await_answer(
		    c, mailbox_call_expunge(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
	}
	if (c->state && (!c->answer || c->answer->type != MAILBOX_EXPUNGED))
		return command_failed(c, "[NONEXISTENT]");
	session_deselect(s);
	return STEP_DONE;
}

/* RFC 3691 */
static enum step unselect(struct session *s, struct command *c)
{
	if (c->args)
		return command_bad(c, "UNSELECT has no arguments");
	session_deselect(s);
	return STEP_DONE;
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec cmd_select_table[] = {
    {"SELECT", select_command, LOGGED_IN, COMMAND_NO_SYNC},
    {"EXAMINE", examine, LOGGED_IN, COMMAND_NO_SYNC},
    {"CLOSE", close_command, SESSION_SELECTED, COMMAND_NO_SYNC},
    {"UNSELECT", unselect, SESSION_SELECTED, COMMAND_NO_SYNC},
    {NULL, NULL, 0, 0},
};
