/* SPDX-License-Identifier: ISC
 * A set of networks; IPv4 ones are kept as IPv4-mapped IPv6, so that there is one kind only. */
#include "io/netset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NETSET_MAX = 10000, V4_IN_V6_BITS = 96 };

struct network {
	struct in6_addr ip;
	unsigned bits;
};

struct netset {
	struct network *items;
	size_t n;
};

static bool parse_ip(struct view v, struct in6_addr *ret, bool *ret_v4)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (v.n == 0 || v.n >= sizeof text || view_has_nul(v))
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	*ret_v4 = inet_pton(AF_INET, text, &v4) == 1;
	if (*ret_v4) {
		memset(ret, 0, sizeof *ret);
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		memcpy(ret->s6_addr + 12, &v4, sizeof v4);
		return true;
	}
	return inet_pton(AF_INET6, text, ret) == 1;
}

static bool parse_network(struct view v, struct network *ret)
{
	struct view ip = v, bits = VIEW_EMPTY;
	bool has_bits = view_cut(v, '/', &ip, &bits);
	bool is_v4;
	uint32_t n;

	if (!parse_ip(ip, &ret->ip, &is_v4))
		return false;
	n = is_v4 ? 32 : 128;
	if (has_bits && !view_to_u32(bits, n, &n))
		return false;
	ret->bits = n + (is_v4 ? V4_IN_V6_BITS : 0);
	return true;
}

int netset_parse(const struct conf_list *list, struct netset **ret, struct buf *error)
{
	struct netset *set = xcalloc(1, sizeof *set);

	if (list->n > NETSET_MAX) {
		buf_printf(error, "more than %d networks", NETSET_MAX);
		netset_free(&set);
		return -EINVAL;
	}
	set->items = xcalloc(list->n ? list->n : 1, sizeof *set->items);
	for (size_t i = 0; i < list->n; i++) {
		if (!parse_network(list->items[i], &set->items[set->n++])) {
			buf_printf(error, "\"%.*s\" is no network; one looks like 192.0.2.0/24 or 2001:db8::/32",
				   VIEW_FMT(list->items[i]));
			netset_free(&set);
			return -EINVAL;
		}
	}
	*ret = set;
	return 0;
}

void netset_free(struct netset **n)
{
	if (*n)
		free((*n)->items);
	free(*n);
	*n = NULL;
}

static bool network_holds(const struct network *w, const struct in6_addr *ip)
{
	unsigned whole = w->bits / 8, rest = w->bits % 8;

	if (memcmp(w->ip.s6_addr, ip->s6_addr, whole) != 0)
		return false;
	return rest == 0 || (w->ip.s6_addr[whole] ^ ip->s6_addr[whole]) >> (8 - rest) == 0;
}

bool netset_contains(const struct netset *n, const char *ip)
{
	struct in6_addr address;
	bool is_v4;

	if (n->n == 0 || !parse_ip(view_from_cstr(ip), &address, &is_v4))
		return false;
	for (size_t i = 0; i < n->n; i++)
		if (network_holds(&n->items[i], &address))
			return true;
	return false;
}
