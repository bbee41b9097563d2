/* SPDX-License-Identifier: ISC
 * The TLS policy of a host: from its route, then from what DNSSEC says of it. */
#include "relayd/policy.h"

struct policy policy_of(const struct route *route, const struct host *host)
{
	struct policy p = {.level = POLICY_OPPORTUNISTIC, .name = host->name};

	switch (route->tls) {
	case ROUTE_TLS_NONE:
		p.level = POLICY_NONE;
		return p;
	case ROUTE_TLS_VERIFY:
		p.level = POLICY_VERIFY;
		return p;
	case ROUTE_TLS_REQUIRED:
		p.level = POLICY_REQUIRED;
		break;
	case ROUTE_TLS_OPPORTUNISTIC:
		break;
	}
	/* RFC 7672 §2.2: secure records that none can be used of still mean TLS, without verification. */
	if (host->tlsa_failed)
		p.level = POLICY_UNKNOWN;
	for (size_t i = 0; i < host->tlsa_count; i++) {
		const struct tls_tlsa *t = &host->tlsa[i];

		if ((t->usage == 2 || t->usage == 3) && t->selector <= 1 && t->matching <= 2) {
			p.level = POLICY_DANE;
			p.tlsa = host->tlsa;
			p.tlsa_count = host->tlsa_count;
			return p;
		}
		p.level = POLICY_REQUIRED;
	}
	return p;
}

bool policy_wants_tls(const struct policy *p)
{
	return p->level != POLICY_NONE;
}

bool policy_needs_tls(const struct policy *p)
{
	return p->level >= POLICY_REQUIRED;
}

bool policy_is_met(const struct policy *p, int verified)
{
	switch (p->level) {
	case POLICY_NONE:
	case POLICY_OPPORTUNISTIC:
	case POLICY_REQUIRED:
		return true;
	case POLICY_VERIFY:
		return verified == TLS_VERIFIED_NAME || verified == TLS_VERIFIED_DANE;
	case POLICY_DANE:
		return verified == TLS_VERIFIED_DANE;
	case POLICY_UNKNOWN:
		return false;
	}
	return false;
}
