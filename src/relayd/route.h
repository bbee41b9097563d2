/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_ROUTE_H
#define POMBO_RELAYD_ROUTE_H

#include "conf/conf.h"
#include "mail/ip.h"

/* Which way a message takes: to the domain's own servers, or to a host that the operator named. */
enum route_tls {
	ROUTE_TLS_OPPORTUNISTIC,
	ROUTE_TLS_NONE,
	ROUTE_TLS_REQUIRED, /* encrypted, whoever it is */
	ROUTE_TLS_VERIFY, /* and the certificate names the host */
	ROUTE_TLS_DANE, /* and a TLSA record vouches for it */
};

struct route {
	struct view name; /* of its section; "relay-host"; "" to the domain's own servers */
	struct view
	    key; /* all that makes it what it is: what shares connections, with the domain where `host` is empty */
	struct view host; /* name or literal; the path where `local`; empty: the domain's MX */
	uint16_t port;
	bool use_mx; /* look up MX of `host` */
	bool tls_first; /* TLS from the first byte */
	bool lmtp;
	bool local; /* to a UNIX socket of this machine: no port, no TLS, no login */
	enum route_tls tls;
	struct view user, password; /* empty: no AUTH */
	struct ip sources[2]; /* addresses that connections come from, at most one of each family */
	size_t source_count;
};

struct routes;
struct routes *routes_new(const struct conf *conf);
void routes_free(struct routes **rs);
void routes_configure(struct routes *rs, const struct conf *conf); /* after a reload */
/* Lines "HOST USER PASSWORD"; takes over `fd`. 0 or negative errno. */
must_check int routes_read_passwords(struct routes *rs, int fd);
void routes_forget_passwords(struct routes *rs); /* the file is gone */
/* Never NULL; valid until the next routes_configure() or routes_read_passwords(). `domain`: canonical; `sender` as it came. */
const struct route *route_for(const struct routes *rs, struct view sender, struct view domain);
/* All that decides which way mail takes and what it meets there, passwords too: when it is another text, ways have changed. */
enum { ROUTES_TEXT_MAX = 64 * 1024 * 1024 };
void routes_describe(const struct routes *rs, struct buf *out);
/* Is there still a route with that key, that is, one that means the same? */
bool routes_has_key(const struct routes *rs, struct view key);

#endif
