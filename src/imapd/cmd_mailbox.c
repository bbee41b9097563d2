/* SPDX-License-Identifier: ISC
 * CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE. */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"
#include "mail/objectid.h"

/* A subscription may go along with its name. */
enum { NAMES = IMAP_NOTIFY_NAMES | IMAP_NOTIFY_SUBSCRIPTIONS };

/* What was asked for: of a change of its own the client is not notified (RFC 5465 §5). */
struct change {
	struct view name, new_name;
	uint32_t events; /* of enum imap_notify_event */
};

static void did(struct session *s, const struct change *change)
{
	notify_did(s, change->name, change->events);
	if (change->new_name.n)
		notify_did(s, change->new_name, change->events);
}

static enum step answered(struct session *s, struct command *c)
{
	if (!c->answer || c->answer->type != MAILBOX_DONE)
		return command_failed(c, "[NONEXISTENT]");
	did(s, c->state);
	return STEP_DONE;
}

/* To be asked once. */
static bool is_first(struct command *c, uint32_t events)
{
	struct change *change;

	if (c->state)
		return false;
	change = command_state(c, sizeof *change);
	change->events = events;
	return true;
}

/* Behind the arguments' checks. */
static void keep_names(struct command *c, struct view name, struct view new_name)
{
	struct change *change = c->state;

	change->name = name;
	change->new_name = new_name;
}

/* "foo/" means that there will be names below foo (RFC 9051 §6.3.4); every name of ours may have them. */
static void drop_delimiter(struct command *c, struct imap_arg *ret_arg)
{
	*ret_arg = *c->args;
	if (ret_arg->text.n > 1 && ret_arg->text.p[ret_arg->text.n - 1] == '/')
		ret_arg->text.n--;
}

/* RFC 8474 §4.1 */
static enum step created(struct session *s, struct command *c)
{
	if (!c->answer || c->answer->type != MAILBOX_CREATED)
		return command_failed(c, "[NONEXISTENT]");
	did(s, c->state);
	buf_append_cstr(&c->text, "[MAILBOXID (");
	objectid_format(&c->text, OBJECTID_MAILBOX, c->answer->created.mailbox);
	buf_append_cstr(&c->text, ")] CREATE completed");
	return STEP_DONE;
}

static enum step create(struct session *s, struct command *c)
{
	struct mailbox_create m = {.session = s->conn.store_id};
	struct imap_create args;
	struct imap_arg name;
	enum step step;

	if (!is_first(c, NAMES))
		return created(s, c);
	if (!c->args || !imap_args_create(c->args->next, &args))
		return command_bad(c, "One mailbox name is needed");
	drop_delimiter(c, &name);
	if (!command_mailbox_arg(c, &name, &m.name, &step))
		return step;
	if (args.unsupported)
		return command_no(c, "[USEATTR]", "There is no such special use here");
	m.special_use = args.uses;
	keep_names(c, m.name, VIEW_EMPTY);
	return command_await_answer(c,
				    mailbox_call_create(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step delete_command(struct session *s, struct command *c)
{
	struct mailbox_delete m = {.session = s->conn.store_id};
	enum step step;

	if (!is_first(c, NAMES))
		return answered(s, c);
	if (!command_mailbox_arg(c, c->args, &m.name, &step))
		return step;
	if (c->args->next)
		return command_bad(c, "One mailbox name is needed");
	keep_names(c, m.name, VIEW_EMPTY);
	return command_await_answer(c,
				    mailbox_call_delete(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step rename_command(struct session *s, struct command *c)
{
	struct mailbox_rename m = {.session = s->conn.store_id};
	enum step step;

	if (!is_first(c, NAMES))
		return answered(s, c);
	if (!command_mailbox_arg(c, c->args, &m.from, &step) || !command_mailbox_arg(c, c->args->next, &m.to, &step))
		return step;
	if (c->args->next->next)
		return command_bad(c, "Two mailbox names are needed");
	keep_names(c, m.from, m.to);
	return command_await_answer(c,
				    mailbox_call_rename(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step subscription(struct session *s, struct command *c, bool on)
{
	struct mailbox_subscribe m = {.session = s->conn.store_id, .on = on};
	enum step step;

	if (!is_first(c, IMAP_NOTIFY_SUBSCRIPTIONS))
		return answered(s, c);
	if (!command_mailbox_arg(c, c->args, &m.name, &step))
		return step;
	if (c->args->next)
		return command_bad(c, "One mailbox name is needed");
	keep_names(c, m.name, VIEW_EMPTY);
	return command_await_answer(
	    c, mailbox_call_subscribe(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step subscribe(struct session *s, struct command *c)
{
	return subscription(s, c, true);
}

static enum step unsubscribe(struct session *s, struct command *c)
{
	return subscription(s, c, false);
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec cmd_mailbox_table[] = {
    {"CREATE", create, LOGGED_IN, 0},           {"DELETE", delete_command, LOGGED_IN, COMMAND_ASKS | COMMAND_DELETES},
    {"RENAME", rename_command, LOGGED_IN, 0},   {"SUBSCRIBE", subscribe, LOGGED_IN, 0},
    {"UNSUBSCRIBE", unsubscribe, LOGGED_IN, 0}, {NULL, NULL, 0, 0},
};
