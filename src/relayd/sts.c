/* SPDX-License-Identifier: ISC
 * From a domain to its MTA-STS policy.
 *
 *   what stored keeps, and the TXT record, asked at once ─▶ a policy kept, and the record's id is its own, or there is none: that one
 *                                                       └▶ otherwise: fetched; found well-formed: kept, and that one
 *
 * Whatever fails, a policy that was kept and has not expired stays in force (RFC 8461 §3.3): who can stop a fetch must not be able
 * to take the policy away; nor does stored's silence, and that is not remembered. A policy that is a day old is fetched anew whatever became of its record (§10.2). What was found is
 * remembered while its record's TTL lasts. */
#include "relayd/sts.h"

#include "base/clock.h"
#include "ipc/msgs/dns_msgs.h"
#include "ipc/msgs/fetch_msgs.h"
#include "mail/dns_record.h"
#include "mail/https_url.h"
#include "relayd/relayd.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	DNS_MS = 20000,
	STORE_MS = 20000,
	FETCH_MS = 40000, /* §3.3 suggests a minute; mail waits for it */
	TTL_MIN_S = 60,
	TTL_MAX_S = 3600,
	TTL_FAILED_S = 60, /* after a DNS failure */
	/* At once: fetchd does 64, stored's among them. What it refuses would be taken for "no policy". */
	FETCHES_MAX = 48,
	FETCH_AGAIN_S = 300, /* after a fetch that failed (§3.3: five minutes or longer) */
	REMEMBERED_MAX = 2000, /* domains */
	REMEMBERED_BYTES_MAX = 4 * 1024 * 1024,
	REFRESH_FIRST_S = 10, /* after the start */
	REFRESH_EVERY_S = 3600,
	REFRESH_AGE_S = 86400, /* §10.2: look daily, so that nobody needs to be downgraded once a policy has run out */
};

enum record_state { RECORD_ASKED, RECORD_NONE, RECORD_FOUND, RECORD_FAILED };

struct waiter {
	STAILQ_ENTRY(waiter) link;
	sts_answer_fn *fn;
	void *ctx;
};

struct entry {
	TAILQ_ENTRY(entry) link; /* the one that was settled last stands last; or in line */
	struct sts *sts;
	char *domain;
	STAILQ_HEAD(, waiter) waiters;
	bool working, settled; /* settled: in the list */
	bool store_silent; /* what it keeps is not known */
	uint64_t in_line_ms; /* since when */
	bool must_fetch; /* a refresh: the id may be the same */
	unsigned asking; /* the DNS and stored */
	enum record_state record;
	char id[MTA_STS_ID_MAX + 1], kept_id[MTA_STS_ID_MAX + 1]; /* proven: an id is no longer */
	uint32_t ttl_s;
	struct sts_policy *policy;
	int64_t fetched_s, until_s; /* of the policy */
	int64_t failed_s; /* when a fetch failed last, with failed_id */
	char failed_id[MTA_STS_ID_MAX + 1]; /* proven: the same */
	const char *problem;
	uint64_t good_until_ms;
};

struct sts {
	struct relayd *relayd;
	struct channel *fetcher;
	struct map entries; /* by domain */
	TAILQ_HEAD(entries, entry) settled, line; /* line: to be fetched when others are */
	unsigned fetching;
	size_t bytes; /* of the policies held here */
	struct event *refresh;
};

/* ---- policies ---- */

struct sts_policy *sts_policy_ref(struct sts_policy *p)
{
	if (p)
		p->refs++;
	return p;
}

void sts_policy_unref(struct sts_policy **pp)
{
	struct sts_policy *p = *pp;

	*pp = NULL;
	if (p && --p->refs == 0)
		free(p);
}

/* NULL: malformed. */
static struct sts_policy *policy_new(struct view text)
{
	struct sts_policy *p = xcalloc(1, sizeof *p + text.n + 1);

	p->refs = 1;
	p->n = text.n;
	if (text.n)
		memcpy(p->text, text.p, text.n);
	if (!mta_sts_policy_parse(view_from(p->text, p->n), &p->parsed))
		sts_policy_unref(&p);
	return p;
}

static void set_policy(struct entry *e, struct sts_policy *p)
{
	e->sts->bytes -= e->policy ? e->policy->n : 0;
	sts_policy_unref(&e->policy);
	e->policy = p;
	e->sts->bytes += p ? p->n : 0;
}

static bool in_force(const struct entry *e)
{
	return e->policy && e->until_s > clock_wall_s();
}

static void copy_id(char ret[MTA_STS_ID_MAX + 1], struct view id)
{
	size_t n = id.n < MTA_STS_ID_MAX ? id.n : MTA_STS_ID_MAX;

	memcpy(ret, id.p, n);
	ret[n] = '\0';
}

/* ---- entries ---- */

static void entry_free(struct entry *e)
{
	(void)map_remove(&e->sts->entries, view_from_cstr(e->domain));
	set_policy(e, NULL);
	free(e->domain);
	free(e);
}

static void forget_oldest(struct sts *s)
{
	struct entry *e;

	while ((s->entries.count > REMEMBERED_MAX || s->bytes > REMEMBERED_BYTES_MAX) &&
	       (e = TAILQ_FIRST(&s->settled))) {
		TAILQ_REMOVE(&s->settled, e, link);
		entry_free(e);
	}
}

static void log_sts(enum log_level level, const char *event, const struct entry *e, const char *why)
{
	struct log_line l;

	log_begin(&l, level, event);
	log_cstr(&l, "domain", e->domain);
	log_cstr(&l, "id", e->id);
	if (e->policy)
		log_cstr(&l, "mode", mta_sts_mode_name(e->policy->parsed.mode));
	log_cstr(&l, "in-force", in_force(e) ? "yes" : "no");
	if (why)
		log_cstr(&l, "why", why);
	log_end(&l);
}

static uint32_t remember_for_s(const struct entry *e)
{
	if (e->record == RECORD_FAILED || (e->record == RECORD_FOUND && e->problem))
		return TTL_FAILED_S;
	return e->ttl_s < TTL_MIN_S ? TTL_MIN_S : e->ttl_s > TTL_MAX_S ? TTL_MAX_S : e->ttl_s;
}

static void settle(struct entry *e)
{
	struct sts *s = e->sts;
	struct sts_policy *policy = in_force(e) ? sts_policy_ref(e->policy) : NULL;
	const char *problem = e->problem;
	bool is_known = policy || !e->store_silent;
	STAILQ_HEAD(, waiter) waiters = STAILQ_HEAD_INITIALIZER(waiters);
	struct waiter *w;

	e->working = e->must_fetch = false;
	e->settled = true;
	e->good_until_ms = clock_mono_ms() + (is_known ? (uint64_t)remember_for_s(e) * 1000 : 0);
	STAILQ_CONCAT(&waiters, &e->waiters);
	TAILQ_INSERT_TAIL(&s->settled, e, link);
	forget_oldest(s); /* perhaps this one */
	while ((w = STAILQ_FIRST(&waiters))) {
		STAILQ_REMOVE_HEAD(&waiters, link);
		w->fn(w->ctx, policy, problem, is_known);
		free(w);
	}
	sts_policy_unref(&policy);
}

/* ---- the web ---- */

/* §8.3: a domain that withdrew its policy as it should, with mode "none", may be without one. */
static bool is_withdrawn(const struct entry *e)
{
	return in_force(e) && e->policy->parsed.mode == MTA_STS_NONE;
}

/* The operator hears of it (§3.3), and whoever reads reports (§6). */
static void fetch_failed(struct entry *e, const char *problem, const char *why)
{
	e->problem = e->record == RECORD_FOUND || !is_withdrawn(e) ? problem : NULL;
	e->failed_s = clock_wall_s();
	memcpy(e->failed_id, e->id, sizeof e->failed_id);
	log_sts(is_withdrawn(e) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "mta-sts-not-fetched", e, why);
	settle(e);
}

/* No record, and a policy in force all the same. */
static void record_is_missing(struct entry *e)
{
	const char *former = e->problem;

	e->problem = in_force(e) && !is_withdrawn(e) ? "sts-policy-fetch-error" : NULL;
	if (e->problem && !former)
		log_sts(LOG_LEVEL_WARNING, "mta-sts-not-fetched", e,
			e->record == RECORD_FAILED ? "the DNS gives no answer" : "its record is gone");
	settle(e);
}

static void on_kept(void *ctx, const struct relay_msg *answer)
{
	(void)ctx;
	(void)answer; /* stored says itself what it could not keep; it is fetched again tomorrow */
}

static void keep(struct entry *e)
{
	struct relayd *r = e->sts->relayd;
	const struct relay_sts_keep m = {view_from_cstr(e->domain), view_from_cstr(e->kept_id), (uint64_t)e->fetched_s,
					 (uint64_t)e->until_s, view_from(e->policy->text, e->policy->n)};

	if (r->store)
		(void)relay_call_sts_keep(r->store, &m, STORE_MS, on_kept, r);
}

static void take_policy(struct entry *e, struct sts_policy *p)
{
	bool changed = strcmp(e->kept_id, e->id) != 0 || !in_force(e);

	set_policy(e, p);
	memcpy(e->kept_id, e->id, sizeof e->kept_id);
	e->problem = NULL;
	e->fetched_s = clock_wall_s();
	e->until_s = e->fetched_s + p->parsed.max_age_s;
	log_sts(changed ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "mta-sts-fetched", e, NULL);
	keep(e);
	settle(e);
}

/* §3.2: "text/plain"; parameters do not matter. */
static bool is_plain_text(struct view type)
{
	struct view media = type, parameters;

	(void)view_cut(type, ';', &media, &parameters);
	return view_eq_lit_nocase(view_trim(media), "text/plain");
}

static void on_response(struct entry *e, const struct fetch_response *m)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(64);
	struct sts_policy *p;

	if (m->status != 200) { /* §3.3: redirects are not followed */
		buf_printf(&why, "the server answered %u", m->status);
		fetch_failed(e, "sts-policy-fetch-error", buf_cstr(&why));
	} else if (!is_plain_text(m->content_type)) {
		fetch_failed(e, "sts-policy-invalid", "it is not text/plain");
	} else if (!(p = policy_new(m->body))) {
		fetch_failed(e, "sts-policy-invalid", "it is malformed");
	} else {
		take_policy(e, p);
	}
}

static void fetch_next(struct sts *s);

static void on_fetched(void *ctx, const struct fetch_msg *m)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(256);
	struct entry *e = ctx;
	struct sts *s = e->sts;

	s->fetching--;
	if (m && m->type == FETCH_RESPONSE) {
		on_response(e, &m->response);
	} else if (m && m->type == FETCH_FAILED) {
		buf_append_view(&why, view_sub(m->failed.text, 0, 255));
		fetch_failed(e, m->failed.why == FETCH_NOT_VERIFIED ? "sts-webpki-invalid" : "sts-policy-fetch-error",
			     buf_cstr(&why));
	} else {
		fetch_failed(e, "sts-policy-fetch-error", "no answer from fetchd");
	}
	fetch_next(s);
}

static void start_fetch(struct entry *e)
{
	_cleanup_(buf_fini) struct buf url = BUF_INIT(512);
	struct fetch_get m = {.max_bytes = MTA_STS_POLICY_MAX, .deadline_ms = FETCH_MS};

	buf_printf(&url, "https://mta-sts.%s/.well-known/mta-sts.txt", e->domain);
	m.url = buf_view(&url);
	if (e->sts->fetcher && fetch_call_get(e->sts->fetcher, &m, FETCH_MS + 5000, on_fetched, e))
		e->sts->fetching++;
	else
		fetch_failed(e, "sts-policy-fetch-error", "fetchd is away");
}

static void fetch(struct entry *e)
{
	struct sts *s = e->sts;

	if (s->fetching < FETCHES_MAX && TAILQ_EMPTY(&s->line)) {
		start_fetch(e);
		return;
	}
	e->in_line_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&s->line, e, link);
}

/* Who stood in line for as long as a fetch may take waits no longer: mail waits for it. */
static void fetch_next(struct sts *s)
{
	struct entry *e;

	while (s->fetching < FETCHES_MAX && (e = TAILQ_FIRST(&s->line))) {
		TAILQ_REMOVE(&s->line, e, link);
		if (clock_mono_ms() - e->in_line_ms > FETCH_MS)
			fetch_failed(e, "sts-policy-fetch-error", "too many others were fetched at once");
		else
			start_fetch(e);
	}
}

/* ---- the record, and what is kept ---- */

static bool failed_lately(const struct entry *e)
{
	int64_t since_s = clock_wall_s() - e->failed_s;

	return e->failed_s && since_s >= 0 && since_s < FETCH_AGAIN_S && strcmp(e->failed_id, e->id) == 0;
}

static void decide(struct entry *e)
{
	bool refreshes = e->must_fetch && in_force(e);

	if (refreshes && e->record != RECORD_FOUND)
		memcpy(e->id, e->kept_id, sizeof e->id);
	if (e->record != RECORD_FOUND && !refreshes) {
		record_is_missing(e);
	} else if (in_force(e) && strcmp(e->id, e->kept_id) == 0 && !refreshes) {
		e->problem = NULL;
		settle(e);
	} else if (failed_lately(e)) {
		settle(e);
	} else {
		fetch(e);
	}
}

static void one_answered(struct entry *e)
{
	if (--e->asking == 0)
		decide(e);
}

static void take_record(struct entry *e, const struct dns_found *m)
{
	struct view txts[32], id;
	size_t n = 0;

	for (; n < m->n_records && n < ARRAY_LEN(txts); n++)
		txts[n] = m->records[n].data;
	e->ttl_s = m->ttl_s;
	e->record = RECORD_NONE;
	if (!mta_sts_record_find(txts, n, &id))
		return;
	e->record = RECORD_FOUND;
	copy_id(e->id, id);
}

static void on_record(void *ctx, const struct dns_msg *m)
{
	struct entry *e = ctx;

	e->record = RECORD_FAILED;
	if (m && m->type == DNS_FOUND) {
		take_record(e, &m->found);
	} else if (m && m->type == DNS_NOTHING) {
		e->record = RECORD_NONE;
		e->ttl_s = m->nothing.ttl_s;
	}
	one_answered(e);
}

static void on_found(void *ctx, const struct relay_msg *m)
{
	struct entry *e = ctx;
	struct sts_policy *p = NULL;

	e->store_silent = !m || (m->type != RELAY_STS_FOUND && m->type != RELAY_STS_NONE);
	if (m && m->type == RELAY_STS_FOUND && !in_force(e))
		p = policy_new(m->sts_found.policy);
	if (p) {
		set_policy(e, p);
		copy_id(e->kept_id, m->sts_found.id);
		e->fetched_s = (int64_t)m->sts_found.fetched_s;
		e->until_s = (int64_t)m->sts_found.until_s;
	}
	one_answered(e);
}

static void work(struct entry *e)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(300);
	struct relayd *r = e->sts->relayd;
	struct channel *dns = resolver_channel(r->resolver);

	e->working = true;
	e->record = RECORD_ASKED;
	e->id[0] = '\0';
	e->asking = 1;
	buf_printf(&name, "_mta-sts.%s", e->domain);
	if (dns && dns_call_ask(dns, &(struct dns_ask){buf_view(&name), DNS_TXT, DNS_MS}, DNS_MS + 1000, on_record, e))
		e->asking++;
	else
		e->record = RECORD_FAILED;
	e->store_silent = !in_force(e); /* until it has answered */
	if (!in_force(e) && r->store &&
	    relay_call_sts_find(r->store, &(struct relay_sts_find){view_from_cstr(e->domain)}, STORE_MS, on_found, e))
		e->asking++;
	one_answered(e);
}

static struct entry *entry_of(struct sts *s, struct view domain)
{
	struct entry *e = map_get(&s->entries, domain);

	if (e)
		return e;
	e = xcalloc(1, sizeof *e);
	e->sts = s;
	e->domain = view_to_cstr(domain);
	STAILQ_INIT(&e->waiters);
	(void)map_set(&s->entries, domain, e);
	return e;
}

static bool is_askable(struct view domain)
{
	return domain.n > 0 && domain.n <= 240 && domain.p[0] != '[' && view_is_ascii(domain) && !view_has_nul(domain);
}

void sts_ask(struct sts *s, struct view domain, sts_answer_fn *fn, void *ctx)
{
	struct entry *e = is_askable(domain) ? entry_of(s, domain) : NULL;
	struct waiter *w;

	if (!e) {
		fn(ctx, NULL, NULL, true);
		return;
	}
	if (e->settled && e->good_until_ms > clock_mono_ms()) {
		fn(ctx, in_force(e) ? e->policy : NULL, e->problem, true);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->fn = fn;
	w->ctx = ctx;
	if (e->settled)
		TAILQ_REMOVE(&s->settled, e, link);
	e->settled = false;
	STAILQ_INSERT_TAIL(&e->waiters, w, link);
	if (!e->working)
		work(e);
}

/* ---- refresh ---- */

static void on_refreshed(void *ctx, struct sts_policy *policy, const char *problem, bool is_known)
{
	(void)is_known;
	(void)ctx;
	(void)policy;
	(void)problem;
}

static void on_stale(void *ctx, const struct relay_msg *m)
{
	struct sts *s = ctx;

	for (uint32_t i = 0; m && m->type == RELAY_STS_STALE && i < m->sts_stale.n_domains; i++) {
		struct view domain = m->sts_stale.domains[i].domain;
		struct entry *e = is_askable(domain) ? entry_of(s, domain) : NULL;

		if (!e || e->working)
			continue;
		e->must_fetch = true;
		e->good_until_ms = 0;
		sts_ask(s, domain, on_refreshed, s);
	}
}

static void on_refresh(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval again = {REFRESH_EVERY_S, 0};
	struct sts *s = ctx;
	struct relay_sts_stale_ask m = {(uint64_t)(clock_wall_s() - REFRESH_AGE_S)};

	(void)fd;
	(void)what;
	(void)event_add(s->refresh, &again);
	if (s->relayd->store)
		(void)relay_call_sts_stale_ask(s->relayd->store, &m, STORE_MS, on_stale, s);
}

/* ---- life ---- */

int sts_add_fetcher(struct sts *s, int fd)
{
	return channel_renew(&s->fetcher, s->relayd->base, fd, &fetch_proto, FETCH_PEER_RELAY, FETCH_PEER_FETCH);
}

struct sts *sts_new(struct relayd *r)
{
	static const struct timeval soon = {REFRESH_FIRST_S, 0};
	struct sts *s = xcalloc(1, sizeof *s);

	s->relayd = r;
	map_init(&s->entries);
	TAILQ_INIT(&s->settled);
	TAILQ_INIT(&s->line);
	s->refresh = event_new(r->base, -1, 0, on_refresh, s);
	if (!s->refresh)
		abort(); /* memory */
	(void)event_add(s->refresh, &soon);
	return s;
}
