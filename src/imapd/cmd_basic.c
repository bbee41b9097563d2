/* SPDX-License-Identifier: ISC
 * CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE and NAMESPACE. */
#include "imapd/capability.h"
#include "imapd/commands.h"

enum { ID_PAIRS_MAX = 30, ID_VALUE_MAX = 1024 }; /* RFC 2971 §3.3 */

static enum step capability(struct session *s, struct command *c)
{
	if (c->args)
		return command_bad(c, "CAPABILITY has no arguments");
	buf_append_cstr(session_out(s), "* CAPABILITY ");
	capability_format(session_out(s), s);
	buf_append_cstr(session_out(s), "\r\n");
	return STEP_DONE;
}

/* NOOP and CHECK are there for what follows: the news about the mailbox. Messages are always kept (RFC 9051 §6.1.2). */
static enum step noop(struct session *s, struct command *c)
{
	(void)s;
	return c->args ? command_bad(c, "There are no arguments") : STEP_DONE;
}

static enum step logout(struct session *s, struct command *c)
{
	if (c->args)
		return command_bad(c, "LOGOUT has no arguments");
	conn_say(&s->conn, "* BYE Logging out");
	session_enter(s, SESSION_LOGOUT);
	return STEP_DONE;
}

/* Pairs of strings, or NIL; they go to the log. */
static bool log_id(struct log_line *l, const struct imap_arg *arg)
{
	const struct imap_arg *item;
	unsigned pairs = 0;

	if (imap_arg_is_nil(arg))
		return !arg->next;
	if (!imap_arg_list(arg, &item) || arg->next)
		return false;
	for (; item; item = item->next->next) {
		struct view key, value;

		if (!imap_arg_string(item, &key) || !imap_arg_nstring(item->next, &value) || ++pairs > ID_PAIRS_MAX ||
		    value.n > ID_VALUE_MAX)
			return false;
		if (view_eq_lit_nocase(key, "name"))
			log_str(l, "name", value);
		else if (view_eq_lit_nocase(key, "version"))
			log_str(l, "version", value);
	}
	return true;
}

/* RFC 2971 */
static enum step id(struct session *s, struct command *c)
{
	struct log_line l;

	conn_log_begin(&l, &s->conn, LOG_LEVEL_DEBUG, "client_id");
	if (!log_id(&l, c->args))
		return command_bad(c, "Not a list of names and values");
	log_end(&l);
	conn_say(&s->conn, "* ID (\"name\" \"pombo\" \"version\" \"" POMBO_VERSION "\")");
	return STEP_DONE;
}

static void enable_condstore(struct session *s)
{
	session_enable_condstore(s);
}

/* RFC 7162 §3.2.3: the one brings the other. */
static void enable_qresync(struct session *s)
{
	session_enable_condstore(s);
	s->qresync = true;
}

static void enable_rev2(struct session *s)
{
	s->rev2 = true;
}

static void enable_utf8(struct session *s)
{
	s->utf8 = true;
}

static void enable_uidonly(struct session *s)
{
	s->uidonly = true;
}

static const struct extension {
	const char *name;
	void (*enable)(struct session *s);
} extensions[] = {
    {"CONDSTORE", enable_condstore}, {"QRESYNC", enable_qresync}, {"IMAP4rev2", enable_rev2},
    {"UTF8=ACCEPT", enable_utf8},    {"UIDONLY", enable_uidonly},
};

/* RFC 5161 §3.1: what is not known is ignored. */
static enum step enable(struct session *s, struct command *c)
{
	uint32_t chosen = 0;
	struct view word;

	if (!c->args)
		return command_bad(c, "What is to be enabled?");
	for (const struct imap_arg *arg = c->args; arg; arg = arg->next) {
		if (!imap_arg_atom(arg, &word))
			return command_bad(c, "Not the name of a capability");
		for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
			if (view_eq_lit_nocase(word, extensions[i].name))
				chosen |= 1u << i;
	}
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (chosen & 1u << i)
			extensions[i].enable(s);
	buf_append_cstr(session_out(s), "* ENABLED");
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (chosen & 1u << i)
			buf_printf(session_out(s), " %s", extensions[i].name);
	buf_append_cstr(session_out(s), "\r\n");
	return STEP_DONE;
}

/* RFC 4978 */
static enum step compress(struct session *s, struct command *c)
{
	if (!imap_arg_is(c->args, "DEFLATE") || c->args->next)
		return command_bad(c, "DEFLATE is the only mechanism");
	if (stream_is_deflated(s->conn.stream))
		return command_bad(c, "[COMPRESSIONACTIVE] DEFLATE is active already");
	return command_ok(c, NULL, "DEFLATE active");
}

/* RFC 2342: personal mailboxes only. */
static enum step namespace(struct session *s, struct command *c) {
	if (c->args) return command_bad(c, "NAMESPACE has no arguments");
	conn_say(&s->conn, "* NAMESPACE ((\"\" \"/\")) NIL NIL");
	return STEP_DONE;
}

enum {
	ANY = SESSION_FRESH | SESSION_AUTHENTICATED | SESSION_SELECTED,
	LOGGED_IN = SESSION_AUTHENTICATED | SESSION_SELECTED
};

const struct command_spec cmd_basic_table[] = {
    {"NOOP", noop, ANY, COMMAND_ASKS},
    {"CHECK", noop, SESSION_SELECTED, COMMAND_ASKS},
    {"CAPABILITY", capability, ANY, 0},
    {"LOGOUT", logout, ANY, COMMAND_NO_SYNC},
    {"ID", id, ANY, 0},
    {"ENABLE", enable, LOGGED_IN, 0},
    {"NAMESPACE", namespace, LOGGED_IN, 0},
    {"COMPRESS", compress, LOGGED_IN, COMMAND_DEFLATES | COMMAND_NO_SYNC},
    {NULL, NULL, 0, 0},
};
