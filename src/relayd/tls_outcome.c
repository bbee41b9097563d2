/* SPDX-License-Identifier: ISC
 * How TLS with a host went, counted for reports (RFC 8460 §4.3). */
#include "base/encode.h"
#include "relayd/session_private.h"
#include "relayd/sts.h"
#include "relayd/tally.h"

enum { POLICY_MAX = 8192 };

static enum tls_report_policy type_of(const struct policy *p)
{
	switch (p->source) {
	case TLS_FROM_DANE:
		return TLS_REPORT_TLSA;
	case TLS_FROM_STS:
		return TLS_REPORT_STS;
	case TLS_FROM_NOBODY:
	case TLS_FROM_SENDER:
		break;
	}
	return TLS_REPORT_NO_POLICY;
}

/* "3 1 1 e3b0…", a line a record. */
static void write_tlsa(struct buf *out, const struct host *h)
{
	for (size_t i = 0; i < h->tlsa_count; i++) {
		const struct tls_tlsa *t = &h->tlsa[i];

		buf_printf(out, "%s%u %u %u ", i ? "\n" : "", t->usage, t->selector, t->matching);
		encode_hex(out, t->data);
	}
}

static void write_sts(struct buf *out, const struct sts_policy *p)
{
	struct view rest = view_trim(view_from(p->text, p->n)), line;

	for (bool more = rest.n > 0; more;) {
		more = view_cut(rest, '\n', &line, &rest);
		if (out->n)
			buf_append_char(out, '\n');
		buf_append_view(out, view_trim(more ? line : rest));
	}
}

static void count(struct session_private *s, const char *result, const char *reason)
{
	const struct route *route = destination_route(s->destination);
	_cleanup_(buf_fini) struct buf policy = BUF_INIT(POLICY_MAX), ip = BUF_INIT(64);
	struct tally_outcome o = {.domain = destination_name(s->destination),
				  .policy_type = type_of(&s->policy),
				  .result = view_from_cstr(result),
				  .mx = session_host(s)->name,
				  .reason = view_from_cstr(reason),
				  .tlsa_base = VIEW_EMPTY};

	if (route->host.n || route->lmtp || o.mx.n == 0)
		return; /* the operator's own doing */
	/* No policy counts there; and it is how reports go, which are not to be told of in the next (RFC 8460 §3). */
	if (destination_tls(s->destination) == MESSAGE_TLS_OPTIONAL)
		return;
	if (o.policy_type == TLS_REPORT_TLSA) {
		write_tlsa(&policy, session_host(s));
		o.tlsa_base = session_host(s)->tlsa_base;
	} else if (o.policy_type == TLS_REPORT_STS && s->hosts->sts) {
		write_sts(&policy, s->hosts->sts);
	}
	if (s->connected)
		ip_format(&ip, &s->peer);
	o.policy = policy.n && !policy.overflow ? buf_view(&policy) : VIEW_EMPTY;
	o.mx_ip = ip.n ? buf_view(&ip) : VIEW_EMPTY;
	o.sending_ip = s->local.n ? buf_view(&s->local) : VIEW_EMPTY;
	tally_add(s->relayd->tally, &o);
}

void tls_outcome_never(struct session_private *s)
{
	if (s->policy.result_type)
		count(s, s->policy.result_type, s->policy.why);
}

void tls_outcome_not_offered(struct session_private *s)
{
	if (!s->tls_tried && policy_wants_tls(&s->policy) && session_host(s)->plain_until_ms == 0)
		count(s, "starttls-not-supported", "");
}

void tls_outcome_broken(struct session_private *s, const char *why)
{
	count(s, "validation-failure", why);
}

/* Of the certificate; "" when it is what the policy asks for. */
static const char *flaw_of(const struct session_private *s, int verified)
{
	static const char *const results[] = {
	    [TLS_FLAW_NONE] = "",
	    [TLS_FLAW_EXPIRED] = "certificate-expired",
	    [TLS_FLAW_NAME] = "certificate-host-mismatch",
	    [TLS_FLAW_UNTRUSTED] = "certificate-not-trusted",
	    [TLS_FLAW_TLSA] = "validation-failure",
	};

	if (verified == TLS_NOT_VERIFIED)
		return results[stream_tls_flaw(s->stream)];
	return "";
}

void tls_outcome_established(struct session_private *s, int verified, const char *why)
{
	const struct policy *p = &s->policy;

	if (p->source == TLS_FROM_DANE && s->hosts && session_host(s)->tlsa_count && p->tlsa_count == 0)
		count(s, "tlsa-invalid", "none of the TLSA records can be used");
	else if (p->source == TLS_FROM_STS && p->testing_mx_differs)
		count(s, "validation-failure", "the policy does not name this host");
	else if (p->source == TLS_FROM_DANE || p->source == TLS_FROM_STS)
		count(s, flaw_of(s, verified), verified == TLS_NOT_VERIFIED ? why : "");
	else
		count(s, policy_is_met(p, verified) ? "" : flaw_of(s, verified), policy_is_met(p, verified) ? "" : why);
}
