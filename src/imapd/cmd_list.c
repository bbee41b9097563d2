/* SPDX-License-Identifier: ISC
 * LIST and LSUB. All names are gathered first: whether a name has children, or must show as a parent, depends on others. */
#include "imapd/commands.h"

#include "base/clock.h"
#include "imapd/folders.h"
#include "imapd/status.h"
#include "mail/charset.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"

enum {
	NAMES_BYTES_MAX = 16 << 20,
	PATTERNS_BYTES_MAX = 4096, /* in all: a name takes up to 30 ms with as many */
	TURN_MS = 10,
};

struct list {
	struct imap_list args;
	struct folder_query query;
	struct folders folders;
	struct arena names;
	bool gathered;
	bool asked_status; /* of the one before `at` */
	uint32_t matched; /* so many names were held against the patterns */
	uint32_t at;
};

static void forget(struct command *c)
{
	struct list *list = c->state;

	folders_fini(&list->folders);
	arena_fini(&list->names);
}

static enum step ask_names(struct session *s, struct command *c, struct view after)
{
	struct mailbox_names_want m = {.session = s->conn.store_id, .name_after = after};

	return command_await_answer(
	    c, mailbox_call_names_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* As a name is read (imap_mailbox_parse()), with its wildcards. */
static bool decode_pattern(const struct session *s, struct view wire, struct buf *out)
{
	struct buf decoded = BUF_INIT(IMAP_MAILBOX_BYTES_MAX * 2);
	bool ok = true;

	if (session_utf8_names(s) || !view_is_ascii(wire))
		buf_append_view(&decoded, wire);
	else
		ok = imap_mailbox_from_utf7(wire, &decoded);
	ok = ok && charset_nfc(buf_view(&decoded), out);
	buf_fini(&decoded);
	return ok;
}

/* Reference and pattern as one (RFC 9051 §6.3.9), in UTF-8. What is no name matches nothing. */
static bool take_pattern(struct command *c, struct view reference, struct view pattern, struct view *ret)
{
	struct buf wire = BUF_INIT(IMAP_MAILBOX_BYTES_MAX * 2), name = BUF_INIT(IMAP_MAILBOX_BYTES_MAX * 2);

	buf_append_view(&wire, reference);
	buf_append_view(&wire, pattern);
	if (wire.overflow || !decode_pattern(c->session, buf_view(&wire), &name))
		buf_reset(&name);
	*ret = arena_copy(&c->arena, buf_view(&name));
	buf_fini(&wire);
	buf_fini(&name);
	return ret->p != NULL;
}

static bool take_patterns(struct command *c, struct list *list)
{
	const struct imap_list *args = &list->args;
	struct view *patterns = arena_array(&c->arena, args->pattern_count + 1, sizeof *patterns);
	size_t bytes = 0;

	if (!patterns)
		return false;
	for (uint32_t i = 0; i < args->pattern_count; i++) {
		if (!take_pattern(c, args->reference, args->patterns[i], &patterns[i]))
			return false;
		bytes += patterns[i].n;
	}
	list->query.patterns = patterns;
	list->query.pattern_count = args->pattern_count;
	return bytes <= PATTERNS_BYTES_MAX;
}

/* LIST "" "": only the delimiter is asked for. */
static enum step say_root(struct session *s, const struct command *c)
{
	conn_say(&s->conn, "* %s (\\Noselect) \"/\" \"\"", c->spec->name);
	return STEP_DONE;
}

static enum step begin(struct session *s, struct command *c, bool lsub)
{
	struct list *list = command_state(c, sizeof *list);
	const struct imap_list *args = &list->args;

	arena_init(&list->names, NAMES_BYTES_MAX);
	folders_init(&list->folders, &list->names);
	c->forget = forget;
	if (!imap_args_list(c->args, &c->arena, &list->args) || (lsub && args->extended))
		return command_bad(c, "Not what LIST takes");
	if (!args->extended && args->pattern_count == 1 && args->patterns[0].n == 0)
		return say_root(s, c);
	if (!take_patterns(c, list))
		return command_no(c, "[LIMIT]", "Too many patterns, or too long ones");
	list->query.lsub = lsub;
	list->query.extended = args->extended;
	list->query.utf8 = session_utf8_names(s);
	list->query.select = lsub ? IMAP_LIST_SUBSCRIBED : args->select;
	list->query.returns = args->returns;
	return ask_names(s, c, VIEW_EMPTY);
}

static enum step take_names(struct session *s, struct command *c, struct list *list)
{
	const struct mailbox_names *m;

	if (!c->answer || c->answer->type != MAILBOX_NAMES)
		return command_failed(c, "[NONEXISTENT]");
	m = &c->answer->names;
	for (uint32_t i = 0; i < m->n_names; i++)
		if (!folders_add(&list->folders, m->names[i].name, m->names[i].attributes))
			return command_no(c, "[LIMIT]", "Too many mailboxes");
	if (m->more && m->n_names)
		return ask_names(s, c, m->names[m->n_names - 1].name);
	folders_arrange(&list->folders);
	list->gathered = true;
	return STEP_DONE;
}

static enum step ask_status(struct session *s, struct command *c, struct list *list, struct view name)
{
	struct mailbox_open m = {.session = s->conn.store_id,
				 .name = name,
				 .counts_deleted = (list->args.status_items & IMAP_STATUS_DELETED_STORAGE) != 0};

	list->asked_status = true;
	return command_await_answer(c,
				    mailbox_call_open(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* RFC 5819: no STATUS for a name that cannot be selected, or that went meanwhile. */
static void take_status(struct session *s, struct command *c, struct list *list)
{
	if (list->asked_status && c->answer && c->answer->type == MAILBOX_OPENED)
		status_format(session_out(s), s, list->folders.at[list->at - 1].name, list->args.status_items,
			      &c->answer->opened);
	list->asked_status = false;
}

static enum step walk(struct session *s, struct command *c, struct list *list)
{
	const uint64_t began_ms = clock_mono_ms();

	for (; list->matched < list->folders.n; list->matched++) {
		if (clock_mono_ms() - began_ms >= TURN_MS)
			return command_await_turn(c);
		folders_match(&list->folders, list->matched, &list->query);
	}
	take_status(s, c, list);
	while (list->at < list->folders.n) {
		const struct folder *folder = &list->folders.at[list->at];
		bool listed;

		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		listed = folders_answer(&list->folders, list->at, &list->query, session_out(s));
		list->at++;
		if (listed && (list->args.returns & IMAP_LIST_RETURN_STATUS) &&
		    !(folder->attributes & (FOLDER_NOSELECT | FOLDER_MISSING)))
			return ask_status(s, c, list, folder->name);
	}
	return STEP_DONE;
}

static enum step run(struct session *s, struct command *c, bool lsub)
{
	struct list *list = c->state;

	if (!list)
		return begin(s, c, lsub);
	if (!list->gathered) {
		enum step step = take_names(s, c, list);

		if (step != STEP_DONE || !list->gathered)
			return step;
	}
	return walk(s, c, list);
}

static enum step list_command(struct session *s, struct command *c)
{
	return run(s, c, false);
}

static enum step lsub(struct session *s, struct command *c)
{
	return run(s, c, true);
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec cmd_list_table[] = {
    {"LIST", list_command, LOGGED_IN, 0},
    {"LSUB", lsub, LOGGED_IN, 0},
    {NULL, NULL, 0, 0},
};
