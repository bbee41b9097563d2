/* SPDX-License-Identifier: ISC
 * Which resolvers and trust anchors the settings, /etc/resolv.conf and the anchor file name. */
#include "dnsd/servers.h"

#include <arpa/inet.h>
#include <string.h>

/* https://data.iana.org/root-anchors/root-anchors.xml: the root's key signing keys of 2017 and 2024. */
static const char root_anchors[] =
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

static bool next_line(struct view *rest, struct view *ret)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(*rest, '\n', ret, rest)) {
		*ret = *rest;
		*rest = VIEW_EMPTY;
	}
	return true;
}

static bool next_word(struct view *rest, struct view *ret)
{
	size_t n = 0;

	*rest = view_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	*ret = view_sub(*rest, 0, n);
	*rest = view_sub(*rest, n, rest->n);
	return n > 0;
}

/* ---- resolvers ---- */

static bool is_address(struct view v)
{
	struct view ip = v, scope;
	_cleanup_(free_ptr) char *text = NULL;
	struct in6_addr bytes;

	(void)view_cut(v, '%', &ip, &scope);
	text = ip.n < INET6_ADDRSTRLEN ? view_to_cstr(ip) : NULL;
	return text && v.n < 64 && (inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1);
}

static bool add_forwarder(struct servers *s, struct view v, struct arena *a)
{
	if (s->n_forwarders == SERVERS_MAX)
		return true;
	s->forwarders[s->n_forwarders] = arena_cstr(a, v);
	return s->forwarders[s->n_forwarders++] != NULL;
}

/* resolv.conf(5): "nameserver ADDRESS"; what else stands there does not matter to us. */
static bool read_resolv_conf(struct servers *s, struct view text, struct arena *a)
{
	struct view line, word;

	while (next_line(&text, &line))
		if (next_word(&line, &word) && view_eq_lit(word, "nameserver") && next_word(&line, &word) &&
		    is_address(word) && !add_forwarder(s, word, a))
			return false;
	return true;
}

static bool read_forwarders(struct servers *s, const struct conf *conf, struct view resolv_conf, struct arena *a)
{
	for (size_t i = 0; i < conf->dns_server.n; i++)
		if (!add_forwarder(s, conf->dns_server.items[i], a))
			return false;
	return conf->dns_server.n > 0 || read_resolv_conf(s, resolv_conf, a);
}

/* ---- anchors ---- */

static bool is_anchor(struct view line)
{
	struct view word;

	while (next_word(&line, &word))
		if (view_eq_lit_nocase(word, "DS") || view_eq_lit_nocase(word, "DNSKEY"))
			return true;
	return false;
}

/* Zone file lines; what follows a semicolon is a comment. */
static bool read_anchors(struct servers *s, struct view text, struct arena *a)
{
	struct view line, comment;

	while (next_line(&text, &line)) {
		(void)view_cut(line, ';', &line, &comment);
		line = view_trim(line);
		if (line.n == 0 || s->n_anchors == ANCHORS_MAX)
			continue;
		if (!is_anchor(line))
			return false;
		s->anchors[s->n_anchors] = arena_cstr(a, line);
		if (!s->anchors[s->n_anchors++])
			return false;
	}
	return s->n_anchors > 0;
}

static bool choose_anchors(struct servers *s, struct view setting, struct view file, struct arena *a)
{
	if (view_eq_lit(setting, "none"))
		return true;
	if (setting.n > 0)
		return read_anchors(s, is_anchor(setting) ? setting : file, a);
	s->default_anchors = true;
	if (file.n > 0 && read_anchors(s, file, a))
		return true;
	s->n_anchors = 0;
	return read_anchors(s, view_from_cstr(root_anchors), a);
}

bool servers_read(const struct conf *conf, struct view resolv_conf, struct view anchor_file, struct arena *a,
		  struct servers *ret)
{
	*ret = (struct servers){.n_forwarders = 0};
	return read_forwarders(ret, conf, resolv_conf, a) &&
	       choose_anchors(ret, view_from_cstr(conf->trust_anchor), anchor_file, a);
}

/* ---- comparing ---- */

static bool same(const char *const *a, size_t n_a, const char *const *b, size_t n_b)
{
	for (size_t i = 0; i < n_a && n_a == n_b; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return n_a == n_b;
}

bool servers_eq(const struct servers *a, const struct servers *b)
{
	return same(a->forwarders, a->n_forwarders, b->forwarders, b->n_forwarders) &&
	       same(a->anchors, a->n_anchors, b->anchors, b->n_anchors) && a->default_anchors == b->default_anchors;
}
