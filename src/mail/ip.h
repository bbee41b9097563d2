/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IP_H
#define POMBO_MAIL_IP_H

#include "base/buf.h"
#include "base/mem.h"

/* An IPv4 or IPv6 address as plain data, in network byte order. */
struct ip {
	bool is_v6;
	uint8_t bytes[16]; /* the first 4 for IPv4, the rest zero */
};

/* Dotted quad without leading zeros. */
must_check bool ip_parse_v4(struct view text, struct ip *ret);
/* RFC 4291 §2.2, no zone. */
must_check bool ip_parse_v6(struct view text, struct ip *ret);
/* Either. */
must_check bool ip_parse(struct view text, struct ip *ret);
/* Reachable from everywhere: not private, loopback, link-local, shared (RFC 1918, 4193, 6598, 6890), multicast. */
bool ip_is_public(const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b);
/* The network that it is in: all bits but the first so many become zero. IPv4 in IPv6 (::ffff:0:0/96) becomes IPv4. */
void ip_to_network(struct ip *ip, unsigned v4_bits, unsigned v6_bits);
/* "192.0.2.1" or RFC 5952 form. */
void ip_format(struct buf *out, const struct ip *ip);
/* An SMTP address literal (RFC 5321 §4.1.3): "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
void ip_format_literal(struct buf *out, const struct ip *ip);

#endif
