/* SPDX-License-Identifier: ISC
 * Outcomes of TLS, put together and handed on. What stored does not confirm is said again; when too many different ones wait, new ones
 * are left out: reports are of use without the last of them. */
#include "relayd/tally.h"

#include "base/clock.h"
#include "relayd/relayd.h"

#include <event2/event.h>
#include <stdlib.h>

enum {
	WAITING_MAX = 2000,
	AT_ONCE = 100,
	POLICY_MAX = 4096,
	KEY_MAX = 8192,
	EVERY_S = 5,
	DONE_MS = 30000,
	DAY_S = 86400
};

/* One kind of outcome. The views of `count` point into `text`. */
struct row {
	struct relay_tls_count count;
	uint64_t day;
	struct buf key, text;
};

struct tally {
	struct relayd *relayd;
	struct map rows; /* by key */
	struct event *timer;
	bool armed;
	/* Under way to stored: taken out of `rows`. */
	struct row *sent[AT_ONCE];
	size_t sent_count;
};

static void row_free(struct row *r)
{
	buf_fini(&r->key);
	buf_fini(&r->text);
	free(r);
}

static void put(struct tally *t, struct row *r)
{
	struct row *there = map_get(&t->rows, buf_view(&r->key));

	if (there) {
		there->count.sessions += r->count.sessions;
		row_free(r);
	} else {
		(void)map_set(&t->rows, buf_view(&r->key), r);
	}
}

static void hand_on(struct tally *t);

static void arm(struct tally *t)
{
	static const struct timeval soon = {EVERY_S, 0};

	if (!t->armed)
		(void)event_add(t->timer, &soon);
	t->armed = true;
}

static void on_done(void *ctx, const struct relay_msg *answer)
{
	struct tally *t = ctx;

	for (size_t i = 0; i < t->sent_count; i++) {
		if (answer)
			row_free(t->sent[i]);
		else
			put(t, t->sent[i]);
	}
	t->sent_count = 0;
	if (t->rows.count)
		arm(t);
}

/* Rows of one day: the first's. */
static size_t take(struct tally *t, struct relay_tls_count *counts, uint64_t *ret_day)
{
	struct map_entry *e = map_first(&t->rows), *next;

	for (; e && t->sent_count < AT_ONCE; e = next) {
		struct row *r = map_value(e);

		next = map_next(&t->rows, e);
		if (t->sent_count == 0)
			*ret_day = r->day;
		if (r->day != *ret_day)
			continue;
		(void)map_remove(&t->rows, buf_view(&r->key));
		counts[t->sent_count] = r->count;
		t->sent[t->sent_count++] = r;
	}
	return t->sent_count;
}

static void hand_on(struct tally *t)
{
	struct channel *store = t->relayd->store;
	struct relay_tls_counts m = {0};
	struct relay_tls_count *counts;

	if (t->sent_count || !t->rows.count || !store)
		return;
	counts = xcalloc(AT_ONCE, sizeof *counts);
	m.counts = counts;
	m.n_counts = (uint32_t)take(t, counts, &m.day);
	if (!relay_call_tls_counts(store, &m, DONE_MS, on_done, t))
		on_done(t, NULL);
	free(counts);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct tally *t = ctx;

	(void)fd;
	(void)what;
	t->armed = false;
	hand_on(t);
	if (t->rows.count)
		arm(t);
}

void tally_flush(struct tally *t)
{
	hand_on(t);
}

static struct view kept(struct buf *text, struct view v, size_t max)
{
	size_t at = text->n;

	v = view_sub(v, 0, max);
	if (v.n == 0)
		return VIEW_EMPTY;
	buf_append_view(text, v);
	return view_sub(buf_view(text), at, v.n);
}

/* Text first reserved whole: views into it must not move. */
static struct row *row_new(const struct tally_outcome *o, uint64_t day)
{
	struct row *r = xcalloc(1, sizeof *r);
	struct relay_tls_count *c = &r->count;

	r->day = day;
	buf_init(&r->key, KEY_MAX);
	buf_init(&r->text, KEY_MAX);
	if (!buf_reserve(&r->text, KEY_MAX))
		abort(); /* memory */
	c->domain = kept(&r->text, o->domain, 255);
	c->policy_type = (uint8_t)o->policy_type;
	c->policy = o->policy.n <= POLICY_MAX ? kept(&r->text, o->policy, POLICY_MAX) : VIEW_EMPTY;
	c->result = kept(&r->text, o->result, 40);
	c->mx = kept(&r->text, o->mx, 255);
	c->mx_ip = kept(&r->text, o->mx_ip, 64);
	c->sending_ip = kept(&r->text, o->sending_ip, 64);
	c->reason = kept(&r->text, o->reason, 255);
	c->tlsa_base = kept(&r->text, o->tlsa_base, 255);
	c->sessions = 1;
	buf_printf(&r->key, "%llu %u", (unsigned long long)day, c->policy_type);
	for (size_t i = 0; i < 8; i++) {
		const struct view parts[] = {c->domain, c->policy,     c->result, c->mx,
					     c->mx_ip,  c->sending_ip, c->reason, c->tlsa_base};

		buf_append_char(&r->key, '\0');
		buf_append_view(&r->key, parts[i]);
	}
	return r;
}

void tally_add(struct tally *t, const struct tally_outcome *o)
{
	if (t->rows.count >= WAITING_MAX)
		return;
	put(t, row_new(o, (uint64_t)(clock_wall_s() / DAY_S)));
	arm(t);
}

struct tally *tally_new(struct relayd *r)
{
	struct tally *t = xcalloc(1, sizeof *t);

	t->relayd = r;
	map_init(&t->rows);
	t->timer = event_new(r->base, -1, 0, on_timer, t);
	if (!t->timer)
		abort(); /* memory */
	return t;
}
