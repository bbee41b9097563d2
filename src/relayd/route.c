/* SPDX-License-Identifier: ISC
 * Routes: [route NAME] sections (conf/route.h), the smart host, and the passwords for them. */
#include "relayd/route.h"

#include "base/arena.h"
#include "conf/relay_password.h"
#include "conf/route.h"
#include "mail/address_canon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ARENA_MAX = 64 * 1024 * 1024,
	PASSWORDS_MAX = 256 * 1024,
	KEY_MAX = PASSWORDS_MAX + 4096,
	ADDRESS_MAX = 1024,
	SUBMISSIONS_PORT = 465,
};

struct routes {
	struct arena arena;
	struct route direct;
	struct route smart; /* relay-host; no host: there is none */
	struct route *sections; /* one for each of conf->routes */
	struct buf passwords;
	const struct conf *conf;
};

/* The line of its host, and of its user where it names one. */
static void find_password(const struct routes *rs, struct route *route)
{
	struct view user = route->user, password;

	if (!relay_password_find(buf_view(&rs->passwords), route->host, &user, &password))
		return;
	route->user = user;
	route->password = password;
}

/* ---- from settings ---- */

static void set_sources(struct route *route, const struct conf_list *l)
{
	route->source_count = 0;
	for (size_t i = 0; i < l->n && route->source_count < ARRAY_LEN(route->sources); i++)
		if (ip_parse(l->items[i], &route->sources[route->source_count]))
			route->source_count++;
}

/* The key stays in this process's memory, as the password itself does. */
static void set_key(struct routes *rs, struct route *route)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);

	buf_printf(&key, "%.*s %.*s:%u %u%u%u%u %.*s %.*s", VIEW_FMT(route->name), VIEW_FMT(route->host), route->port,
		   route->use_mx, route->tls_first, route->lmtp, (unsigned)route->tls, VIEW_FMT(route->user),
		   VIEW_FMT(route->password));
	for (size_t i = 0; i < route->source_count; i++) {
		buf_append_char(&key, ' ');
		ip_format(&key, &route->sources[i]);
	}
	route->key = arena_copy(&rs->arena, buf_view(&key));
}

static enum route_tls tls_of(const struct conf_route *c)
{
	static const enum route_tls words[] = {
	    [CONF_TLS_AUTO] = ROUTE_TLS_OPPORTUNISTIC,
	    [CONF_TLS_NONE] = ROUTE_TLS_NONE,
	    [CONF_TLS_OPPORTUNISTIC] = ROUTE_TLS_OPPORTUNISTIC,
	    [CONF_TLS_REQUIRE] = ROUTE_TLS_REQUIRED,
	    [CONF_TLS_VERIFY] = ROUTE_TLS_VERIFY,
	    [CONF_TLS_DANE] = ROUTE_TLS_DANE,
	};
	enum route_tls tls = words[conf_route_tls(c)];

	/* TLS from the first byte is never without, and a password goes nowhere without. */
	return tls == ROUTE_TLS_OPPORTUNISTIC && (c->transport == CONF_SMTPS || *c->user) ? ROUTE_TLS_REQUIRED : tls;
}

static struct route route_of(struct routes *rs, const struct conf_route *c)
{
	struct route r = rs->direct;

	r.name = view_from_cstr(c->name);
	r.host = *c->mx ? view_from_cstr(c->mx) : conf_route_host(c);
	r.local = *c->socket != '\0';
	if (r.local)
		r.host = view_from_cstr(c->socket);
	r.use_mx = *c->mx != '\0';
	r.port = conf_route_port(rs->conf, c);
	r.tls_first = c->transport == CONF_SMTPS;
	r.lmtp = c->transport == CONF_LMTP;
	r.tls = tls_of(c);
	r.user = view_from_cstr(c->user);
	if (c->source.n)
		set_sources(&r, &c->source);
	if (r.user.n)
		find_password(rs, &r);
	set_key(rs, &r);
	return r;
}

static struct route route_of_smart_host(struct routes *rs)
{
	struct route r = rs->direct;

	r.name = VIEW_LIT("relay-host");
	conf_cut_port(view_from_cstr(rs->conf->relay_host), &r.host, &r.port);
	r.tls_first = r.port == SUBMISSIONS_PORT;
	if (r.host.n)
		find_password(rs, &r);
	set_key(rs, &r);
	return r;
}

static void configure(struct routes *rs)
{
	const struct conf *conf = rs->conf;

	arena_fini(&rs->arena);
	arena_init(&rs->arena, ARENA_MAX);
	rs->direct = (struct route){.name = VIEW_EMPTY,
				    .host = VIEW_EMPTY,
				    .port = (uint16_t)conf->outbound_port,
				    .user = VIEW_EMPTY,
				    .password = VIEW_EMPTY};
	set_sources(&rs->direct, &conf->outbound_source);
	set_key(rs, &rs->direct);
	rs->smart = route_of_smart_host(rs);
	rs->sections = xrealloc(rs->sections, (conf->n_routes + 1) * sizeof *rs->sections);
	for (size_t i = 0; i < conf->n_routes; i++)
		rs->sections[i] = route_of(rs, &conf->routes[i]);
}

struct routes *routes_new(const struct conf *conf)
{
	struct routes *rs = xcalloc(1, sizeof *rs);

	buf_init(&rs->passwords, PASSWORDS_MAX);
	routes_configure(rs, conf);
	return rs;
}

void routes_configure(struct routes *rs, const struct conf *conf)
{
	rs->conf = conf;
	configure(rs);
}

void routes_free(struct routes **rsp)
{
	struct routes *rs = *rsp;

	*rsp = NULL;
	if (!rs)
		return;
	arena_fini(&rs->arena);
	buf_fini(&rs->passwords);
	free(rs->sections);
	free(rs);
}

int routes_read_passwords(struct routes *rs, int fd)
{
	_cleanup_(fd_close) int file = fd;
	ssize_t n = 1;

	buf_reset(&rs->passwords);
	while (n > 0) {
		char *p = buf_reserve(&rs->passwords, 4096);

		if (!p)
			return -EFBIG;
		n = read(file, p, 4096);
		if (n < 0)
			return -errno;
		buf_commit(&rs->passwords, (size_t)n);
	}
	configure(rs);
	return 0;
}

void routes_forget_passwords(struct routes *rs)
{
	buf_reset(&rs->passwords);
	configure(rs);
}

/* ---- which one ---- */

/* The sender with its domain as A-labels; as it came where that is no domain. */
static struct view plain_sender(struct view sender, struct buf *out)
{
	struct view local = sender, domain = VIEW_EMPTY;

	for (size_t i = sender.n; i > 0 && domain.n == 0; i--) {
		if (sender.p[i - 1] != '@')
			continue;
		local = view_sub(sender, 0, i);
		domain = view_sub(sender, i, sender.n);
	}
	buf_append_view(out, local);
	return domain.n && address_domain_canon(domain, out) ? buf_view(out) : sender;
}

const struct route *route_for(const struct routes *rs, struct view sender, struct view domain)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(ADDRESS_MAX);
	const struct conf_route *section = NULL;

	if (rs->conf->n_routes)
		section = conf_route_for(rs->conf, plain_sender(sender, &plain), domain);
	if (section)
		return &rs->sections[section - rs->conf->routes];
	return rs->smart.host.n ? &rs->smart : &rs->direct;
}

bool routes_has_key(const struct routes *rs, struct view key)
{
	for (size_t i = 0; i < rs->conf->n_routes; i++)
		if (view_eq(rs->sections[i].key, key))
			return true;
	return view_eq(rs->direct.key, key) || (rs->smart.host.n && view_eq(rs->smart.key, key));
}

/* ---- all of them ---- */

static void put_list(struct buf *out, const char *key, const struct conf_list *l)
{
	buf_printf(out, "\n%s", key);
	for (size_t i = 0; i < l->n; i++)
		buf_printf(out, " %.*s", VIEW_FMT(l->items[i]));
}

void routes_describe(const struct routes *rs, struct buf *out)
{
	const struct conf *c = rs->conf;

	buf_printf(out, "%s %s %s", c->hostname, c->outbound_ca, c->trust_anchor);
	put_list(out, "dns", &c->dns_server);
	buf_printf(out, "\n%.*s\n%.*s", VIEW_FMT(rs->direct.key), VIEW_FMT(rs->smart.key));
	for (size_t i = 0; i < c->n_routes; i++) {
		put_list(out, "to", &c->routes[i].to);
		put_list(out, "from", &c->routes[i].from);
		buf_printf(out, "\n%.*s", VIEW_FMT(rs->sections[i].key));
	}
}
