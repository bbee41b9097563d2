/* SPDX-License-Identifier: ISC
 * A destination: its jobs, its sessions, and when it is closed.
 *
 *     job ─▶ waiting ─▶ [hosts known?] ─no─▶ resolver ─▶ hosts, or everything deferred or failed
 *                            │yes
 *                            ├─ an idle session: it takes the job
 *                            └─ room in the window: a new session dials, and takes jobs when it is ready */
#include "relayd/destination.h"

#include "base/clock.h"
#include "relayd/hosts.h"
#include "relayd/sts.h"
#include "relayd/tally.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW_FIRST = 5, /* sessions before anything is known */
	CLOSED_FIRST_S = 60,
	CLOSED_MAX_S = 1800,
	EXTRA_AGAIN_MS = 60000, /* one more session than the window has, while all are silent; doubled each time */
	EXTRA_AGAIN_MAX_MS = 1800000,
	LOOK_AGAIN_S = 5,
	KEY_MAX = 512 * 1024,
	SENT_AWAY_MAX = 3,
	REMEMBERED_MAX = 10000, /* destinations without work whose failures are counted */
};

struct destination {
	struct relayd *relayd;
	struct route route; /* a copy: settings may change */
	struct view key, domain, id;
	TAILQ_HEAD(, job) waiting;
	size_t waiting_count;
	LIST_HEAD(, session) idle, busy;
	unsigned sessions, opening;
	double window;
	struct hosts *hosts; /* NULL: not looked up */
	bool resolving;
	enum message_tls tls; /* what its messages say of it */
	bool outdated; /* its route is no more: not in the map, nothing new comes */
	bool running; /* in destination_run(): no second one below it */
	bool reached; /* a session of it was ready, and since then not all were refused */
	struct room_place place;
	unsigned failures; /* in a row: times that it closed */
	unsigned sent_away; /* in a row: connections that it ended instead of taking a message */
	uint64_t closed_until_ms;
	struct event *look; /* while mail waits for sessions that may be silent; NULL until it is needed */
	uint64_t extra_next_ms;
	unsigned extras; /* since something went well */
};

const struct route *destination_route(const struct destination *d)
{
	return &d->route;
}

struct view destination_name(const struct destination *d)
{
	return d->route.host.n ? d->route.host : d->domain;
}

enum message_tls destination_tls(const struct destination *d)
{
	return d->tls;
}

struct relayd *destination_relayd(const struct destination *d)
{
	return d->relayd;
}

struct view destination_id(const struct destination *d)
{
	return d->id;
}

static struct view own(struct view v)
{
	return view_from(v.n ? xmemdup(v.p, v.n) : xstrdup(""), v.n);
}

/* RFC 8689 §4.2.1, §5: a bounce goes even where it cannot be promised. */
static enum message_tls tls_of(const struct job *j)
{
	if (j->requiretls && j->sender.n)
		return MESSAGE_TLS_REQUIRED;
	return j->tls_optional ? MESSAGE_TLS_OPTIONAL : MESSAGE_TLS_USUAL;
}

/* What its key says, without the password: it goes into the store. */
static struct view make_id(const struct destination *d)
{
	static const char *const words[] = {[MESSAGE_TLS_USUAL] = "",
					    [MESSAGE_TLS_OPTIONAL] = " TLS optional",
					    [MESSAGE_TLS_REQUIRED] = " TLS required"};
	_cleanup_(buf_fini) struct buf id = BUF_INIT(1024);
	struct view where = destination_name(d);

	buf_printf(&id, "%.*s %.*s:%u%s%s", VIEW_FMT(d->route.name), VIEW_FMT(where), d->route.port,
		   d->route.host.n && !d->route.use_mx ? "" : " mx", words[d->tls]);
	return own(buf_view(&id));
}

static struct destination *destination_of(struct relayd *r, const struct job *j)
{
	enum message_tls tls = tls_of(j);
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);
	const struct route *route = route_for(r->routes, j->sender, j->domain);
	struct destination *d;

	buf_append_view(&key, route->key);
	if (route->host.n == 0)
		buf_printf(&key, "\n%.*s", VIEW_FMT(j->domain));
	/* Over connections of their own, which nobody verifies, or which no others need be like. */
	if (tls != MESSAGE_TLS_USUAL)
		buf_append_cstr(&key, tls == MESSAGE_TLS_REQUIRED ? "\nTLS is required" : "\nTLS is not required");
	d = map_get(&r->destinations, buf_view(&key));
	if (d)
		return d;
	d = xcalloc(1, sizeof *d);
	d->relayd = r;
	d->tls = tls;
	d->route = *route;
	d->route.name = own(route->name);
	d->route.key = own(route->key);
	d->route.host = own(route->host);
	d->route.user = own(route->user);
	d->route.password = own(route->password);
	d->key = own(buf_view(&key));
	d->domain = own(j->domain);
	d->id = make_id(d);
	d->place.destination = d;
	d->window = WINDOW_FIRST;
	TAILQ_INIT(&d->waiting);
	(void)map_set(&r->destinations, d->key, d);
	return d;
}

static void free_when_empty(struct destination *d)
{
	struct view *const views[] = {&d->route.name,     &d->route.key, &d->route.host, &d->route.user,
				      &d->route.password, &d->key,       &d->domain,     &d->id};

	if (d->sessions || d->waiting_count || d->resolving || d->running ||
	    (d->failures && !d->outdated && d->relayd->destinations.count < REMEMBERED_MAX))
		return;
	if (!d->outdated)
		(void)map_remove(&d->relayd->destinations, d->key);
	room_leave_line(d->relayd, &d->place);
	if (d->look)
		event_free(d->look);
	hosts_unref(&d->hosts);
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		free((void *)views[i]->p);
	free(d);
}

/* ---- jobs ---- */

static void put(struct destination *d, struct job *j, bool first)
{
	if (first)
		TAILQ_INSERT_HEAD(&d->waiting, j, link);
	else
		TAILQ_INSERT_TAIL(&d->waiting, j, link);
	j->waiting = true;
	d->waiting_count++;
}

static struct job *take(struct destination *d)
{
	struct job *j = TAILQ_FIRST(&d->waiting);

	if (j) {
		TAILQ_REMOVE(&d->waiting, j, link);
		j->waiting = false;
		d->waiting_count--;
	}
	return j;
}

struct job *destination_next(struct destination *d)
{
	static const struct fate late = {.outcome = FATE_RELEASED};
	uint64_t now_ms = clock_mono_ms(), reply_ms = relayd_conf(d->relayd)->outbound_done_timeout;
	struct job *j;

	if (d->relayd->stopping)
		return NULL;
	while ((j = take(d)) && job_last_dot_ms(j, reply_ms) <= now_ms)
		report_rest(d->relayd, j, &(struct report_about){0}, &late);
	return j;
}

bool destination_has_work(const struct destination *d)
{
	return d->waiting_count > 0;
}

/* Sessions that dial side by side, and jobs of other domains that share it, meet the same trouble: as long as it is closed that counts once. */
static uint32_t close_for_s(struct destination *d)
{
	uint64_t now_ms = clock_mono_ms();

	if (now_ms >= d->closed_until_ms) {
		uint64_t s = (uint64_t)CLOSED_FIRST_S << (d->failures < 6 ? d->failures : 6);

		d->failures++;
		d->closed_until_ms = now_ms + 1000 * (s < CLOSED_MAX_S ? s : CLOSED_MAX_S);
	}
	return (uint32_t)((d->closed_until_ms - now_ms + 999) / 1000);
}

static void end_all(struct destination *d, const struct report_about *about, const struct fate *why)
{
	struct job *j;

	while ((j = take(d)))
		report_rest(d->relayd, j, about, why);
}

void destination_unreachable(struct destination *d, const struct report_about *about, const struct fate *why)
{
	struct report_about closed = *about;
	struct session *s;

	d->window = 1;
	/* Others of its sessions still talk, or could: then it is reachable, and they carry on. */
	if (!LIST_EMPTY(&d->idle))
		return;
	LIST_FOREACH (s, &d->busy, link)
		if (session_is_ready(s))
			return;
	d->reached = false;
	if (why->outcome == FATE_DEFERRED)
		closed.closed_s = close_for_s(d);
	end_all(d, &closed, why);
}

/* Who wants no mail of ours for now is not asked with every message that waits for him. */
uint32_t destination_sent_away(struct destination *d)
{
	destination_went_wrong(d);
	if (d->sent_away < SENT_AWAY_MAX)
		d->sent_away++;
	return d->sent_away < SENT_AWAY_MAX ? 0 : close_for_s(d);
}

void destination_close(struct destination *d, const struct report_about *about, const struct fate *why)
{
	d->reached = false;
	end_all(d, about, why);
}

/* ---- hosts ---- */

static void cannot_be_found(struct destination *d, const struct resolved *answer)
{
	struct fate f = {.outcome = FATE_FAILED, .code = 550};
	_cleanup_(buf_fini) struct buf text = BUF_INIT(512);
	struct view name = destination_name(d);

	switch (answer->what) {
	case RESOLVED_NULL_MX:
		f.code = 556;
		f.enhanced = (struct dsn_status){5, 1, 10};
		buf_printf(&text, "%.*s takes no mail (null MX)", VIEW_FMT(name));
		break;
	case RESOLVED_NO_SUCH:
		f.enhanced = (struct dsn_status){5, 1, 2};
		buf_printf(&text, "%.*s: %s", VIEW_FMT(name), answer->why ? answer->why : "no such domain");
		break;
	case RESOLVED_LOOP:
		f.enhanced = (struct dsn_status){5, 4, 6};
		buf_printf(&text, "mail for %.*s loops back to this server, which does not know the domain",
			   VIEW_FMT(name));
		break;
	case RESOLVED_TEMPORARY:
	case RESOLVED_HOSTS:
		f.outcome = FATE_DEFERRED;
		f.code = 451;
		f.enhanced = (struct dsn_status){4, 4, 3};
		buf_printf(&text, "%.*s: %s", VIEW_FMT(name), answer->why ? answer->why : "no usable address");
		break;
	}
	f.text = buf_view(&text);
	destination_unreachable(d, &(struct report_about){.route = d->route.name, .destination = d->id}, &f);
}

static void on_policy(void *ctx, struct sts_policy *policy, const char *problem, bool is_known)
{
	static const struct resolved unknown = {.what = RESOLVED_TEMPORARY,
						.why = "whether it has an MTA-STS policy cannot be looked up now"};
	struct destination *d = ctx;

	d->resolving = false;
	d->hosts->sts = sts_policy_ref(policy);
	d->hosts->sts_problem = problem;
	if (!is_known && d->tls != MESSAGE_TLS_OPTIONAL) {
		d->hosts->good_until_ms = 0;
		if (d->waiting_count)
			cannot_be_found(d, &unknown);
	} else if (problem && d->route.host.n == 0 && d->tls != MESSAGE_TLS_OPTIONAL) /* as in tls_outcome.c */
		tally_add(d->relayd->tally, &(struct tally_outcome){.domain = destination_name(d),
								    .policy_type = TLS_REPORT_STS,
								    .policy = VIEW_EMPTY,
								    .result = view_from_cstr(problem),
								    .mx = VIEW_EMPTY,
								    .mx_ip = VIEW_EMPTY,
								    .sending_ip = VIEW_EMPTY,
								    .reason = VIEW_EMPTY,
								    .tlsa_base = VIEW_EMPTY});
	destination_run(d);
}

/* RFC 8461 §3.4: a smart host's policy is looked for under its own name. */
static bool may_have_policy(const struct destination *d)
{
	struct view name = destination_name(d);
	struct ip ip;

	return d->route.tls != ROUTE_TLS_NONE && !d->route.lmtp && name.p[0] != '[' && !ip_parse(name, &ip);
}

static void on_resolved(void *ctx, const struct resolved *answer)
{
	struct destination *d = ctx;

	if (answer->what == RESOLVED_HOSTS) {
		hosts_unref(&d->hosts);
		d->hosts = hosts_new(answer);
	}
	if (answer->what != RESOLVED_HOSTS || d->hosts->count == 0)
		cannot_be_found(d, answer);
	else if (may_have_policy(d)) {
		sts_ask(d->relayd->sts, destination_name(d), on_policy, d);
		return;
	}
	d->resolving = false;
	destination_run(d);
}

/* Without its password it is not even tried: a host that takes mail without a login is not what the route asks for. */
static bool lacks_password(struct destination *d)
{
	static const struct resolved none = {
	    .what = RESOLVED_TEMPORARY,
	    .why = "relay-passwords has no password for the user of its route; `pombo route "
		   "password` puts it there"};

	if (d->route.user.n == 0 || d->route.password.n)
		return false;
	cannot_be_found(d, &none);
	return true;
}

static void resolve(struct destination *d)
{
	if (lacks_password(d))
		return;
	if (d->route.local) {
		hosts_unref(&d->hosts);
		d->hosts = hosts_new_local(view_from_cstr(relayd_conf(d->relayd)->hostname));
		return;
	}
	d->resolving = true;
	if (d->route.host.n)
		resolver_ask(d->relayd->resolver, d->route.host, d->route.use_mx, d->route.port, on_resolved, d);
	else
		resolver_ask(d->relayd->resolver, d->domain, true, d->route.port, on_resolved, d);
}

static bool has_hosts(const struct destination *d)
{
	return d->hosts && d->hosts->count && d->hosts->good_until_ms > clock_mono_ms();
}

/* ---- sessions ---- */

static unsigned limit_of(const struct destination *d)
{
	uint64_t max = relayd_conf(d->relayd)->max_connections_per_destination;
	unsigned window = d->window < 1 ? 1 : (unsigned)d->window;

	if (!d->reached && room_is_getting_scarce(d->relayd))
		return 1;
	return window < max ? window : (unsigned)max;
}

static void open_session(struct destination *d)
{
	struct session *s = session_new(d, d->hosts);

	d->sessions++;
	d->opening++;
	room_session_opens(d->relayd, s);
	LIST_INSERT_HEAD(&d->busy, s, link);
	session_start(s);
}

static void use_idle(struct destination *d)
{
	struct session *s;

	while (d->waiting_count && (s = LIST_FIRST(&d->idle))) {
		LIST_REMOVE(s, link);
		LIST_INSERT_HEAD(&d->busy, s, link);
		session_go(s);
	}
}

/* Whoever it was that said nothing for a while, on a connection that the network or its own trouble has cut off, may answer on another: one more than the
 * window has, so that mail does not wait for the minutes that a reply may take. A server that is slow is not asked so again soon. */
static bool may_try_another(const struct destination *d, uint64_t now_ms)
{
	struct session *s;

	if (d->sessions == 0 || d->sessions > limit_of(d) || now_ms < d->extra_next_ms)
		return false;
	LIST_FOREACH (s, &d->busy, link)
		if (!session_is_silent(s, now_ms))
			return false;
	return true;
}

static bool may_have_sessions(const struct destination *d)
{
	return d->waiting_count && !d->resolving && !d->outdated && has_hosts(d);
}

static bool wants_session(const struct destination *d)
{
	return may_have_sessions(d) && d->opening < d->waiting_count && d->sessions < limit_of(d);
}

static void try_another(struct destination *d)
{
	uint64_t now_ms = clock_mono_ms(), again_ms;
	struct session *s;

	if (!may_have_sessions(d) || !room_is_left(d->relayd) || !may_try_another(d, now_ms))
		return;
	again_ms = (uint64_t)EXTRA_AGAIN_MS << (d->extras < 5 ? d->extras : 5);
	d->extra_next_ms = now_ms + (again_ms < EXTRA_AGAIN_MAX_MS ? again_ms : EXTRA_AGAIN_MAX_MS);
	d->extras++;
	LIST_FOREACH (s, &d->busy, link)
		session_pass_over(s, now_ms);
	open_session(d);
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	destination_run(ctx);
}

/* Mail waits for what its sessions do. */
static void look_again(struct destination *d)
{
	static const struct timeval soon = {LOOK_AGAIN_S, 0};

	if (d->waiting_count == 0 || d->sessions == 0)
		return;
	if (!d->look)
		d->look = event_new(d->relayd->base, -1, 0, on_look, d);
	if (d->look && !event_pending(d->look, EV_TIMEOUT, NULL))
		(void)event_add(d->look, &soon);
}

void destination_run(struct destination *d)
{
	if (d->running || d->relayd->stopping)
		return;
	d->running = true;
	use_idle(d);
	if (d->waiting_count && !d->resolving && !d->outdated && !has_hosts(d))
		resolve(d);
	while (wants_session(d) && room_is_left(d->relayd))
		open_session(d);
	try_another(d);
	look_again(d);
	if (wants_session(d) && d->sessions == 0)
		room_stand_in_line(d->relayd, &d->place);
	else
		room_leave_line(d->relayd, &d->place);
	d->running = false;
	free_when_empty(d);
}

void destination_take(struct relayd *r, struct job *j)
{
	struct destination *d;

	job_look_at_header(j);
	d = destination_of(r, j);
	put(d, j, false);
	destination_run(d);
}

void destination_return(struct destination *d, struct job *j)
{
	if (d->outdated)
		destination_take(d->relayd, j);
	else
		put(d, j, true);
}

void destination_went_well(struct destination *d)
{
	double max = (double)relayd_conf(d->relayd)->max_connections_per_destination;

	d->failures = d->sent_away = 0;
	d->extras = 0;
	d->closed_until_ms = 0;
	d->window = d->window + 1 < max ? d->window + 1 : max;
}

void destination_went_wrong(struct destination *d)
{
	d->window = d->window > 2 ? d->window / 2 : 1;
}

void destination_session_idle(struct destination *d, struct session *s)
{
	LIST_REMOVE(s, link);
	LIST_INSERT_HEAD(&d->idle, s, link);
}

void destination_session_busy(struct destination *d, struct session *s)
{
	LIST_REMOVE(s, link);
	LIST_INSERT_HEAD(&d->busy, s, link);
}

void destination_session_ready(struct destination *d, bool ready)
{
	d->opening--;
	d->reached |= ready;
}

void destination_session_over(struct destination *d, struct session *s)
{
	struct relayd *r = d->relayd;

	LIST_REMOVE(s, link);
	d->sessions--;
	destination_run(d);
	room_session_over(r);
}

/* ---- all ---- */

void destinations_break_off(struct relayd *r)
{
	struct map_entry *e = map_first(&r->destinations), *next;

	for (; e; e = next) {
		struct destination *d = map_value(e);
		struct session *s;
		struct job *j;

		next = map_next(&r->destinations, e);
		while ((j = take(d))) {
			store_job_give_back(r, &j);
		}
		LIST_FOREACH (s, &d->busy, link)
			session_break_off(s);
	}
}

void destinations_reload(struct relayd *r, bool anew)
{
	TAILQ_HEAD(, job) waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct map_entry *e = map_first(&r->destinations), *next;
	struct job *j;

	for (; e; e = next) {
		struct destination *d = map_value(e);

		next = map_next(&r->destinations, e);
		while ((j = take(d)))
			TAILQ_INSERT_TAIL(&waiting, j, link);
		if (d->hosts)
			d->hosts->good_until_ms = 0;
		if (anew) {
			d->failures = d->sent_away = 0;
			d->closed_until_ms = 0;
		}
		if (routes_has_key(r->routes, d->route.key)) {
			free_when_empty(d);
			continue;
		}
		(void)map_remove(&r->destinations, d->key);
		d->outdated = true;
		free_when_empty(d);
	}
	while ((j = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, j, link);
		destination_take(r, j);
	}
}
