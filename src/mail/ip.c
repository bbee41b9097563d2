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
