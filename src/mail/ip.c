/* SPDX-License-Identifier: ISC
 * IP addresses between text and bytes. */
#include "mail/ip.h"

#include <arpa/inet.h>
#include <string.h>

static bool parse(int family, struct view text, struct ip *ret)
{
	char s[INET6_ADDRSTRLEN];
	struct ip ip = {.is_v6 = family == AF_INET6};

	if (text.n == 0 || text.n >= sizeof s || view_has_nul(text))
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = '\0';
	if (inet_pton(family, s, ip.bytes) != 1)
		return false;
	*ret = ip;
	return true;
}

bool ip_parse_v4(struct view text, struct ip *ret)
{
	return parse(AF_INET, text, ret);
}

bool ip_parse_v6(struct view text, struct ip *ret)
{
	return parse(AF_INET6, text, ret);
}

bool ip_parse(struct view text, struct ip *ret)
{
	return ip_parse_v4(text, ret) || ip_parse_v6(text, ret);
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void ip_format(struct buf *out, const struct ip *ip)
{
	char s[INET6_ADDRSTRLEN];

	if (inet_ntop(ip->is_v6 ? AF_INET6 : AF_INET, ip->bytes, s, sizeof s))
		buf_append_cstr(out, s);
}

void ip_format_literal(struct buf *out, const struct ip *ip)
{
	buf_append_cstr(out, ip->is_v6 ? "[IPv6:" : "[");
	ip_format(out, ip);
	buf_append_char(out, ']');
}

bool ip_is_public(const struct ip *ip)
{
	static const struct {
		uint8_t first[4];
		unsigned bits;
	} v4[] = {
	    {{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
	    {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
	    {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
	    {{224}, 3},
	};
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint32_t address;

	if (ip->is_v6 && memcmp(ip->bytes, mapped, sizeof mapped) != 0)
		return (ip->bytes[0] & 0xe0) == 0x20; /* 2000::/3, RFC 4291 §2.4 */
	memcpy(&address, ip->is_v6 ? ip->bytes + 12 : ip->bytes, 4);
	address = ntohl(address);
	for (size_t i = 0; i < ARRAY_LEN(v4); i++) {
		uint32_t net =
		    (uint32_t)v4[i].first[0] << 24 | (uint32_t)v4[i].first[1] << 16 | (uint32_t)v4[i].first[2] << 8;

		if ((address ^ net) >> (32 - v4[i].bits) == 0)
			return false;
	}
	return true;
}

void ip_to_network(struct ip *ip, unsigned v4_bits, unsigned v6_bits)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned bits;

	if (ip->is_v6 && memcmp(ip->bytes, mapped, sizeof mapped) == 0) {
		struct ip v4 = {.is_v6 = false};

		memcpy(v4.bytes, ip->bytes + 12, 4);
		*ip = v4;
	}
	bits = ip->is_v6 ? v6_bits : v4_bits;
	for (unsigned i = 0; i < sizeof ip->bytes; i++) {
		unsigned kept = bits > i * 8 ? bits - i * 8 : 0;

		if (kept < 8)
			ip->bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
}
