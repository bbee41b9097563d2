/* SPDX-License-Identifier: ISC
 * Finds commands. */
#include "popd/command.h"

static const struct command_spec *const tables[] = {cmd_retr_table, cmd_list_table, cmd_basic_table, cmd_login_table};

static const struct command_spec *find(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct command_spec *spec = tables[i]; spec->name; spec++)
			if (view_eq_lit_nocase(name, spec->name))
				return spec;
	return NULL;
}

void command_begin(struct session *s, struct view line)
{
	struct view name = line, args = VIEW_EMPTY;
	const struct command_spec *spec;

	(void)view_cut(line, ' ', &name, &args);
	spec = find(name);
	s->conn.commands++;
	if (!spec) {
		(void)session_refuse(s, "Unknown command");
	} else if (!(spec->states & s->state)) {
		(void)session_refuse(s, s->state == SESSION_AUTHORIZATION ? "Log in first" : "Already logged in");
	} else {
		/* A line is shorter than the arena. */
		s->args = arena_copy(&s->arena, spec->verbatim ? args : view_trim(args));
		s->command = spec;
	}
}

struct maildrop_message *command_message_arg(struct session *s, struct view arg, uint32_t *ret_number)
{
	struct maildrop_message *m;

	if (!view_to_u32(arg, UINT32_MAX, ret_number)) {
		(void)session_refuse(s, "A message number is needed");
		return NULL;
	}
	m = maildrop_get(&s->drop, *ret_number);
	if (!m)
		conn_say(&s->conn, "-ERR No such message");
	return m;
}

enum step command_failed(struct session *s)
{
	if (s->answer && s->answer->type == MAILBOX_FAILED && s->answer->failed.code == 6)
		conn_say(&s->conn, "-ERR The message is gone");
	else
		conn_say(&s->conn, "-ERR [SYS/TEMP] The mail store cannot do this now, try again later");
	return STEP_DONE;
}
