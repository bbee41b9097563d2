/* SPDX-License-Identifier: ISC
 * dnsd: asks the DNS for the others, and says what DNSSEC vouches for. */
#include "dnsd/dnsd.h"
#include "ipc/msgs/dns_msgs.h"
#include "ipc/role.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct state {
	struct resolver *resolver;
	struct buf resolv_conf, anchors; /* as given since the last start or reload */
	uint16_t direct_port;
};

static int prepare(struct role *r)
{
	struct state *s = xcalloc(1, sizeof *s);

	buf_init(&s->resolv_conf, SERVERS_FILE_MAX);
	buf_init(&s->anchors, SERVERS_FILE_MAX);
	s->resolver = resolver_new(role_base(r));
	role_set_state(r, s);
	return 0;
}

/* A file that is too long counts as far as it goes. */
static int read_all(int fd, struct buf *ret)
{
	buf_reset(ret);
	for (;;) {
		char *p = buf_reserve(ret, 4096);
		ssize_t n = p ? read(fd, p, 4096) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
	}
}

static int on_file(struct role *r, const char *name, int fd)
{
	_cleanup_(fd_close) int owned = fd;
	struct state *s = role_state(r);

	if (strcmp(name, "resolv-conf") == 0)
		return read_all(owned, &s->resolv_conf);
	if (strcmp(name, "trust-anchor") == 0)
		return read_all(owned, &s->anchors);
	return -EINVAL;
}

static void log_servers(const struct servers *servers)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_DEBUG, "dns-servers");
	log_u64(&l, "servers", servers->n_forwarders);
	log_cstr(&l, "first", servers->n_forwarders ? servers->forwarders[0] : "");
	log_u64(&l, "anchors", servers->n_anchors);
	log_end(&l);
}

/* Bad anchors at a reload leave the former ones in use. */
static int set_servers(struct role *r)
{
	struct state *s = role_state(r);
	struct servers *servers = xcalloc(1, sizeof *servers);
	struct arena arena;
	int e = -EINVAL;

	arena_init(&arena, 2 * SERVERS_FILE_MAX);
	if (servers_read(role_conf(r), buf_view(&s->resolv_conf), buf_view(&s->anchors), &arena, servers))
		e = resolver_set(s->resolver, servers);
	if (e < 0)
		log_event(LOG_LEVEL_ERROR, "dns-servers-not-set",
			  "dns-server or trust-anchor names what cannot be used: addresses, and DS or DNSKEY records");
	else
		log_servers(servers);
	arena_fini(&arena);
	free_ptr(&servers);
	buf_fini(&s->resolv_conf);
	buf_fini(&s->anchors);
	s->direct_port = (uint16_t)role_conf(r)->dns_port;
	return e;
}

static int start(struct role *r)
{
	return set_servers(r);
}

static int reloaded(struct role *r)
{
	(void)set_servers(r);
	return 0;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	static const struct {
		const char *name;
		unsigned peer;
	} askers[] = {{"store", DNS_PEER_STORE}, {"relay", DNS_PEER_RELAY}, {"fetch", DNS_PEER_FETCH}};
	struct state *s = role_state(r);

	(void)index;
	for (size_t i = 0; strcmp(list, "dns") == 0 && i < ARRAY_LEN(askers); i++)
		if (strcmp(peer, askers[i].name) == 0) {
			dnsd_serve(role_base(r), fd, askers[i].peer, s->resolver, &s->direct_port);
			return 0;
		}
	fd_close(&fd);
	return -EINVAL;
}

/* Those of the resolvers, and of the name servers that are asked alone; what a reload adds waits for the next start as far as TCP goes. */
static size_t connect_ports(struct role *r, uint16_t *ret, size_t max)
{
	const struct conf *c = role_conf(r);
	size_t n = 0;

	ret[n++] = 53;
	ret[n++] = (uint16_t)c->dns_port;
	for (size_t i = 0; i < c->dns_server.n && n < max; i++) {
		struct view address, port;
		uint32_t number;

		if (view_cut(c->dns_server.items[i], '@', &address, &port) && view_to_u32(port, 65535, &number))
			ret[n++] = (uint16_t)number;
	}
	return n;
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct state *s = role_state(r);

	*ret_sessions = resolver_count(s->resolver);
	*ret_accepted = *ret_messages = *ret_in_flight = 0;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "dnsd",
	    .sandbox = SANDBOX_DNS,
	    .connect_ports = connect_ports,
	    .prepare = prepare,
	    .on_file = on_file,
	    .on_channel = on_channel,
	    .start = start,
	    .reloaded = reloaded,
	    .count = count,
	};

	return role_run(&spec);
}
