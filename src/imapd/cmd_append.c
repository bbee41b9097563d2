/* SPDX-License-Identifier: ISC
 * APPEND of one message or several (RFC 3502), and REPLACE (RFC 8508): literals go to stored as they come, within the credit
 * that stored gives, and are kept all together or not at all.
 *
 *     CHECKING ─ the mailbox is there ─> STREAMING ─ whole ─> KEEPING ─ stored's answer ─> done
 *        │                                │ │  ^ another message
 *        │                                │ └──┘
 *        │                                │ stored refuses, or the bytes are no message
 *        └─ not there: refused unread     └─> DROPPING ─ whole ─> done
 */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "imapd/selected.h"
#include "mail/imap_args.h"
#include "mail/smtp_data.h"

enum { CREDIT = 262144, PIECE = 65536, INPUT_MAX = 65536 }; /* imapd_stream_limits.in_max */

enum append_phase { CHECKING, STREAMING, DROPPING, KEEPING };

struct append {
	enum append_phase phase;
	struct view name;
	struct imap_append args; /* of the message at hand */
	struct mailbox_word *keywords;
	struct smtp_strict strict;
	uint64_t room; /* taken of what all sessions may have under way */
	uint64_t credit;
	uint32_t id; /* of the request; 0 once stored answered, or was told to forget it */
	uint32_t replace_uid; /* REPLACE: in the selected mailbox */
};

static void give_up(struct command *c)
{
	struct session *s = c->session;
	struct append *append = c->state;

	if (append->id) {
		(void)mailbox_send_append_abort(session_store(s), append->id, &(struct mailbox_append_abort){0});
		channel_call_cancel(session_store(s), append->id);
	}
	append->id = 0;
	s->conn.call_id = 0;
	imapd_give_room(session_imapd(s), append->room);
	append->room = 0;
}

/* The result stands; what follows of the message is read and forgotten. */
static enum step drop(struct command *c, struct append *append)
{
	give_up(c);
	append->phase = DROPPING;
	return command_await(c, AWAIT_LITERAL);
}

/* The literal is not taken: a client that waits for "+" is not asked for it. */
static enum step refuse(struct session *s, struct command *c, enum step result)
{
	(void)c;
	imap_reader_refuse(&s->reader);
	return result;
}

static enum step await_bytes(struct session *s, struct command *c, const struct append *append)
{
	if (append->phase == DROPPING)
		return command_await(c, AWAIT_LITERAL);
	if (append->credit < INPUT_MAX)
		return command_await(c, AWAIT_ANSWER);
	return command_await(c, channel_is_full(session_store(s)) ? AWAIT_CHANNEL : AWAIT_LITERAL);
}

static bool call_append(struct session *s, const struct append *append)
{
	const struct imap_append *args = &append->args;
	struct mailbox_append m = {
	    .session = s->conn.store_id,
	    .name = append->name,
	    .flags = args->flags.system,
	    .keywords = append->keywords,
	    .n_keywords = args->flags.keyword_count,
	    .has_date = args->has_date,
	    .internaldate_s = args->wall_s,
	    .size_bytes = args->message->literal_bytes,
	    .replace_mailbox = append->replace_uid ? s->selected->mailbox : 0,
	    .replace_uid = append->replace_uid,
	};

	/* No deadline: the client may be slow. */
	return mailbox_call_append(session_store(s), &m, 0, command_on_answer, s);
}

static bool send_next(struct session *s, const struct append *append)
{
	const struct imap_append *args = &append->args;
	struct mailbox_append_next m = {
	    .flags = args->flags.system,
	    .keywords = append->keywords,
	    .n_keywords = args->flags.keyword_count,
	    .has_date = args->has_date,
	    .internaldate_s = args->wall_s,
	    .size_bytes = args->message->literal_bytes,
	};

	return mailbox_send_append_next(session_store(s), append->id, &m);
}

/* What is taken is given back when the append is over. */
static bool take_room(struct session *s, struct append *append)
{
	uint64_t size = append->args.message->literal_bytes, room = size < CREDIT ? size : CREDIT;

	if (room <= append->room)
		return true;
	if (!imapd_take_room(session_imapd(s), room - append->room))
		return false;
	append->room = room;
	return true;
}

/* The message at hand comes. */
static enum step stream(struct session *s, struct command *c, struct append *append)
{
	imap_reader_stream(&s->reader);
	if (s->reader.literal.sync)
		conn_say(&s->conn, "+ OK");
	if (!take_room(s, append)) {
		(void)command_no(c, "[UNAVAILABLE]", "Too many messages are coming in, try again later");
		return drop(c, append);
	}
	if (append->id ? !send_next(s, append) : !call_append(s, append)) {
		(void)command_failed(c, "[TRYCREATE]");
		return drop(c, append);
	}
	if (!append->id)
		append->id = s->conn.call_id = channel_call_id(session_store(s));
	append->phase = STREAMING;
	append->credit = CREDIT; /* what stored had still to give for the message before adds to it: no harm */
	smtp_strict_init(&append->strict, 0);
	return await_bytes(s, c, append);
}

static bool take_keywords(struct command *c, struct append *append)
{
	const struct imap_flags *flags = &append->args.flags;

	append->keywords = arena_array(&c->arena, flags->keyword_count + 1, sizeof *append->keywords);
	if (!append->keywords)
		return false;
	for (uint32_t i = 0; i < flags->keyword_count; i++)
		append->keywords[i].word = flags->keywords[i];
	return true;
}

/* What is said of the message that is announced. False: the result stands. */
static bool take_args(struct session *s, struct command *c, struct append *append, const struct imap_arg *arg)
{
	if (!imap_args_append(arg, &c->arena, &append->args) || !take_keywords(c, append))
		(void)command_bad(c, "Not what APPEND takes");
	else if (append->args.flags.over_limit)
		(void)command_no(c, "[LIMIT]", "Too many keywords, or one is too long");
	else if (append->args.message->literal_bytes > session_imapd(s)->settings.max_message_bytes)
		(void)command_no(c, "[TOOBIG]", "The message is too big");
	else if (append->args.message->literal_bytes == 0)
		(void)command_no(c, "[CANNOT]", "A message of no bytes is none"); /* RFC 3502: so it is cancelled */
	else
		return true;
	return false;
}

/* REPLACE: a number or UID in front of the rest. False: the result stands. */
static bool take_replaced(struct session *s, struct command *c, struct append *append)
{
	struct mailbox_range *spans;
	struct imap_set set;
	uint32_t n;

	if (!command_set_arg(c, c->args, &set) || set.count != 1 || set.spans[0].first != set.spans[0].last)
		(void)command_bad(c, "One message is needed");
	else if (!selected_resolve(s->selected, &set, (c->spec->flags & COMMAND_UID) != 0, &c->arena, &spans, &n))
		(void)command_bad(c, "There is no such message");
	else if (n == 0)
		(void)command_no(c, "[NONEXISTENT]", "There is no such message");
	else if (s->selected->read_only)
		(void)command_no(c, "[READ-ONLY]", "The mailbox was opened for reading only");
	else
		append->replace_uid = spans[0].first;
	c->args = c->args->next;
	return append->replace_uid != 0;
}

static enum step announced(struct session *s, struct command *c, bool replaces)
{
	struct append *append = command_state(c, sizeof *append);
	struct mailbox_open open = {.session = s->conn.store_id};
	enum step step;

	if (replaces && !take_replaced(s, c, append))
		return refuse(s, c, STEP_DONE);
	if (!command_mailbox_arg(c, c->args, &append->name, &step))
		return refuse(s, c, step);
	if (!take_args(s, c, append, c->args->next))
		return refuse(s, c, STEP_DONE);
	c->forget = give_up;
	if (!s->reader.literal.sync)
		return stream(s, c, append);
	open.name = append->name;
	return command_await_answer(
	    c, mailbox_call_open(session_store(s), &open, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step checked(struct session *s, struct command *c, struct append *append)
{
	if (!c->answer || c->answer->type != MAILBOX_OPENED)
		return refuse(s, c, command_failed(c, "[TRYCREATE]"));
	return stream(s, c, append);
}

static const char *fault_text(enum smtp_data_error fault)
{
	switch (fault) {
	case SMTP_DATA_OK:
	case SMTP_DATA_LINE_TOO_LONG:
		break;
	case SMTP_DATA_BARE_CR:
		return "The message has a CR without LF";
	case SMTP_DATA_BARE_LF:
		return "The message has an LF without CR";
	case SMTP_DATA_NUL:
		return "The message has a NUL";
	}
	return NULL;
}

/* A literal8 may hold anything; a mailbox of ours holds no binary content (RFC 3516 §4.4). */
static const char *fault_code(const struct append *append)
{
	return append->args.message->binary ? "[UNKNOWN-CTE]" : "[CANNOT]";
}

static enum step take_bytes(struct session *s, struct command *c, struct append *append)
{
	struct view rest = c->data;
	const char *fault = fault_text(smtp_strict_check(&append->strict, rest));

	if (fault) {
		(void)command_no(c, fault_code(append), fault);
		return drop(c, append);
	}
	append->credit -= rest.n;
	while (rest.n) {
		struct mailbox_data m = {.bytes = view_sub(rest, 0, PIECE)};

		if (!mailbox_send_data(session_store(s), append->id, &m)) {
			(void)command_failed(c, "[TRYCREATE]");
			return drop(c, append);
		}
		rest = view_sub(rest, PIECE, rest.n);
	}
	return await_bytes(s, c, append);
}

/* The bytes of the message at hand are over. False: the result stands. */
static bool end_message(struct command *c, struct append *append)
{
	const char *fault = fault_text(smtp_strict_end(&append->strict));

	if (!fault)
		return true;
	(void)command_no(c, fault_code(append), fault);
	return false;
}

static enum step whole(struct session *s, struct command *c, struct append *append)
{
	if (append->args.end->next)
		(void)command_bad(c, "Not what APPEND takes");
	if (append->phase == DROPPING || append->args.end->next || !end_message(c, append))
		return STEP_DONE;
	append->phase = KEEPING;
	if (mailbox_send_append_end(session_store(s), append->id, &(struct mailbox_append_end){0}))
		return command_await(c, AWAIT_ANSWER);
	return command_failed(c, "[TRYCREATE]");
}

static enum step kept(struct session *s, struct command *c, const struct append *append)
{
	const struct mailbox_appended *m = &c->answer->appended;
	struct buf *out = append->replace_uid ? session_out(s) : &c->text;

	s->conn.front->message_count += m->count;
	selected_wrote_into(s, m->uidvalidity);
	notify_wrote(s, m->uidvalidity, m->uid, m->uid + m->count - 1);
	/* Of REPLACE before the EXPUNGE, so that the UIDs still mean something (RFC 8508 §4.3). */
	buf_printf(out, "%s[APPENDUID %u %u", append->replace_uid ? "* OK " : "", m->uidvalidity, m->uid);
	if (m->count > 1)
		buf_printf(out, ":%u", m->uid + m->count - 1);
	buf_append_cstr(out, append->replace_uid ? "] Replacement message ready\r\n" : "] APPEND completed");
	if (append->replace_uid)
		s->selected->noticed = true;
	return STEP_DONE;
}

/* stored has said something while the message streams, or behind it. */
static enum step heard(struct session *s, struct command *c, struct append *append)
{
	if (c->answer && c->answer->type == MAILBOX_MORE) {
		append->credit += c->answer->more.bytes;
		return append->phase == KEEPING ? command_await(c, AWAIT_ANSWER) : await_bytes(s, c, append);
	}
	append->id = 0;
	if (append->phase == KEEPING && c->answer && c->answer->type == MAILBOX_APPENDED)
		return kept(s, c, append);
	(void)command_failed(c, "[TRYCREATE]");
	return append->phase == KEEPING ? STEP_DONE : drop(c, append);
}

/* Another message is announced. */
static enum step another(struct session *s, struct command *c, struct append *append)
{
	if (append->phase == DROPPING)
		return refuse(s, c, STEP_DONE);
	if (append->replace_uid)
		return refuse(s, c, command_bad(c, "Only one message can replace another"));
	if (!end_message(c, append) || !take_args(s, c, append, append->args.end->next))
		return refuse(s, c, STEP_DONE);
	return stream(s, c, append);
}

static enum step run(struct session *s, struct command *c, bool replaces)
{
	struct append *append = c->state;

	if (!append && c->literal == LITERAL_ANNOUNCED)
		return announced(s, c, replaces);
	if (!append)
		return command_bad(c, "The message is missing");
	if (append->phase == CHECKING)
		return checked(s, c, append);
	if (c->answered)
		return heard(s, c, append);
	switch (c->literal) {
	case LITERAL_NONE:
		break;
	case LITERAL_ANNOUNCED:
		return another(s, c, append);
	case LITERAL_BYTES:
		return append->phase == DROPPING ? command_await(c, AWAIT_LITERAL) : take_bytes(s, c, append);
	case LITERAL_OVER:
		return whole(s, c, append);
	}
	return await_bytes(s, c, append);
}

static enum step append_command(struct session *s, struct command *c)
{
	return run(s, c, false);
}

static enum step replace(struct session *s, struct command *c)
{
	return run(s, c, true);
}

const struct command_spec cmd_append_table[] = {
    {"APPEND", append_command, SESSION_AUTHENTICATED | SESSION_SELECTED, COMMAND_STREAMS, 1},
    {"REPLACE", replace, SESSION_SELECTED, COMMAND_STREAMS | COMMAND_NUMBERS | COMMAND_SHOWS, 2},
    {"UID REPLACE", replace, SESSION_SELECTED, COMMAND_STREAMS | COMMAND_UID | COMMAND_SHOWS, 3},
    {NULL, NULL, 0, 0, 0},
};
