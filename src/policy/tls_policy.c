/* SPDX-License-Identifier: ISC
 * What TLS a host must offer: DANE first, then MTA-STS, then the sender. */
#include "policy/tls_policy.h"

static struct tls_policy_verdict never(enum tls_policy_source source, const char *result_type, const char *why)
{
	return (struct tls_policy_verdict){
	    .demand = TLS_DEMAND_NEVER, .source = source, .result_type = result_type, .why = why};
}

/* RFC 8461 §5: enforce binds; testing only tells; none is no policy. */
static struct tls_policy_verdict by_sts(const struct tls_policy_input *in)
{
	struct tls_policy_verdict v = {.demand = TLS_DEMAND_NOTHING, .source = TLS_FROM_NOBODY};
	bool named;

	if (!in->sts || in->sts->mode == MTA_STS_NONE)
		return v;
	named = mta_sts_allows(in->sts, in->host);
	v.source = TLS_FROM_STS;
	if (in->sts->mode == MTA_STS_TESTING) {
		v.testing = true;
		v.testing_mx_differs = !named;
		return v;
	}
	if (!named)
		return never(TLS_FROM_STS, "validation-failure", "the domain's MTA-STS policy does not name this host");
	v.demand = TLS_DEMAND_NAME;
	return v;
}

/* RFC 8689 §4.2.1: a name that somebody vouches for, and a certificate of that name. */
static struct tls_policy_verdict by_sender(const struct tls_policy_input *in, struct tls_policy_verdict v)
{
	if (!in->requiretls || v.demand == TLS_DEMAND_NEVER || v.demand == TLS_DEMAND_DANE)
		return v;
	if (!in->name_vouched && (!in->sts || in->sts->mode == MTA_STS_NONE || !mta_sts_allows(in->sts, in->host)))
		return never(TLS_FROM_SENDER, NULL,
			     "the sender requires TLS, and neither DNSSEC nor MTA-STS vouches for this host's name");
	if (v.demand < TLS_DEMAND_NAME) {
		v.demand = TLS_DEMAND_NAME;
		v.source = v.source == TLS_FROM_NOBODY ? TLS_FROM_SENDER : v.source;
	}
	return v;
}

struct tls_policy_verdict tls_policy_decide(const struct tls_policy_input *in)
{
	enum dane_demand dane = dane_demand_of(in->tlsa, in->tlsa_count);
	struct tls_policy_verdict v;

	/* RFC 7672 §2.1.2: who could be downgraded here is passed over. */
	if (in->tlsa_failed)
		return never(TLS_FROM_DANE, "dnssec-invalid", "its TLSA records cannot be looked up securely");
	/* RFC 8461 §2: MTA-STS never stands above DANE. */
	if (dane == DANE_VERIFY)
		return (struct tls_policy_verdict){.demand = TLS_DEMAND_DANE, .source = TLS_FROM_DANE};
	v = by_sts(in);
	if (dane == DANE_ENCRYPT && v.demand < TLS_DEMAND_ENCRYPT)
		v = (struct tls_policy_verdict){.demand = TLS_DEMAND_ENCRYPT, .source = TLS_FROM_DANE};
	return by_sender(in, v);
}
