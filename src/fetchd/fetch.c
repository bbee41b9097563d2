/* SPDX-License-Identifier: ISC
 * One request.
 *
 *   asking dnsd (AAAA and A) ─▶ connecting, address by address ─▶ TLS ─▶ request, response ─▶ answered
 *
 * Once the certificate did not hold on one address, no other is tried: the answer would be worth no more. */
#include "fetchd/fetchd.h"

#include "io/stream.h"
#include "io/tls.h"
#include "ipc/msgs/dns_msgs.h"
#include "mail/dns_record.h"
#include "mail/http_response.h"
#include "mail/ip.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ADDRESSES_MAX = 8, /* of each kind */
	CONNECT_MS = 10000, /* an address */
	REQUEST_MAX = 600 * 1024,
	IN_MAX = 32 * 1024,
	TEXT_MAX = 255,
	HTTPS_PORT = 443,
};

struct fetch {
	struct fetchd *fetchd;
	fetch_fn *fn;
	void *ctx;
	char *host;
	uint16_t port;
	struct buf request;
	struct event *deadline;
	uint32_t dns_ids[2]; /* of calls that are open; 0: answered */
	struct ip addresses[2][ADDRESSES_MAX]; /* IPv6, IPv4 */
	size_t counts[2];
	size_t next; /* address */
	struct event *connecting;
	int fd; /* while connecting */
	int error; /* of the last address */
	struct stream *stream;
	bool is_post; /* of its answer the status alone counts */
	bool verified;
	struct http_response response;
};

/* ---- the end ---- */

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static void on_forgotten(void *ctx, enum stream_end end)
{
	(void)ctx;
	(void)end;
}

/* The stream outlives the fetch by a turn and must not reach it any more. */
static void drop_stream(struct fetch *f)
{
	static const struct stream_handlers nobody = {
	    .on_input = on_nothing, .on_drain = on_nothing, .on_closed = on_forgotten, .on_timeout = on_nothing};

	if (!f->stream)
		return;
	stream_set_handlers(f->stream, &nobody, NULL);
	if (stream_input(f->stream).n)
		stream_consume(f->stream, stream_input(f->stream).n);
	stream_close(f->stream);
	f->stream = NULL;
}

static void stop_connecting(struct fetch *f)
{
	if (f->connecting)
		event_free(f->connecting);
	f->connecting = NULL;
	fd_close(&f->fd);
}

static void fetch_free(struct fetch *f)
{
	for (size_t i = 0; i < ARRAY_LEN(f->dns_ids); i++)
		if (f->dns_ids[i])
			channel_call_cancel(f->fetchd->dns, f->dns_ids[i]);
	f->fetchd->at_work--;
	stop_connecting(f);
	drop_stream(f);
	event_free(f->deadline);
	http_response_fini(&f->response);
	buf_fini(&f->request);
	free(f->host);
	free(f);
}

void fetch_cancel(struct fetch **f)
{
	if (*f)
		fetch_free(*f);
	*f = NULL;
}

static void end(struct fetch *f, const struct fetch_result *result)
{
	fetch_fn *fn = f->fn;
	void *ctx = f->ctx;

	f->fetchd->done++;
	fn(ctx, result);
	fetch_free(f);
}

static void fail(struct fetch *f, enum fetch_failure why, const char *what, const char *detail)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	struct fetch_result result = {.failed = true, .why = why};

	buf_append_cstr(&text, what);
	if (*detail)
		buf_printf(&text, ": %s", detail);
	result.text = text.n ? buf_view(&text) : VIEW_EMPTY;
	end(f, &result);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct fetch *f = ctx;

	(void)fd;
	(void)what;
	fail(f, FETCH_TIMEOUT, "no answer in time", "");
}

/* ---- the response ---- */

static void finish(struct fetch *f, enum parse done)
{
	struct fetch_result result = {.status = f->response.status, .content_type = VIEW_EMPTY, .body = VIEW_EMPTY};

	if (done == PARSE_BAD) {
		fail(f, f->response.too_big ? FETCH_TOO_BIG : FETCH_BAD_ANSWER,
		     f->response.too_big ? "the answer is too long" : "the answer is not HTTP, or broken off", "");
		return;
	}
	if (f->response.content_type.n)
		result.content_type = buf_view(&f->response.content_type);
	if (f->response.body.n)
		result.body = buf_view(&f->response.body);
	end(f, &result);
}

static void on_input(void *ctx)
{
	struct fetch *f = ctx;
	struct view in = stream_input(f->stream);
	enum parse done;

	if (!f->verified)
		return; /* nothing is asked yet */
	done = http_response_feed(&f->response, in);
	stream_consume(f->stream, in.n);
	if (done != PARSE_MORE)
		finish(f, done);
}

static void on_tls(void *ctx, const char *error)
{
	struct fetch *f = ctx;
	const char *why = "";

	if (error || stream_tls_verified(f->stream, &why) != TLS_VERIFIED_NAME) {
		fail(f, FETCH_NOT_VERIFIED, error ? "TLS" : "certificate", error ? error : why);
		return;
	}
	f->verified = true;
	stream_write(f->stream, buf_view(&f->request));
}

/* A stream that closes by itself: the server hung up. What has no length and no chunks is whole only when TLS says so (RFC 9112 §9.8): of a
 * policy that was cut off, max_age would have a digit or two. */
static void on_closed(void *ctx, enum stream_end how)
{
	struct fetch *f = ctx;
	bool whole = how == STREAM_CLOSED_BY_PEER && (f->is_post || stream_tls_ended(f->stream));

	f->stream = NULL;
	if (whole && f->verified)
		finish(f, http_response_end(&f->response));
	else
		fail(f, f->verified ? FETCH_BAD_ANSWER : FETCH_NOT_VERIFIED,
		     f->verified ? "the connection broke" : "the server hung up during the TLS handshake", "");
}

static void start_tls(struct fetch *f, int fd)
{
	static const struct stream_handlers handlers = {.on_input = on_input,
							.on_drain = on_nothing,
							.on_tls = on_tls,
							.on_closed = on_closed,
							.on_timeout = on_nothing};
	static const struct stream_limits limits = {IN_MAX, REQUEST_MAX, REQUEST_MAX, REQUEST_MAX};
	const struct tls_target target = {.name = f->host};

	f->stream = stream_new(f->fetchd->base, fd, &limits, &handlers, f);
	stream_start_tls_client(f->stream, f->fetchd->tls, &target);
}

/* ---- the connection ---- */

static const struct ip *next_address(struct fetch *f)
{
	while (f->next < 2 * ADDRESSES_MAX) {
		size_t family = f->next % 2, at = f->next / 2;

		f->next++;
		if (at < f->counts[family])
			return &f->addresses[family][at];
	}
	return NULL;
}

static socklen_t address_of(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (ip->is_v6) {
		memcpy(&v6.sin6_addr, ip->bytes, sizeof v6.sin6_addr);
		memcpy(ret, &v6, sizeof v6);
		return sizeof v6;
	}
	memcpy(&v4.sin_addr, ip->bytes, sizeof v4.sin_addr);
	memcpy(ret, &v4, sizeof v4);
	return sizeof v4;
}

static void try_next(struct fetch *f);

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct fetch *f = ctx;
	socklen_t n = sizeof f->error;
	int connected = f->fd;

	(void)fd;
	f->error = ETIMEDOUT;
	if ((what & EV_WRITE) && getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &f->error, &n) < 0)
		f->error = errno;
	if (f->error == 0)
		f->fd = -1;
	stop_connecting(f);
	if (f->error == 0)
		start_tls(f, connected);
	else
		try_next(f);
}

static int open_connection(struct fetch *f, const struct ip *ip)
{
	static const struct timeval wait = {CONNECT_MS / 1000, 0};
	struct sockaddr_storage address;
	socklen_t n = address_of(ip, f->port, &address);

	f->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -errno;
	if (connect(f->fd, (const struct sockaddr *)&address, n) < 0 && errno != EINPROGRESS)
		return -errno;
	f->connecting = event_new(f->fetchd->base, f->fd, EV_WRITE, on_connected, f);
	assert(f->connecting);
	(void)event_add(f->connecting, &wait);
	return 0;
}

static void try_next(struct fetch *f)
{
	const struct ip *ip;
	int r;

	while ((ip = next_address(f))) {
		r = open_connection(f, ip);
		if (r == 0)
			return;
		f->error = -r;
		fd_close(&f->fd);
	}
	fail(f, FETCH_UNREACHABLE, "cannot connect", strerror(f->error));
}

/* ---- addresses ---- */

static void take_addresses(struct fetch *f, size_t family, const struct dns_found *m)
{
	for (size_t i = 0; i < m->n_records && f->counts[family] < ADDRESSES_MAX; i++) {
		struct ip *ip = &f->addresses[family][f->counts[family]];

		*ip = (struct ip){.is_v6 = family == 0};
		f->counts[family] += family == 0 ? dns_read_aaaa(m->records[i].data, ip->bytes)
						 : dns_read_a(m->records[i].data, ip->bytes);
	}
}

static void on_answer(struct fetch *f, size_t family, const struct dns_msg *answer)
{
	f->dns_ids[family] = 0;
	if (answer && answer->type == DNS_FOUND)
		take_addresses(f, family, &answer->found);
	if (f->dns_ids[0] || f->dns_ids[1])
		return;
	if (f->counts[0] + f->counts[1])
		try_next(f);
	else
		fail(f, FETCH_NO_ADDRESS, "no address of this server is known", "");
}

static void on_aaaa(void *ctx, const struct dns_msg *answer)
{
	on_answer(ctx, 0, answer);
}

static void on_a(void *ctx, const struct dns_msg *answer)
{
	on_answer(ctx, 1, answer);
}

static bool ask(struct fetch *f, uint32_t deadline_ms)
{
	struct channel *dns = f->fetchd->dns;
	struct dns_ask m = {view_from_cstr(f->host), DNS_AAAA, deadline_ms};

	if (!dns || !dns_call_ask(dns, &m, deadline_ms, on_aaaa, f))
		return false;
	f->dns_ids[0] = channel_call_id(dns);
	m.type = DNS_A;
	if (dns_call_ask(dns, &m, deadline_ms, on_a, f))
		f->dns_ids[1] = channel_call_id(dns);
	return true;
}

/* ---- the beginning ---- */

static void write_request(struct fetch *f, const struct fetch_request *r)
{
	struct buf *out = &f->request;

	buf_printf(out, "%s %.*s HTTP/1.1\r\nHost: %s", r->is_post ? "POST" : "GET", VIEW_FMT(r->url.target), f->host);
	if (f->port != HTTPS_PORT)
		buf_printf(out, ":%u", f->port);
	buf_append_cstr(out, "\r\nUser-Agent: pombo/" POMBO_VERSION "\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
			     "Cache-Control: no-cache\r\nConnection: close\r\n");
	if (r->is_post)
		buf_printf(out, "Content-Type: %.*s\r\nContent-Length: %zu\r\n", VIEW_FMT(r->content_type), r->body.n);
	buf_append_cstr(out, "\r\n");
	if (r->is_post)
		buf_append_view(out, r->body);
}

struct fetch *fetch_new(struct fetchd *d, const struct fetch_request *r, fetch_fn *fn, void *ctx)
{
	const struct timeval deadline = {r->deadline_ms / 1000, r->deadline_ms % 1000 * 1000};
	struct fetch *f = xcalloc(1, sizeof *f);

	*f = (struct fetch){.fetchd = d, .fn = fn, .ctx = ctx, .fd = -1, .request = BUF_INIT(REQUEST_MAX)};
	f->is_post = r->is_post;
	f->host = view_to_cstr(r->url.host);
	f->port = r->url.port ? r->url.port : d->port;
	http_response_init(&f->response, r->max_bytes);
	d->at_work++;
	f->deadline = event_new(d->base, -1, 0, on_deadline, f);
	assert(f->host && f->deadline);
	(void)event_add(f->deadline, &deadline);
	write_request(f, r);
	if (f->request.overflow || !ask(f, r->deadline_ms))
		fetch_cancel(&f);
	return f;
}
