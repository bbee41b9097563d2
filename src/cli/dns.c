/* SPDX-License-Identifier: ISC
 * The DNS records that make other servers and mail programs find this one. */
#include "cli/dns.h"

#include "base/encode.h"
#include "cli/show.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 512, VALUE_MAX_BYTES = 2048, MX_PREFERENCE = 10, STRING_MAX = 255 };

/* ---- which addresses ---- */

/* Networks that nobody outside reaches (RFC 6890): prefix bytes and bits. */
static const struct {
	int family;
	unsigned char prefix[4];
	unsigned bits;
} unreachable[] = {
    {AF_INET, {0}, 8},
    {AF_INET, {10}, 8},
    {AF_INET, {100, 64}, 10},
    {AF_INET, {127}, 8},
    {AF_INET, {169, 254}, 16},
    {AF_INET, {172, 16}, 12},
    {AF_INET, {192, 0, 0}, 24},
    {AF_INET, {192, 0, 2}, 24},
    {AF_INET, {192, 168}, 16},
    {AF_INET, {198, 18}, 15},
    {AF_INET, {198, 51, 100}, 24},
    {AF_INET, {203, 0, 113}, 24},
    {AF_INET, {224}, 3},
    {AF_INET6, {0}, 8}, /* ::, ::1, ::ffff:0:0 */
    {AF_INET6, {0x20, 0x01, 0x0d, 0xb8}, 32},
    {AF_INET6, {0xfc}, 7},
    {AF_INET6, {0xfe, 0x80}, 10},
    {AF_INET6, {0xff}, 8},
};

static bool in_network(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if ((address[i / 8] ^ prefix[i / 8]) & (0x80u >> (i % 8)))
			return false;
	return true;
}

bool dns_address_is_public(const char *address)
{
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	unsigned char bytes[16];

	if (inet_pton(family, address, bytes) != 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(unreachable); i++)
		if (unreachable[i].family == family && in_network(bytes, unreachable[i].prefix, unreachable[i].bits))
			return false;
	return true;
}

/* ---- records ---- */

static void add_record(json_t *records, const char *name, const char *type, const char *value)
{
	(void)json_array_append_new(records, json_pack("{s:s, s:s, s:s}", "name", name, "type", type, "value", value));
}

static void add_note(json_t *notes, const char *text)
{
	(void)json_array_append_new(notes, json_string(text));
}

/* The same address twice is one record. */
static void add_address(json_t *records, const char *host, const char *address)
{
	const json_t *r;
	size_t i;

	if (!dns_address_is_public(address))
		return;
	json_array_foreach(records, i, r)
	{
		if (strcmp(json_string_value(json_object_get(r, "value")), address) == 0)
			return;
	}
	add_record(records, host, strchr(address, ':') ? "AAAA" : "A", address);
}

/* What the interfaces have, of the family that `any` ("*" or "::") stands for. */
static void add_interface_addresses(json_t *records, const char *host, bool v6)
{
	int family = v6 ? AF_INET6 : AF_INET;
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *bytes;

		if (!i->ifa_addr || i->ifa_addr->sa_family != family)
			continue;
		bytes = v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr
			   : (const void *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		if (inet_ntop(family, bytes, text, sizeof text))
			add_address(records, host, text);
	}
	freeifaddrs(all);
}

static void add_addresses(const struct conf *conf, json_t *records, json_t *notes, const char *host)
{
	_cleanup_(buf_fini) struct buf note = BUF_INIT(VALUE_MAX_BYTES);
	size_t before = json_array_size(records);

	for (size_t i = 0; i < conf->listen.n; i++) {
		_cleanup_(free_ptr) char *address = view_to_cstr(conf->listen.items[i]);

		if (address && (strcmp(address, "*") == 0 || strcmp(address, "::") == 0))
			add_interface_addresses(records, host, address[0] == ':');
		else if (address)
			add_address(records, host, address);
	}
	if (json_array_size(records) == before)
		buf_printf(
		    &note,
		    "%s needs an A record (and AAAA) with the address that others reach this machine at; none of "
		    "its own is public.",
		    host);
	else
		buf_printf(&note, "Who gave you the addresses should name them %s (PTR); many servers want that.",
			   host);
	add_note(notes, buf_cstr(&note));
}

static void add_services(const struct conf *conf, json_t *records, const char *domain, const char *host)
{
	/* RFC 6186 §3.4, RFC 8314 §5.1: TLS from the start before STARTTLS, IMAP before POP3. */
	static const struct {
		const char *service;
		unsigned priority, port;
	} services[] = {{"submissions", 0, 465}, {"submission", 10, 587}, {"imaps", 0, 993},
			{"imap", 10, 143},       {"pop3s", 20, 995},      {"pop3", 30, 110}};

	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES), value = BUF_INIT(VALUE_MAX_BYTES);

		buf_printf(&name, "_%s._tcp.%s", services[i].service, domain);
		buf_printf(&value, "%u 1 %llu %s", services[i].priority,
			   (unsigned long long)(services[i].port + conf->port_offset), host);
		add_record(records, buf_cstr(&name), "SRV", buf_cstr(&value));
	}
}

static void add_mail(json_t *records, const char *domain, const char *host)
{
	_cleanup_(buf_fini) struct buf mx = BUF_INIT(VALUE_MAX_BYTES), dmarc = BUF_INIT(NAME_MAX_BYTES);

	buf_printf(&mx, "%d %s", MX_PREFERENCE, host);
	buf_printf(&dmarc, "_dmarc.%s", domain);
	add_record(records, domain, "MX", buf_cstr(&mx));
	add_record(records, domain, "TXT", "\"v=spf1 mx -all\"");
	if (strcmp(domain, host) != 0)
		add_record(records, host, "TXT", "\"v=spf1 a -all\""); /* RFC 7208 §2.3: the name in EHLO */
	add_record(records, buf_cstr(&dmarc), "TXT", "\"v=DMARC1; p=none\"");
}

/* ---- DKIM, and how mail is to come ---- */

/* RFC 1035 §3.3: at most 255 bytes a string. */
static void put_strings(struct buf *out, struct view text)
{
	for (size_t at = 0; at < text.n; at += STRING_MAX)
		buf_printf(out, "%s\"%.*s\"", at ? " " : "", VIEW_FMT(view_sub(text, at, STRING_MAX)));
}

static void add_dkim(json_t *records, json_t *notes, const char *domain, const struct dkim_key_list *keys)
{
	bool waits = false;

	for (size_t i = 0; keys && i < keys->n; i++) {
		const struct dkim_key_info *k = &keys->keys[i];
		_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES), text = BUF_INIT(VALUE_MAX_BYTES),
					       value = BUF_INIT(VALUE_MAX_BYTES);

		buf_printf(&name, "%s._domainkey.%s", k->selector, domain);
		dkim_record_format(&text, k->algorithm, buf_view(&k->public_key));
		put_strings(&value, buf_view(&text));
		add_record(records, buf_cstr(&name), "TXT", buf_cstr(&value));
		waits |= k->state == 0;
	}
	if (waits)
		add_note(notes,
			 "A new DKIM key waits: it signs once every name server of the domain shows its record.");
}

/* The policy that has to be served (RFC 8461 §3.2); its id changes with it. */
static void add_mta_sts(json_t *records, json_t *notes, struct view domain, const char *host)
{
	_cleanup_(buf_fini) struct buf policy = BUF_INIT(VALUE_MAX_BYTES), name = BUF_INIT(NAME_MAX_BYTES),
				       value = BUF_INIT(VALUE_MAX_BYTES), note = BUF_INIT(VALUE_MAX_BYTES);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned id = 0;

	buf_printf(&policy, "version: STSv1 mode: testing mx: %.*s max_age: 604800", (int)strlen(host) - 1, host);
	if (EVP_Q_digest(NULL, "SHA256", NULL, policy.p, policy.n, hash, NULL) == 1)
		id = (unsigned)hash[0] << 24 | (unsigned)hash[1] << 16 | (unsigned)hash[2] << 8 | hash[3];
	buf_printf(&name, "_mta-sts.%.*s", VIEW_FMT(domain));
	buf_printf(&value, "\"v=STSv1; id=%08x\"", id);
	add_record(records, buf_cstr(&name), "TXT", buf_cstr(&value));
	buf_printf(
	    &note,
	    "MTA-STS counts once https://mta-sts.%.*s/.well-known/mta-sts.txt serves, each on a line of its own: %s",
	    VIEW_FMT(view_sub(domain, 0, domain.n - 1)), buf_cstr(&policy));
	add_note(notes, buf_cstr(&note));
}

static void add_tlsa(const struct dns_input *in, json_t *records, json_t *notes, const char *host)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES), value = BUF_INIT(VALUE_MAX_BYTES);

	if (in->tls_hash.n == 0)
		return;
	buf_printf(&name, "_25._tcp.%s", host);
	buf_append_cstr(&value, "3 1 1 ");
	encode_hex(&value, in->tls_hash);
	add_record(records, buf_cstr(&name), "TLSA", buf_cstr(&value));
	add_note(
	    notes,
	    "TLSA counts in a zone that is signed (DNSSEC) only; before the certificate's key changes, publish the "
	    "new record beside the old one.");
}

static void add_transport(const struct dns_input *in, json_t *records, json_t *notes, const char *domain,
			  const char *host)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES), value = BUF_INIT(VALUE_MAX_BYTES);

	add_mta_sts(records, notes, view_from_cstr(domain), host);
	buf_printf(&name, "_smtp._tls.%s", domain);
	buf_printf(&value, "\"v=TLSRPTv1; rua=mailto:postmaster@%.*s\"", VIEW_FMT(in->domain_ascii));
	add_record(records, buf_cstr(&name), "TXT", buf_cstr(&value));
	add_tlsa(in, records, notes, host);
	add_record(records, host, "CAA", "0 issue \"letsencrypt.org\"");
	add_note(notes, "CAA names who may issue certificates for the name: put the authority that you use.");
}

static void add_notes(const struct conf *conf, json_t *notes)
{
	if (conf->relay_host[0])
		add_note(notes,
			 "relay-host is set: mail leaves through that server, so the SPF record must name it too.");
	for (size_t i = 0; i < conf->n_routes; i++)
		if (conf->routes[i].user[0]) {
			add_note(notes, "A route logs in at a provider: mail that leaves through it needs the provider "
					"in the SPF record too ('pombo route list').");
			break;
		}
	if (conf->port_offset)
		add_note(notes, "port-offset is set: other servers deliver to port 25 only, so this server gets none "
				"of their mail.");
	add_note(notes, "The SPF record says that no other machine sends mail of this domain; name those that do.");
}

void dns_tls_hash(const char *path, struct buf *ret)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	unsigned char hash[EVP_MAX_MD_SIZE], *der = NULL;
	int n = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : 0;
	size_t hash_n = 0;

	if (n > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)n, hash, &hash_n) == 1)
		buf_append(ret, hash, hash_n);
	OPENSSL_free(der);
	X509_free(cert);
	if (f)
		(void)fclose(f);
}

json_t *dns_records(const struct dns_input *in)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(NAME_MAX_BYTES), host = BUF_INIT(NAME_MAX_BYTES);
	json_t *records = json_array(), *notes = json_array();

	buf_append_view(&domain, in->domain_ascii);
	buf_append_char(&domain, '.');
	for (const char *p = in->conf->hostname; *p; p++)
		buf_append_char(&host, ascii_lower(*p));
	buf_append_char(&host, '.');
	add_mail(records, buf_cstr(&domain), buf_cstr(&host));
	add_dkim(records, notes, buf_cstr(&domain), in->keys);
	add_addresses(in->conf, records, notes, buf_cstr(&host));
	add_transport(in, records, notes, buf_cstr(&domain), buf_cstr(&host));
	add_services(in->conf, records, buf_cstr(&domain), buf_cstr(&host));
	add_notes(in->conf, notes);
	return json_pack("{s:s%, s:s, s:o, s:o}", "domain", in->domain_ascii.p, in->domain_ascii.n, "hostname",
			 in->conf->hostname, "records", records, "notes", notes);
}

/* At the end of a check: is there anything to do? */
static void print_verdict(const json_t *records)
{
	const json_t *item;
	size_t i, right = 0, unknown = 0, checked = 0;

	json_array_foreach(records, i, item)
	{
		const char *published = json_string_value(json_object_get(item, "published"));

		checked += published != NULL;
		right += published && strcmp(published, "right") == 0;
		unknown += published && strcmp(published, "unknown") == 0;
	}
	if (checked && right == checked)
		(void)printf("; all %zu records are published as they should be\n", checked);
	else if (unknown)
		(void)printf(
		    "; %zu of %zu records are published as they should be, %zu could not be looked up: try again\n",
		    right, checked, unknown);
	else if (checked)
		(void)printf("; %zu of %zu records are published as they should be: publish or mend the others\n",
			     right, checked);
}

static void print_published(const json_t *record)
{
	const char *published = json_string_value(json_object_get(record, "published"));
	const char *found = json_string_value(json_object_get(record, "found"));

	_cleanup_(buf_fini) struct buf clean = BUF_INIT(256 * 1024);

	if (found)
		show_clean(view_from_cstr(found), &clean);
	if (published)
		(void)printf("; %s%s%s\n", published, found ? ": " : "", buf_cstr(&clean));
}

void dns_print(const json_t *all)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(all, "records"), i, item)
	{
		(void)printf("%-40s IN %-4s %s\n", json_string_value(json_object_get(item, "name")),
			     json_string_value(json_object_get(item, "type")),
			     json_string_value(json_object_get(item, "value")));
		print_published(item);
	}
	json_array_foreach(json_object_get(all, "notes"), i, item)
	{
		(void)printf("; %s\n", json_string_value(item));
	}
	print_verdict(json_object_get(all, "records"));
}
