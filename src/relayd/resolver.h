/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_RESOLVER_H
#define POMBO_RELAYD_RESOLVER_H

#include "base/arena.h"
#include "io/tls.h"
#include "mail/ip.h"

/* From a domain to the servers that take its mail (RFC 5321 §5.1): hosts in order of preference, equal ones in random order, each with its
 * addresses, IPv6 and IPv4 by turns. */
enum { RESOLVED_HOSTS_MAX = 16, RESOLVED_ADDRESSES_MAX = 16 };

enum resolved_what {
	RESOLVED_HOSTS,
	RESOLVED_NULL_MX, /* RFC 7505: takes no mail */
	RESOLVED_NO_SUCH, /* no such domain, or one without MX and address */
	RESOLVED_LOOP, /* we are the best of its servers ourselves, by name or by address */
	RESOLVED_TEMPORARY, /* nobody knows now */
};

struct resolved_host {
	struct view name; /* "" for an address literal */
	uint16_t preference;
	struct view canonical; /* where the CNAMEs of its address end; the same where there are none */
	bool secure; /* DNSSEC vouches for MX and address */
	bool alias_secure; /* it is a CNAME that DNSSEC vouches for, whatever comes behind it */
	struct ip addresses[RESOLVED_ADDRESSES_MAX];
	size_t address_count;
	bool addresses_failed; /* some cannot be had now */
	struct tls_tlsa *tlsa; /* with secure ones only */
	struct view tlsa_base; /* the name they stand at: the host's or its canonical one */
	size_t tlsa_count;
	bool tlsa_failed; /* asked for in a secure zone and not answered: do not send (RFC 7672 §2.1) */
};

struct resolved {
	enum resolved_what what;
	const char *why; /* for people; static or in the arena */
	uint32_t ttl_s;
	struct view canonical; /* where the CNAMEs of the domain end, from its MX on; empty without MX */
	struct resolved_host *hosts;
	size_t host_count;
	bool incomplete; /* there are hosts whose addresses cannot be had now, or more than these */
};

struct resolver;
struct resolver_request;
struct relayd;

/* Called once, perhaps before resolver_ask() returns; the answer lives during the call. */
typedef void resolver_answer_fn(void *ctx, const struct resolved *answer);

struct resolver *resolver_new(struct relayd *r);
/* A channel to dnsd (again after its restart). */
must_check int resolver_add(struct resolver *rs, int fd);
struct channel *resolver_channel(const struct resolver *rs); /* to dnsd; NULL: away */
/* `domain`: a name or an address literal ("[192.0.2.1]", or bare as a route has it). `use_mx` false: the host of that name itself. `port`: for TLSA. */
void resolver_ask(struct resolver *rs, struct view domain, bool use_mx, uint16_t port, resolver_answer_fn *fn,
		  void *ctx);

#endif
