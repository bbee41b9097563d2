/* SPDX-License-Identifier: ISC
 * NOTIFY (RFC 5465), and the telling of what was asked for with it: between two commands and during IDLE. */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "imapd/selected.h"

#include <stdlib.h>

/* ---- what is asked of stored ---- */

static void ignore_answer(void *ctx, const struct mailbox_msg *answer)
{
	(void)ctx;
	(void)answer;
}

/* stored is to tell what `n` needs; NULL: nothing. */
static struct mailbox_watch_account what_to_watch(const struct session *s, const struct notify *n)
{
	uint32_t events = n ? n->other_events : 0;

	return (struct mailbox_watch_account){
	    .session = s->conn.store_id,
	    .on = events != 0,
	    .annotations = (events & (IMAP_NOTIFY_METADATA | IMAP_NOTIFY_SERVER_METADATA)) != 0,
	};
}

static void watch_unanswered(struct session *s, const struct notify *n)
{
	struct mailbox_watch_account m = what_to_watch(s, n);

	(void)mailbox_call_watch_account(session_store(s), &m, STORE_DEADLINE_MS, ignore_answer, NULL);
}

static enum step ask_states(struct session *s, struct command *c, struct view after)
{
	struct mailbox_states_want m = {.session = s->conn.store_id, .name_after = after};

	return command_await_answer(
	    c, mailbox_call_states_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* A page into n->next. False: it did not come, or there are too many. */
static bool take_states(const struct command *c, struct notify *n, bool *ret_more)
{
	const struct mailbox_states *m = c->answer ? &c->answer->states : NULL;

	if (!m || c->answer->type != MAILBOX_STATES)
		return false;
	for (uint32_t i = 0; i < m->n_states; i++)
		if (!notify_states_add(&n->next, &m->states[i]))
			return false;
	*ret_more = m->more && m->n_states;
	return true;
}

static struct view last_name(const struct notify_states *st)
{
	return st->at[st->n - 1].name;
}

/* ---- telling ---- */

/* RFC 5465 §5.8 */
static void overflow(struct session *s)
{
	conn_say(&s->conn, "* OK [NOTIFICATIONOVERFLOW] Too much to tell: notifications are off");
	if (s->notify->other_events)
		watch_unanswered(s, NULL);
	notify_clear(s);
}

static enum step begin_fetch(struct session *s, struct command *c, struct notify *n)
{
	n->fetch = (struct fetch){.args = n->items, .spans = n->arrived, .n_spans = n->arrived_n};
	n->fetching = n->arrived;
	n->arrived = NULL;
	n->arrived_n = 0;
	n->doing = NOTIFY_FETCHING;
	return fetch_begin(s, c, &n->fetch);
}

/* What went wrong with it is no result of the command that it happened in. */
static void end_fetch(struct command *c, struct notify *n)
{
	fetch_forget(&n->fetch);
	free(n->fetching);
	n->fetching = NULL;
	n->doing = NOTIFY_NOTHING;
	(void)command_ok(c, NULL, NULL);
}

/* The next thing that is due; `*ret_over`: there is none. */
static enum step begin_next(struct session *s, struct command *c, struct notify *n, bool expunges, bool *ret_over)
{
	if (n->overflow) {
		overflow(s);
	} else if (n->annotations.n) {
		buf_append_view(session_out(s), buf_view(&n->annotations));
		buf_reset(&n->annotations);
	} else if (notify_selected_is_due(s, expunges)) {
		c->sync.expunges = expunges || !n->delayed;
		n->synced = true;
		n->doing = NOTIFY_SYNCING;
	} else if (n->arrived_n) {
		return begin_fetch(s, c, n);
	} else if (n->account_due) {
		n->account_due = false;
		n->doing = NOTIFY_SCANNING;
		return ask_states(s, c, VIEW_EMPTY);
	} else {
		*ret_over = true;
	}
	return STEP_DONE;
}

static enum step scan(struct session *s, struct command *c, struct notify *n)
{
	bool more;

	if (!take_states(c, n, &more)) {
		notify_states_fini(&n->next);
		n->overflow = true;
		n->doing = NOTIFY_NOTHING;
		return STEP_DONE;
	}
	if (more)
		return ask_states(s, c, last_name(&n->next));
	notify_diff_begin(n);
	n->doing = NOTIFY_TELLING;
	return STEP_DONE;
}

static enum step tell_differences(struct session *s, struct command *c, struct notify *n)
{
	do {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
	} while (notify_diff_next(s, n));
	notify_states_fini(&n->known);
	n->known = n->next;
	notify_states_init(&n->next);
	n->own_n = 0;
	arena_reset(&n->own_arena);
	n->doing = NOTIFY_NOTHING;
	return STEP_DONE;
}

static enum step go_on(struct session *s, struct command *c, struct notify *n)
{
	enum step step = STEP_DONE;

	switch (n->doing) {
	case NOTIFY_NOTHING:
		break;
	case NOTIFY_SYNCING:
		step = sync_run(s, c);
		if (step == STEP_DONE)
			n->doing = NOTIFY_NOTHING;
		break;
	case NOTIFY_FETCHING:
		step = fetch_go_on(s, c, &n->fetch);
		if (step == STEP_DONE)
			end_fetch(c, n);
		break;
	case NOTIFY_SCANNING:
		return scan(s, c, n);
	case NOTIFY_TELLING:
		return tell_differences(s, c, n);
	}
	return step;
}

enum step notify_tell(struct session *s, struct command *c, bool expunges)
{
	struct notify *n = s->notify;
	bool over = false;

	while (!over) {
		enum step step;

		if (n->doing == NOTIFY_NOTHING && stream_is_full(s->conn.stream))
			return command_await_drain(c);
		step = n->doing == NOTIFY_NOTHING ? begin_next(s, c, n, expunges, &over) : go_on(s, c, n);
		if (step != STEP_DONE)
			return step;
	}
	return STEP_DONE;
}

static enum step tell_unasked(struct session *s, struct command *c)
{
	if (!c->state) {
		c->state = c;
		s->notify->synced = false;
	}
	return notify_tell(s, c, false);
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec notify_spec = {"NOTIFY", tell_unasked, LOGGED_IN, COMMAND_NO_SYNC, 0};

/* ---- NOTIFY ---- */

struct notify_command {
	struct notify *notify; /* what takes the place of the session's */
	bool status;
	enum { ASKED_WATCH, ASKED_STATES, TELLS_STATUS } phase;
	uint32_t at; /* TELLS_STATUS: of notify->next */
};

static void forget(struct command *c)
{
	struct notify_command *nc = c->state;

	notify_free(&nc->notify);
}

/* What was asked for before stays. */
static enum step refuse(struct session *s, struct command *c)
{
	watch_unanswered(s, s->notify);
	return command_no(c, "[NOTIFICATIONOVERFLOW]", "Too much to watch");
}

/* From here on it counts. What happened to other mailboxes since the client was told last is told still. */
static enum step install(struct session *s, struct notify_command *nc)
{
	struct notify *n = nc->notify, *old = s->notify;

	nc->notify = NULL;
	s->notify = n;
	notify_states_fini(&n->known);
	if (old && old->other_events) {
		n->known = old->known;
		notify_states_init(&old->known);
		notify_states_fini(&n->next);
		buf_append_view(&n->annotations, buf_view(&old->annotations));
	} else {
		n->known = n->next;
		notify_states_init(&n->next);
	}
	n->account_due = n->other_events != 0; /* a notice may have come meanwhile, which nobody heard */
	notify_free(&old);
	return STEP_DONE;
}

static enum step tell_status(struct session *s, struct command *c, struct notify_command *nc)
{
	const struct notify_states *st = &nc->notify->next;

	while (nc->status && nc->at < st->n) {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		notify_states_tell_status(s, nc->notify, &st->at[nc->at++]);
	}
	return install(s, nc);
}

static enum step begin(struct session *s, struct command *c)
{
	struct notify_command *nc = command_state(c, sizeof *nc);
	struct mailbox_watch_account m;
	struct imap_notify args;
	const char *error;

	nc->notify = notify_new();
	c->forget = forget;
	switch (imap_notify_parse(c->args, &nc->notify->arena, &args, &error)) {
	case IMAP_NOTIFY_BAD:
		return command_bad(c, error);
	case IMAP_NOTIFY_BADEVENT:
		return command_no(c, "[BADEVENT (" IMAP_NOTIFY_EVENTS ")]", "There are no such events here");
	case IMAP_NOTIFY_TOO_MUCH:
		return command_no(c, "[NOTIFICATIONOVERFLOW]", "Too much to watch");
	case IMAP_NOTIFY_OK:
		break;
	}
	if (!notify_take(nc->notify, &args, session_utf8_names(s)))
		return command_no(c, "[NOTIFICATIONOVERFLOW]", "Too much to watch");
	nc->status = args.status;
	m = what_to_watch(s, nc->notify);
	if (!m.on && !(s->notify && s->notify->other_events))
		return install(s, nc);
	nc->phase = ASKED_WATCH;
	return command_await_answer(
	    c, mailbox_call_watch_account(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step notify_command(struct session *s, struct command *c)
{
	struct notify_command *nc = c->state;
	bool more = false;

	if (!nc)
		return begin(s, c);
	if (nc->phase == TELLS_STATUS)
		return tell_status(s, c, nc);
	if (nc->phase == ASKED_WATCH) {
		if (!c->answer || c->answer->type != MAILBOX_DONE)
			return command_failed(c, "[NONEXISTENT]");
		if (!nc->notify->other_events)
			return install(s, nc);
		nc->phase = ASKED_STATES;
		return ask_states(s, c, VIEW_EMPTY);
	}
	if (!take_states(c, nc->notify, &more))
		return refuse(s, c);
	if (more)
		return ask_states(s, c, last_name(&nc->notify->next));
	nc->phase = TELLS_STATUS;
	return tell_status(s, c, nc);
}

const struct command_spec cmd_notify_table[] = {
    {"NOTIFY", notify_command, LOGGED_IN, COMMAND_ASKS | COMMAND_SHOWS, 0},
    {NULL, NULL, 0, 0, 0},
};
