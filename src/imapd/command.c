/* SPDX-License-Identifier: ISC
 * Finds, runs and ends commands. */
#include "imapd/command.h"

#include "base/clock.h"
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "imapd/selected.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_write.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 8 << 20, TEXT_MAX = 4 << 20 };

static const struct command_spec *const tables[] = {
    cmd_basic_table,  cmd_login_table, cmd_select_table, cmd_mailbox_table,  cmd_list_table,  cmd_status_table,
    cmd_append_table, cmd_fetch_table, cmd_store_table,  cmd_search_table,   cmd_copy_table,  cmd_expunge_table,
    cmd_idle_table,   cmd_sort_table,  cmd_thread_table, cmd_metadata_table, cmd_quota_table, cmd_notify_table,
};

enum { UID_PREFIX_BYTES = sizeof "UID " - 1 };

static bool is_named(const struct command_spec *spec, struct view name, bool uid)
{
	if (uid != ((spec->flags & COMMAND_UID) != 0))
		return false;
	return view_eq_lit_nocase(name, spec->name + (uid ? UID_PREFIX_BYTES : 0));
}

const struct command_spec *command_find(struct view name, const struct imap_arg *args)
{
	bool uid = view_eq_lit_nocase(name, "UID");

	if (uid && !imap_arg_atom(args, &name))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct command_spec *spec = tables[i]; spec->name; spec++)
			if (is_named(spec, name, uid))
				return spec;
	return NULL;
}

static const char *why_not(const struct session *s, const struct command_spec *spec)
{
	if (!spec)
		return "Unknown command";
	if (spec->states & s->state)
		return NULL;
	if (s->state == SESSION_FRESH)
		return "Log in first";
	return spec->states & SESSION_SELECTED ? "Select a mailbox first" : "Already logged in";
}

static struct command *begin(struct session *s, const struct command_spec *spec)
{
	struct command *c = xcalloc(1, sizeof *c);

	c->session = s;
	c->spec = spec;
	c->told_ms = clock_mono_ms();
	arena_init(&c->arena, ARENA_MAX);
	buf_init(&c->text, TEXT_MAX);
	s->command = c;
	return c;
}

struct command *command_begin(struct session *s)
{
	const struct imap_command *read = &s->reader.command;
	const struct command_spec *spec = command_find(read->name, read->args);
	const char *error = why_not(s, spec);
	struct command *c;

	s->conn.commands++;
	if (!error && s->uidonly && (spec->flags & COMMAND_NUMBERS))
		error = "[UIDREQUIRED] Message numbers are not used in this session";
	if (error) {
		conn_say(&s->conn, "%.*s BAD %s", VIEW_FMT(read->tag), error);
		return NULL;
	}
	c = begin(s, spec);
	c->tag = view_to_cstr(read->tag); /* holds no NUL: the reader saw to it */
	c->args = spec->flags & COMMAND_UID ? read->args->next : read->args;
	return c;
}

void command_begin_unasked(struct session *s, const struct command_spec *spec)
{
	(void)begin(s, spec);
}

void command_abandon(struct command **cp)
{
	struct command *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	if (c->forget)
		c->forget(c);
	if (c->session->conn.call_id)
		channel_call_cancel(session_store(c->session), c->session->conn.call_id);
	c->session->conn.call_id = 0;
	sync_fini(&c->sync);
	arena_fini(&c->arena);
	buf_fini(&c->text);
	free(c->tag);
	free(c);
}

/* How far it is nobody knows: stored answers when it is done. */
bool command_tell_progress(struct session *s)
{
	struct command *c = s->command;
	uint64_t now_ms = clock_mono_ms();

	if (!c || c->wait != AWAIT_ANSWER || s->conn.closing)
		return false;
	if (c->tag && !c->in_response && s->state != SESSION_FRESH &&
	    now_ms - c->told_ms >= session_imapd(s)->settings.progress_ms) {
		c->told_ms = now_ms;
		/* A tag with "]" would end the response code (RFC 9585 §4). */
		if (strchr(c->tag, ']'))
			conn_say(&s->conn, "* OK [INPROGRESS] Still at it");
		else
			conn_say(&s->conn, "* OK [INPROGRESS (\"%s\" NIL NIL)] Still at it", c->tag);
		stream_flush(s->conn.stream);
	}
	return true;
}

bool command_reads(const struct command *c)
{
	return c->wait == AWAIT_LINE || c->wait == AWAIT_NEWS || c->wait == AWAIT_LITERAL;
}

bool command_is_ready(const struct session *s)
{
	const struct command *c = s->command;

	switch (c->wait) {
	case AWAIT_NOTHING:
		return true;
	case AWAIT_ANSWER:
	case AWAIT_TURN:
		return c->answered;
	case AWAIT_DRAIN:
		return !stream_is_full(s->conn.stream);
	case AWAIT_CHANNEL:
		return c->answered || !session_store(s) || !channel_is_full(session_store(s));
	case AWAIT_LINE:
		return c->line.p != NULL;
	case AWAIT_NEWS:
		return c->line.p != NULL || c->overheard;
	case AWAIT_LITERAL:
		return c->literal != LITERAL_NONE || c->answered;
	}
	return false;
}

static bool tells_news(const struct session *s, const struct command *c)
{
	if ((c->spec->flags & COMMAND_NO_SYNC) || !s->selected || c->result == COMMAND_BAD)
		return false;
	if (notify_silences(s, c->spec->flags))
		return false;
	return (c->spec->flags & COMMAND_ASKS) || sync_is_due(s, c->sync.expunges);
}

/* RFC 7162 §3.2: a client that takes up later modseqs must not think that it knows of these expunges. */
static void own_up(struct session *s)
{
	const struct selected *x = s->selected;

	if (x && x->held_n && s->condstore)
		conn_say(&s->conn, "* OK [HIGHESTMODSEQ %llu] Expunges are still to be told",
			 (unsigned long long)x->held_since);
}

/* RFC 9051 §6.3.9.7: by which name the mailbox is known. */
static void tell_name(struct session *s, const struct command *c)
{
	struct buf *out = session_out(s);

	buf_append_cstr(out, "* LIST () \"/\" ");
	imap_mailbox_format(out, c->name, true);
	buf_append_cstr(out, " (\"OLDNAME\" (");
	imap_write_string_utf8(out, c->given_name);
	buf_append_cstr(out, "))\r\n");
}

static void reply(struct session *s, struct command *c)
{
	static const char *const words[] = {[COMMAND_OK] = "OK", [COMMAND_NO] = "NO", [COMMAND_BAD] = "BAD"};
	struct buf *out = session_out(s);

	if (c->given_name.p && c->result == COMMAND_OK)
		tell_name(s, c);
	buf_printf(out, "%s %s ", c->tag, words[c->result]);
	if (c->expunged && s->qresync && s->selected && c->result == COMMAND_OK && c->text.n == 0)
		buf_printf(out, "[HIGHESTMODSEQ %llu] ", (unsigned long long)s->selected->told);
	if (c->text.n)
		buf_append_view(out, buf_view(&c->text));
	else
		buf_printf(out, "%s completed", c->spec->name);
	buf_append_cstr(out, "\r\n");
}

static void end_unasked(struct session *s)
{
	if (s->notify && s->notify->synced)
		own_up(s);
	command_abandon(&s->command);
	if (s->conn.front->stopping)
		conn_stop(&s->conn);
}

static void end(struct session *s)
{
	bool bad = s->command->result == COMMAND_BAD;
	bool tls = (s->command->spec->flags & COMMAND_STARTS_TLS) && s->command->result == COMMAND_OK;
	bool deflates = (s->command->spec->flags & COMMAND_DEFLATES) && s->command->result == COMMAND_OK;

	own_up(s);
	reply(s, s->command);
	command_abandon(&s->command);
	imap_reader_reset(&s->reader);
	if (s->state == SESSION_LOGOUT)
		conn_close(&s->conn);
	else if (s->conn.front->stopping)
		conn_stop(&s->conn);
	else if (tls)
		conn_start_tls(&s->conn);
	else if (deflates)
		stream_start_deflate(s->conn.stream);
	else if (bad)
		(void)conn_forgives(&s->conn);
}

enum step command_run(struct session *s)
{
	struct command *c = s->command;
	enum step step;

	if (!c->syncing) {
		step = c->spec->run(s, c);
		if (step != STEP_DONE)
			return step;
		if (!c->tag) {
			end_unasked(s);
			return STEP_DONE;
		}
		c->sync.expunges = !(c->spec->flags & COMMAND_NO_EXPUNGE) && !c->no_expunge;
		c->syncing = tells_news(s, c);
	}
	if (c->syncing) {
		step = sync_run(s, c);
		if (step != STEP_DONE)
			return step;
	}
	end(s);
	return STEP_DONE;
}

static enum step finish(struct command *c, enum command_result result, const char *code, const char *text)
{
	c->result = result;
	buf_reset(&c->text);
	if (code)
		buf_printf(&c->text, "%s ", code);
	if (text)
		buf_append_cstr(&c->text, text);
	return STEP_DONE;
}

enum step command_ok(struct command *c, const char *code, const char *text)
{
	return finish(c, COMMAND_OK, code, text);
}

enum step command_no(struct command *c, const char *code, const char *text)
{
	return finish(c, COMMAND_NO, code, text);
}

enum step command_bad(struct command *c, const char *text)
{
	return finish(c, COMMAND_BAD, NULL, text);
}

enum step command_failed(struct command *c, const char *missing_code)
{
	/* By the numbers of `failed` in msgs/mailbox.def (RFC 5530, 9051 §7.1, 7889). */
	const struct {
		const char *code, *text;
	} reasons[] = {
	    {"[UNAVAILABLE]", "The mail store cannot do this now, try again later"},
	    {missing_code, "No such mailbox"},
	    {"[ALREADYEXISTS]", "There is a mailbox of that name"},
	    {"[CANNOT]", "Not possible with this mailbox"},
	    {"[OVERQUOTA]", "Over quota"},
	    {"[TOOBIG]", "Too big"},
	    {"[EXPUNGEISSUED]", "Some of these messages are gone"},
	    {"[UNAVAILABLE]", "The server is short of disk space, try again later"},
	    {"[UNAVAILABLE]", "The session has ended, log in again"},
	    {"[HASCHILDREN]", "The mailbox has mailboxes below it"},
	    {"[CANNOT]", "Not possible"},
	    {"[LIMIT]", "Too many"},
	};
	const struct mailbox_msg *m = c->answer;
	size_t why = m && m->type == MAILBOX_FAILED ? m->failed.code : 0;

	return command_no(c, reasons[why].code, reasons[why].text);
}

static void nothing_came(struct command *c)
{
	c->answered = false;
	c->overheard = false;
	c->answer = NULL;
	c->line = (struct view){NULL, 0};
	c->literal = LITERAL_NONE;
}

enum step command_await(struct command *c, enum command_wait wait)
{
	nothing_came(c);
	c->wait = wait;
	return STEP_WAIT;
}

enum step command_await_drain(struct command *c)
{
	return command_await(c, AWAIT_DRAIN);
}

enum step command_await_turn(struct command *c)
{
	imapd_give_turns(session_imapd(c->session));
	return command_await(c, AWAIT_TURN);
}

enum step command_await_answer(struct command *c, bool sent)
{
	struct session *s = c->session;

	(void)command_await(c, AWAIT_ANSWER);
	imapd_watch_progress(session_imapd(s));
	if (sent)
		s->conn.call_id = channel_call_id(session_store(s));
	else
		c->answered = true;
	return STEP_WAIT;
}

enum step command_await_line(struct command *c)
{
	c->args = NULL;
	imap_reader_reset(&c->session->reader);
	return command_await(c, AWAIT_LINE);
}

/* Frames that are not the last of an answer. */
static bool goes_on(const struct mailbox_msg *m)
{
	if (!m)
		return false;
	switch ((int)m->type) {
	case MAILBOX_MORE:
		return true;
	case MAILBOX_MATCHES:
		return m->matches.more;
	case MAILBOX_SORTED:
		return m->sorted.more;
	case MAILBOX_THREADS:
		return m->threads.more;
	case MAILBOX_FLAGS_DONE:
		return m->flags_done.more;
	case MAILBOX_COPIED:
		return m->copied.more;
	default:
		return false;
	}
}

void command_on_answer(void *session, const struct mailbox_msg *answer)
{
	struct session *s = session;

	if (goes_on(answer))
		channel_call_continues(session_store(s));
	else
		s->conn.call_id = 0;
	if (!s->command)
		return;
	s->command->answered = true;
	s->command->answer = answer;
	conn_run(&s->conn);
	if (s->command)
		s->command->answer = NULL;
}

bool command_mailbox_arg(struct command *c, const struct imap_arg *arg, struct view *ret_name, enum step *ret_step)
{
	struct buf name = BUF_INIT(IMAP_MAILBOX_BYTES_MAX * 2);
	struct view wire;

	if (!imap_arg_astring(arg, &wire)) {
		*ret_step = command_bad(c, "A mailbox name is missing");
		return false;
	}
	if (!imap_mailbox_parse(wire, session_utf8_names(c->session), &name)) {
		buf_fini(&name);
		*ret_step = command_no(c, "[CANNOT]", "Not a valid mailbox name");
		return false;
	}
	*ret_name = arena_copy(&c->arena, buf_view(&name));
	if (c->session->rev2 && !view_eq_nocase(wire, buf_view(&name))) {
		c->given_name = arena_copy(&c->arena, wire);
		c->name = *ret_name;
	}
	buf_fini(&name);
	return true;
}

bool command_set_arg(struct command *c, const struct imap_arg *arg, struct imap_set *ret)
{
	return arg && arg->kind == IMAP_ATOM && imap_set_parse(arg->text, &c->arena, ret);
}

void *command_state(struct command *c, size_t n)
{
	c->state = arena_alloc(&c->arena, n); /* the arena is new: it has room */
	return c->state;
}
