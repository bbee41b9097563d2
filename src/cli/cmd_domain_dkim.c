/* SPDX-License-Identifier: ISC
 * pombo domain dkim: the keys that sign a domain's mail, and new ones. */
#include "cli/commands.h"

#include "cli/dkim_keys.h"
#include "cli/option.h"
#include "cli/our_domain.h"
#include "cli/show.h"
#include "mail/address.h"

#include <stdio.h>

static const char *const states[] = {"waits", "signs", "retired"};

static json_t *in_json(const struct dkim_key_info *k)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "selector", k->selector, "algorithm",
			 dkim_algorithm_names[k->algorithm], "state", states[k->state], "created",
			 show_json_time(k->created_s), "since", show_json_time(k->since_s), "seen",
			 k->seen.n ? show_json_text(buf_view(&k->seen)) : json_null());
}

static int show(const struct cli *c, const char *domain, const struct dkim_key_list *l)
{
	json_t *keys = json_array();
	bool waits = false;

	if (c->json) {
		for (size_t i = 0; i < l->n; i++)
			(void)json_array_append_new(keys, in_json(&l->keys[i]));
		return show_json(keys);
	}
	json_decref(keys);
	for (size_t i = 0; i < l->n; i++) {
		const struct dkim_key_info *k = &l->keys[i];
		_cleanup_(buf_fini) struct buf since = BUF_INIT(64), seen = BUF_INIT(8192);

		show_time(k->since_s, &since);
		show_clean(buf_view(&k->seen), &seen);
		(void)printf("%-16s %-15s %-8s %s%s%s\n", k->selector, dkim_algorithm_names[k->algorithm],
			     states[k->state], buf_cstr(&since), seen.n ? "  " : "", buf_cstr(&seen));
		waits |= k->state == 0;
	}
	if (l->n == 0)
		(void)printf(
		    "There are no keys: mail of %s is not signed. 'pombo domain dkim %s --rotate' makes some.\n",
		    domain, domain);
	if (waits)
		(void)printf("Publish what 'pombo dns %s' prints; a key that waits signs once every name server of the "
			     "domain shows "
			     "its record.\n",
			     domain);
	return 0;
}

static int run(struct cli *c)
{
	_cleanup_(dkim_key_list_fini) struct dkim_key_list l = {NULL, 0};
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX);
	bool want_new = false;
	const struct option options[] = {{.name = "rotate", .flag = &want_new}};
	struct store_client s;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one domain is needed");
	r = our_domain_read(c->argv[1], &domain);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	r = our_domain_find(&s, buf_view(&domain), c->argv[1]);
	if (r == 0 && want_new)
		r = dkim_keys_make(c, &s, c->argv[1]);
	if (r == 0)
		r = s.pid || want_new ? dkim_keys_get(&s, c->argv[1], &l) : dkim_keys_look(&s, c->argv[1], &l);
	store_client_close(&s);
	return r ? r : show(c, c->argv[1], &l);
}

const struct cli_command cmd_domain_dkim = {
    .name = "domain dkim",
    .usage = "DOMAIN [--rotate] [--json]",
    .summary = "shows the keys that sign a domain's mail, or makes new ones",
    .help =
	"Each domain has an RSA-2048 and an Ed25519 key; every message whose author is in the domain is signed with "
	"both (DKIM). "
	"'pombo dns DOMAIN' prints their records."
	"\n\n"
	"New keys are published before they are used: they wait until every name server of the domain, each asked by "
	"itself, shows "
	"their record; the server looks every ten minutes, and whenever this command is run. Then they sign, and the "
	"former ones retire: leave their records in place for the 14 days they are still listed, so that mail under "
	"way can be "
	"checked. The first keys of a domain sign at once: a signature whose key is not published yet does no harm.",
    .options =
	(const struct cli_option_help[]){{"--rotate", "Make new keys, to replace those that sign."}, {NULL, NULL}},
    .example = "pombo domain dkim example.org --rotate",
    .shows = true,
    .run = run,
};
