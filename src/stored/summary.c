/* SPDX-License-Identifier: ISC
 * A message's events, as lines of its summary. */
#include "stored/summary.h"

#include "base/map.h"

/* Of "mx.far.example (192.0.2.1:25, route office)" the name, else the address. Nobody was reached where only the route is said. */
static struct view mta_of(struct view peer)
{
	size_t at = view_find_char(peer, '(');
	struct view name = view_trim(view_sub(peer, 0, at));

	if (name.n)
		return name;
	peer = view_sub(peer, at + 1, peer.n);
	if (view_starts_with(peer, VIEW_LIT("route ")))
		return VIEW_EMPTY;
	peer = view_sub(peer, 0, view_find_char(peer, ')'));
	return view_sub(peer, 0, view_find_char(peer, ','));
}

static bool is_fate(enum trace_kind kind, enum summary_fate *ret)
{
	static const struct {
		enum trace_kind kind;
		enum summary_fate fate;
	} fates[] = {{TRACE_DELIVERED, SUMMARY_DELIVERED},
		     {TRACE_SENT, SUMMARY_ACCEPTED},
		     {TRACE_FAILED, SUMMARY_REFUSED},
		     {TRACE_EXPIRED, SUMMARY_EXPIRED},
		     {TRACE_REMOVED, SUMMARY_REMOVED}};

	for (size_t i = 0; i < ARRAY_LEN(fates); i++)
		if (fates[i].kind == kind) {
			*ret = fates[i].fate;
			return true;
		}
	return false;
}

/* Copies that one address led to share a line. */
static bool joins(struct map *seen, const struct summary_line *l)
{
	struct summary_line *before = map_get(seen, l->address);

	if (!before)
		return false;
	if (before->fate == SUMMARY_DELIVERED && l->fate == SUMMARY_DELIVERED) {
		before->mailboxes++;
		return true;
	}
	return false;
}

bool summary_lines(const struct queue_sum *q, struct arena *a, struct summary *ret)
{
	struct summary_line *lines = arena_array(a, q->count + 1, sizeof *lines);
	struct map written, ended,
	    delivered; /* by address: the event that names what the sender wrote; an end; a line */
	size_t n = 0;

	if (!lines)
		return false;
	map_init(&written);
	map_init(&ended);
	map_init(&delivered);
	for (size_t i = 0; i < q->count; i++) {
		const struct trace_event *e = &q->events[i], *alias;
		struct summary_line *l = &lines[n];

		if (e->kind == TRACE_QUEUED)
			(void)map_set(&written, e->address, (void *)e);
		*l = (struct summary_line){.address = e->address, .tls = e->tls, .words = e->words, .mailboxes = 1};
		if (!is_fate(e->kind, &l->fate))
			continue;
		if (l->fate == SUMMARY_DELIVERED) {
			l->words = l->tls = VIEW_EMPTY;
			if (!joins(&delivered, l)) {
				(void)map_set(&delivered, l->address, l);
				n++;
			}
			continue;
		}
		/* What happens to a recipient after its end (the operator removes it) changes nothing for the sender. */
		if (map_set(&ended, e->address, l))
			continue;
		alias = map_get(&written, e->address);
		if (alias) {
			l->address = alias->peer;
			l->behind = true;
		}
		l->mta = mta_of(e->peer);
		n++;
	}
	map_fini(&written);
	map_fini(&ended);
	map_fini(&delivered);
	ret->lines = lines;
	ret->count = n;
	return true;
}
