/* SPDX-License-Identifier: ISC */
#ifndef POMBO_DNSD_RESOLVER_H
#define POMBO_DNSD_RESOLVER_H

#include "dnsd/servers.h"
#include "mail/dns_packet.h"

/* libunbound behind lanes: each kind of asker has a lane with places of its own, so that one with a million slow
 * questions holds up nobody else. A question waits for a place in its lane, runs, and is answered once: by then, or with
 * DNS_TIMEOUT when its deadline passes. A question that libunbound cannot end yet keeps its place, whoever waits for it. */
struct event_base;
struct resolver;
struct question;

enum resolver_lane { LANE_STORE, LANE_RELAY, LANE_FETCH, LANES };

struct dns_result {
	bool failed;
	enum dns_failure why; /* failed: why, and for people what libunbound says of it */
	struct view text;
	bool secure;
	struct dns_answer answer; /* not failed; rcode is 0 or 3 (RFC 1035 §4.1.1: no such name) */
};

/* Valid during the call. The question is gone already: it must not be cancelled any more. */
typedef void question_fn(void *ctx, const struct dns_result *result);

struct resolver *resolver_new(struct event_base *base);
/* New servers: what runs is asked anew. -EINVAL: libunbound takes no such server or anchor; then nothing has changed. */
must_check int resolver_set(struct resolver *r, const struct servers *servers);

/* `fn` is never called out of here. NULL: too many wait in the lane. */
struct question *resolver_ask(struct resolver *r, enum resolver_lane lane, struct view name, uint16_t type,
			      uint32_t deadline_ms, question_fn *fn, void *ctx);
void question_cancel(struct question **q);
size_t resolver_count(const struct resolver *r); /* questions not answered yet */

/* A failure, for those who answer in the resolver's stead. */
struct dns_result dns_result_failure(enum dns_failure why, struct view text);

#endif
