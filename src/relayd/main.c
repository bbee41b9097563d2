/* SPDX-License-Identifier: ISC
 * relayd: sends leased mail to other servers. Owns nothing, opens no file, and is told by stored what to send. */
#include "relayd/relayd.h"

#include "relayd/destination.h"
#include "relayd/route.h"
#include "relayd/sts.h"
#include "relayd/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct relayd *of(struct role *r)
{
	return role_state(r);
}

const struct conf *relayd_conf(const struct relayd *r)
{
	return role_conf(r->role);
}

static int prepare(struct role *role)
{
	struct relayd *r = xcalloc(1, sizeof *r);

	r->role = role;
	r->base = role_base(role);
	map_init(&r->jobs);
	map_init(&r->destinations);
	TAILQ_INIT(&r->reports);
	room_init(r);
	buf_init(&r->ways, ROUTES_TEXT_MAX);
	r->routes = routes_new(relayd_conf(r));
	r->resolver = resolver_new(r);
	r->sts = sts_new(r);
	r->tally = tally_new(r);
	role_set_state(role, r);
	return tls_client_new(&r->tls);
}

static int on_channel(struct role *role, const char *list, const char *peer, unsigned index, int fd)
{
	(void)peer;
	(void)index;
	if (view_eq_lit(view_from_cstr(list), "relay"))
		return store_add(of(role), fd);
	if (view_eq_lit(view_from_cstr(list), "dns"))
		return resolver_add(of(role)->resolver, fd);
	if (view_eq_lit(view_from_cstr(list), "fetch"))
		return sts_add_fetcher(of(role)->sts, fd);
	return -EINVAL;
}

static int on_file(struct role *role, const char *name, int fd)
{
	if (view_eq_lit(view_from_cstr(name), "relay-passwords")) {
		of(role)->passwords_given = true;
		return routes_read_passwords(of(role)->routes, fd);
	}
	if (view_eq_lit(view_from_cstr(name), "authorities")) {
		tls_client_set_authorities(of(role)->tls, fd);
		return 0;
	}
	(void)close(fd);
	return -EINVAL;
}

/* Whether they are other ways than those described last. */
static bool describe_ways(struct relayd *r)
{
	struct buf now = BUF_INIT(ROUTES_TEXT_MAX);
	bool same;

	routes_describe(r->routes, &now);
	same = !now.overflow && view_eq(buf_view(&now), buf_view(&r->ways));
	buf_fini(&r->ways);
	r->ways = now;
	return !same;
}

static int start(struct role *role)
{
	of(role)->passwords_given = false;
	(void)describe_ways(of(role));
	return 0;
}

static int reloaded(struct role *role)
{
	struct relayd *r = of(role);
	bool changed;

	if (!r->passwords_given)
		routes_forget_passwords(r->routes);
	r->passwords_given = false;
	routes_configure(r->routes, relayd_conf(r));
	changed = describe_ways(r);
	destinations_reload(r, changed);
	if (changed)
		store_reopen(r);
	return 0;
}

/* What has not come to the final dot is broken off: stored ends its lease when the channel closes. What has, would be sent twice: its reply is
 * waited for as long as the supervisor lets us. */
static void stop(struct role *role, uint32_t grace_ms)
{
	struct relayd *r = of(role);

	(void)grace_ms;
	tally_flush(r->tally);
	r->stopping = true;
	destinations_break_off(r);
	report_end_when_told(r);
}

static void count(struct role *role, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct relayd *r = of(role);

	*ret_sessions = r->room.connections;
	*ret_accepted = r->accepted;
	*ret_messages = r->sent;
	*ret_in_flight = r->jobs.count;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "relayd",
	    .sandbox = SANDBOX_OUT,
	    .prepare = prepare,
	    .on_channel = on_channel,
	    .on_file = on_file,
	    .start = start,
	    .reloaded = reloaded,
	    .stop = stop,
	    .count = count,
	};

	return role_run(&spec);
}
