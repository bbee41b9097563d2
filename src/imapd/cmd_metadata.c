/* SPDX-License-Identifier: ISC
 * GETMETADATA and SETMETADATA (RFC 5464). An account is one person's: private and shared annotations differ in name only, and those
 * "of the server" are the account's. The special uses of a mailbox are one of its annotations (RFC 6154 §4). */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_metadata.h"
#include "mail/imap_write.h"

enum { VALUE_BYTES_MAX = 65536, CHANGES_BYTES_MAX = 768 << 10 };

static const struct view special_use_entry = VIEW_LIT("/private/specialuse");
static const struct view admin_entry =
    VIEW_LIT("/shared/admin"); /* of the server: "always read-only" (RFC 5464 §3.2.1.1) */

struct getmetadata {
	struct imap_metadata_get args;
	struct view name; /* "": the account's */
	struct view after; /* the last entry of a page */
	bool *found; /* entries asked for */
	uint64_t longest; /* of the values over MAXSIZE; 0: none */
	bool open; /* a response has begun */
	bool over; /* no page is left */
};

/* A mailbox, or "". */
static bool take_name(struct command *c, const struct imap_arg *arg, struct view *ret, enum step *ret_step)
{
	struct view name;

	if (!imap_arg_astring(arg, &name) || name.n)
		return command_mailbox_arg(c, arg, ret, ret_step);
	*ret = VIEW_EMPTY;
	return true;
}

/* ---- GETMETADATA ---- */

static enum step ask(struct session *s, struct command *c, const struct getmetadata *get)
{
	struct mailbox_annotations_want m = {.session = s->conn.store_id, .name = get->name, .entry_after = get->after};

	return command_await_answer(
	    c, mailbox_call_annotations_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static void put_value(struct buf *out, struct view value)
{
	if (value.p && view_has_nul(value)) {
		imap_write_literal8(out, value.n);
		buf_append_view(out, value);
	} else {
		imap_write_nstring(out, value);
	}
}

static void put(struct session *s, struct getmetadata *get, struct view entry, struct view value)
{
	struct buf *out = session_out(s);

	if (get->open) {
		buf_append_char(out, ' ');
	} else {
		buf_append_cstr(out, "* METADATA ");
		imap_mailbox_format(out, get->name, session_utf8_names(s));
		buf_append_cstr(out, " (");
	}
	get->open = true;
	imap_write_astring(out, entry);
	buf_append_char(out, ' ');
	put_value(out, value);
}

static void close_response(struct session *s, struct getmetadata *get)
{
	if (get->open)
		buf_append_cstr(session_out(s), ")\r\n");
	get->open = false;
}

static void take_annotation(struct session *s, struct getmetadata *get, struct view entry, struct view value)
{
	uint32_t at;

	if (!imap_metadata_is_asked(&get->args, entry, &at))
		return;
	for (; at < get->args.entry_count; at++)
		get->found[at] |= view_eq(entry, get->args.entries[at]);
	if (!get->args.has_maxsize || value.n <= get->args.maxsize)
		put(s, get, entry, value);
	else if (value.n > get->longest)
		get->longest = value.n;
}

static void take_special_use(struct session *s, struct getmetadata *get, uint32_t uses)
{
	struct buf text = BUF_INIT(256);

	imap_special_use_format(&text, uses);
	if (text.n)
		take_annotation(s, get, special_use_entry, buf_view(&text));
	buf_fini(&text);
}

/* What was named and is not there is NIL. */
static enum step over(struct session *s, struct command *c, struct getmetadata *get)
{
	for (uint32_t i = 0; get->args.depth == IMAP_DEPTH_0 && i < get->args.entry_count; i++)
		if (!get->found[i])
			put(s, get, get->args.entries[i], (struct view){NULL, 0});
	close_response(s, get);
	if (get->longest)
		buf_printf(&c->text, "[METADATA LONGENTRIES %llu] GETMETADATA completed",
			   (unsigned long long)get->longest);
	return STEP_DONE;
}

static enum step take_page(struct session *s, struct command *c, struct getmetadata *get)
{
	const struct mailbox_annotations *m = &c->answer->annotations;
	bool first = get->after.n == 0;

	if (first)
		take_special_use(s, get, m->special_use);
	for (uint32_t i = 0; i < m->n_annotations; i++)
		if (!view_eq(m->annotations[i].entry, special_use_entry))
			take_annotation(s, get, m->annotations[i].entry, m->annotations[i].value);
	get->over = !m->more || m->n_annotations == 0;
	if (get->over)
		return over(s, c, get);
	close_response(s, get);
	get->after = arena_copy(&c->arena, m->annotations[m->n_annotations - 1].entry);
	return stream_is_full(s->conn.stream) ? command_await_drain(c) : ask(s, c, get);
}

static enum step begin_get(struct session *s, struct command *c)
{
	struct getmetadata *get = command_state(c, sizeof *get);
	enum step step;

	if (!imap_metadata_get_parse(c->args, &c->arena, &get->args))
		return command_bad(c, "Not what GETMETADATA takes");
	if (!take_name(c, get->args.mailbox, &get->name, &step))
		return step;
	get->found = arena_array(&c->arena, get->args.entry_count, sizeof *get->found);
	get->after = VIEW_EMPTY;
	return get->found ? ask(s, c, get) : command_no(c, "[LIMIT]", "Too many entries");
}

static enum step getmetadata(struct session *s, struct command *c)
{
	struct getmetadata *get = c->state;

	if (!get)
		return begin_get(s, c);
	if (!c->answered)
		return ask(s, c, get); /* there is room again */
	if (!c->answer || c->answer->type != MAILBOX_ANNOTATIONS)
		return command_failed(c, "[NONEXISTENT]");
	return take_page(s, c, get);
}

/* ---- SETMETADATA ---- */

/* "\Drafts \Sent", or NIL. False: not one of those there are. */
static bool read_special_use(struct view value, uint32_t *ret)
{
	struct view word;
	uint32_t uses = 0;

	while (value.p && value.n) {
		if (!view_cut(value, ' ', &word, &value)) {
			word = value;
			value = VIEW_EMPTY;
		}
		if (!imap_special_use_find(word))
			return false;
		uses |= imap_special_use_find(word);
	}
	*ret = uses;
	return true;
}

/* What is to be changed as stored takes it. False: the result stands. */
static bool take_changes(struct command *c, const struct imap_metadata_set *set, struct mailbox_annotate *m)
{
	struct mailbox_annotation_change *changes = arena_array(&c->arena, set->count, sizeof *changes);
	size_t bytes = 0;

	m->changes = changes;
	for (uint32_t i = 0; changes && i < set->count; i++) {
		const struct imap_metadata_change *one = &set->changes[i];

		bytes += one->entry.n + one->value.n;
		if (one->value.n > VALUE_BYTES_MAX) {
			buf_printf(&c->text, "[METADATA MAXSIZE %u] A value is too big", (unsigned)VALUE_BYTES_MAX);
			c->result = COMMAND_NO;
			return false;
		}
		if (m->name.n == 0 && view_eq(one->entry, admin_entry)) {
			(void)command_no(c, "[NOPERM]", "That is not for clients to set");
			return false;
		}
		if (!view_eq(one->entry, special_use_entry)) {
			changes[m->n_changes++] = (struct mailbox_annotation_change){
			    one->entry, !one->value.p, one->value.p ? one->value : VIEW_EMPTY};
			continue;
		}
		m->sets_special_use = true;
		if (!read_special_use(one->value, &m->special_use)) {
			(void)command_no(c, "[USEATTR]", "There is no such special use here");
			return false;
		}
	}
	if (!changes || bytes > CHANGES_BYTES_MAX) {
		(void)command_no(c, "[METADATA TOOMANY]", "That is too much at once");
		return false;
	}
	return true;
}

static enum step set_answered(struct session *s, struct command *c)
{
	const struct mailbox_msg *m = c->answer;
	const struct view *name = c->state;

	if (m && m->type == MAILBOX_DONE) {
		notify_did(s, *name, IMAP_NOTIFY_METADATA);
		return STEP_DONE;
	}
	if (m && m->type == MAILBOX_FAILED && m->failed.code == 11)
		return command_no(c, "[METADATA TOOMANY]", "There are too many annotations");
	return command_failed(c, "[NONEXISTENT]");
}

static enum step setmetadata(struct session *s, struct command *c)
{
	struct mailbox_annotate m = {.session = s->conn.store_id};
	struct imap_metadata_set set;
	struct view *name;
	enum step step;

	if (c->state)
		return set_answered(s, c);
	name = command_state(c, sizeof *name);
	if (!imap_metadata_set_parse(c->args, &c->arena, &set))
		return command_bad(c, "Not what SETMETADATA takes");
	if (!take_name(c, set.mailbox, &m.name, &step))
		return step;
	*name = m.name;
	if (!take_changes(c, &set, &m))
		return STEP_DONE;
	return command_await_answer(
	    c, mailbox_call_annotate(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

enum { LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED };

const struct command_spec cmd_metadata_table[] = {
    {"GETMETADATA", getmetadata, LOGGED_IN, 0},
    {"SETMETADATA", setmetadata, LOGGED_IN, 0},
    {NULL, NULL, 0, 0},
};
