/* SPDX-License-Identifier: ISC
 * What relayd has in hand, by domain: when a domain has its window full, and when it is looked at again. */
#include "stored/lanes.h"

#include <stdlib.h>

enum { NAMES_MAX = LANE_CHANGES_MAX * 512 };

struct lane {
	unsigned out;
	bool reached; /* it answered */
	bool parked;
	bool changing; /* to be parked or unparked: among `changes`, or in a job */
	struct lane *next; /* of `changes` */
	char *domain;
	size_t domain_n;
};

void lanes_init(struct lanes *ls)
{
	*ls = (struct lanes){.changes = NULL};
	map_init(&ls->by_domain);
	map_init(&ls->tokens);
}

static struct view lane_domain(const struct lane *l)
{
	return view_from(l->domain, l->domain_n);
}

static struct lane *lane_of(struct lanes *ls, struct view domain)
{
	struct lane *l = map_get(&ls->by_domain, domain);

	if (l)
		return l;
	l = xcalloc(1, sizeof *l);
	l->domain = xmemdup(domain.p, domain.n);
	l->domain_n = domain.n;
	(void)map_set(&ls->by_domain, domain, l);
	return l;
}

static void lane_drop(struct lanes *ls, struct lane *l)
{
	(void)map_remove(&ls->by_domain, lane_domain(l));
	free(l->domain);
	free(l);
}

unsigned lanes_window(const struct lanes *ls)
{
	unsigned share = ls->room / LANE_SHARE;

	return share < 1 ? 1 : share < LANE_FULL ? share : LANE_FULL;
}

static unsigned window_of(const struct lanes *ls, const struct lane *l)
{
	return l->reached ? lanes_window(ls) : LANE_UNKNOWN;
}

static bool is_full(const struct lanes *ls, const struct lane *l)
{
	return l->out >= window_of(ls, l);
}

static void lane_settle(struct lanes *ls, struct lane *l)
{
	if (l->changing)
		return;
	if (l->parked ? l->out <= window_of(ls, l) / 2 : is_full(ls, l)) {
		l->next = ls->changes;
		ls->changes = l;
		l->changing = true;
	} else if (l->out == 0 && !l->parked) {
		lane_drop(ls, l);
	}
}

void lanes_clear(struct lanes *ls)
{
	struct map_entry *e;

	while ((e = map_first(&ls->by_domain)))
		lane_drop(ls, map_value(e));
	map_fini(&ls->by_domain);
	map_fini(&ls->tokens);
	lanes_init(ls);
}

void lanes_token_is_over(struct lanes *ls, uint64_t token)
{
	struct lane *l = map_u64_remove(&ls->tokens, token);

	if (!l)
		return;
	l->out--;
	lane_settle(ls, l);
}

void lanes_leased(struct lanes *ls, const struct queue_lease *leases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct lane *l = lane_of(ls, leases[i].domain);

		l->out++;
		l->reached |= leases[i].reached;
		(void)map_u64_set(&ls->tokens, leases[i].token, l);
	}
	for (size_t i = 0; i < n; i++)
		lane_settle(ls, lane_of(ls, leases[i].domain));
}

bool lanes_reserve(struct lanes *ls, struct view domain)
{
	struct lane *l = lane_of(ls, domain);

	if (l->parked || l->changing || is_full(ls, l))
		return false;
	l->out++;
	return true;
}

/* Not settled where it was leased: a domain whose window came to be full this way has nothing else waiting that would have to be kept back. */
void lanes_reserved(struct lanes *ls, struct view domain, uint64_t token)
{
	struct lane *l = lane_of(ls, domain);

	if (token) {
		(void)map_u64_set(&ls->tokens, token, l);
		return;
	}
	l->out--;
	lane_settle(ls, l);
}

void lanes_reached(struct lanes *ls, uint64_t token, bool reached)
{
	struct lane *l = map_u64_get(&ls->tokens, token);

	if (!l || l->reached == reached)
		return;
	l->reached = reached;
	lane_settle(ls, l);
}

void lanes_look_again(struct lanes *ls)
{
	for (struct map_entry *e = map_first(&ls->by_domain); e; e = map_next(&ls->by_domain, e)) {
		struct lane *l = map_value(e);

		if (l->parked)
			lane_settle(ls, l);
	}
}

/* ---- changes ---- */

void lanes_take_changes(struct lanes *ls, struct lane_changes *ret)
{
	*ret = (struct lane_changes){.count = 0};
	arena_init(&ret->arena, NAMES_MAX);
	while (ls->changes && ret->count < LANE_CHANGES_MAX) {
		struct lane *l = ls->changes;
		struct view domain = arena_copy(&ret->arena, lane_domain(l));

		ls->changes = l->next;
		ret->lanes[ret->count++] = l;
		if (l->parked)
			ret->unpark[ret->unpark_count++] = domain;
		else
			ret->park[ret->park_count++] = domain;
	}
}

void lanes_changed(struct lanes *ls, const struct lane_changes *c, bool done)
{
	for (size_t i = 0; i < c->count; i++) {
		struct lane *l = c->lanes[i];

		l->parked ^= done;
		l->changing = false;
		lane_settle(ls, l);
	}
}

void lane_changes_fini(struct lane_changes *c)
{
	arena_fini(&c->arena);
}
