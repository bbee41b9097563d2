/* SPDX-License-Identifier: ISC
 * STATUS. */
#include "imapd/commands.h"
#include "imapd/status.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"
#include "mail/objectid.h"

struct status {
	struct view name;
	uint32_t items;
};

/* RFC 9208 §5.1 */
static uint64_t kibibytes(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 > 0);
}

void status_format(struct buf *out, const struct session *s, struct view name, uint32_t items,
		   const struct mailbox_opened *m)
{
	const struct {
		uint32_t item;
		const char *name;
		uint64_t value;
	} values[] = {
	    {IMAP_STATUS_MESSAGES, "MESSAGES", m->exists},
	    {IMAP_STATUS_RECENT, "RECENT", 0},
	    {IMAP_STATUS_UIDNEXT, "UIDNEXT", m->uidnext},
	    {IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", m->uidvalidity},
	    {IMAP_STATUS_UNSEEN, "UNSEEN", m->unseen},
	    {IMAP_STATUS_DELETED, "DELETED", m->deleted},
	    {IMAP_STATUS_SIZE, "SIZE", m->size_bytes},
	    {IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", m->highestmodseq},
	    {IMAP_STATUS_DELETED_STORAGE, "DELETED-STORAGE", kibibytes(m->deleted_bytes)},
	    {IMAP_STATUS_APPENDLIMIT, "APPENDLIMIT", session_imapd(s)->settings.max_message_bytes},
	};
	const char *space = "";

	buf_append_cstr(out, "* STATUS ");
	imap_mailbox_format(out, name, session_utf8_names(s));
	buf_append_cstr(out, " (");
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (!(items & values[i].item))
			continue;
		buf_printf(out, "%s%s %llu", space, values[i].name, (unsigned long long)values[i].value);
		space = " ";
	}
	if (items & IMAP_STATUS_MAILBOXID) {
		buf_printf(out, "%sMAILBOXID (", space);
		objectid_format(out, OBJECTID_MAILBOX, m->mailbox);
		buf_append_char(out, ')');
	}
	buf_append_cstr(out, ")\r\n");
}

static enum step answered(struct session *s, struct command *c, const struct status *status)
{
	if (!c->answer || c->answer->type != MAILBOX_OPENED)
		return command_failed(c, "[NONEXISTENT]");
	if (status->items & IMAP_STATUS_HIGHESTMODSEQ)
		session_enable_condstore(s); /* RFC 7162 §3.1 */
	status_format(session_out(s), s, status->name, status->items, &c->answer->opened);
	return STEP_DONE;
}

static enum step status_command(struct session *s, struct command *c)
{
	struct status *status = c->state;
	struct mailbox_open m = {.session = s->conn.store_id};
	enum step step;

	if (status)
		return answered(s, c, status);
	if (!command_mailbox_arg(c, c->args, &m.name, &step))
		return step;
	status = command_state(c, sizeof *status);
	status->name = m.name;
	if (!c->args->next || c->args->next->next || !imap_args_status_items(c->args->next, &status->items))
		return command_bad(c, "Not a list of STATUS items");
	m.counts_deleted = (status->items & IMAP_STATUS_DELETED_STORAGE) != 0;
	return command_await_answer(c,
				    mailbox_call_open(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

const struct command_spec cmd_status_table[] = {
    {"STATUS", status_command, SESSION_AUTHENTICATED | SESSION_SELECTED, 0},
    {NULL, NULL, 0, 0},
};
