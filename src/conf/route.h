/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CONF_ROUTE_H
#define POMBO_CONF_ROUTE_H

#include "conf/conf.h"

/* Which [route NAME] section takes a message, and what a section means. Pure. */

/* The words of `transport` and `tls` in routes.def, in their order. */
enum conf_transport { CONF_SMTP, CONF_SMTPS, CONF_LMTP };
enum conf_tls {
	CONF_TLS_AUTO,
	CONF_TLS_NONE,
	CONF_TLS_OPPORTUNISTIC,
	CONF_TLS_REQUIRE,
	CONF_TLS_VERIFY,
	CONF_TLS_DANE
};

/* The section for mail from `sender` ("" the null sender) to `domain`, domains as A-labels; NULL: none takes it. The recipient's domain
 * decides first: a section that names it goes before one that names a domain above it (the longer the sooner), and that before
 * one for any. Among those the sender decides: address, domain, domain above, any. Among equals the first of the file. */
const struct conf_route *conf_route_for(const struct conf *c, struct view sender, struct view domain);
const struct conf_route *conf_route_named(const struct conf *c, struct view name); /* NULL: none */

/* `tls`, and what auto stands for; never CONF_TLS_AUTO. */
enum conf_tls conf_route_tls(const struct conf_route *r);
/* Where it connects to; for `mx` and a domain's own servers only the port; for a UNIX socket neither. */
uint16_t conf_route_port(const struct conf *c, const struct conf_route *r);
struct view conf_route_host(const struct conf_route *r);

/* HOST, HOST:PORT or [IPv6]:PORT, as checked; the port stays as it was where none is said. */
void conf_cut_port(struct view text, struct view *ret_host, uint16_t *port);

/* Is the domain (A-labels) in a list of domains, .domains and *? */
bool conf_has_domain(const struct conf_list *l, struct view domain);

/* Does the section as a whole make sense? False with why, and which key's value it is about, in `ret_key`. */
must_check bool conf_route_check(const struct conf_route *r, const char **ret_key, const char **ret_why);

#endif
