/* SPDX-License-Identifier: ISC
 * libunbound on our loop.
 *
 *   asked ─▶ waiting in its lane ──a place is free──▶ running: a flight ──▶ answered
 *                  └──────────── deadline: answered, the flight goes on alone ────────┘
 *
 * Whether the servers we ask pass DNSSEC on is tried with the first question (the root's keys must validate) where nobody
 * named the trust anchors: many a resolver of a home router does not, and then no mail at all would go out. Once validation has
 * worked it is never given up. */
#include "dnsd/resolver.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unbound-event.h>
#include <unbound.h>

enum {
	WAITING_MAX = 50000, /* questions of a lane that have no place yet */
	ANSWER_ARENA_MAX = 1024 * 1024,
	PROBE_AGAIN_MS = 600000,
	PROBE_TIMEOUT_MS = 10000,
	CLASS_IN = 1,
	RCODE_NOERROR = 0,
	RCODE_NXDOMAIN = 3,
};

/* What libunbound works on at once takes about 10 KiB each. */
static const unsigned lane_places[LANES] = {[LANE_STORE] = 1024, [LANE_RELAY] = 1536, [LANE_FETCH] = 64};

struct question {
	TAILQ_ENTRY(question) link; /* in the lane, while waiting */
	struct resolver *resolver;
	enum resolver_lane lane;
	struct flight *flight; /* running */
	struct event *deadline;
	question_fn *fn;
	void *ctx;
	uint16_t type;
	char *name;
};

/* A question that libunbound works on. */
struct flight {
	TAILQ_ENTRY(flight) link;
	struct resolver *resolver;
	struct question *question; /* NULL: nobody waits any more */
	enum resolver_lane lane;
};

TAILQ_HEAD(questions, question);
TAILQ_HEAD(flights, flight);

struct lane {
	struct questions waiting;
	unsigned n_waiting;
	unsigned n_flights;
};

enum trust { TRUST_UNKNOWN, TRUST_TRYING, TRUST_VALIDATING, TRUST_PLAIN };

struct resolver {
	struct event_base *base;
	struct ub_ctx *validating;
	struct ub_ctx *plain; /* without anchors; made when it is needed */
	struct arena arena; /* of the servers' texts */
	struct servers *servers;
	enum trust trust;
	uint64_t try_again_ms; /* TRUST_PLAIN: when to try anew */
	struct lane lanes[LANES];
	struct flights flights;
	struct event *pump; /* starts what waits; later in the turn, never out of libunbound */
	struct event *probe_deadline;
	bool replacing;
	size_t count;
};

/* ---- libunbound ---- */

static const struct {
	const char *option;
	const char *value;
} options[] = {
    {"msg-cache-size:", "4m"},
    {"rrset-cache-size:", "8m"},
    {"key-cache-size:", "2m"},
    {"neg-cache-size:", "1m"},
    {"infra-cache-numhosts:", "5000"},
    {"outgoing-range:", "128"},
    {"minimal-responses:", "yes"},
    /* A resolver of one's own network may know these. */
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    {"do-not-query-localhost:", "no"},
};

static struct ub_ctx *make_ctx(struct event_base *base, const struct servers *s, bool validating)
{
	struct ub_ctx *ctx = ub_ctx_create_event(base);
	int e = ctx ? ub_ctx_debugout(ctx, NULL) : -1;

	for (size_t i = 0; i < ARRAY_LEN(options) && e == 0; i++)
		e = ub_ctx_set_option(ctx, options[i].option, options[i].value);
	/* A resolver that is silent about some names (their servers are dead) is still asked about all others: its silence is soon
	 * forgotten. Nor do those that were silent while the network was away count as dead for the 15 minutes that are usual. */
	if (e == 0)
		e = ub_ctx_set_option(ctx, "infra-host-ttl:", s->n_forwarders > 0 ? "1" : "20");
	for (size_t i = 0; i < s->n_forwarders && e == 0; i++)
		e = ub_ctx_set_fwd(ctx, s->forwarders[i]);
	for (size_t i = 0; i < s->n_anchors && validating && e == 0; i++)
		e = ub_ctx_add_ta(ctx, s->anchors[i]);
	/* libunbound answers for .test by itself (RFC 6761 §6.2); a private network may mean it. From here on nothing can be set. */
	if (e == 0)
		e = ub_ctx_zone_remove(ctx, "test.");
	if (e == 0)
		return ctx;
	if (ctx)
		ub_ctx_delete(ctx);
	return NULL;
}

/* ---- answering ---- */

struct dns_result dns_result_failure(enum dns_failure why, struct view text)
{
	return (struct dns_result){.failed = true, .why = why, .text = text};
}

static void question_free(struct question *q)
{
	if (q->flight)
		q->flight->question = NULL;
	else
		TAILQ_REMOVE(&q->resolver->lanes[q->lane].waiting, q, link);
	q->resolver->lanes[q->lane].n_waiting -= !q->flight;
	q->resolver->count--;
	event_free(q->deadline);
	free(q->name);
	free(q);
}

static void end(struct question *q, const struct dns_result *result)
{
	question_fn *fn = q->fn;
	void *ctx = q->ctx;

	question_free(q);
	fn(ctx, result);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct dns_result late = dns_result_failure(DNS_TIMEOUT, VIEW_LIT("no answer in time"));

	(void)fd;
	(void)what;
	end(ctx, &late);
}

void question_cancel(struct question **q)
{
	if (*q)
		question_free(*q);
	*q = NULL;
}

static struct dns_result read_answer(const struct question *q, struct view packet, bool secure, struct arena *a)
{
	struct dns_result result = {.secure = secure};

	if (!dns_answer_parse(packet, view_from_cstr(q->name), q->type, a, &result.answer))
		return dns_result_failure(DNS_BAD_ANSWER, VIEW_LIT("the answer is malformed"));
	/* Records are missing, all of them maybe: this is no denial. */
	if (result.answer.truncated)
		return dns_result_failure(DNS_BAD_ANSWER, VIEW_LIT("the answer is longer than a packet can be"));
	if (result.answer.rcode != RCODE_NOERROR && result.answer.rcode != RCODE_NXDOMAIN)
		return dns_result_failure(DNS_SERVER_FAILURE, VIEW_LIT("the name servers cannot say"));
	if (result.answer.n_records == 0 && result.answer.dropped > 0)
		return dns_result_failure(DNS_BAD_ANSWER, VIEW_LIT("no record of the answer makes sense"));
	return result;
}

/* ---- flights ---- */

enum { SEC_BOGUS = 1, SEC_SECURE = 2 }; /* as libunbound says it */

static struct question *flight_land(struct flight *f)
{
	struct resolver *r = f->resolver;
	struct question *q = f->question;

	TAILQ_REMOVE(&r->flights, f, link);
	r->lanes[f->lane].n_flights--;
	if (q)
		q->flight = NULL;
	free(f);
	return q;
}

static void wait_again(struct question *q)
{
	struct lane *l = &q->resolver->lanes[q->lane];

	TAILQ_INSERT_HEAD(&l->waiting, q, link);
	l->n_waiting++;
}

static void pump_soon(struct resolver *r)
{
	event_active(r->pump, EV_TIMEOUT, 0);
}

static void on_answer(void *ctx, int rcode, void *packet, int packet_len, int sec, char *why_bogus, int was_ratelimited)
{
	struct flight *f = ctx;
	struct resolver *r = f->resolver;
	struct question *q = flight_land(f);
	struct dns_result result;
	struct arena arena;

	(void)was_ratelimited;
	pump_soon(r);
	if (!q)
		return;
	wait_again(q); /* where end() takes it from */
	if (r->replacing)
		return;
	arena_init(&arena, ANSWER_ARENA_MAX);
	if (sec == SEC_BOGUS)
		result = dns_result_failure(
		    DNS_BOGUS, view_sub(view_from_cstr(why_bogus ? why_bogus : "DNSSEC does not hold"), 0, 255));
	else if (rcode != RCODE_NOERROR || !packet || packet_len < 0)
		result = dns_result_failure(DNS_SERVER_FAILURE, VIEW_LIT("the name servers cannot say"));
	else
		result = read_answer(q, view_from(packet, (size_t)packet_len), sec == SEC_SECURE, &arena);
	end(q, &result);
	arena_fini(&arena);
}

static void fly(struct question *q, struct ub_ctx *ctx)
{
	struct resolver *r = q->resolver;
	struct flight *f = xcalloc(1, sizeof *f);
	struct lane *l = &r->lanes[q->lane];
	struct dns_result failure = dns_result_failure(DNS_SERVER_FAILURE, VIEW_LIT("libunbound cannot ask this"));

	TAILQ_REMOVE(&l->waiting, q, link);
	l->n_waiting--;
	*f = (struct flight){.resolver = r, .question = q, .lane = q->lane};
	q->flight = f;
	TAILQ_INSERT_TAIL(&r->flights, f, link);
	l->n_flights++;
	/* May answer at once. */
	if (ub_resolve_event(ctx, q->name[0] ? q->name : ".", q->type, CLASS_IN, f, on_answer, NULL) == 0)
		return;
	wait_again(flight_land(f));
	end(q, &failure);
}

/* ---- trust ---- */

static struct ub_ctx *plain_ctx(struct resolver *r)
{
	if (!r->plain)
		r->plain = make_ctx(r->base, r->servers, false);
	return r->plain;
}

static void fail_all_waiting(struct resolver *r)
{
	struct dns_result failure = dns_result_failure(DNS_SERVER_FAILURE, VIEW_LIT("the DNS servers do not answer"));
	struct question *q;

	for (int lane = 0; lane < LANES; lane++) {
		/* Not those that are asked meanwhile. */
		for (unsigned n = r->lanes[lane].n_waiting; n > 0 && (q = TAILQ_FIRST(&r->lanes[lane].waiting)); n--)
			end(q, &failure);
	}
}

/* The servers said nothing at all: whoever waits hears so, and the next question tries again. */
static void probe_failed(struct resolver *r)
{
	r->trust = r->try_again_ms ? TRUST_PLAIN : TRUST_UNKNOWN;
	if (r->trust == TRUST_UNKNOWN)
		fail_all_waiting(r);
	else
		r->try_again_ms = clock_mono_ms() + PROBE_AGAIN_MS;
}

static void on_probe_answer(void *ctx, int rcode, void *packet, int packet_len, int sec, char *why_bogus,
			    int was_ratelimited)
{
	struct resolver *r = ctx;

	(void)packet;
	(void)packet_len;
	(void)why_bogus;
	(void)was_ratelimited;
	if (r->replacing || r->trust == TRUST_VALIDATING)
		return;
	(void)event_del(r->probe_deadline);
	if (sec == SEC_SECURE) {
		r->trust = TRUST_VALIDATING;
	} else if (sec == SEC_BOGUS || rcode == RCODE_NOERROR) {
		if (!r->try_again_ms)
			log_event(LOG_LEVEL_WARNING, "dnssec-not-possible",
				  "the DNS servers asked do not pass DNSSEC on: answers are not validated, DANE cannot "
				  "be used; name "
				  "others with dns-server");
		r->trust = TRUST_PLAIN;
		r->try_again_ms = clock_mono_ms() + PROBE_AGAIN_MS;
	} else {
		probe_failed(r);
	}
	pump_soon(r);
}

static void on_probe_late(evutil_socket_t fd, short what, void *ctx)
{
	struct resolver *r = ctx;

	(void)fd;
	(void)what;
	if (r->trust == TRUST_TRYING)
		probe_failed(r);
}

static void probe(struct resolver *r)
{
	const struct timeval tv = {PROBE_TIMEOUT_MS / 1000, 0};

	r->trust = TRUST_TRYING;
	(void)event_add(r->probe_deadline, &tv);
	if (ub_resolve_event(r->validating, ".", DNS_DNSKEY, CLASS_IN, r, on_probe_answer, NULL) != 0)
		r->trust = TRUST_VALIDATING;
}

/* The context to ask now; NULL: not known yet. */
static struct ub_ctx *choose_ctx(struct resolver *r)
{
	if (r->trust == TRUST_UNKNOWN || (r->trust == TRUST_PLAIN && clock_mono_ms() > r->try_again_ms))
		probe(r);
	switch (r->trust) {
	case TRUST_UNKNOWN:
		return NULL;
	case TRUST_TRYING:
		return r->try_again_ms ? plain_ctx(r) : NULL;
	case TRUST_VALIDATING:
		return r->validating;
	case TRUST_PLAIN:
		return plain_ctx(r);
	}
	return NULL;
}

/* ---- lanes ---- */

static void start_lane(struct resolver *r, enum resolver_lane lane)
{
	struct lane *l = &r->lanes[lane];
	struct question *q;

	while ((q = TAILQ_FIRST(&l->waiting)) && l->n_flights < lane_places[lane]) {
		struct ub_ctx *ctx = choose_ctx(r);

		if (!ctx)
			return;
		fly(q, ctx);
	}
}

static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
	struct resolver *r = ctx;

	(void)fd;
	(void)what;
	for (int lane = 0; lane < LANES && r->validating; lane++)
		start_lane(r, (enum resolver_lane)lane);
}

struct question *resolver_ask(struct resolver *r, enum resolver_lane lane, struct view name, uint16_t type,
			      uint32_t deadline_ms, question_fn *fn, void *ctx)
{
	const struct timeval tv = {deadline_ms / 1000, deadline_ms % 1000 * 1000};
	struct lane *l = &r->lanes[lane];
	struct question *q;

	if (l->n_waiting >= WAITING_MAX)
		return NULL;
	q = xcalloc(1, sizeof *q);
	*q = (struct question){.resolver = r, .lane = lane, .fn = fn, .ctx = ctx, .type = type};
	q->name = view_to_cstr(name);
	q->deadline = event_new(r->base, -1, 0, on_deadline, q);
	assert(q->name && q->deadline);
	(void)event_add(q->deadline, &tv);
	TAILQ_INSERT_TAIL(&l->waiting, q, link);
	l->n_waiting++;
	r->count++;
	pump_soon(r);
	return q;
}

size_t resolver_count(const struct resolver *r)
{
	return r->count;
}

/* ---- life ---- */

struct resolver *resolver_new(struct event_base *base)
{
	struct resolver *r = xcalloc(1, sizeof *r);

	r->base = base;
	for (int lane = 0; lane < LANES; lane++)
		TAILQ_INIT(&r->lanes[lane].waiting);
	TAILQ_INIT(&r->flights);
	arena_init(&r->arena, 2 * SERVERS_FILE_MAX);
	r->pump = event_new(base, -1, 0, on_pump, r);
	r->probe_deadline = event_new(base, -1, 0, on_probe_late, r);
	assert(r->pump && r->probe_deadline);
	return r;
}

/* The contexts go; what they were at is asked again. */
static void drop_contexts(struct resolver *r)
{
	struct flight *f;

	r->replacing = true;
	if (r->validating)
		ub_ctx_delete(r->validating);
	if (r->plain)
		ub_ctx_delete(r->plain);
	r->validating = r->plain = NULL;
	while ((f = TAILQ_FIRST(&r->flights))) {
		struct question *q = flight_land(f);

		if (q)
			wait_again(q);
	}
	r->replacing = false;
}

static struct servers *copy_servers(struct arena *a, const struct servers *s)
{
	struct servers *copy = xmemdup(s, sizeof *s);

	for (size_t i = 0; i < s->n_forwarders; i++)
		copy->forwarders[i] = arena_cstr(a, view_from_cstr(s->forwarders[i]));
	for (size_t i = 0; i < s->n_anchors; i++)
		copy->anchors[i] = arena_cstr(a, view_from_cstr(s->anchors[i]));
	return copy;
}

int resolver_set(struct resolver *r, const struct servers *servers)
{
	struct ub_ctx *validating;

	if (r->servers && servers_eq(r->servers, servers))
		return 0;
	validating = make_ctx(r->base, servers, true);
	if (!validating)
		return -EINVAL;
	drop_contexts(r);
	free(r->servers);
	arena_reset(&r->arena);
	r->servers = copy_servers(&r->arena, servers);
	r->validating = validating;
	/* Who asks the root servers himself, or named the anchors, wants what they say. */
	r->trust = servers->default_anchors && servers->n_forwarders > 0 ? TRUST_UNKNOWN : TRUST_VALIDATING;
	r->try_again_ms = 0;
	(void)event_del(r->probe_deadline);
	pump_soon(r);
	return 0;
}
