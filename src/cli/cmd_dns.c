/* SPDX-License-Identifier: ISC
 * pombo dns: the records to publish for one of our domains. */
#include "cli/commands.h"

#include "cli/dns.h"
#include "cli/dns_lookup.h"
#include "cli/option.h"
#include "cli/show.h"
#include "cli/store_client.h"
#include "mail/address_canon.h"
#include "supervisor/supervisor.h"

/* 0 when it is one of ours. Domains are few: the list is looked through. */
static int find_domain(struct store_client *s, struct view domain, const char *typed)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;

	do {
		int r = store_client_ask(
		    s, admin_put_domain_list(&s->payload, &(struct admin_domain_list){buf_view(&after)}),
		    ADMIN_DOMAIN_LIST, typed, ADMIN_DOMAINS, &answer);

		if (r)
			return r;
		for (uint32_t i = 0; i < answer.domains.n_domains; i++) {
			if (view_eq(answer.domains.domains[i].domain, domain))
				return 0;
			buf_reset(&after);
			buf_append_view(&after, answer.domains.domains[i].domain);
		}
	} while (answer.domains.more && answer.domains.n_domains);
	return cli_fail(CLI_NO_SUCH, typed, "this is not one of our domains",
			"see 'pombo domain list', or add it with 'pombo domain add'");
}

static int dns(struct cli *c)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX), error = BUF_INIT(2048);
	const char *ask = NULL;
	const struct option options[] = {{.name = "ask", .value = &ask}};
	struct conf *conf = NULL;
	struct store_client s;
	json_t *records;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, ask ? "one name is needed" : "one domain is needed");
	if (ask)
		return dns_lookup_run(c, ask, c->argv[1]);
	if (c->argv[1][0] == '[' || !address_domain_canon(view_from_cstr(c->argv[1]), &domain))
		return cli_fail(CLI_BAD_DATA, c->argv[1], "this is not a domain", NULL);
	r = store_client_open(c, &s);
	if (r)
		return r;
	r = find_domain(&s, buf_view(&domain), c->argv[1]);
	store_client_close(&s);
	if (r)
		return r;
	r = supervisor_read_conf(c->dir, &conf, NULL, &error);
	if (r)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	records = dns_records(conf, buf_view(&domain));
	conf_free(&conf);
	if (c->json)
		return show_json(records);
	dns_print(records);
	json_decref(records);
	return 0;
}

const struct cli_command cmd_dns = {
    .name = "dns",
    .usage = "DOMAIN [--json] | --ask TYPE NAME [--json]",
    .summary = "prints the DNS records to publish for a domain",
    .help =
	"Lines of a zone file: where mail for the domain goes (MX), this machine's addresses, which machines send its "
	"mail "
	"(SPF), what others should do with the rest (DMARC; p=none asks for nothing yet), and where mail programs find "
	"their servers (SRV).",
    .options =
	(const struct cli_option_help[]){
	    {"--ask TYPE", "Say what the DNS has of this type (MX, TXT, TLSA ...) at NAME now, as the running "
			   "server sees it, and whether DNSSEC vouches for it."},
	    {NULL, NULL}},
    .example = "pombo dns example.org",
    .shows = true,
    .run = dns,
};
