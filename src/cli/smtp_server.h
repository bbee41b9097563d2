/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SMTP_SERVER_H
#define POMBO_CLI_SMTP_SERVER_H

#include "base/buf.h"
#include "base/mem.h"

/* Another server, as typed: smtps://HOST[:PORT] (TLS from the start, port 465), smtp://HOST[:PORT] (STARTTLS, port 587), or a
 * host alone, which means smtps. An IPv6 address stands in brackets. */
struct smtp_server {
	bool tls; /* from the start */
	struct view host; /* without brackets */
	uint16_t port;
};

must_check bool smtp_server_parse(struct view text, struct smtp_server *ret);
/* The URL, in full. */
void smtp_server_format(const struct smtp_server *server, struct buf *out);
/* This machine, by a name that says so. */
bool smtp_server_is_loopback(const struct smtp_server *server);

#endif
