/* SPDX-License-Identifier: ISC
 * Whether the text of a setting means something: names, addresses, networks. */
#include "conf/setting.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

static int address_family(struct view v)
{
	_cleanup_(free_ptr) char *text = v.n < INET6_ADDRSTRLEN ? view_to_cstr(v) : NULL;
	struct in6_addr ip;

	if (text && inet_pton(AF_INET, text, &ip) == 1)
		return AF_INET;
	return text && inet_pton(AF_INET6, text, &ip) == 1 ? AF_INET6 : 0;
}

/* RFC 952, 1123 §2.1: labels of letters, digits and inner hyphens (RFC 8301 names: A-labels). */
static bool is_host_name(struct view v)
{
	size_t label = 0;

	if (v.n == 0 || v.n > 253)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '.') {
			if (label == 0 || v.p[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!(ascii_is_alnum(c) || (c == '-' && label > 0)) || ++label > 63)
			return false;
	}
	return label > 0 && v.p[v.n - 1] != '-';
}

static bool is_port(struct view v)
{
	uint32_t port;

	return view_to_u32(v, 65535, &port) && port > 0;
}

static bool host_name(struct view v)
{
	return v.n == 0 || is_host_name(v);
}

static bool listen_address(struct view v)
{
	return view_eq_lit(v, "*") || address_family(v);
}

static bool source_address(struct view v)
{
	return v.n == 0 || address_family(v);
}

static bool network(struct view v)
{
	struct view ip = v, bits;
	bool cut = view_cut(v, '/', &ip, &bits);
	int family = address_family(cut ? ip : v);
	uint32_t n;

	return family && (!cut || view_to_u32(bits, family == AF_INET ? 32 : 128, &n));
}

/* HOST[:PORT]; an IPv6 address in brackets. */
static bool host_and_port(struct view v)
{
	struct view host = v, rest;

	if (v.n == 0)
		return true;
	if (v.p[0] == '[') {
		if (!view_cut(view_sub(v, 1, v.n), ']', &host, &rest) || address_family(host) != AF_INET6)
			return false;
		return rest.n == 0 || (rest.p[0] == ':' && is_port(view_sub(rest, 1, rest.n)));
	}
	if (!view_cut(v, ':', &host, &rest))
		return is_host_name(v);
	return is_host_name(host) && is_port(rest);
}

/* DOMAIN, .DOMAIN, *. */
static bool domains(struct view v)
{
	if (view_eq_lit(v, "*"))
		return true;
	return is_host_name(v.n && v.p[0] == '.' ? view_sub(v, 1, v.n) : v);
}

static bool some_domains(struct view v)
{
	return !view_eq_lit(v, "*") && domains(v);
}

static bool senders(struct view v)
{
	struct view local, domain;

	if (!view_cut(v, '@', &local, &domain))
		return domains(v);
	return local.n && local.n <= 64 && is_host_name(domain);
}

/* What stands between blanks in relay-passwords. */
static bool user_name(struct view v)
{
	return view_find_char(v, ' ') == v.n && view_find_char(v, '\t') == v.n && v.n <= 255;
}

static bool resolver(struct view v)
{
	struct view ip = v, port;

	if (!view_cut(v, '@', &ip, &port))
		return address_family(v) != 0;
	return address_family(ip) && is_port(port);
}

static bool delimiter(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || v.p[i] >= 0x7f || ascii_is_alnum(v.p[i]) || v.p[i] == '@')
			return false;
	return v.n <= 8;
}

static bool mail_address(struct view v)
{
	struct view local, domain;

	return v.n == 0 || (v.n <= 320 && view_cut(v, '@', &local, &domain) && local.n && domain.n);
}

static bool path(struct view v)
{
	return v.n > 0 && v.n < 4096;
}

static bool optional_path(struct view v)
{
	return v.n < 4096;
}

static bool is_plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] >= 0x7f)
			return false;
	return true;
}

/* As a whole, plain, and of this very place: what bind(2) of the server there was given. */
static bool unix_socket(struct view v)
{
	struct view rest = v, name = VIEW_EMPTY;
	bool more = true;

	if (v.n == 0)
		return true;
	if (v.p[0] != '/' || v.n >= sizeof((struct sockaddr_un *)NULL)->sun_path || !is_plain(v))
		return false;
	while (more) {
		more = view_cut(rest, '/', &name, &rest);
		if (view_eq_lit(more ? name : rest, ".."))
			return false;
	}
	return rest.n > 0;
}

static const struct {
	const char *key;
	bool (*ok)(struct view v);
	const char *want;
} checks[] = {
    {"hostname", host_name, "a host name like mail.example.org"},
    {"listen", listen_address, "an address (192.0.2.1, 2001:db8::1) or * for all of IPv4, :: for all of IPv6"},
    {"outbound-source", source_address, "an address of this machine"},
    {"outbound-ca", path, "the path of a file"},
    {"tls-cert", path, "the path of a file"},
    {"tls-key", path, "the path of a file"},
    {"trust-anchor", optional_path, "the path of a file, or a DS or DNSKEY record"},
    {"unlimited-networks", network, "a network like 192.0.2.0/24 or 2001:db8::/32"},
    {"proxy-networks", network, "a network like 192.0.2.0/24 or 2001:db8::/32"},
    {"trusted-networks", network, "a network like 192.0.2.0/24 or 2001:db8::/32"},
    {"recipient-delimiter", delimiter, "up to 8 characters that are neither letters nor digits nor @"},
    {"srs-domain", host_name, "a domain like example.org"},
    {"postmaster", mail_address, "an address like user@example.org"},
    {"relay-host", host_and_port, "a host name, with :PORT where it is not the usual one"},
    {"backup-mx", some_domains, "a domain (example.net) or what is below one (.example.net), as A-labels"},
    {"to", domains, "a domain (example.net), what is below one (.example.net) or *, as A-labels"},
    {"from", senders, "a domain (example.net), what is below one (.example.net), an address or *, as A-labels"},
    {"host", host_and_port, "a host name or an address, with :PORT where it is not the usual one"},
    {"socket", unix_socket, "the whole path of a UNIX socket: at most 107 plain characters, no \"..\" in it"},
    {"mx", host_name, "a domain"},
    {"user", user_name, "a name without blanks"},
    {"source", source_address, "an address of this machine"},
    {"dns-server", resolver, "an address, with @PORT where it is not 53"},
};

bool setting_check(const struct setting *s, struct view item, const char **ret_want)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (strcmp(checks[i].key, s->key) != 0 || checks[i].ok(item))
			continue;
		*ret_want = checks[i].want;
		return false;
	}
	return true;
}

bool setting_check_name(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_' && name.p[i] != '.')
			return false;
	return name.n > 0 && name.n <= 64;
}

bool setting_is_address(struct view v)
{
	return address_family(v) != 0;
}

bool setting_are_sources(const struct conf_list *l)
{
	size_t v4 = 0, v6 = 0;

	for (size_t i = 0; i < l->n; i++) {
		v4 += address_family(l->items[i]) == AF_INET;
		v6 += address_family(l->items[i]) == AF_INET6;
	}
	return v4 <= 1 && v6 <= 1;
}
