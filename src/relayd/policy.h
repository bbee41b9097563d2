/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_POLICY_H
#define POMBO_RELAYD_POLICY_H

#include "policy/tls_policy.h"
#include "relayd/hosts.h"
#include "relayd/route.h"

/* How strong TLS must be with one host, and whether what was reached is enough. Decided before the first byte; never weakened after. */
enum policy_level {
	POLICY_NONE, /* no TLS */
	POLICY_OPPORTUNISTIC, /* TLS where it is offered, whatever the certificate */
	POLICY_REQUIRED, /* TLS, whatever the certificate */
	POLICY_VERIFY, /* the certificate names the host, and an authority vouches for it */
	POLICY_DANE, /* a TLSA record vouches for it (RFC 7672) */
	POLICY_NEVER, /* nothing is to be sent to this host; `why` */
};

enum { POLICY_OTHER_NAMES = 3 };
struct policy {
	enum policy_level level;
	struct view name; /* for SNI and verification; empty: none */
	struct view other_names[POLICY_OTHER_NAMES]; /* that the certificate may have instead */
	size_t other_name_count;
	const struct tls_tlsa *tlsa;
	size_t tlsa_count;
	enum tls_policy_source source; /* who asks */
	bool testing; /* MTA-STS in testing mode: only told, not asked */
	bool testing_mx_differs;
	bool
	    name_vouched; /* by DNSSEC, MTA-STS or the operator: REQUIRETLS may go there, once it is verified (RFC 8689 §4.2.1) */
	const char *why; /* POLICY_NEVER: for people */
	const char *result_type; /* the same for reports, or NULL */
};

/* What the message says of TLS (RFC 8689). */
enum message_tls {
	MESSAGE_TLS_USUAL,
	MESSAGE_TLS_OPTIONAL, /* "TLS-Required: No" (§4.2.2): what others ask is only told */
	MESSAGE_TLS_REQUIRED, /* REQUIRETLS (§4.2.1) */
};

/* `domain`: whose mail it is, or a route's host. */
struct policy policy_of(const struct route *route, struct view domain, const struct hosts *hosts,
			const struct host *host, enum message_tls says);
bool policy_wants_tls(const struct policy *p); /* where it is offered */
bool policy_needs_tls(const struct policy *p);
/* Is a connection verified as `verified` (enum tls_verified) enough? */
bool policy_is_met(const struct policy *p, int verified);
/* By what the other side was recognized, for people (doc/tls-policy.md). Where nobody asks, a good certificate is told all the same. */
const char *policy_verified_text(const struct policy *p, int verified);

#endif
