/* SPDX-License-Identifier: ISC
 * RETR and TOP: a message in pieces, with its dots doubled. */
#include "mail/smtp_data.h"
#include "popd/command.h"

enum { PIECE = 262144, TOP_PIECE = 32768 };

struct retr {
	uint32_t uid;
	uint64_t off, size_bytes;
	struct smtp_stuff stuff;
	bool begun;
	bool top; /* the header, and lines_left lines behind it */
	bool in_body;
	uint32_t lines_left;
	unsigned matched; /* while in the header: how much of CRLF CRLF was just seen */
};

/* How much of `bytes` TOP shows. */
static size_t top_bytes(struct retr *r, struct view bytes)
{
	static const char end[] = "\r\n\r\n";
	size_t i = 0;

	for (; i < bytes.n && !r->in_body; i++) {
		char c = bytes.p[i];

		r->matched = c == end[r->matched] ? r->matched + 1 : c == '\r' ? 1 : 0;
		r->in_body = r->matched == sizeof end - 1;
	}
	for (; i < bytes.n && r->lines_left; i++)
		r->lines_left -= bytes.p[i] == '\n';
	return i;
}

static bool is_over(const struct retr *r)
{
	return r->off == r->size_bytes || (r->top && r->in_body && r->lines_left == 0);
}

static enum step ask(struct session *s, struct retr *r)
{
	uint64_t left = r->size_bytes - r->off, piece = r->top ? TOP_PIECE : PIECE;
	struct mailbox_bytes_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->drop.mailbox,
	    .uid = r->uid,
	    .offset = r->off,
	    .length = (uint32_t)(left < piece ? left : piece),
	};

	return session_await_answer(
	    s, mailbox_call_bytes_want(session_store(s), &m, STORE_DEADLINE_MS, session_on_answer, s));
}

static enum step end(struct session *s, struct retr *r)
{
	buf_append_view(session_out(s), smtp_stuff_end(&r->stuff));
	s->retrieved++;
	s->conn.front->message_count++;
	return STEP_DONE;
}

static void put(struct session *s, struct retr *r, struct view bytes)
{
	while (bytes.n)
		buf_append_view(session_out(s), smtp_stuff_next(&r->stuff, &bytes));
}

/* Once begun, a message is sent whole or the connection ends. */
static enum step lost(struct session *s, const struct retr *r)
{
	struct log_line l;

	if (!r->begun)
		return command_failed(s);
	conn_log_begin(&l, &s->conn, LOG_LEVEL_ERROR, "message_cut_off");
	log_end(&l);
	return STEP_CLOSE;
}

static enum step take(struct session *s, struct retr *r)
{
	struct view bytes;

	if (!s->answer || s->answer->type != MAILBOX_BYTES || s->answer->bytes.bytes.n == 0)
		return lost(s, r);
	bytes = view_sub(s->answer->bytes.bytes, 0, r->size_bytes - r->off);
	if (!r->begun)
		conn_say(&s->conn, r->top ? "+OK The top follows" : "+OK %llu octets",
			 (unsigned long long)r->size_bytes);
	r->begun = true;
	r->off += bytes.n;
	put(s, r, r->top ? view_sub(bytes, 0, top_bytes(r, bytes)) : bytes);
	if (is_over(r))
		return end(s, r);
	return stream_is_full(s->conn.stream) ? session_await(s, AWAIT_DRAIN) : ask(s, r);
}

static enum step begin(struct session *s, const struct maildrop_message *m, bool top, uint32_t lines)
{
	struct retr *r = session_task(s, sizeof *r);

	r->uid = m->uid;
	r->size_bytes = m->size_bytes;
	r->top = top;
	r->lines_left = lines;
	smtp_stuff_init(&r->stuff);
	return ask(s, r);
}

static enum step go_on(struct session *s)
{
	return s->answered ? take(s, s->task) : ask(s, s->task);
}

static enum step retr(struct session *s)
{
	const struct maildrop_message *m;
	uint32_t number;

	if (s->task)
		return go_on(s);
	m = command_message_arg(s, s->args, &number);
	return m ? begin(s, m, false, 0) : STEP_DONE;
}

static enum step top(struct session *s)
{
	const struct maildrop_message *m;
	struct view number_text = s->args, lines_text = VIEW_EMPTY;
	uint32_t number, lines;

	if (s->task)
		return go_on(s);
	(void)view_cut(s->args, ' ', &number_text, &lines_text);
	if (!view_to_u32(view_trim(lines_text), UINT32_MAX, &lines))
		return session_refuse(s, "A message number and a number of lines are needed");
	m = command_message_arg(s, number_text, &number);
	return m ? begin(s, m, true, lines) : STEP_DONE;
}

const struct command_spec cmd_retr_table[] = {
    {"RETR", retr, SESSION_TRANSACTION, false},
    {"TOP", top, SESSION_TRANSACTION, false},
    {NULL, NULL, 0, false},
};
