/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_PROXY_LINE_H
#define POMBO_MAIL_PROXY_LINE_H

#include "base/mem.h"
#include "mail/ip.h"

/* The PROXY protocol header, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt). Only for ports and peers where the
 * operator wants one: there it must come, before anything else. */
enum {
	PROXY_LINE_V1_MAX = 107, /* §2.1, CRLF included */
	PROXY_LINE_MAX = 536, /* §2: a header fits the smallest segment */
};

struct proxy_line {
	/* False for LOCAL (a health check of the proxy's own) and for what is not TCP over IP: the connection's own
	 * addresses stand, and what follows is zero. */
	bool has_addresses;
	struct ip source, destination;
	uint16_t source_port, destination_port;
};

/* `in` is all that the connection brought so far. DONE: `*ret_consumed` bytes are the header; additional TLVs are passed
 * over. MORE: show more. BAD: drop the connection; a wrong signature is known at its first wrong byte. Stateless: the
 * header is looked at again on each call, which PROXY_LINE_MAX bounds. */
must_check enum parse proxy_line_parse(struct view in, size_t *ret_consumed, struct proxy_line *ret);

#endif
