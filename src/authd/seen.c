/* SPDX-License-Identifier: ISC
 * From which networks an account logged in before: a bounded memory, filled from the store at the start. */
#include "authd/seen.h"

#include "ipc/msgs/cred_msgs.h"

#include <arpa/inet.h>
#include <string.h>

enum { ASK_MS = 10000 };

void seen_network(struct view client_ip, struct buf *ret)
{
	_cleanup_(free_ptr) char *text = client_ip.n < INET6_ADDRSTRLEN ? view_to_cstr(client_ip) : NULL;
	char network[INET6_ADDRSTRLEN];
	struct in6_addr ip;

	if (!text || inet_pton(AF_INET6, text, &ip) != 1) {
		buf_append_view(ret, view_sub(client_ip, 0, SEEN_NETWORK_MAX));
		return;
	}
	memset(ip.s6_addr + 8, 0, 8);
	buf_printf(ret, "%s/64", inet_ntop(AF_INET6, &ip, network, sizeof network));
}

static uint64_t key_of(uint64_t account, struct view network)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(128);
	uint64_t hash;

	buf_printf(&key, "%llu ", (unsigned long long)account);
	buf_append_view(&key, network);
	hash = map_hash(buf_view(&key));
	return hash ? hash : 1;
}

void seen_add(struct authd *a, uint64_t account, struct view network, int64_t wall_s)
{
	uint64_t *when = recall_set(&a->seen, key_of(account, network));

	if (wall_s > 0 && (uint64_t)wall_s > *when)
		*when = (uint64_t)wall_s;
}

bool seen_has(struct authd *a, uint64_t account, struct view network)
{
	return recall_find(&a->seen, key_of(account, network)) != NULL;
}

static void ask(struct authd *a, uint64_t after);

static void on_page(void *ctx, const struct cred_msg *m)
{
	struct authd *a = ctx;

	if (!m || m->type != CRED_SEEN_PAGE)
		return; /* what is not known costs somebody the budget of strangers, nothing else */
	for (uint32_t i = 0; i < m->seen_page.n_items; i++) {
		const struct cred_seen *s = &m->seen_page.items[i];

		seen_add(a, s->account, s->network, s->wall_s);
	}
	if (m->seen_page.next != 0 && a->seen.used < AUTHD_SEEN_MAX)
		ask(a, m->seen_page.next);
}

static void ask(struct authd *a, uint64_t after)
{
	struct cred_seen_ask m = {.after = after};

	if (a->store)
		(void)cred_call_seen_ask(a->store, &m, ASK_MS, on_page, a);
}

void seen_load(struct authd *a)
{
	ask(a, 0);
}
