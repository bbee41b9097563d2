/* SPDX-License-Identifier: ISC
 * fetchd: fetches from the web for the others, by HTTPS alone. */
#include "fetchd/fetchd.h"
#include "io/tls.h"
#include "ipc/msgs/dns_msgs.h"
#include "ipc/msgs/fetch_msgs.h"
#include "ipc/role.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int prepare(struct role *r)
{
	struct fetchd *f = xcalloc(1, sizeof *f);

	f->base = role_base(r);
	role_set_state(r, f);
	return tls_client_new(&f->tls);
}

static int on_file(struct role *r, const char *name, int fd)
{
	struct fetchd *f = role_state(r);

	if (strcmp(name, "authorities") != 0) {
		fd_close(&fd);
		return -EINVAL;
	}
	tls_client_set_authorities(f->tls, fd);
	return 0;
}

static int settle(struct role *r)
{
	struct fetchd *f = role_state(r);

	f->port = (uint16_t)role_conf(r)->fetch_port;
	return 0;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	struct fetchd *f = role_state(r);
	bool is_store = strcmp(peer, "store") == 0;

	(void)index;
	if (strcmp(list, "dns") == 0)
		return channel_renew(&f->dns, f->base, fd, &dns_proto, DNS_PEER_FETCH, DNS_PEER_DNS);
	if (strcmp(list, "fetch") != 0 || !(is_store || strcmp(peer, "relay") == 0)) {
		fd_close(&fd);
		return -EINVAL;
	}
	fetchd_serve(f, fd, is_store ? FETCH_PEER_STORE : FETCH_PEER_RELAY);
	return 0;
}

/* A URL in a policy or a report may name another port; the kernel's Landlock need not let it. */
static size_t connect_ports(struct role *r, uint16_t *ret, size_t max)
{
	size_t n = 0;

	if (n < max)
		ret[n++] = 443;
	if (n < max)
		ret[n++] = (uint16_t)role_conf(r)->fetch_port;
	return n;
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct fetchd *f = role_state(r);

	*ret_sessions = f->at_work;
	*ret_accepted = f->done;
	*ret_messages = *ret_in_flight = 0;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "fetchd",
	    .sandbox = SANDBOX_OUT,
	    .connect_ports = connect_ports,
	    .prepare = prepare,
	    .on_file = on_file,
	    .on_channel = on_channel,
	    .start = settle,
	    .reloaded = settle,
	    .count = count,
	};

	return role_run(&spec);
}
