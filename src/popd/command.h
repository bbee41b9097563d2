/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_COMMAND_H
#define POMBO_POPD_COMMAND_H

#include "popd/session.h"

/* First called with the command's line in s->args, then each time that what it waits for has come. STEP_DONE: the reply is out.
 * Whoever says STEP_WAIT has called session_await() or session_await_answer(). */
typedef enum step command_fn(struct session *s);

struct command_spec {
	const char *name;
	command_fn *run;
	unsigned states; /* of enum session_state */
	bool verbatim; /* blanks around the argument belong to it */
};

/* The tables of commands, each beside its handlers; the last entry has no name. */
extern const struct command_spec cmd_basic_table[]; /* CAPA NOOP DELE RSET QUIT */
extern const struct command_spec cmd_login_table[]; /* USER PASS AUTH STLS */
extern const struct command_spec cmd_list_table[]; /* STAT LIST UIDL */
extern const struct command_spec cmd_retr_table[]; /* RETR TOP */

/* Takes a line: s->command is set, or the reply is out. */
void command_begin(struct session *s, struct view line);

/* ---- checks that several handlers need ---- */
/* The message that the argument numbers; NULL: the refusal is out. */
struct maildrop_message *command_message_arg(struct session *s, struct view arg, uint32_t *ret_number);
/* The reply to a question that stored did not answer as asked. */
enum step command_failed(struct session *s);

#endif
