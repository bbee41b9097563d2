/* SPDX-License-Identifier: ISC
 * The DNS records that make other servers and mail programs find this one. */
#include "cli/dns.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 512, VALUE_MAX_BYTES = 1024, MX_PREFERENCE = 10 };

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

static void add_notes(const struct conf *conf, json_t *notes)
{
	if (conf->relay_host[0])
		add_note(notes,
			 "relay-host is set: mail leaves through that server, so the SPF record must name it too.");
	if (conf->port_offset)
		add_note(notes, "port-offset is set: other servers deliver to port 25 only, so this server gets none "
				"of their mail.");
	add_note(notes, "The SPF record says that no other machine sends mail of this domain; name those that do.");
}

json_t *dns_records(const struct conf *conf, struct view domain_ascii)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(NAME_MAX_BYTES), host = BUF_INIT(NAME_MAX_BYTES);
	json_t *records = json_array(), *notes = json_array();

	buf_append_view(&domain, domain_ascii);
	buf_append_char(&domain, '.');
	for (const char *p = conf->hostname; *p; p++)
		buf_append_char(&host, ascii_lower(*p));
	buf_append_char(&host, '.');
	add_mail(records, buf_cstr(&domain), buf_cstr(&host));
	add_addresses(conf, records, notes, buf_cstr(&host));
	add_services(conf, records, buf_cstr(&domain), buf_cstr(&host));
	add_notes(conf, notes);
	return json_pack("{s:s%, s:s, s:o, s:o}", "domain", domain_ascii.p, domain_ascii.n, "hostname", conf->hostname,
			 "records", records, "notes", notes);
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
	}
	json_array_foreach(json_object_get(all, "notes"), i, item)
	{
		(void)printf("; %s\n", json_string_value(item));
	}
}
