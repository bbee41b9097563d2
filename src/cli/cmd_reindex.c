/* SPDX-License-Identifier: ISC
 * pombo reindex: has search indexes made anew, and shows how far that has come. */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/account.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/store_client.h"

#include <time.h>

enum { ASK_EVERY_MS = 200 };

static void wait_a_moment(void)
{
	const struct timespec t = {0, ASK_EVERY_MS * 1000000L};

	(void)nanosleep(&t, NULL);
}

static int follow(struct store_client *s, struct progress *p, struct admin_reindex_state *ret)
{
	struct admin_msg answer;
	int r;

	do {
		wait_a_moment();
		r = store_client_ask(s, admin_put_reindex_ask(&s->payload, &(struct admin_reindex_ask){0}),
				     ADMIN_REINDEX_ASK, "reindex", ADMIN_REINDEX_STATE, &answer);
		if (r)
			return r;
		*ret = answer.reindex_state;
		/* Of many accounts nobody knows how many messages are left. */
		p->done = ret->accounts > 1 ? ret->accounts_done : ret->messages_done;
		p->total = ret->accounts > 1 ? ret->accounts : ret->messages;
		p->messages = ret->messages_all;
		progress_show(p, VIEW_LIT(""));
	} while (ret->running);
	progress_clear(p);
	return 0;
}

static int report(const struct cli *c, const struct admin_reindex_state *state, uint64_t ms)
{
	if (c->json)
		return show_json(json_pack("{s:I, s:I, s:I, s:I}", "accounts", (json_int_t)state->accounts_done,
					   "failed", (json_int_t)state->accounts_failed, "messages",
					   (json_int_t)state->messages_all, "ms", (json_int_t)ms));
	(void)printf("%llu %s of %llu %s indexed in %.1f s\n", (unsigned long long)state->messages_all,
		     show_noun(state->messages_all, "message", "messages"), (unsigned long long)state->accounts_done,
		     show_noun(state->accounts_done, "account", "accounts"), (double)ms / 1000);
	return 0;
}

static int run(struct cli *c)
{
	uint64_t started_ms = clock_mono_ms();
	struct admin_reindex_state state = {0};
	struct progress progress;
	struct store_client s;
	const char *address;
	int r = option_take_words(c, 0, 1, "at most one account");

	if (r)
		return r;
	address = c->argc > 1 ? c->argv[1] : "";
	r = store_client_open(c, &s);
	if (r)
		return r;
	progress_init(&progress, "indexing", c->json);
	r = store_client_do(&s, admin_put_reindex(&s.payload, &(struct admin_reindex){view_from_cstr(address)}),
			    ADMIN_REINDEX, address[0] ? address : "reindex", NULL);
	if (r == 0)
		r = follow(&s, &progress, &state);
	store_client_close(&s);
	if (r == 0)
		r = report(c, &state, clock_mono_ms() - started_ms);
	if (r == 0 && state.accounts_failed)
		return cli_fail(CLI_TRY_AGAIN, "reindex", "some accounts could not be indexed",
				"see the server's log; searches are right, but slower");
	return r;
}

const struct cli_command cmd_reindex = {
    .name = "reindex",
    .usage = "[ACCOUNT] [--json]",
    .summary = "makes search indexes anew",
    .help = "Of one account, or of all. The server goes on meanwhile, and searches stay right: an index only makes "
	    "them faster. It keeps its "
	    "indexes up to date by itself and makes damaged ones anew, so this is rarely needed.\n\n"
	    "On a terminal a line says how far it has come.",
    .example = "pombo reindex alice@example.org",
    .shows = true,
    .run = run,
};
