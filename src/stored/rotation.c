/* SPDX-License-Identifier: ISC
 * Publish before use: a new DKIM key signs when all name servers of its domain show its record.
 *
 *   which zone (NS at _domainkey.DOMAIN, DOMAIN, or above) ─▶ addresses of its servers ─▶ the record at each ─▶ keys taken up
 *
 * A server with several addresses counts as showing it when one of them answers and none that answers says otherwise: a host without
 * IPv6 asks those of IPv6 in vain. */
#include "stored/rotation.h"

#include "base/clock.h"
#include "base/map.h"
#include "ipc/msgs/dns_msgs.h"
#include "mail/dkim_sign.h"
#include "mail/dns_record.h"
#include "stored/signer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_EVERY_MS = 600000,
	FIRST_LOOK_MS = 30000,
	ASK_MS = 5000,
	SERVERS_MAX = 16,
	ADDRESSES_MAX = 8, /* of a server */
	KEYS_MAX = 20,
	LOOKS_AT_ONCE = 8,
	SEEN_MAX = 1000,
	NAME_BUF = 512,
	ARENA_MAX = 262144,
};

struct rotation {
	struct map seen; /* "domain selector" → what was seen, a string of the heap */
	uint64_t next_ms;
	size_t at; /* the key to go on with */
	unsigned looks;
};

/* ---- a look at one domain ---- */

enum shown { SHOWN_NOT_ANSWERED, SHOWN_NO, SHOWN_YES };

struct server {
	struct view name;
	struct view addresses[ADDRESSES_MAX];
	size_t n;
};

struct waiting_key {
	struct view selector, public_key;
	uint8_t algorithm;
	enum shown shown[SERVERS_MAX];
};

struct look {
	struct stored *sd;
	struct arena arena;
	struct view domain;
	struct view zone; /* the candidate */
	bool zone_is_above; /* the candidate is the domain or above it */
	struct server servers[SERVERS_MAX];
	size_t n_servers;
	struct waiting_key keys[KEYS_MAX];
	size_t n_keys;
	const char *trouble;
	unsigned open;
	void (*next)(struct look *l); /* when all answers are there */
	void (*done)(void *ctx);
	void *ctx;
};

/* What an answer is about. */
struct ask {
	struct look *look;
	size_t server, key;
};

static void close_one(struct look *l)
{
	if (--l->open == 0)
		l->next(l);
}

static struct ask *ask_new(struct look *l, size_t server, size_t key)
{
	struct ask *a = xcalloc(1, sizeof *a);

	*a = (struct ask){l, server, key};
	l->open++;
	return a;
}

/* Not asked: dnsd is away. */
static void ask_failed(struct ask *a)
{
	a->look->trouble = "no dnsd to ask";
	a->look->open--;
	free(a);
}

/* ---- the end ---- */

static void remember(struct look *l, const struct waiting_key *key, const char *text)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_BUF);
	struct rotation *r = l->sd->rotation;

	buf_printf(&name, "%.*s %.*s", VIEW_FMT(l->domain), VIEW_FMT(key->selector));
	if (r->seen.count < SEEN_MAX || map_get(&r->seen, buf_view(&name)))
		free(map_set(&r->seen, buf_view(&name), xstrdup(text)));
}

struct view rotation_seen(const struct stored *sd, struct view domain, struct view selector)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_BUF);
	const char *text;

	buf_printf(&name, "%.*s %.*s", VIEW_FMT(domain), VIEW_FMT(selector));
	text = map_get(&sd->rotation->seen, buf_view(&name));
	return text ? view_sub(view_from_cstr(text), 0, 1024) : VIEW_EMPTY;
}

static void look_end(struct look *l)
{
	l->sd->rotation->looks--;
	if (l->done)
		l->done(l->ctx);
	arena_fini(&l->arena);
	free(l);
}

struct taking_up {
	struct write write;
	struct dkim_job job;
	struct look *look;
};

static void taken_up(struct completion *c)
{
	struct taking_up *t = (struct taking_up *)c;
	struct log_line line;

	log_begin(&line, t->job.job.outcome == STORE_OK ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "dkim-key-taken-up");
	log_str(&line, "domain", t->job.domain);
	log_str(&line, "selector", t->job.selector);
	log_end(&line);
	store_job_fini(&t->job.job);
	close_one(t->look);
	free(t);
}

static void take_up(struct look *l, const struct waiting_key *key)
{
	struct taking_up *t = xcalloc(1, sizeof *t);

	dkim_job_init(&t->job);
	t->job.change = DKIM_ACTIVATE;
	t->job.domain = l->domain;
	t->job.selector = key->selector;
	t->job.wall_s = clock_wall_s();
	t->look = l;
	t->write.completion.done = taken_up;
	t->write.job = &t->job.job;
	l->open++;
	write_put(l->sd->writer, &t->write);
}

/* ---- the record at each server ---- */

static bool is_shown(const struct dns_msg *m, const struct waiting_key *key)
{
	for (uint32_t i = 0; m->type == DNS_FOUND && i < m->found.n_records; i++)
		if (dkim_record_is(m->found.records[i].data, (enum dkim_algorithm)key->algorithm, key->public_key))
			return true;
	return false;
}

static void hear_record(void *ctx, const struct dns_msg *m)
{
	struct ask *a = ctx;
	struct look *l = a->look;
	struct waiting_key *key = &l->keys[a->key];
	enum shown *shown = &key->shown[a->server];

	if (m && (m->type == DNS_FOUND || m->type == DNS_NOTHING)) {
		if (!is_shown(m, key))
			*shown = SHOWN_NO;
		else if (*shown == SHOWN_NOT_ANSWERED)
			*shown = SHOWN_YES;
	}
	free(a);
	close_one(l);
}

static void decide(struct look *l)
{
	static const char *const words[] = {"does not answer", "does not show it", "shows it"};

	l->next = look_end;
	l->open++;
	for (size_t k = 0; k < l->n_keys; k++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(4096);
		bool all = l->n_servers > 0 && !l->trouble;

		for (size_t s = 0; s < l->n_servers; s++) {
			enum shown shown = l->keys[k].shown[s];

			all &= shown == SHOWN_YES;
			buf_printf(&text, "%s%.*s %s", s ? ", " : "", VIEW_FMT(l->servers[s].name), words[shown]);
		}
		if (l->trouble)
			buf_printf(&text, "%s%s", l->n_servers ? "; " : "", l->trouble);
		remember(l, &l->keys[k], text.overflow ? "" : buf_cstr(&text));
		if (all)
			take_up(l, &l->keys[k]);
	}
	close_one(l);
}

static void ask_records(struct look *l)
{
	l->next = decide;
	l->open++;
	for (size_t k = 0; k < l->n_keys; k++) {
		_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_BUF);

		buf_printf(&name, "%.*s._domainkey.%.*s", VIEW_FMT(l->keys[k].selector), VIEW_FMT(l->domain));
		for (size_t s = 0; s < l->n_servers; s++)
			for (size_t i = 0; i < l->servers[s].n; i++) {
				const struct dns_ask_server m = {buf_view(&name), DNS_TXT, l->servers[s].addresses[i],
								 ASK_MS};
				struct ask *a = ask_new(l, s, k);

				if (!dns_call_ask_server(l->sd->dns, &m, ASK_MS + 1000, hear_record, a))
					ask_failed(a);
			}
	}
	close_one(l);
}

/* ---- their addresses ---- */

static void hear_addresses(void *ctx, const struct dns_msg *m)
{
	struct ask *a = ctx;
	struct look *l = a->look;
	struct server *s = &l->servers[a->server];

	for (uint32_t i = 0; m && m->type == DNS_FOUND && i < m->found.n_records && s->n < ADDRESSES_MAX; i++) {
		struct view data = m->found.records[i].data;
		char text[INET6_ADDRSTRLEN];

		if ((data.n == 4 || data.n == 16) &&
		    inet_ntop(data.n == 4 ? AF_INET : AF_INET6, data.p, text, sizeof text)) {
			s->addresses[s->n] = arena_copy(&l->arena, view_from_cstr(text));
			s->n += s->addresses[s->n].p != NULL;
		}
	}
	free(a);
	close_one(l);
}

static void ask_addresses(struct look *l)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA};

	l->next = ask_records;
	l->open++;
	for (size_t s = 0; s < l->n_servers; s++)
		for (size_t i = 0; i < ARRAY_LEN(types); i++) {
			struct ask *a = ask_new(l, s, 0);

			if (!dns_call_ask(l->sd->dns, &(struct dns_ask){l->servers[s].name, types[i], ASK_MS},
					  ASK_MS + 1000, hear_addresses, a))
				ask_failed(a);
		}
	close_one(l);
}

/* ---- the zone ---- */

static void ask_zone(struct look *l);

/* The next candidate: "_domainkey.DOMAIN", "DOMAIN", and so on up, but no top level domain. */
static bool go_up(struct look *l)
{
	struct view label, above;

	if (!l->zone_is_above) {
		l->zone_is_above = true;
		l->zone = l->domain;
		return true;
	}
	if (!view_cut(l->zone, '.', &label, &above) || view_find_char(above, '.') == above.n)
		return false;
	l->zone = above;
	return true;
}

static void hear_zone(void *ctx, const struct dns_msg *m)
{
	struct ask *a = ctx;
	struct look *l = a->look;
	bool failed = !m || m->type == DNS_FAILED;

	free(a);
	for (uint32_t i = 0; m && m->type == DNS_FOUND && i < m->found.n_records; i++) {
		struct view name = arena_copy(&l->arena, m->found.records[i].data);

		if (l->n_servers == SERVERS_MAX || !name.p)
			l->trouble = "too many name servers";
		else if (name.n > 0)
			l->servers[l->n_servers++].name = name;
	}
	if (failed)
		l->trouble = "the domain's name servers cannot be found out now";
	if (!failed && l->n_servers == 0 && go_up(l)) {
		l->open--;
		ask_zone(l);
		return;
	}
	if (l->n_servers == 0 && !l->trouble)
		l->trouble = "the domain has no name servers";
	l->next = ask_addresses;
	close_one(l);
}

static void ask_zone(struct look *l)
{
	struct ask *a = ask_new(l, 0, 0);

	if (dns_call_ask(l->sd->dns, &(struct dns_ask){l->zone, DNS_NS, ASK_MS}, ASK_MS + 1000, hear_zone, a))
		return;
	ask_failed(a);
	decide(l);
}

/* ---- looking ---- */

static bool copy_keys(struct look *l)
{
	size_t n;
	const struct dkim_row *rows = signer_keys(l->sd, &n);

	for (size_t i = 0; i < n && l->n_keys < KEYS_MAX; i++) {
		struct waiting_key *key = &l->keys[l->n_keys];

		if (rows[i].state != DKIM_WAITS || !view_eq(rows[i].domain, l->domain))
			continue;
		key->selector = arena_copy(&l->arena, rows[i].selector);
		key->public_key = arena_copy(&l->arena, rows[i].public_key);
		key->algorithm = rows[i].algorithm;
		if (!key->selector.p || !key->public_key.p)
			return false;
		l->n_keys++;
	}
	return l->n_keys > 0;
}

void rotation_look(struct stored *sd, struct view domain, void (*done)(void *ctx), void *ctx)
{
	_cleanup_(buf_fini) struct buf zone = BUF_INIT(NAME_BUF);
	struct look *l = xcalloc(1, sizeof *l);

	*l = (struct look){.sd = sd, .done = done, .ctx = ctx};
	sd->rotation->looks++;
	arena_init(&l->arena, ARENA_MAX);
	l->domain = arena_copy(&l->arena, domain);
	buf_printf(&zone, "_domainkey.%.*s", VIEW_FMT(domain));
	l->zone = arena_copy(&l->arena, buf_view(&zone));
	if (l->domain.p && l->zone.p && copy_keys(l))
		ask_zone(l);
	else
		look_end(l);
}

/* ---- from time to time ---- */

struct forgetting {
	struct write write;
	struct dkim_job job;
	struct arena arena;
};

static void forgotten(struct completion *c)
{
	struct forgetting *f = (struct forgetting *)c;

	store_job_fini(&f->job.job);
	arena_fini(&f->arena);
	free(f);
}

static void forget(struct stored *sd, const struct dkim_row *row)
{
	struct forgetting *f = xcalloc(1, sizeof *f);

	arena_init(&f->arena, 4096);
	dkim_job_init(&f->job);
	f->job.change = DKIM_FORGET;
	f->job.domain = arena_copy(&f->arena, row->domain);
	f->job.selector = arena_copy(&f->arena, row->selector);
	f->write.completion.done = forgotten;
	f->write.job = &f->job.job;
	write_put(sd->writer, &f->write);
}

static void look_at(struct stored *sd, const struct dkim_row *rows, size_t i)
{
	bool first = i == 0 || rows[i - 1].state != DKIM_WAITS || !view_eq(rows[i - 1].domain, rows[i].domain);

	if (rows[i].state == DKIM_RETIRED && clock_wall_s() - rows[i].since_s > ROTATION_RETIRED_S)
		forget(sd, &rows[i]);
	else if (rows[i].state == DKIM_WAITS && first)
		rotation_look(sd, rows[i].domain, NULL, NULL);
}

void rotation_tick(struct stored *sd)
{
	struct rotation *r = sd->rotation;
	size_t n;
	const struct dkim_row *rows = signer_keys(sd, &n);

	if (clock_mono_ms() < r->next_ms)
		return;
	while (r->at < n && r->looks < LOOKS_AT_ONCE)
		look_at(sd, rows, r->at++);
	if (r->at < n)
		return;
	r->at = 0;
	r->next_ms = clock_mono_ms() + LOOK_EVERY_MS;
}

struct rotation *rotation_new(struct stored *sd)
{
	struct rotation *r = xcalloc(1, sizeof *r);

	(void)sd;
	map_init(&r->seen);
	r->next_ms = clock_mono_ms() + FIRST_LOOK_MS;
	return r;
}
