/* SPDX-License-Identifier: ISC
 * Routes: the smart host, the operator's exceptions, and the passwords for them. */
#include "relayd/route.h"

#include "base/arena.h"
#include "mail/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUTES_MAX = 1024, ARENA_MAX = 4 * 1024 * 1024, PASSWORDS_MAX = 256 * 1024, SUBMISSIONS_PORT = 465 };

struct rule {
	struct view recipient, sender; /* domain, ".domain" for what is below it, or empty: any */
	struct route route;
};

struct routes {
	struct arena arena;
	struct route direct;
	struct rule *rules; /* first match counts */
	size_t count;
	struct buf passwords;
	const struct conf *conf;
};

/* HOST, HOST:PORT, [IPv6]:PORT. */
static void cut_port(struct view text, struct view *ret_host, uint16_t *port)
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

static struct view next_word(struct view *rest)
{
	struct view word, tail;

	*rest = view_trim(*rest);
	if (view_cut(*rest, ' ', &word, &tail)) {
		*rest = tail;
		return word;
	}
	word = *rest;
	*rest = VIEW_EMPTY;
	return word;
}

static void find_password(const struct routes *rs, struct route *route)
{
	struct view rest = buf_view(&rs->passwords), line;

	while (rest.n) {
		struct view host, user;

		if (!view_cut(rest, '\n', &line, &rest)) {
			line = rest;
			rest = VIEW_EMPTY;
		}
		line = view_trim(line);
		host = next_word(&line);
		user = next_word(&line);
		if (!view_eq_nocase(host, route->host) || user.n == 0)
			continue;
		route->user = user;
		route->password = view_trim(line);
		return;
	}
}

static bool domain_matches(struct view rule, struct view domain)
{
	if (rule.n == 0)
		return true;
	if (rule.p[0] == '.')
		return domain.n > rule.n && view_ends_with_nocase(domain, rule);
	return view_eq_nocase(rule, domain);
}

static struct view domain_of(struct view address)
{
	struct view left, right = VIEW_EMPTY;

	while (view_cut(address, '@', &left, &right))
		address = right;
	return right;
}

static void add_rule(struct routes *rs, struct view recipient, struct view sender, const struct route *route)
{
	struct rule *rule;
	_cleanup_(buf_fini) struct buf key = BUF_INIT(2048);

	if (rs->count == ROUTES_MAX)
		return;
	rule = &rs->rules[rs->count++];
	*rule = (struct rule){recipient, sender, *route};
	find_password(rs, &rule->route);
	if (route->host.n == 0)
		return;
	buf_printf(&key, "%.*s:%u/%u%u%u%u/%.*s", VIEW_FMT(route->host), route->port, route->use_mx, route->tls_first,
		   route->lmtp, (unsigned)route->tls, VIEW_FMT(route->source));
	rule->route.key = arena_copy(&rs->arena, buf_view(&key));
}

static void configure(struct routes *rs)
{
	const struct conf *conf = rs->conf;
	struct route base = {.port = (uint16_t)conf->outbound_port, .source = view_from_cstr(conf->outbound_source)};

	arena_fini(&rs->arena);
	arena_init(&rs->arena, ARENA_MAX);
	rs->direct = base;
	rs->direct.key = rs->direct.host = rs->direct.user = rs->direct.password = VIEW_EMPTY;
	rs->rules = arena_array(&rs->arena, ROUTES_MAX, sizeof *rs->rules);
	rs->count = 0;
	if (*conf->relay_host) {
		struct route smart = rs->direct;

		cut_port(view_from_cstr(conf->relay_host), &smart.host, &smart.port);
		smart.tls_first = smart.port == SUBMISSIONS_PORT;
		add_rule(rs, VIEW_EMPTY, VIEW_EMPTY, &smart);
	}
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

const struct route *route_for(const struct routes *rs, struct view sender, struct view domain)
{
	struct view from = domain_of(sender);

	for (size_t i = 0; i < rs->count; i++)
		if (domain_matches(rs->rules[i].recipient, domain) && domain_matches(rs->rules[i].sender, from))
			return &rs->rules[i].route;
	return &rs->direct;
}
