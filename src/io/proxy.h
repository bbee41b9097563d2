/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_PROXY_H
#define POMBO_IO_PROXY_H

#include "base/mem.h"
#include "base/view.h"

#include <netinet/in.h>

/* The PROXY protocol's header, version 1 (text) and 2 (binary), as HAProxy's proxy-protocol.txt has it. Pure. */
enum { PROXY_HEADER_MAX = 2048 }; /* bytes; a larger one is bad: nobody needs that many TLVs */

struct proxy_header {
	bool has_address; /* false: LOCAL, UNKNOWN, or a Unix socket: the connection's own address counts */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} client;
};

/* DONE: the header is the first `consumed` bytes. MORE: what is there may become one. BAD: it cannot. */
enum parse proxy_parse(struct view in, size_t *ret_consumed, struct proxy_header *ret);

#endif
