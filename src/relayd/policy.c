/* SPDX-License-Identifier: ISC
 * The TLS policy of a host: what its route asks, or DANE and MTA-STS (policy/tls_policy.h), whichever asks more. */
#include "relayd/policy.h"

#include "relayd/sts.h"

enum { TLSA_MAX = 32 };

static enum policy_level level_of(enum tls_demand demand)
{
	static const enum policy_level levels[] = {
	    [TLS_DEMAND_NOTHING] = POLICY_OPPORTUNISTIC, [TLS_DEMAND_ENCRYPT] = POLICY_REQUIRED,
	    [TLS_DEMAND_NAME] = POLICY_VERIFY,           [TLS_DEMAND_DANE] = POLICY_DANE,
	    [TLS_DEMAND_NEVER] = POLICY_NEVER,
	};

	return levels[demand];
}

static enum policy_level level_of_route(enum route_tls tls)
{
	static const enum policy_level levels[] = {
	    [ROUTE_TLS_OPPORTUNISTIC] = POLICY_OPPORTUNISTIC,
	    [ROUTE_TLS_NONE] = POLICY_NONE,
	    [ROUTE_TLS_REQUIRED] = POLICY_REQUIRED,
	    [ROUTE_TLS_VERIFY] = POLICY_VERIFY,
	    [ROUTE_TLS_DANE] = POLICY_DANE,
	};

	return levels[tls];
}

static void also_take(struct policy *p, struct view name)
{
	for (size_t i = 0; i < p->other_name_count; i++)
		if (view_eq_nocase(p->other_names[i], name))
			return;
	if (name.n && !view_eq_nocase(name, p->name) && p->other_name_count < POLICY_OTHER_NAMES)
		p->other_names[p->other_name_count++] = name;
}

/* RFC 7672 §3.2.2: the name the records stand at, and those that DNSSEC led to it from. */
static void use_tlsa(struct policy *p, struct view domain, const struct hosts *hosts, const struct host *host)
{
	p->tlsa = host->tlsa;
	p->tlsa_count = host->tlsa_count;
	p->name = host->tlsa_base;
	also_take(p, host->name);
	also_take(p, domain);
	also_take(p, hosts->canonical);
}

static void ask_domain(struct policy *p, struct view domain, const struct hosts *hosts, const struct host *host,
		       bool required)
{
	struct dane_record records[TLSA_MAX];
	struct tls_policy_input in = {.host = host->name,
				      .name_vouched = host->secure || p->name_vouched,
				      .requiretls = required,
				      .tlsa_failed = host->tlsa_failed,
				      .tlsa = records,
				      .sts = hosts->sts ? &hosts->sts->parsed : NULL};
	struct tls_policy_verdict v;

	for (; in.tlsa_count < host->tlsa_count && in.tlsa_count < TLSA_MAX; in.tlsa_count++) {
		const struct tls_tlsa *t = &host->tlsa[in.tlsa_count];

		records[in.tlsa_count] = (struct dane_record){t->usage, t->selector, t->matching, t->data};
	}
	v = tls_policy_decide(&in);
	p->level = level_of(v.demand);
	p->source = v.source;
	p->testing = v.testing;
	p->testing_mx_differs = v.testing_mx_differs;
	p->why = v.why;
	p->result_type = v.result_type;
	p->name_vouched |=
	    host->secure || (in.sts && in.sts->mode != MTA_STS_NONE && mta_sts_allows(in.sts, host->name));
	if (v.demand == TLS_DEMAND_DANE)
		use_tlsa(p, domain, hosts, host);
}

/* What the route asks and this host can never give: better said than tried. */
static void refuse_what_cannot_be_met(struct policy *p, enum policy_level least)
{
	if (p->level == POLICY_DANE && p->tlsa_count == 0) {
		p->level = POLICY_NEVER;
		p->why = "its route asks for DANE, and DNSSEC vouches for no usable TLSA record of it";
		p->result_type = p->source == TLS_FROM_DANE ? "tlsa-invalid" : "dane-required"; /* RFC 8460 §4.3.2.1 */
	} else if (p->level == POLICY_VERIFY && least == POLICY_VERIFY && !p->name_vouched) {
		/* A certificate of whatever name a forged MX record says is worth nothing. */
		p->level = POLICY_NEVER;
		p->why =
		    "its route asks for a verified certificate, and nothing vouches for its name: name the host in "
		    "the route (`host`)";
	}
}

struct policy policy_of(const struct route *route, struct view domain, const struct hosts *hosts,
			const struct host *host, enum message_tls says)
{
	struct policy p = {.level = POLICY_NONE, .name = host->name, .name_vouched = route->host.n && !route->use_mx};
	enum policy_level least = level_of_route(route->tls);

	if (least == POLICY_NONE)
		return p;
	ask_domain(&p, domain, hosts, host, says == MESSAGE_TLS_REQUIRED);
	if (says == MESSAGE_TLS_OPTIONAL && least < POLICY_DANE) {
		p.level = POLICY_OPPORTUNISTIC;
		p.tlsa_count = 0;
	}
	if (p.level < least)
		p.level = least;
	refuse_what_cannot_be_met(&p, least);
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
	case POLICY_NEVER:
		return false;
	}
	return false;
}

const char *policy_verified_text(const struct policy *p, int verified)
{
	if (verified == TLS_VERIFIED_DANE)
		return "DANE verified";
	if (verified == TLS_NOT_VERIFIED)
		return "not verified";
	return p->source == TLS_FROM_STS && p->level == POLICY_VERIFY && !p->testing ? "MTA-STS verified"
										     : "certificate verified";
}
