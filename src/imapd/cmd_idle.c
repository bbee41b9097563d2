/* SPDX-License-Identifier: ISC
 * IDLE (RFC 2177): news as they come, until DONE. */
#include "imapd/commands.h"
#include "imapd/notify.h"
#include "imapd/selected.h"

static void begin(struct session *s, struct command *c)
{
	c->state = c; /* nothing on the heap: sessions stay here for hours */
	conn_say(&s->conn, "+ idling");
	(void)command_await_line(c);
	if (s->selected)
		s->selected->noticed = true; /* what happened before the client began to listen */
}

static enum step tell(struct session *s, struct command *c)
{
	if (s->notify) { /* exactly what was asked for with NOTIFY (RFC 5465 §4) */
		enum step step = notify_tell(s, c, true);

		return step == STEP_DONE ? command_await(c, AWAIT_NEWS) : step;
	}
	while (s->selected && (sync_is_under_way(&c->sync) || s->selected->noticed)) {
		enum step step;

		c->sync.expunges = true;
		step = sync_run(s, c);
		if (step != STEP_DONE)
			return step;
	}
	return command_await(c, AWAIT_NEWS);
}

static enum step idle(struct session *s, struct command *c)
{
	if (!c->state && c->args)
		return command_bad(c, "IDLE has no arguments");
	if (!c->state)
		begin(s, c);
	if (!c->line.p)
		return tell(s, c);
	if (!view_eq_lit_nocase(c->line, "DONE"))
		return command_bad(c, "DONE was expected");
	return STEP_DONE;
}

const struct command_spec cmd_idle_table[] = {
    {"IDLE", idle, SESSION_AUTHENTICATED | SESSION_SELECTED, 0},
    {NULL, NULL, 0, 0},
};
