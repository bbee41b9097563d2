/* SPDX-License-Identifier: ISC
 * pombo alias: addresses that lead to others. */
#include "cli/commands.h"

#include "cli/alias_target.h"
#include "cli/listing.h"
#include "cli/option.h"
#include "cli/our_domain.h"
#include "cli/show.h"

#include <stdlib.h>

enum { TARGETS_MAX = 1000, ADDRESS_COLUMNS = 40 };

static int run_add(struct cli *c)
{
	struct admin_alias_add m = {0};
	struct admin_text *targets;
	struct store_client s;
	int r = option_take_words(c, 2, 1 + TARGETS_MAX, "an address and from 1 to 1000 targets are needed");

	for (int i = 1; i < c->argc && r == 0; i++)
		r = our_domain_check_address(c->argv[i], i == 1);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	targets = xcalloc((size_t)c->argc, sizeof *targets);
	for (int i = 2; i < c->argc; i++)
		targets[m.n_targets++].text = view_from_cstr(c->argv[i]);
	m.address = view_from_cstr(c->argv[1]);
	m.targets = targets;
	r = store_client_do(&s, admin_put_alias_add(&s.payload, &m), ADMIN_ALIAS_ADD, c->argv[1], stdout);
	free(targets);
	if (r == 0)
		alias_targets_warn(&s, c->argv[1], &c->argv[2], c->argc - 2);
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_alias_add = {
    .name = "alias add",
    .usage = "ADDRESS TARGET...",
    .summary = "makes an address lead to others",
    .help = "Replaces an alias of that name. Targets may be here or elsewhere, accounts or aliases; one that is "
	    "ADDRESS itself "
	    "means the account of that name, so that it keeps a copy. @DOMAIN as ADDRESS gets all mail for addresses "
	    "of that "
	    "domain that are nobody's.",
    .example = "pombo alias add info@example.org alice@example.org bob@example.net\n"
	       "pombo alias add @example.org alice@example.org",
    .run = run_add,
};

static int run_remove(struct cli *c)
{
	struct store_client s;
	int r = option_take_words(c, 1, 1, "one address is needed");

	if (r == 0)
		r = our_domain_check_address(c->argv[1], true);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	return store_client_change(
	    &s, admin_put_alias_remove(&s.payload, &(struct admin_alias_remove){view_from_cstr(c->argv[1])}),
	    ADMIN_ALIAS_REMOVE, c->argv[1]);
}

const struct cli_command cmd_alias_remove = {
    .name = "alias remove",
    .usage = "ADDRESS",
    .summary = "removes an alias",
    .example = "pombo alias remove info@example.org",
    .run = run_remove,
};

/* ---- list ---- */

static json_t *in_json(const struct admin_alias *a)
{
	json_t *targets = json_array();
	struct view target, rest = a->targets;

	while (rest.n) {
		if (!view_cut(rest, '\n', &target, &rest)) {
			target = rest;
			rest = VIEW_EMPTY;
		}
		(void)json_array_append_new(targets, show_json_text(target));
	}
	return json_pack("{s:o, s:o}", "address", show_json_text(a->address), "targets", targets);
}

static void print_one(const struct admin_alias *a)
{
	_cleanup_(buf_fini) struct buf targets = BUF_INIT(1024 * 1024);

	show_clean(a->targets, &targets);
	show_column(a->address, ADDRESS_COLUMNS);
	(void)printf(" %s\n", buf_cstr(&targets));
}

static int list_pages(struct listing *l)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	int r;

	do {
		r = store_client_ask(l->s,
				     admin_put_alias_list(&l->s->payload, &(struct admin_alias_list){buf_view(&after)}),
				     ADMIN_ALIAS_LIST, "alias list", ADMIN_ALIASES, &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.aliases.n_aliases; i++) {
			const struct admin_alias *a = &answer.aliases.aliases[i];

			if (l->c->json) {
				listing_add(l, in_json(a));
			} else {
				listing_line(l);
				print_one(a);
			}
			buf_reset(&after);
			buf_append_view(&after, a->address);
		}
	} while (answer.aliases.more && answer.aliases.n_aliases);
	return 0;
}

static int run_list(struct cli *c)
{
	return listing_run(c, "ALIAS                                    LEADS TO", "There are no aliases.", list_pages);
}

const struct cli_command cmd_alias_list = {
    .name = "alias list",
    .usage = "[--json]",
    .summary = "lists the aliases",
    .example = "pombo alias list",
    .shows = true,
    .run = run_list,
};
