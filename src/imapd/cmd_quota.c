/* SPDX-License-Identifier: ISC
 * GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208). There is one quota root, "", the account; the operator sets its limit. */
#include "imapd/commands.h"
#include "mail/imap_mailbox.h"

static enum step ask(struct session *s, struct command *c)
{
	struct mailbox_quota_want m = {.session = s->conn.store_id};

	(void)command_state(c, 1);
	return command_await_answer(
	    c, mailbox_call_quota_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static uint64_t kibibytes(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 > 0);
}

/* A resource that is not limited is not named (§4.2.1). */
static enum step answered(struct session *s, struct command *c)
{
	const struct mailbox_quota *m = &c->answer->quota;
	struct buf *out = session_out(s);

	if (!c->answer || c->answer->type != MAILBOX_QUOTA)
		return command_failed(c, "[NONEXISTENT]");
	buf_append_cstr(out, "* QUOTA \"\" (");
	if (m->limit_bytes)
		buf_printf(out, "STORAGE %llu %llu", (unsigned long long)kibibytes(m->used_bytes),
			   (unsigned long long)kibibytes(m->limit_bytes));
	if (m->limit_messages)
		buf_printf(out, "%sMESSAGE %llu %llu", m->limit_bytes ? " " : "", (unsigned long long)m->used_messages,
			   (unsigned long long)m->limit_messages);
	buf_append_cstr(out, ")\r\n");
	return STEP_DONE;
}

static enum step getquota(struct session *s, struct command *c)
{
	struct view root;

	if (c->state)
		return answered(s, c);
	if (!imap_arg_astring(c->args, &root) || c->args->next)
		return command_bad(c, "One quota root is needed");
	return root.n ? command_no(c, "[NONEXISTENT]", "There is no such quota root") : ask(s, c);
}

/* The mailbox need not exist. */
static enum step getquotaroot(struct session *s, struct command *c)
{
	struct view name;
	enum step step;

	if (c->state)
		return answered(s, c);
	if (!command_mailbox_arg(c, c->args, &name, &step))
		return step;
	if (c->args->next)
		return command_bad(c, "One mailbox name is needed");
	buf_append_cstr(session_out(s), "* QUOTAROOT ");
	imap_mailbox_format(session_out(s), name, session_utf8_names(s));
	buf_append_cstr(session_out(s), " \"\"\r\n");
	return ask(s, c);
}

/* Without the capability QUOTASET nobody should ask. */
static enum step setquota(struct session *s, struct command *c)
{
	const struct imap_arg *limits;
	struct view root;

	(void)s;
	if (!imap_arg_astring(c->args, &root) || !imap_arg_list(c->args->next, &limits) || c->args->next->next)
		return command_bad(c, "A quota root and limits are needed");
	return command_no(c, "[NOPERM]", "Only the operator sets limits");
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec cmd_quota_table[] = {
    {"GETQUOTA", getquota, LOGGED_IN, 0},
    {"GETQUOTAROOT", getquotaroot, LOGGED_IN, 0},
    {"SETQUOTA", setquota, LOGGED_IN, 0},
    {NULL, NULL, 0, 0},
};
