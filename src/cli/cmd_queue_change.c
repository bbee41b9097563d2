/* SPDX-License-Identifier: ISC
 * pombo queue retry, hold, release, remove: what the operator does with mail that waits. */
#include "cli/commands.h"

#include "base/id.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/store_client.h"

#include <stdlib.h>

enum { RETRY, HOLD, RELEASE, REMOVE, BOUNCE };

/* How many there are to look at; 0 where nobody sees it. */
static uint64_t count_all(struct store_client *s, const struct progress *p, uint64_t id)
{
	struct admin_msg answer;

	if (!p->on || id ||
	    store_client_ask(s, admin_put_queue_figures_ask(&s->payload, &(struct admin_queue_figures_ask){0}),
			     ADMIN_QUEUE_FIGURES_ASK, "queue", ADMIN_QUEUE_FIGURES, &answer))
		return 0;
	return answer.queue_figures.recipients;
}

/* One message's recipients at once, those of all some thousands at a time. */
static int change_in_parts(struct store_client *s, uint8_t what, uint64_t id, const char *subject, struct progress *p)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(320);
	struct admin_queue_change part = {.change = what, .message_id = id};
	const struct admin_queue_changed *done;
	struct admin_msg answer;

	p->total = count_all(s, p, id);
	do {
		int r = store_client_ask(s, admin_put_queue_change(&s->payload, &part), ADMIN_QUEUE_CHANGE, subject,
					 ADMIN_QUEUE_CHANGED, &answer);

		if (r) {
			progress_clear(p);
			return r;
		}
		done = &answer.queue_changed;
		p->messages += done->recipients;
		p->done += done->looked_at;
		buf_reset(&after);
		buf_append_view(&after, done->after_recipient);
		part.after_message = done->after_message;
		part.after_recipient = buf_view(&after);
		if (done->more)
			progress_show(p, VIEW_EMPTY);
	} while (done->more);
	progress_clear(p);
	return 0;
}

static int change(struct cli *c, uint8_t what, uint64_t id, const char *subject)
{
	static const char *const words[] = {"due now", "held", "released", "removed", "returned to the sender"};
	struct progress p;
	struct store_client s;
	int r = store_client_open(c, &s);

	if (r)
		return r;
	progress_init(&p, "retrying", false);
	p.one = "recipient";
	p.many = "recipients";
	r = change_in_parts(&s, what, id, subject, &p);
	store_client_close(&s);
	if (r)
		return r;
	(void)printf("%llu %s %s", (unsigned long long)p.messages, show_noun(p.messages, p.one, p.many), words[what]);
	if (what == RETRY && p.done > p.messages)
		(void)printf("; %llu held, being sent or ended: see 'pombo queue list'",
			     (unsigned long long)(p.done - p.messages));
	(void)printf("\n");
	return 0;
}

static int change_one(struct cli *c, uint8_t what)
{
	uint64_t id;

	if (c->argc != 2)
		return cli_usage(c, "one message id is needed");
	if (!id_parse(view_from_cstr(c->argv[1]), &id) || id == 0)
		return cli_fail(CLI_BAD_DATA, c->argv[1], "this is not a message id", "see 'pombo queue list'");
	return change(c, what, id, c->argv[1]);
}

static int retry(struct cli *c)
{
	bool all = false;
	const struct option options[] = {{.name = "all", .flag = &all}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (all && c->argc > 1)
		return cli_usage(c, "either an id or --all, not both");
	return all ? change(c, RETRY, 0, "queue retry") : change_one(c, RETRY);
}

static const struct cli_option_help retry_options[] = {{"--all", "everything that waits and is not held"},
						       {NULL, NULL}};

const struct cli_command cmd_queue_retry = {
    .name = "queue retry",
    .usage = "ID | --all",
    .summary = "tries to send what waits now, not when its time comes",
    .help = "Destinations that were closed after errors are opened again. Held mail stays: see 'pombo queue release'.",
    .options = retry_options,
    .example = "pombo queue retry 03q2v9x8k0001\npombo queue retry --all",
    .run = retry,
};

static int hold(struct cli *c)
{
	int r = option_take_words(c, 1, 1, "one message id is needed");

	return r ? r : change_one(c, HOLD);
}

const struct cli_command cmd_queue_hold = {
    .name = "queue hold",
    .usage = "ID",
    .summary = "keeps a message in the queue until it is released",
    .help = "Held mail is neither sent nor given up, however old it gets.",
    .example = "pombo queue hold 03q2v9x8k0001",
    .run = hold,
};

static int release(struct cli *c)
{
	int r = option_take_words(c, 1, 1, "one message id is needed");

	return r ? r : change_one(c, RELEASE);
}

const struct cli_command cmd_queue_release = {
    .name = "queue release",
    .usage = "ID",
    .summary = "lets a held message go, at once",
    .example = "pombo queue release 03q2v9x8k0001",
    .run = release,
};

static int remove_message(struct cli *c)
{
	bool bounce = false;
	const struct option options[] = {{.name = "bounce", .flag = &bounce}};
	int r = option_take(c, options, ARRAY_LEN(options));

	return r ? r : change_one(c, bounce ? BOUNCE : REMOVE);
}

static const struct cli_option_help remove_options[] = {{"--bounce", "tell the sender that it was not delivered"},
							{NULL, NULL}};

const struct cli_command cmd_queue_remove = {
    .name = "queue remove",
    .usage = "ID [--bounce]",
    .summary = "takes a message out of the queue, unsent",
    .help = "Without --bounce nobody hears of it.",
    .options = remove_options,
    .example = "pombo queue remove 03q2v9x8k0001 --bounce",
    .run = remove_message,
};
