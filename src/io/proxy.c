/* SPDX-License-Identifier: ISC
 * The PROXY protocol's header, version 1 and 2. */
#include "io/proxy.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	V1_MAX = 107, /* the longest line, with CRLF (§2.1) */
	V2_HEAD = 16,
	V2_VERSION = 2,
	V2_INET = 12, /* bytes of two addresses and ports */
	V2_INET6 = 36,
};

static const struct view v1_start = {"PROXY ", 6};
static const struct view v2_start = {"\r\n\r\n\0\r\nQUIT\n", 12};

/* A port as §2.1 writes it: no sign, no leading zero. */
static bool parse_port(struct view v, uint16_t *ret)
{
	uint32_t port;

	if (!view_to_u32(v, 65535, &port) || (v.n > 1 && v.p[0] == '0'))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool parse_ip(int family, struct view v, void *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (v.n == 0 || v.n >= sizeof text || view_has_nul(v))
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	return inet_pton(family, text, ret) == 1;
}

/* SOURCE SP DESTINATION SP SOURCE-PORT SP DESTINATION-PORT */
static bool parse_v1_addresses(int family, struct view v, struct proxy_header *ret)
{
	struct view source, destination, source_port, destination_port;
	struct in6_addr ignored;
	uint16_t port, ignored_port;
	void *ip = family == AF_INET ? (void *)&ret->client.v4.sin_addr : (void *)&ret->client.v6.sin6_addr;

	if (!view_cut(v, ' ', &source, &v) || !view_cut(v, ' ', &destination, &v) ||
	    !view_cut(v, ' ', &source_port, &destination_port) || !parse_ip(family, source, ip) ||
	    !parse_ip(family, destination, &ignored) || !parse_port(source_port, &port) ||
	    !parse_port(destination_port, &ignored_port))
		return false;
	ret->has_address = true;
	ret->client.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		ret->client.v4.sin_port = htons(port);
	else
		ret->client.v6.sin6_port = htons(port);
	return true;
}

static enum parse parse_v1(struct view in, size_t *ret_consumed, struct proxy_header *ret)
{
	struct view longest = view_sub(in, 0, V1_MAX);
	size_t end = view_find(longest, VIEW_LIT("\r\n"));
	struct view line = view_sub(in, v1_start.n, end - v1_start.n);
	struct view protocol = line, rest = VIEW_EMPTY;
	struct proxy_header h = {0};
	bool ok;

	if (end == longest.n)
		return longest.n < V1_MAX ? PARSE_MORE : PARSE_BAD;
	(void)view_cut(line, ' ', &protocol, &rest);
	if (view_eq_lit(protocol, "UNKNOWN"))
		ok = true; /* whatever follows up to the line's end is ignored (§2.1) */
	else if (view_eq_lit(protocol, "TCP4"))
		ok = parse_v1_addresses(AF_INET, rest, &h);
	else
		ok = view_eq_lit(protocol, "TCP6") && parse_v1_addresses(AF_INET6, rest, &h);
	if (!ok)
		return PARSE_BAD;
	*ret_consumed = end + 2;
	*ret = h;
	return PARSE_DONE;
}

static bool parse_v2_addresses(unsigned family, struct view v, struct proxy_header *ret)
{
	if (family == 0x11 && v.n >= V2_INET) { /* TCP over IPv4 */
		ret->client.v4.sin_family = AF_INET;
		memcpy(&ret->client.v4.sin_addr, v.p, 4);
		memcpy(&ret->client.v4.sin_port, v.p + 8, 2);
		ret->has_address = true;
	} else if (family == 0x21 && v.n >= V2_INET6) { /* TCP over IPv6 */
		ret->client.v6.sin6_family = AF_INET6;
		memcpy(&ret->client.v6.sin6_addr, v.p, 16);
		memcpy(&ret->client.v6.sin6_port, v.p + 32, 2);
		ret->has_address = true;
	}
	return ret->has_address || family == 0x00 || family == 0x31; /* unspecified; a Unix stream */
}

static enum parse parse_v2(struct view in, size_t *ret_consumed, struct proxy_header *ret)
{
	struct proxy_header h = {0};
	unsigned version, command, family;
	size_t n;

	if (in.n < V2_HEAD)
		return PARSE_MORE;
	version = (unsigned char)in.p[12] >> 4;
	command = in.p[12] & 0x0f;
	family = (unsigned char)in.p[13];
	n = (size_t)(unsigned char)in.p[14] << 8 | (unsigned char)in.p[15];
	if (version != V2_VERSION || command > 1 || n > PROXY_HEADER_MAX - V2_HEAD)
		return PARSE_BAD;
	if (in.n < V2_HEAD + n)
		return PARSE_MORE;
	/* LOCAL (0): a health check of the proxy's own; addresses are ignored (§2.2). */
	if (command == 1 && !parse_v2_addresses(family, view_sub(in, V2_HEAD, n), &h))
		return PARSE_BAD;
	*ret_consumed = V2_HEAD + n;
	*ret = h;
	return PARSE_DONE;
}

enum parse proxy_parse(struct view in, size_t *ret_consumed, struct proxy_header *ret)
{
	if (view_starts_with(in, v1_start))
		return parse_v1(in, ret_consumed, ret);
	if (view_starts_with(in, v2_start))
		return parse_v2(in, ret_consumed, ret);
	return view_starts_with(v1_start, in) || view_starts_with(v2_start, in) ? PARSE_MORE : PARSE_BAD;
}
