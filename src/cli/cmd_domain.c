/* SPDX-License-Identifier: ISC
 * pombo domain: whose mail is taken here. */
#include "cli/commands.h"

#include "cli/dkim_keys.h"
#include "cli/listing.h"
#include "cli/option.h"
#include "cli/our_domain.h"
#include "cli/show.h"
#include "mail/address.h"
#include "mail/address_canon.h"

#include <string.h>

enum { NAME_COLUMNS = 40 };

/* The domain, then its DKIM keys, which sign at once. Closes. */
static int add(const struct cli *c, struct store_client *s, bool encoded, uint16_t type, bool dkim)
{
	int r = store_client_do(s, encoded, type, c->argv[1], stdout);

	if (r == 0 && dkim)
		r = dkim_keys_make(c, s, c->argv[1]);
	store_client_close(s);
	return r;
}

static int check_domain(const char *typed)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX);

	return our_domain_read(typed, &domain);
}

static int run_add(struct cli *c)
{
	bool no_dkim = false;
	const struct option options[] = {{.name = "no-dkim", .flag = &no_dkim}};
	struct store_client s;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r == 0 && c->argc != 2)
		return cli_usage(c, "one domain is needed");
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	return add(c, &s, admin_put_domain_add(&s.payload, &(struct admin_domain_add){view_from_cstr(c->argv[1])}),
		   ADMIN_DOMAIN_ADD, !no_dkim);
}

const struct cli_command cmd_domain_add = {
    .name = "domain add",
    .usage = "DOMAIN [--no-dkim]",
    .summary = "takes mail for a domain from now on",
    .help =
	"Accounts and aliases in it can be made then. Names with other letters than ASCII may be typed as they are. "
	"Its DKIM keys are made and sign from now on. 'pombo dns DOMAIN' prints the records to publish.",
    .options = (const struct cli_option_help[]){{"--no-dkim", "Make no DKIM keys: for a domain that never sends."},
						{NULL, NULL}},
    .example = "pombo domain add example.org",
    .run = run_add,
};

static int run_alias(struct cli *c)
{
	struct store_client s;
	int r = option_take_words(c, 2, 2, "a domain and the one it stands for are needed");

	for (int i = 1; i <= 2 && r == 0; i++)
		r = check_domain(c->argv[i]);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	return add(c, &s,
		   admin_put_domain_alias(&s.payload, &(struct admin_domain_alias){view_from_cstr(c->argv[1]),
										   view_from_cstr(c->argv[2])}),
		   ADMIN_DOMAIN_ALIAS, true);
}

const struct cli_command cmd_domain_alias = {
    .name = "domain alias",
    .usage = "DOMAIN OF",
    .summary = "makes a domain another name for one of ours",
    .help = "Every address in it is then the one with the same local part in OF.",
    .example = "pombo domain alias example.net example.org",
    .run = run_alias,
};

static int run_remove(struct cli *c)
{
	struct store_client s;
	int r = option_take_words(c, 1, 1, "one domain is needed");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	r = store_client_change(
	    &s, admin_put_domain_remove(&s.payload, &(struct admin_domain_remove){view_from_cstr(c->argv[1])}),
	    ADMIN_DOMAIN_REMOVE, c->argv[1]);
	return r ? r : dkim_keys_drop(c, c->argv[1]);
}

const struct cli_command cmd_domain_remove = {
    .name = "domain remove",
    .usage = "DOMAIN",
    .summary = "takes no more mail for a domain",
    .help = "Refused while it still has accounts, aliases or alias domains.",
    .example = "pombo domain remove example.net",
    .run = run_remove,
};

/* ---- list ---- */

static json_t *in_json(const struct admin_domain *d)
{
	return json_pack("{s:o, s:o, s:I, s:o}", "domain", show_json_text(d->domain), "alias_of",
			 d->alias_of.n ? show_json_text(d->alias_of) : json_null(), "accounts", (json_int_t)d->accounts,
			 "created", show_json_time(d->created_s));
}

static void print_one(const struct admin_domain *d)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(1024), of = BUF_INIT(1024), made = BUF_INIT(64);

	address_domain_display(d->domain, &name);
	address_domain_display(d->alias_of, &of);
	show_time(d->created_s, &made);
	show_column(buf_view(&name), NAME_COLUMNS);
	(void)printf(" %8llu  %s%s%s\n", (unsigned long long)d->accounts, buf_cstr(&made), of.n ? "  alias of " : "",
		     buf_cstr(&of));
}

static int list_pages(struct listing *l)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	int r;

	do {
		r = store_client_ask(
		    l->s, admin_put_domain_list(&l->s->payload, &(struct admin_domain_list){buf_view(&after)}),
		    ADMIN_DOMAIN_LIST, "domain list", ADMIN_DOMAINS, &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.domains.n_domains; i++) {
			const struct admin_domain *d = &answer.domains.domains[i];

			if (l->c->json) {
				listing_add(l, in_json(d));
			} else {
				listing_line(l);
				print_one(d);
			}
			buf_reset(&after);
			buf_append_view(&after, d->domain);
		}
	} while (answer.domains.more && answer.domains.n_domains);
	return 0;
}

static int run_list(struct cli *c)
{
	return listing_run(c, "DOMAIN                                   ACCOUNTS  SINCE", "There are no domains.",
			   list_pages);
}

const struct cli_command cmd_domain_list = {
    .name = "domain list",
    .usage = "[--json]",
    .summary = "lists the domains whose mail is taken",
    .example = "pombo domain list --json",
    .shows = true,
    .run = run_list,
};
