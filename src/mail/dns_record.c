/* SPDX-License-Identifier: ISC
 * DNS records in the form that our processes hand each other. */
#include "mail/dns_record.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
	uint16_t type;
	const char *name;
} types[] = {
    {DNS_A, "A"},     {DNS_NS, "NS"},     {DNS_CNAME, "CNAME"},   {DNS_SOA, "SOA"}, {DNS_PTR, "PTR"},
    {DNS_MX, "MX"},   {DNS_TXT, "TXT"},   {DNS_AAAA, "AAAA"},     {DNS_SRV, "SRV"}, {DNS_DS, "DS"},
    {DNS_CAA, "CAA"}, {DNS_TLSA, "TLSA"}, {DNS_DNSKEY, "DNSKEY"},
};

const char *dns_type_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

bool dns_type_is_known(uint16_t type)
{
	return dns_type_name(type) != NULL;
}

bool dns_type_find(struct view name, uint16_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (view_eq_lit_nocase(name, types[i].name)) {
			*ret = types[i].type;
			return true;
		}
	}
	return false;
}

const char *dns_failure_name(enum dns_failure why)
{
	static const char *const names[DNS_FAILURES] = {
	    [DNS_TIMEOUT] = "timeout",   [DNS_SERVER_FAILURE] = "server-failure",
	    [DNS_BOGUS] = "bogus",       [DNS_BUSY] = "busy",
	    [DNS_BAD_NAME] = "bad-name", [DNS_BAD_ANSWER] = "bad-answer",
	};

	return why < DNS_FAILURES ? names[why] : "unknown";
}

/* ---- reading ---- */

static uint16_t u16_at(struct view v, size_t at)
{
	const uint8_t *p = (const uint8_t *)v.p + at;

	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t u32_at(struct view v, size_t at)
{
	return (uint32_t)u16_at(v, at) << 16 | u16_at(v, at + 2);
}

static bool bytes(struct view data, size_t n, uint8_t *ret)
{
	if (data.n != n)
		return false;
	memcpy(ret, data.p, n);
	return true;
}

bool dns_read_a(struct view data, uint8_t ret[4])
{
	return bytes(data, 4, ret);
}

bool dns_read_aaaa(struct view data, uint8_t ret[16])
{
	return bytes(data, 16, ret);
}

bool dns_read_name(struct view data, struct view *ret)
{
	if (data.n > DNS_NAME_MAX)
		return false;
	*ret = data;
	return true;
}

bool dns_read_mx(struct view data, struct dns_mx *ret)
{
	if (data.n < 2 || data.n > 2 + DNS_NAME_MAX)
		return false;
	*ret = (struct dns_mx){u16_at(data, 0), view_sub(data, 2, data.n)};
	return true;
}

bool dns_read_srv(struct view data, struct dns_srv *ret)
{
	if (data.n < 6 || data.n > 6 + DNS_NAME_MAX)
		return false;
	*ret = (struct dns_srv){u16_at(data, 0), u16_at(data, 2), u16_at(data, 4), view_sub(data, 6, data.n)};
	return true;
}

bool dns_read_soa(struct view data, struct dns_soa *ret)
{
	if (data.n < 8 || data.n > 8 + DNS_NAME_MAX)
		return false;
	*ret = (struct dns_soa){u32_at(data, 0), u32_at(data, 4), view_sub(data, 8, data.n)};
	return true;
}

bool dns_read_tlsa(struct view data, struct dns_tlsa *ret)
{
	if (data.n < 3)
		return false;
	*ret = (struct dns_tlsa){(uint8_t)data.p[0], (uint8_t)data.p[1], (uint8_t)data.p[2], view_sub(data, 3, data.n)};
	return true;
}

bool dns_read_caa(struct view data, struct dns_caa *ret)
{
	size_t tag = data.n < 2 ? 0 : (uint8_t)data.p[1];

	if (tag == 0 || data.n < 2 + tag)
		return false;
	for (size_t i = 0; i < tag; i++) /* RFC 8659 §4.1 */
		if (!ascii_is_alnum(data.p[2 + i]))
			return false;
	*ret = (struct dns_caa){(uint8_t)data.p[0], view_sub(data, 2, tag), view_sub(data, 2 + tag, data.n)};
	return true;
}

/* ---- addresses as names ---- */

static void reverse_v4(const uint8_t *ip, struct buf *ret)
{
	for (int i = 3; i >= 0; i--) {
		buf_append_u64(ret, ip[i]);
		buf_append_char(ret, '.');
	}
	buf_append_cstr(ret, "in-addr.arpa");
}

static void reverse_v6(const uint8_t *ip, struct buf *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--) {
		buf_append_char(ret, digits[ip[i] & 15]);
		buf_append_char(ret, '.');
		buf_append_char(ret, digits[ip[i] >> 4]);
		buf_append_char(ret, '.');
	}
	buf_append_cstr(ret, "ip6.arpa");
}

bool dns_reverse_name(struct view address, struct buf *ret)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	_cleanup_(free_ptr) char *text = address.n < INET6_ADDRSTRLEN ? view_to_cstr(address) : NULL;
	uint8_t ip[16];

	if (text && inet_pton(AF_INET, text, ip) == 1)
		reverse_v4(ip, ret);
	else if (!text || inet_pton(AF_INET6, text, ip) != 1)
		return false;
	else if (memcmp(ip, mapped, sizeof mapped) == 0)
		reverse_v4(ip + 12, ret);
	else
		reverse_v6(ip, ret);
	return !ret->overflow;
}
