/* SPDX-License-Identifier: ISC
 * THREAD and UID THREAD (RFC 5256). stored makes the threads; they are written as the client takes them. */
#include "imapd/commands.h"
#include "imapd/search_scope.h"
#include "imapd/selected.h"
#include "mail/imap_sort.h"

#include <stdlib.h>

/* Tokens as in msgs/mailbox.def. */
#define TOKEN_OPEN 0u
#define TOKEN_CLOSE UINT32_MAX

enum { TOKENS_A_PIECE = 4096 };

struct thread {
	struct imap_thread args;
	struct number_list tokens;
	bool saying;
	size_t said;
	bool after_number; /* a number was said last: a space parts it from what follows */
};

static void forget(struct command *c)
{
	free(((struct thread *)c->state)->tokens.at);
}

static void put_number(struct session *s, const struct command *c, struct thread *thread, uint32_t uid)
{
	bool uids = (c->spec->flags & COMMAND_UID) != 0;

	if (thread->after_number)
		buf_append_char(session_out(s), ' ');
	buf_append_u64(session_out(s), uids ? uid : seqmap_seq(&s->selected->map, uid));
	thread->after_number = true;
}

static void put_list(struct session *s, struct thread *thread, bool open)
{
	if (open && thread->after_number)
		buf_append_char(session_out(s), ' ');
	buf_append_char(session_out(s), open ? '(' : ')');
	thread->after_number = false;
}

static void put_piece(struct session *s, const struct command *c, struct thread *thread)
{
	for (unsigned i = 0; i < TOKENS_A_PIECE && thread->said < thread->tokens.n; i++) {
		uint32_t token = thread->tokens.at[thread->said++];

		if (token == TOKEN_OPEN || token == TOKEN_CLOSE)
			put_list(s, thread, token == TOKEN_OPEN);
		else
			put_number(s, c, thread, token);
	}
}

static enum step say(struct session *s, struct command *c)
{
	struct thread *thread = c->state;

	if (!thread->saying)
		buf_append_cstr(session_out(s), thread->tokens.n ? "* THREAD " : "* THREAD");
	thread->saying = true;
	while (thread->said < thread->tokens.n) {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		put_piece(s, c, thread);
	}
	buf_append_cstr(session_out(s), "\r\n");
	return STEP_DONE;
}

/* Only messages that the session knows were asked for. */
static bool are_known(const struct session *s, const struct mailbox_threads *m)
{
	for (uint32_t i = 0; i < m->n_tokens; i++) {
		uint32_t token = m->tokens[i].number;

		if (token != TOKEN_OPEN && token != TOKEN_CLOSE && !seqmap_seq(&s->selected->map, token))
			return false;
	}
	return true;
}

static enum step heard(struct session *s, struct command *c, struct thread *thread)
{
	const struct mailbox_msg *m = c->answer;

	if (!m || m->type != MAILBOX_THREADS)
		return command_failed(c, "[NONEXISTENT]");
	if (!are_known(s, &m->threads) || !number_list_add(&thread->tokens, m->threads.tokens, m->threads.n_tokens))
		return command_no(c, "[SERVERBUG]", "The result is not as expected");
	return m->threads.more ? command_await(c, AWAIT_ANSWER) : say(s, c);
}

/* A search_send_fn. */
static bool send(struct session *s, const struct command *c, const struct search_scope *scope)
{
	const struct thread *thread = c->state;
	struct mailbox_thread m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = scope->ranges,
	    .n_ranges = scope->n_ranges,
	    .expunged = scope->expunged,
	    .program = scope->program,
	    .algorithm = (uint8_t)thread->args.algorithm,
	};

	return mailbox_call_thread(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s);
}

static enum step begin(struct session *s, struct command *c)
{
	struct thread *thread = command_state(c, sizeof *thread);
	const char *error;

	c->forget = forget;
	if (!imap_thread_parse(c->args, &c->arena, &thread->args, &error))
		return command_bad(c, error);
	return search_scope_ask(s, c, &thread->args.search, send, say);
}

static enum step thread_command(struct session *s, struct command *c)
{
	struct thread *thread = c->state;

	if (!thread)
		return begin(s, c);
	return thread->saying ? say(s, c) : heard(s, c, thread);
}

const struct command_spec cmd_thread_table[] = {
    {"THREAD", thread_command, SESSION_SELECTED, COMMAND_NO_EXPUNGE | COMMAND_NUMBERS},
    {"UID THREAD", thread_command, SESSION_SELECTED, COMMAND_UID},
    {NULL, NULL, 0, 0},
};
