/* SPDX-License-Identifier: ISC
 * From a domain to addresses, by asking dnsd: MX, then A and AAAA of each host, then TLSA of those DNSSEC vouches for.
 *
 *   MX ─▶ hosts by preference, without ourselves ─▶ A, AAAA (all at once) ─▶ CNAME where an alias leads out of DNSSEC ─▶
 *   TLSA where all of it is secure, or the alias (RFC 7672 §2.2.2) ─▶ answer */
#include "relayd/resolver.h"

#include "base/random.h"
#include "ipc/msgs/dns_msgs.h"
#include "mail/address.h"
#include "mail/dns_record.h"
#include "policy/dane.h"
#include "relayd/relayd.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ASK_MS = 30000,
	ARENA_MAX = 512 * 1024,
	TTL_LITERAL_S = 3600,
	TTL_MISSING_S = 60,
	TLSA_MAX = 32,
	SMTP_PORT = 25,
	DISCARD_PORT = 9,
};

struct resolver {
	struct relayd *relayd;
	struct channel *dns; /* NULL: away */
};

struct resolver_request {
	struct resolver *rs;
	resolver_answer_fn *fn;
	void *ctx;
	uint16_t port;
	struct arena arena;
	struct view domain;
	bool use_mx;
	bool secure; /* so far: MX */
	struct resolved answer;
	struct resolved_host hosts[RESOLVED_HOSTS_MAX];
	size_t pending;
	bool failed; /* an address could not be had now */
};

/* One question of a request. */
struct question {
	struct resolver_request *request;
	struct resolved_host *host;
	bool is_v6;
};

struct resolver *resolver_new(struct relayd *r)
{
	struct resolver *rs = xcalloc(1, sizeof *rs);

	rs->relayd = r;
	return rs;
}

int resolver_add(struct resolver *rs, int fd)
{
	return channel_renew(&rs->dns, rs->relayd->base, fd, &dns_proto, DNS_PEER_RELAY, DNS_PEER_DNS);
}

struct channel *resolver_channel(const struct resolver *rs)
{
	return rs->dns;
}

/* ---- the answer ---- */

static void give(struct resolver_request *q, enum resolved_what what, const char *why)
{
	q->answer.what = what;
	q->answer.why = why;
	if (q->answer.ttl_s == 0)
		q->answer.ttl_s = TTL_MISSING_S;
	q->fn(q->ctx, &q->answer);
	arena_fini(&q->arena);
	free(q);
}

static void give_hosts(struct resolver_request *q)
{
	size_t addresses = 0;

	q->answer.hosts = q->hosts;
	for (size_t i = 0; i < q->answer.host_count; i++) {
		addresses += q->hosts[i].address_count;
		q->answer.incomplete |= q->hosts[i].address_count == 0 && q->hosts[i].addresses_failed;
	}
	if (addresses)
		give(q, RESOLVED_HOSTS, NULL);
	else if (q->failed)
		give(q, RESOLVED_TEMPORARY, "the addresses of its servers cannot be had now");
	else
		give(q, RESOLVED_NO_SUCH, "no server of it has an address");
}

static bool ask(struct resolver_request *q, struct view name, uint16_t type, dns_answer_fn *fn, void *ctx)
{
	return q->rs->dns && name.n <= 255 &&
	       dns_call_ask(q->rs->dns, &(struct dns_ask){name, type, ASK_MS}, ASK_MS + 1000, fn, ctx);
}

/* The least of all; 0 there stands for none yet. */
static void heed_ttl(struct resolver_request *q, uint32_t ttl_s)
{
	if (ttl_s == 0)
		ttl_s = 1;
	if (q->answer.ttl_s == 0 || ttl_s < q->answer.ttl_s)
		q->answer.ttl_s = ttl_s;
}

/* ---- TLSA ---- */

static bool is_alias(const struct resolved_host *h)
{
	return h->canonical.n && !view_eq_nocase(h->canonical, h->name);
}

/* One that is malformed is there all the same, and unusable: TLS is asked for (RFC 7672 §2.2). */
static struct tls_tlsa read_tlsa(struct view data)
{
	struct dns_tlsa t;

	if (!dns_read_tlsa(data, &t))
		t = (struct dns_tlsa){UINT8_MAX, UINT8_MAX, UINT8_MAX, VIEW_EMPTY};
	return (struct tls_tlsa){t.usage, t.selector, t.matching, t.data};
}

static bool is_usable(const struct tls_tlsa *t)
{
	return dane_is_usable(&(struct dane_record){t->usage, t->selector, t->matching, t->data});
}

/* Those that can be used first: no number of others takes their place. */
static void take_tlsa(struct resolver_request *q, struct resolved_host *h, const struct dns_found *found)
{
	h->tlsa = arena_array(&q->arena, found->n_records, sizeof *h->tlsa);
	h->tlsa_failed = !h->tlsa; /* no room for them is not none */
	for (int usable = 1; h->tlsa && usable >= 0; usable--)
		for (uint32_t i = 0; i < found->n_records && h->tlsa_count < TLSA_MAX; i++) {
			struct tls_tlsa t = read_tlsa(found->records[i].data);

			if (is_usable(&t) != (usable == 1))
				continue;
			t.data = arena_copy(&q->arena, t.data);
			h->tlsa_failed |= !t.data.p;
			h->tlsa[h->tlsa_count++] = t;
		}
	heed_ttl(q, found->ttl_s);
}

static void on_tlsa(void *ctx, const struct dns_msg *m);

/* At `base`; what cannot be asked counts as not answered. */
static void ask_tlsa_at(struct resolver_request *q, struct resolved_host *h, struct view base)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(512);
	struct question *x = xcalloc(1, sizeof *x);

	buf_printf(&name, "_%u._tcp.%.*s", q->port, VIEW_FMT(base));
	h->tlsa_base = base;
	*x = (struct question){q, h, false};
	q->pending++;
	if (!ask(q, buf_view(&name), DNS_TLSA, on_tlsa, x))
		on_tlsa(x, NULL);
}

static void on_tlsa(void *ctx, const struct dns_msg *m)
{
	struct question *x = ctx;
	struct resolver_request *q = x->request;
	struct resolved_host *h = x->host;

	free(x);
	if (!m || m->type == DNS_FAILED)
		h->tlsa_failed = true;
	else if (m->type == DNS_FOUND && m->found.secure)
		take_tlsa(q, h, &m->found);
	/* None at the end of the CNAMEs: those of the name itself. */
	if (!h->tlsa_failed && h->tlsa_count == 0 && !view_eq(h->tlsa_base, h->name))
		ask_tlsa_at(q, h, h->name);
	if (--q->pending == 0)
		give_hosts(q);
}

/* RFC 7672 §2.2.2: where every step is secure, records are looked for at the end of the CNAMEs first; where only the first CNAME is, at the
 * name itself. */
static void ask_tlsa(struct resolver_request *q)
{
	q->pending = 1;
	for (size_t i = 0; i < q->answer.host_count; i++) {
		struct resolved_host *h = &q->hosts[i];

		h->secure &= q->secure;
		if (h->address_count && h->secure)
			ask_tlsa_at(q, h, is_alias(h) ? h->canonical : h->name);
		else if (h->address_count && h->alias_secure)
			ask_tlsa_at(q, h, h->name);
	}
	if (--q->pending == 0)
		give_hosts(q);
}

static void on_cname(void *ctx, const struct dns_msg *m)
{
	struct question *x = ctx;
	struct resolver_request *q = x->request;

	if (!m || m->type == DNS_FAILED)
		x->host->tlsa_failed = true;
	else
		x->host->alias_secure = m->type == DNS_FOUND && m->found.secure;
	free(x);
	if (--q->pending == 0)
		ask_tlsa(q);
}

/* An alias in a signed zone that leads out of DNSSEC: is the first step vouched for? */
static void ask_aliases(struct resolver_request *q)
{
	q->pending = 1;
	for (size_t i = 0; i < q->answer.host_count; i++) {
		struct resolved_host *h = &q->hosts[i];
		struct question *x;

		if (!q->secure || h->secure || h->address_count == 0 || !is_alias(h))
			continue;
		x = xcalloc(1, sizeof *x);
		*x = (struct question){q, h, false};
		q->pending++;
		if (!ask(q, h->name, DNS_CNAME, on_cname, x))
			on_cname(x, NULL);
	}
	if (--q->pending == 0)
		ask_tlsa(q);
}

/* ---- ourselves ---- */

/* 0.0.0.0 and :: lead to this machine, whatever it listens on, and so may IPv4 in IPv6 (RFC 4291 §2.5.5): no record has a reason to name them. */
static bool means_this_machine(const struct ip *ip)
{
	static const uint8_t nothing[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip->bytes, nothing, ip->is_v6 ? 16 : 4) == 0 || (ip->is_v6 && memcmp(ip->bytes, mapped, 12) == 0);
}

/* Does mail that is sent to that address come to us? The kernel says whether it is one of this machine's: then it is also what a socket connected
 * to it has at our end (UDP: nothing is sent). */
static bool is_own_address(const struct ip *ip)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT)}, here4;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT)}, here6;
	const struct sockaddr *to = ip->is_v6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in4;
	struct sockaddr *here = ip->is_v6 ? (struct sockaddr *)&here6 : (struct sockaddr *)&here4;
	socklen_t n = ip->is_v6 ? sizeof in6 : sizeof in4;
	_cleanup_(fd_close) int fd =
	    socket(ip->is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(&in4.sin_addr, ip->bytes, 4);
	memcpy(&in6.sin6_addr, ip->bytes, 16);
	if (fd < 0 || connect(fd, to, n) < 0 || getsockname(fd, here, &n) < 0)
		return false;
	return memcmp(ip->is_v6 ? (void *)&here6.sin6_addr : (void *)&here4.sin_addr, ip->bytes, ip->is_v6 ? 16 : 4) ==
	       0;
}

static bool is_listened_on(const struct conf *conf, const struct ip *ip)
{
	for (size_t i = 0; i < conf->listen.n; i++) {
		struct view v = conf->listen.items[i];
		struct ip address;

		if (view_eq_lit(v, ip->is_v6 ? "::" : "*"))
			return is_own_address(ip);
		if (ip_parse(v, &address) && ip_eq(&address, ip))
			return true;
	}
	return false;
}

static bool has_own_address(const struct resolver_request *q, const struct resolved_host *h)
{
	const struct conf *conf = relayd_conf(q->rs->relayd);

	if (q->port != SMTP_PORT + conf->port_offset)
		return false; /* there something else answers */
	for (size_t i = 0; i < h->address_count; i++)
		if (means_this_machine(&h->addresses[i]) || is_listened_on(conf, &h->addresses[i]))
			return true;
	return false;
}

/* RFC 5321 §5.1 by addresses, as take_mx() does by name: an MX record may call us otherwise. */
static bool drop_ourselves_and_worse(struct resolver_request *q)
{
	size_t kept = 0;

	while (kept < q->answer.host_count && !has_own_address(q, &q->hosts[kept]))
		kept++;
	if (kept == q->answer.host_count)
		return false;
	while (kept > 0 && q->hosts[kept - 1].preference == q->hosts[kept].preference)
		kept--;
	q->answer.host_count = kept;
	return kept == 0;
}

/* ---- addresses ---- */

/* IPv6 and IPv4 by turns, IPv6 first (RFC 8305 §4). */
static void interleave(struct resolved_host *h)
{
	struct ip all[RESOLVED_ADDRESSES_MAX];
	size_t n = 0;

	for (size_t rank = 0; n < h->address_count; rank++)
		for (int v6 = 1; v6 >= 0; v6--) {
			size_t seen = 0;

			for (size_t i = 0; i < h->address_count; i++)
				if (h->addresses[i].is_v6 == (v6 == 1) && seen++ == rank)
					all[n++] = h->addresses[i];
		}
	memcpy(h->addresses, all, n * sizeof all[0]);
}

static void add_address(struct resolved_host *h, struct view data, bool is_v6)
{
	struct ip ip = {.is_v6 = is_v6};

	if (h->address_count == RESOLVED_ADDRESSES_MAX)
		return;
	if ((is_v6 ? dns_read_aaaa(data, ip.bytes) : dns_read_a(data, ip.bytes)) && !means_this_machine(&ip))
		h->addresses[h->address_count++] = ip;
}

static void on_address(void *ctx, const struct dns_msg *m)
{
	struct question *x = ctx;
	struct resolver_request *q = x->request;

	if (!m || m->type == DNS_FAILED) {
		q->failed = x->host->addresses_failed = true;
	} else if (m->type == DNS_FOUND) {
		for (uint32_t i = 0; i < m->found.n_records; i++)
			add_address(x->host, m->found.records[i].data, x->is_v6);
		x->host->secure &= m->found.secure;
		x->host->canonical = arena_copy(&q->arena, m->found.canonical);
		heed_ttl(q, m->found.ttl_s);
	}
	free(x);
	if (--q->pending)
		return;
	if (q->use_mx && drop_ourselves_and_worse(q)) {
		give(q, RESOLVED_LOOP, NULL);
		return;
	}
	for (size_t i = 0; i < q->answer.host_count; i++)
		interleave(&q->hosts[i]);
	ask_aliases(q);
}

static void ask_addresses(struct resolver_request *q)
{
	static const uint16_t types[] = {DNS_AAAA, DNS_A};

	q->pending = 1;
	for (size_t i = 0; i < q->answer.host_count; i++) {
		q->hosts[i].secure = true;
		for (size_t k = 0; k < ARRAY_LEN(types); k++) {
			struct question *x = xcalloc(1, sizeof *x);

			*x = (struct question){q, &q->hosts[i], types[k] == DNS_AAAA};
			q->pending++;
			if (!ask(q, q->hosts[i].name, types[k], on_address, x))
				on_address(x, NULL);
		}
	}
	if (--q->pending == 0)
		ask_aliases(q);
}

/* ---- MX ---- */

static void add_host(struct resolver_request *q, struct view name, uint16_t preference)
{
	q->answer.incomplete |= q->answer.host_count == RESOLVED_HOSTS_MAX;
	if (q->answer.host_count < RESOLVED_HOSTS_MAX)
		q->hosts[q->answer.host_count++] =
		    (struct resolved_host){.name = arena_copy(&q->arena, name), .preference = preference};
}

static int by_preference(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;

	return (int)x->preference - (int)y->preference;
}

static void shuffle(struct dns_mx *mx, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		uint32_t r;
		struct dns_mx other;

		random_bytes(&r, sizeof r);
		other = mx[r % i];
		mx[r % i] = mx[i - 1];
		mx[i - 1] = other;
	}
}

static bool is_us(const struct resolver_request *q, struct view name)
{
	return view_eq_lit_nocase(name, relayd_conf(q->rs->relayd)->hostname);
}

/* RFC 5321 §5.1: where we are among them ourselves, only better ones count. */
static void take_mx(struct resolver_request *q, struct dns_mx *mx, size_t n)
{
	uint32_t own = UINT32_MAX;

	shuffle(mx, n);
	qsort(mx, n, sizeof *mx, by_preference);
	for (size_t i = 0; i < n; i++)
		if (is_us(q, mx[i].exchange) && mx[i].preference < own)
			own = mx[i].preference;
	for (size_t i = 0; i < n; i++)
		if (mx[i].exchange.n && mx[i].preference < own)
			add_host(q, mx[i].exchange, mx[i].preference);
	if (q->answer.host_count)
		ask_addresses(q);
	else if (own != UINT32_MAX)
		give(q, RESOLVED_LOOP, NULL);
	else if (n == 1)
		give(q, RESOLVED_NULL_MX, NULL);
	else
		give(q, RESOLVED_NO_SUCH, "its MX records name no server");
}

static void on_mx(void *ctx, const struct dns_msg *m)
{
	struct resolver_request *q = ctx;
	struct dns_mx *mx;
	size_t n = 0;

	if (!m || m->type == DNS_FAILED) {
		give(q, RESOLVED_TEMPORARY,
		     m && m->failed.why == DNS_BOGUS ? "what the DNS says is not what DNSSEC vouches for"
						     : "the DNS gives no answer now");
		return;
	}
	if (m->type == DNS_NOTHING) {
		if (!m->nothing.name_exists) {
			give(q, RESOLVED_NO_SUCH, "there is no such domain");
			return;
		}
		q->secure = m->nothing.secure;
		heed_ttl(q, m->nothing.ttl_s);
		add_host(q, q->domain, 0);
		ask_addresses(q);
		return;
	}
	if (m->type != DNS_FOUND) {
		give(q, RESOLVED_TEMPORARY, "the DNS gives no answer now");
		return;
	}
	q->secure = m->found.secure;
	q->answer.canonical = arena_copy(&q->arena, m->found.canonical);
	heed_ttl(q, m->found.ttl_s);
	mx = arena_array(&q->arena, m->found.n_records + 1, sizeof *mx);
	for (uint32_t i = 0; mx && i < m->found.n_records; i++)
		n += dns_read_mx(m->found.records[i].data, &mx[n]);
	take_mx(q, mx, n);
}

/* ---- questions ---- */

static bool literal(struct view domain, struct ip *ret)
{
	bool is_ip = false;

	if (domain.n && domain.p[0] == '[')
		return address_literal_parse(domain, &is_ip, ret) && is_ip;
	return ip_parse(domain, ret);
}

void resolver_ask(struct resolver *rs, struct view domain, bool use_mx, uint16_t port, resolver_answer_fn *fn,
		  void *ctx)
{
	struct resolver_request *q = xcalloc(1, sizeof *q);

	q->rs = rs;
	q->fn = fn;
	q->ctx = ctx;
	q->port = port;
	q->use_mx = use_mx;
	arena_init(&q->arena, ARENA_MAX);
	q->domain = arena_copy(&q->arena, domain);
	if (literal(domain, &q->hosts[0].addresses[0])) {
		q->hosts[0].name = VIEW_EMPTY;
		q->hosts[0].address_count = 1;
		q->answer.host_count = 1;
		q->answer.ttl_s = TTL_LITERAL_S;
		if (use_mx && drop_ourselves_and_worse(q))
			give(q, RESOLVED_LOOP, NULL);
		else
			give_hosts(q);
	} else if (!use_mx) {
		add_host(q, q->domain, 0);
		q->secure = true;
		ask_addresses(q);
	} else if (!ask(q, q->domain, DNS_MX, on_mx, q)) {
		give(q, RESOLVED_TEMPORARY, "the DNS cannot be asked now");
	}
}
