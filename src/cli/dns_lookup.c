/* SPDX-License-Identifier: ISC
 * Asks the DNS through the running server, and writes records as a zone file has them. */
#include "cli/dns_lookup.h"

#include "base/encode.h"
#include "cli/show.h"
#include "mail/dns_record.h"

#include <arpa/inet.h>
#include <string.h>

enum { ANSWER_MS = 30000, TEXT_MAX = 262144, STRING_MAX = 255 };

/* ---- records as text ---- */

static bool put_address(int family, struct view data, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (data.n != (family == AF_INET ? 4 : 16) || !inet_ntop(family, data.p, text, sizeof text))
		return false;
	buf_append_cstr(out, text);
	return true;
}

static bool put_name(struct view name, struct buf *out)
{
	buf_append_view(out, name);
	buf_append_char(out, '.');
	return true;
}

/* RFC 1035 §5.1: what is not printable, the quote and the backslash are escaped; 255 bytes a string (§3.3). */
static bool put_strings(struct view data, struct buf *out)
{
	for (size_t i = 0; i < data.n || i == 0; i++) {
		unsigned char c = data.n ? (unsigned char)data.p[i] : 0;

		if (i % STRING_MAX == 0)
			buf_append_cstr(out, i ? "\" \"" : "\"");
		if (data.n == 0)
			break;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c > '~')
			buf_printf(out, "\\%03u", c);
		else
			buf_append_char(out, (char)c);
	}
	buf_append_char(out, '"');
	return true;
}

static bool put_mx(struct view data, struct buf *out)
{
	struct dns_mx mx;

	if (!dns_read_mx(data, &mx))
		return false;
	buf_printf(out, "%u ", mx.preference);
	return put_name(mx.exchange, out);
}

static bool put_srv(struct view data, struct buf *out)
{
	struct dns_srv srv;

	if (!dns_read_srv(data, &srv))
		return false;
	buf_printf(out, "%u %u %u ", srv.priority, srv.weight, srv.port);
	return put_name(srv.target, out);
}

static bool put_soa(struct view data, struct buf *out)
{
	struct dns_soa soa;

	if (!dns_read_soa(data, &soa))
		return false;
	(void)put_name(soa.primary, out);
	buf_printf(out, " serial %u minimum %u", soa.serial, soa.minimum);
	return true;
}

static bool put_tlsa(struct view data, struct buf *out)
{
	struct dns_tlsa tlsa;

	if (!dns_read_tlsa(data, &tlsa))
		return false;
	buf_printf(out, "%u %u %u ", tlsa.usage, tlsa.selector, tlsa.matching);
	encode_hex(out, tlsa.data);
	return true;
}

static bool put_caa(struct view data, struct buf *out)
{
	struct dns_caa caa;

	if (!dns_read_caa(data, &caa))
		return false;
	buf_printf(out, "%u %.*s ", caa.flags, VIEW_FMT(caa.tag));
	return put_strings(caa.value, out);
}

static bool put_unknown(struct view data, struct buf *out)
{
	buf_printf(out, "\\# %zu ", data.n); /* RFC 3597 §5 */
	encode_hex(out, data);
	return true;
}

bool dns_lookup_format(uint16_t type, struct view data, struct buf *out)
{
	switch ((enum dns_rrtype)type) {
	case DNS_A:
		return put_address(AF_INET, data, out);
	case DNS_AAAA:
		return put_address(AF_INET6, data, out);
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return put_name(data, out);
	case DNS_MX:
		return put_mx(data, out);
	case DNS_SRV:
		return put_srv(data, out);
	case DNS_SOA:
		return put_soa(data, out);
	case DNS_TXT:
		return put_strings(data, out);
	case DNS_TLSA:
		return put_tlsa(data, out);
	case DNS_CAA:
		return put_caa(data, out);
	case DNS_DS:
	case DNS_DNSKEY:
		return put_unknown(data, out);
	}
	return false;
}

/* ---- asking ---- */

int dns_lookup(struct store_client *s, struct view name, uint16_t type, struct admin_msg *ret, struct buf *error)
{
	const struct admin_dns_ask ask = {name, type};
	int r;

	buf_reset(&s->payload);
	buf_reset(error);
	if (!admin_put_dns_ask(&s->payload, &ask)) {
		buf_append_cstr(error, "this is too long for a name");
		return CLI_BAD_DATA;
	}
	r = sync_channel_call(&s->channel, ADMIN_DNS_ASK, buf_view(&s->payload), NULL, 0, ANSWER_MS, ret);
	buf_reset(&s->payload);
	if (r == 0 && ret->type == ADMIN_DNS_ANSWER)
		return 0;
	if (r == 0 && ret->type == ADMIN_FAILED) {
		buf_append_view(error, ret->failed.text);
		return ret->failed.exit_status;
	}
	buf_append_cstr(error, "no answer from the server");
	return CLI_TRY_AGAIN;
}

static json_t *in_json(const char *name, uint16_t type, const struct admin_dns_answer *m)
{
	json_t *records = json_array();

	for (uint32_t i = 0; i < m->n_records; i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);

		if (dns_lookup_format(type, m->records[i].data, &text))
			(void)json_array_append_new(records, show_json_text(buf_view(&text)));
	}
	return json_pack("{s:o, s:s, s:b, s:b, s:o, s:I, s:o}", "name", show_json_text(view_from_cstr(name)), "type",
			 dns_type_name(type), "secure", (int)m->secure, "exists", (int)m->exists, "canonical",
			 show_json_text(m->canonical), "ttl", (json_int_t)m->ttl_s, "records", records);
}

static void print(uint16_t type, const struct admin_dns_answer *m)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(2048);

	show_clean(m->canonical, &name);
	for (uint32_t i = 0; i < m->n_records; i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);

		if (dns_lookup_format(type, m->records[i].data, &text))
			(void)printf("%s. %u IN %s %s\n", buf_cstr(&name), m->ttl_s, dns_type_name(type),
				     buf_cstr(&text));
	}
	(void)printf("; %s; %s\n",
		     m->n_records ? "found"
		     : m->exists  ? "there is no record of this type"
				  : "there is no such name",
		     m->secure ? "secure (DNSSEC)" : "insecure (no DNSSEC)");
}

int dns_lookup_run(const struct cli *c, const char *type_name, const char *name)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(2048);
	struct store_client s;
	struct admin_msg m;
	uint16_t type;
	int r;

	if (!dns_type_find(view_from_cstr(type_name), &type))
		return cli_fail(CLI_USAGE, type_name, "this is no type of record",
				"there are A AAAA CAA CNAME DNSKEY DS MX NS PTR SOA SRV TLSA TXT");
	r = store_client_connect(c, &s);
	if (r)
		return r;
	r = dns_lookup(&s, view_from_cstr(name), type, &m, &error);
	if (r)
		r = cli_fail((enum cli_status)r, name, buf_cstr(&error), NULL);
	else if (c->json)
		r = show_json(in_json(name, type, &m.dns_answer));
	else
		print(type, &m.dns_answer);
	store_client_close(&s);
	return r;
}
