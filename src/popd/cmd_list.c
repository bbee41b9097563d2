/* SPDX-License-Identifier: ISC
 * STAT, LIST and UIDL. */
#include "popd/command.h"

enum { LINES_A_PIECE = 1024, FIELD_UIDL = 1 << 7 };

static enum step stat_command(struct session *s)
{
	uint64_t bytes;
	uint32_t n = maildrop_count(&s->drop, &bytes);

	conn_say(&s->conn, "+OK %u %llu", n, (unsigned long long)bytes);
	return STEP_DONE;
}

/* ---- LIST ---- */

struct listing {
	uint32_t at; /* index in the maildrop; for UIDL the next UID to ask for */
};

static enum step list_one(struct session *s)
{
	uint32_t number;
	const struct maildrop_message *m = command_message_arg(s, s->args, &number);

	if (m)
		conn_say(&s->conn, "+OK %u %llu", number, (unsigned long long)m->size_bytes);
	return STEP_DONE;
}

static enum step list_all(struct session *s, struct listing *list)
{
	struct buf *out = session_out(s);

	while (list->at < s->drop.n) {
		const struct maildrop_message *m = &s->drop.at[list->at++];

		if (list->at % LINES_A_PIECE == 0 && stream_is_full(s->conn.stream)) {
			list->at--;
			return session_await(s, AWAIT_DRAIN);
		}
		if (!m->deleted)
			buf_printf(out, "%u %llu\r\n", list->at, (unsigned long long)m->size_bytes);
	}
	conn_say(&s->conn, ".");
	return STEP_DONE;
}

static enum step list_command(struct session *s)
{
	uint64_t bytes;
	uint32_t n;

	if (s->args.n)
		return list_one(s);
	if (!s->task) {
		(void)session_task(s, sizeof(struct listing));
		n = maildrop_count(&s->drop, &bytes);
		conn_say(&s->conn, "+OK %u messages (%llu octets)", n, (unsigned long long)bytes);
	}
	return list_all(s, s->task);
}

/* ---- UIDL: stored has the unique ids ---- */

static enum step ask_uidls(struct session *s, struct mailbox_range span, uint32_t uid_from)
{
	struct mailbox_rows_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->drop.mailbox,
	    .ranges = &span,
	    .n_ranges = 1,
	    .uid_from = uid_from,
	    .fields = FIELD_UIDL,
	};

	return session_await_answer(
	    s, mailbox_call_rows_want(session_store(s), &m, STORE_DEADLINE_MS, session_on_answer, s));
}

static enum step ask_all_uidls(struct session *s, uint32_t uid_from)
{
	return ask_uidls(s, (struct mailbox_range){1, s->drop.at[s->drop.n - 1].uid}, uid_from);
}

static enum step say_uidl(struct session *s, uint32_t number)
{
	if (!s->answer || s->answer->type != MAILBOX_ROWS)
		return command_failed(s);
	if (s->answer->rows.n_rows != 1) {
		conn_say(&s->conn, "-ERR The message is gone");
		return STEP_DONE;
	}
	conn_say(&s->conn, "+OK %u %.*s", number, VIEW_FMT(s->answer->rows.rows[0].uidl));
	return STEP_DONE;
}

static enum step uidl_one(struct session *s)
{
	uint32_t number;
	const struct maildrop_message *m = command_message_arg(s, s->args, &number);

	if (!m)
		return STEP_DONE;
	if (s->task)
		return say_uidl(s, number);
	(void)session_task(s, sizeof(struct listing));
	return ask_uidls(s, (struct mailbox_range){m->uid, m->uid}, m->uid);
}

static enum step end_uidls(struct session *s)
{
	conn_say(&s->conn, ".");
	return STEP_DONE;
}

/* A page has at most 2,000 rows. The list was begun: without the rest of it the connection is of no more use. */
static enum step say_uidls(struct session *s, struct listing *list)
{
	const struct mailbox_rows *rows;

	if (!s->answer || s->answer->type != MAILBOX_ROWS)
		return STEP_CLOSE;
	rows = &s->answer->rows;
	for (uint32_t i = 0; i < rows->n_rows; i++) {
		uint32_t number = maildrop_number(&s->drop, rows->rows[i].uid);

		if (number && maildrop_get(&s->drop, number))
			conn_say(&s->conn, "%u %.*s", number, VIEW_FMT(rows->rows[i].uidl));
	}
	list->at = rows->next;
	if (list->at == 0)
		return end_uidls(s);
	return stream_is_full(s->conn.stream) ? session_await(s, AWAIT_DRAIN) : ask_all_uidls(s, list->at);
}

static enum step uidl(struct session *s)
{
	struct listing *list = s->task;

	if (s->args.n)
		return uidl_one(s);
	if (list)
		return s->answered ? say_uidls(s, list) : ask_all_uidls(s, list->at);
	list = session_task(s, sizeof *list);
	conn_say(&s->conn, "+OK Unique ids follow");
	if (s->drop.n == 0)
		return end_uidls(s);
	return ask_all_uidls(s, 1);
}

const struct command_spec cmd_list_table[] = {
    {"UIDL", uidl, SESSION_TRANSACTION, false},
    {"LIST", list_command, SESSION_TRANSACTION, false},
    {"STAT", stat_command, SESSION_TRANSACTION, false},
    {NULL, NULL, 0, false},
};
