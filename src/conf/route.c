/* SPDX-License-Identifier: ISC
 * Which route takes a message, and what a route's settings mean together. */
#include "conf/route.h"

#include "conf/setting.h"

enum {
	FITS_NOT,
	FITS_ANY,
	FITS_BELOW, /* and the length of the domain above */
	FITS_DOMAIN = 0x1000,
	FITS_ADDRESS = 0x2000,
	FIT_BITS = 16,
	SUBMISSIONS_PORT = 465,
	LMTP_PORT = 24,
};

static struct view domain_of(struct view address)
{
	struct view left, right = VIEW_EMPTY;

	while (view_cut(address, '@', &left, &right))
		address = right;
	return right;
}

static unsigned fit_of(struct view item, struct view address, struct view domain)
{
	if (view_eq_lit(item, "*"))
		return FITS_ANY;
	if (item.p[0] == '.')
		return domain.n > item.n && view_ends_with_nocase(domain, item) ? FITS_BELOW + (unsigned)item.n
										: FITS_NOT;
	if (view_find_char(item, '@') < item.n)
		return view_eq_nocase(item, address) ? FITS_ADDRESS : FITS_NOT;
	return view_eq_nocase(item, domain) ? FITS_DOMAIN : FITS_NOT;
}

static unsigned best_fit(const struct conf_list *l, struct view address, struct view domain)
{
	unsigned best = l->n ? FITS_NOT : FITS_ANY;

	for (size_t i = 0; i < l->n; i++) {
		unsigned fit = fit_of(l->items[i], address, domain);

		if (fit > best)
			best = fit;
	}
	return best;
}

const struct conf_route *conf_route_for(const struct conf *c, struct view sender, struct view domain)
{
	const struct conf_route *best = NULL;
	struct view from = domain_of(sender);
	unsigned best_score = 0;

	for (size_t i = 0; i < c->n_routes; i++) {
		const struct conf_route *r = &c->routes[i];
		unsigned to_fit = best_fit(&r->to, VIEW_EMPTY, domain), from_fit, score;

		if (to_fit == FITS_NOT)
			continue;
		from_fit = best_fit(&r->from, sender, from);
		score = from_fit ? to_fit << FIT_BITS | from_fit : 0;
		if (score > best_score) {
			best = r;
			best_score = score;
		}
	}
	return best;
}

const struct conf_route *conf_route_named(const struct conf *c, struct view name)
{
	for (size_t i = 0; i < c->n_routes; i++)
		if (view_eq_lit(name, c->routes[i].name))
			return &c->routes[i];
	return NULL;
}

bool conf_has_domain(const struct conf_list *l, struct view domain)
{
	return l->n && best_fit(l, VIEW_EMPTY, domain) != FITS_NOT;
}

void conf_cut_port(struct view text, struct view *ret_host, uint16_t *port)
{
	struct view host, rest;
	uint32_t n;

	*ret_host = text;
	if (text.n && text.p[0] == '[' && view_cut(view_sub(text, 1, text.n), ']', &host, &rest)) {
		*ret_host = host;
		if (rest.n > 1 && rest.p[0] == ':' && view_to_u32(view_sub(rest, 1, rest.n), 65535, &n))
			*port = (uint16_t)n;
	} else if (view_cut(text, ':', &host, &rest) && view_to_u32(rest, 65535, &n)) {
		*ret_host = host;
		*port = (uint16_t)n;
	}
}

enum conf_tls conf_route_tls(const struct conf_route *r)
{
	if (r->tls != CONF_TLS_AUTO)
		return (enum conf_tls)r->tls;
	if (*r->socket)
		return CONF_TLS_NONE;
	return *r->user ? CONF_TLS_VERIFY : CONF_TLS_OPPORTUNISTIC;
}

uint16_t conf_route_port(const struct conf *c, const struct conf_route *r)
{
	uint16_t port = (uint16_t)c->outbound_port;
	struct view host;

	if (*r->socket)
		return 0;
	if (r->transport == CONF_SMTPS)
		port = SUBMISSIONS_PORT;
	else if (r->transport == CONF_LMTP)
		port = LMTP_PORT;
	conf_cut_port(view_from_cstr(r->host), &host, &port);
	return port;
}

struct view conf_route_host(const struct conf_route *r)
{
	uint16_t port = 0;
	struct view host;

	conf_cut_port(view_from_cstr(r->host), &host, &port);
	return host;
}

bool conf_route_check(const struct conf_route *r, const char **ret_key, const char **ret_why)
{
	enum conf_tls tls = conf_route_tls(r);
	bool by_name = tls == CONF_TLS_VERIFY || tls == CONF_TLS_DANE;
	const struct {
		bool wrong;
		const char *key, *why;
	} rules[] = {
	    {*r->host && *r->mx, "mx", "stands beside host; one of the two says where the mail goes"},
	    {*r->socket && (*r->host || *r->mx), "socket",
	     "stands beside host or mx; one of them says where the mail goes"},
	    {*r->socket && r->transport != CONF_LMTP, "socket", "mail goes to one by LMTP: write `transport = lmtp`"},
	    {*r->socket && *r->user, "user", "nobody logs in at a UNIX socket: its permissions say who may connect"},
	    {*r->socket && tls != CONF_TLS_NONE, "tls", "there is none over a UNIX socket, which leads nowhere else"},
	    {*r->socket && r->source.n, "source", "a UNIX socket knows no addresses"},
	    {r->transport == CONF_LMTP && !*r->host && !*r->socket, "transport",
	     "lmtp needs `host = HOST:PORT` or `socket = /PATH`"},
	    {*r->user && !*r->host, "user", "a password goes to a host that is named only: write `host = HOST`"},
	    {*r->user && tls == CONF_TLS_NONE, "tls",
	     "none: a password goes nowhere without TLS; leave out one of the two"},
	    {r->transport == CONF_SMTPS && tls == CONF_TLS_NONE, "tls", "none: smtps is TLS from the first byte"},
	    {by_name && setting_is_address(conf_route_host(r)), r->tls == CONF_TLS_AUTO ? "host" : "tls",
	     "an address has no name that a certificate could be checked by: name the host, or write `tls = require`"},
	    {!setting_are_sources(&r->source), "source", "at most one address of IPv4 and one of IPv6"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (!rules[i].wrong)
			continue;
		*ret_key = rules[i].key;
		*ret_why = rules[i].why;
		return false;
	}
	return true;
}
