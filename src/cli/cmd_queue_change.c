/* SPDX-License-Identifier: ISC
 * pombo queue retry, hold, release, remove: what the operator does with mail that waits. */
#include "cli/commands.h"

#include "base/id.h"
#include "cli/option.h"
#include "cli/store_client.h"

#include <stdlib.h>

enum { RETRY, HOLD, RELEASE, REMOVE, BOUNCE };

static int change(struct cli *c, uint8_t what, uint64_t id, const char *subject)
{
	struct store_client s;
	int r = store_client_open(c, &s);

	if (r)
		return r;
	return store_client_change(&s, admin_put_queue_change(&s.payload, &(struct admin_queue_change){what, id}),
				   ADMIN_QUEUE_CHANGE, subject);
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
