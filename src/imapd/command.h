/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_COMMAND_H
#define POMBO_IMAPD_COMMAND_H

#include "imapd/session.h"
#include "imapd/sync.h"
#include "mail/imap_set.h"

/* One command under way: found in the table, run by its handler in as many steps as it needs, then followed by what the client
 * has to be told about the mailbox (sync.h), then by the tagged response. */

struct command;
/* First called when the command is whole (or, with COMMAND_STREAMS, when its literal is announced), then each time that what
 * it waits for has come. STEP_DONE: c->result stands. Whoever says STEP_WAIT has called one of the command_await functions. */
typedef enum step command_fn(struct session *s, struct command *c);

enum command_flags {
	COMMAND_NO_EXPUNGE = 1 << 0, /* no untagged EXPUNGE while it runs (RFC 9051 §7.5.1) */
	COMMAND_NO_SYNC = 1 << 1, /* tells nothing about the mailbox */
	COMMAND_ASKS = 1 << 2, /* always asks stored for news: NOOP, CHECK */
	COMMAND_STREAMS = 1 << 3, /* takes its literal itself */
	COMMAND_UID = 1 << 4, /* numbers are UIDs */
	COMMAND_STARTS_TLS = 1 << 5, /* behind its OK */
	COMMAND_DELETES = 1 << 6, /* may take the selected mailbox away */
	COMMAND_DEFLATES = 1 << 8, /* behind its OK */
	COMMAND_SHOWS = 1 << 9, /* what it changes is told as news about the mailbox */
	COMMAND_NUMBERS = 1 << 7, /* its set is one of message numbers: not with UIDONLY */
};

struct command_spec {
	const char *name; /* "UID FETCH" for the UID variant */
	command_fn *run;
	unsigned states; /* of enum session_state */
	unsigned flags;
	unsigned
	    kept_args; /* COMMAND_STREAMS: so many arguments come before what is streamed, of UID commands the name too */
};

enum command_result { COMMAND_OK, COMMAND_NO, COMMAND_BAD };
enum command_wait {
	AWAIT_NOTHING,
	AWAIT_ANSWER, /* c->answer */
	AWAIT_DRAIN, /* room in the stream's output */
	AWAIT_TURN, /* the other sessions have had theirs */
	AWAIT_CHANNEL, /* room on the channel to stored */
	AWAIT_LINE, /* c->line */
	AWAIT_NEWS, /* a line, or news about the mailbox */
	AWAIT_LITERAL, /* c->literal */
};
enum command_literal {
	LITERAL_NONE,
	LITERAL_ANNOUNCED, /* decide: imap_reader_stream() or imap_reader_refuse() */
	LITERAL_BYTES, /* c->data */
	LITERAL_OVER, /* the command is whole */
};

struct command {
	struct session *session;
	const struct command_spec *spec;
	char *tag; /* NULL: nobody gave it (command_begin_unasked()) */
	const struct imap_arg *args; /* those behind the name, NULL once the reader was reset */
	struct arena arena; /* for whatever the handler keeps */
	void *state; /* the handler's own; NULL at its first call */
	void (*forget)(struct command *c); /* NULL, or frees what of `state` is not in the arena */
	/* what has come; valid during one call of the handler */
	enum command_wait wait;
	bool answered, overheard; /* overheard: news, not an answer */
	const struct mailbox_msg *answer; /* NULL: stored did not answer */
	struct view line;
	enum command_literal literal;
	struct view data;
	struct view given_name, name; /* a mailbox was named by other characters than its own */
	bool in_response; /* an untagged response is half written: nothing else may be said */
	uint64_t told_ms; /* when it began, or said last that it is under way */
	bool no_expunge; /* as COMMAND_NO_EXPUNGE, because of its arguments */
	/* the end */
	bool syncing;
	struct sync sync;
	bool expunged; /* its OK says up to where the mailbox was told (RFC 7162 §3.2.7) */
	enum command_result result;
	struct buf text; /* of the tagged response, response code included; empty: "NAME completed" */
};

/* NULL: no such command. `uid_name`: the first argument, of UID. */
const struct command_spec *command_find(struct view name, const struct imap_arg *args);
/* The command that the reader holds becomes s->command. NULL when it may not run now: the reply is out. */
struct command *command_begin(struct session *s);
/* One that nobody gave: it tells what is due between two commands. */
void command_begin_unasked(struct session *s, const struct command_spec *spec);
/* Runs s->command as far as it goes; DONE: the tagged response is out and the command gone. */
enum step command_run(struct session *s);
/* The session ends. */
void command_abandon(struct command **c);
/* Whether what the command waits for has come. */
bool command_is_ready(const struct session *s);
/* A command that has been waiting for stored for long says so (RFC 9585). True: one waits. */
bool command_tell_progress(struct session *s);
/* Whether input of the client is what the command waits for. */
bool command_reads(const struct command *c);

/* The tagged response: `code` is "[…]" or NULL. Each returns STEP_DONE. */
enum step command_ok(struct command *c, const char *code, const char *text);
enum step command_no(struct command *c, const char *code, const char *text);
enum step command_bad(struct command *c, const char *text);
/* NO for an answer that is a failure, for none (NULL), or for one that is not what was asked for. `missing_code`: of a mailbox
 * that does not exist, "[NONEXISTENT]" or "[TRYCREATE]". */
enum step command_failed(struct command *c, const char *missing_code);

/* After a mailbox_call_x(): waits for its answer; `sent` false: the command fails when run again. */
enum step command_await_answer(struct command *c, bool sent);
enum step command_await_drain(struct command *c);
/* What takes long goes on when others had their turn. */
enum step command_await_turn(struct command *c);
enum step command_await(struct command *c, enum command_wait wait);
/* From now on the client's input comes as lines, or as a literal's bytes; lines: the arguments are gone. */
enum step command_await_line(struct command *c);
/* To be given to mailbox_call_x() with the session. */
void command_on_answer(void *session, const struct mailbox_msg *answer);
enum { STORE_DEADLINE_MS = 60000 };

/* ---- checks that several handlers need ---- */
/* A mailbox name argument as UTF-8 in the arena. False: *ret_step is what to return. */
must_check bool command_mailbox_arg(struct command *c, const struct imap_arg *arg, struct view *ret_name,
				    enum step *ret_step);
/* A set of messages, as written. */
must_check bool command_set_arg(struct command *c, const struct imap_arg *arg, struct imap_set *ret);
/* Memory of the handler, zeroed; its address becomes c->state. */
void *command_state(struct command *c, size_t n);

#endif
