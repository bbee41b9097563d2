/* SPDX-License-Identifier: ISC
 * pombo dns: the records to publish for one of our domains. */
#include "cli/commands.h"

#include "cli/dns.h"
#include "cli/dns_lookup.h"
#include "cli/option.h"
#include "cli/our_domain.h"
#include "cli/show.h"
#include "cli/store_client.h"
#include "mail/address.h"
#include "supervisor/supervisor.h"

/* What is to be published, and with `check` what is. */
static int make(const struct cli *c, struct store_client *s, struct view domain, bool check, json_t **ret)
{
	_cleanup_(dkim_key_list_fini) struct dkim_key_list keys = {NULL, 0};
	_cleanup_(buf_fini) struct buf error = BUF_INIT(2048), hash = BUF_INIT(64);
	_cleanup_(free_ptr) char *cert = NULL;
	struct conf *conf = NULL;
	int r = our_domain_find(s, domain, c->argv[1]);

	if (r == 0)
		r = dkim_keys_get(s, c->argv[1], &keys);
	if (r)
		return r;
	r = supervisor_read_conf(c->dir, &conf, NULL, &error);
	if (r)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	cert = conf->tls_cert[0] == '/' ? xstrdup(conf->tls_cert) : cli_path(c, conf->tls_cert);
	dns_tls_hash(cert, &hash);
	*ret = dns_records(&(struct dns_input){conf, domain, &keys, buf_view(&hash)});
	conf_free(&conf);
	return check ? dns_check(*ret, s) : 0;
}

static int show(const struct cli *c, struct view domain, bool check)
{
	struct store_client s;
	json_t *records = NULL;
	int r = check ? store_client_connect(c, &s) : store_client_open(c, &s), shown = 0;

	if (r)
		return r;
	r = make(c, &s, domain, check, &records);
	store_client_close(&s);
	if (!records)
		return r;
	if (c->json) {
		shown = show_json(records);
	} else {
		dns_print(records);
		json_decref(records);
	}
	return shown ? shown : r;
}

static int dns(struct cli *c)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX);
	const char *ask = NULL;
	bool check = false;
	const struct option options[] = {{.name = "ask", .value = &ask}, {.name = "check", .flag = &check}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, ask ? "one name is needed" : "one domain is needed");
	if (ask)
		return dns_lookup_run(c, ask, c->argv[1]);
	r = our_domain_read(c->argv[1], &domain);
	return r ? r : show(c, buf_view(&domain), check);
}

const struct cli_command cmd_dns = {
    .name = "dns",
    .usage = "DOMAIN [--check] [--json] | --ask TYPE NAME [--json]",
    .summary = "prints the DNS records to publish for a domain",
    .help =
	"Lines of a zone file: where mail for the domain goes (MX), this machine's addresses, which machines send its "
	"mail "
	"(SPF), the keys that sign it (DKIM), what others should do with the rest (DMARC; p=none asks for nothing "
	"yet), how mail should come "
	"here (MTA-STS, TLSA from the certificate, reports by TLS-RPT), who may issue certificates (CAA), and where "
	"mail programs find "
	"their servers (SRV).",
    .options =
	(const struct cli_option_help[]){
	    {"--check", "Say behind each record whether it is published: right, wrong (with what is there), or "
			"missing. The exit status is 1 when any is not right. Asks through the running server."},

	    {"--ask TYPE", "Say what the DNS has of this type (MX, TXT, TLSA ...) at NAME now, as the running "
			   "server sees it, and whether DNSSEC vouches for it."},
	    {NULL, NULL}},
    .example = "pombo dns example.org",
    .shows = true,
    .run = dns,
};
