/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICY_TLS_POLICY_H
#define POMBO_POLICY_TLS_POLICY_H

#include "policy/dane.h"
#include "policy/mta_sts.h"

/* How strong TLS must be with one host of a domain, from all that asks for it: DANE (RFC 7672), MTA-STS (RFC 8461), the message's
 * REQUIRETLS (RFC 8689). The answer is never weaker than any of them asks. Pure. */
enum tls_demand {
	TLS_DEMAND_NOTHING, /* TLS where it is offered, whatever the certificate */
	TLS_DEMAND_ENCRYPT, /* TLS, whatever the certificate */
	TLS_DEMAND_NAME, /* the certificate names the host, and an authority vouches for it */
	TLS_DEMAND_DANE, /* one of the TLSA records matches */
	TLS_DEMAND_NEVER, /* nothing is to be sent to this host */
};

/* Who says so, in the words of reports (RFC 8460 §4.2: tlsa, sts, no-policy-found). */
enum tls_policy_source { TLS_FROM_NOBODY, TLS_FROM_DANE, TLS_FROM_STS, TLS_FROM_SENDER };

struct tls_policy_input {
	struct view host;
	bool name_vouched; /* DNSSEC vouches for MX and addresses, or the operator named the host */
	bool tlsa_failed; /* the records were bogus, or nobody answered for a secure name */
	const struct dane_record *tlsa; /* vouched for */
	size_t tlsa_count;
	const struct mta_sts_policy *sts; /* in force; NULL: none */
	bool requiretls;
};

struct tls_policy_verdict {
	enum tls_demand demand;
	enum tls_policy_source source;
	bool testing; /* MTA-STS in testing mode: what it would ask is only reported */
	bool testing_mx_differs; /* and there the host's name is not among its */
	const char *why; /* TLS_DEMAND_NEVER: for people; otherwise NULL */
	const char *result_type; /* the same for reports (RFC 8460 §4.3), or NULL */
};

struct tls_policy_verdict tls_policy_decide(const struct tls_policy_input *in);

#endif
