/* SPDX-License-Identifier: ISC
 * Names of clients, from dnsd, remembered by address. */
#include "stored/client_name.h"

#include "base/clock.h"
#include "base/map.h"
#include "ipc/msgs/dns_msgs.h"
#include "mail/ip.h"
#include "stored/stored.h"

#include <stdlib.h>

enum { ASK_MS = 4000, ENTRIES_MAX = 20000, KEPT_S = 3600, NONE_KEPT_S = 300 };

TAILQ_HEAD(wait_list, client_name_wait);

struct client_name_entry {
	TAILQ_ENTRY(client_name_entry) link;
	struct client_names *names;
	struct wait_list waits;
	bool asking;
	int64_t until_mono_s;
	char *ip, *name;
	size_t ip_n, name_n;
};

struct client_names {
	struct map by_ip;
	TAILQ_HEAD(, client_name_entry) oldest_first;
};

static struct client_names *names_of(struct stored *sd)
{
	if (!sd->client_names) {
		sd->client_names = xcalloc(1, sizeof *sd->client_names);
		map_init(&sd->client_names->by_ip);
		TAILQ_INIT(&sd->client_names->oldest_first);
	}
	return sd->client_names;
}

static bool is_wanted(const struct stored *sd, struct view text)
{
	enum { NONE, PUBLIC, ALL };
	struct ip ip;

	switch (role_conf(sd->role)->client_names) {
	case NONE:
		return false;
	case ALL:
		return ip_parse(text, &ip);
	default:
		return ip_parse(text, &ip) && ip_is_public(&ip);
	}
}

static void drop(struct client_name_entry *e)
{
	TAILQ_REMOVE(&e->names->oldest_first, e, link);
	(void)map_remove(&e->names->by_ip, view_from(e->ip, e->ip_n));
	free(e->ip);
	free(e->name);
	free(e);
}

static void answered(void *ctx, const struct dns_msg *answer)
{
	struct client_name_entry *e = ctx;
	struct client_name_wait *w;

	e->asking = false;
	if (answer && answer->type == DNS_CLIENT_NAME && answer->client_name.name.n) {
		e->name = xmemdup(answer->client_name.name.p, answer->client_name.name.n);
		e->name_n = answer->client_name.name.n;
	}
	e->until_mono_s = (int64_t)(clock_mono_ms() / 1000) + (e->name_n ? KEPT_S : NONE_KEPT_S);
	while ((w = TAILQ_FIRST(&e->waits))) {
		client_name_cancel(w);
		w->done(w);
	}
}

/* Room for another; false: all of them are being asked for. */
static bool make_room(struct client_names *n)
{
	struct client_name_entry *e = TAILQ_FIRST(&n->oldest_first);

	if (n->by_ip.count < ENTRIES_MAX)
		return true;
	if (!e || e->asking || !TAILQ_EMPTY(&e->waits))
		return false;
	drop(e);
	return true;
}

static struct client_name_entry *ask(struct stored *sd, struct view ip)
{
	struct client_names *n = names_of(sd);
	struct client_name_entry *e = map_get(&n->by_ip, ip);

	if (e && !e->asking && e->until_mono_s <= (int64_t)(clock_mono_ms() / 1000)) {
		drop(e);
		e = NULL;
	}
	if (e || !sd->dns || !make_room(n))
		return e;
	e = xcalloc(1, sizeof *e);
	e->names = n;
	TAILQ_INIT(&e->waits);
	e->ip = xmemdup(ip.p, ip.n);
	e->ip_n = ip.n;
	(void)map_set(&n->by_ip, ip, e);
	TAILQ_INSERT_TAIL(&n->oldest_first, e, link);
	e->asking = true;
	if (!dns_call_client_name_ask(sd->dns, &(struct dns_client_name_ask){ip, ASK_MS}, ASK_MS + 500, answered, e)) {
		drop(e); /* dnsd is away: asked again another time */
		e = NULL;
	}
	return e;
}

void client_name_expect(struct stored *sd, struct view ip)
{
	if (is_wanted(sd, ip))
		(void)ask(sd, ip);
}

bool client_name_get(struct stored *sd, struct view ip, struct client_name_wait *w, struct view *ret)
{
	struct client_name_entry *e = is_wanted(sd, ip) ? ask(sd, ip) : NULL;

	*ret = VIEW_EMPTY;
	if (!e)
		return true;
	if (e->asking) {
		w->entry = e;
		TAILQ_INSERT_TAIL(&e->waits, w, link);
		return false;
	}
	*ret = view_from(e->name, e->name_n);
	return true;
}

struct view client_name_known(struct stored *sd, struct view ip)
{
	const struct client_name_entry *e = sd->client_names ? map_get(&sd->client_names->by_ip, ip) : NULL;

	return e && e->name ? view_from(e->name, e->name_n) : VIEW_EMPTY;
}

void client_name_cancel(struct client_name_wait *w)
{
	if (!w->entry)
		return;
	TAILQ_REMOVE(&w->entry->waits, w, link);
	w->entry = NULL;
}
