/* SPDX-License-Identifier: ISC
 * Accepting on loopback: limits, the PROXY header, several listeners on one socket. */
#include "io/listener.h"

#include "base/clock.h"
#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	struct event_base *base;
	struct listener_limits *limits;
	struct listener *listener;
	struct conf conf;
	struct sockaddr_in6 address;
	struct tls_server *tls; /* TLS first */
	bool silent; /* no greeting */
	unsigned sessions;
	unsigned ever;
	struct buf log;
};

struct session {
	struct rig *rig;
	struct stream *stream;
};

static void on_input(void *ctx)
{
	struct session *s = ctx;
	struct view in = stream_input(s->stream);

	buf_printf(&s->rig->log, "<%.*s>", VIEW_FMT(in));
	stream_consume(s->stream, in.n);
}

static void on_tls(void *ctx, const char *error)
{
	struct session *s = ctx;

	buf_printf(&s->rig->log, "tls:%s ", error ? error : "ok");
}

static void on_closed(void *ctx, enum stream_end end)
{
	struct session *s = ctx;

	(void)end;
	s->rig->sessions--;
	free(s);
}

static const struct stream_handlers session_handlers = {on_input, NULL, on_tls, on_closed, NULL};

static void on_stream(void *ctx, struct listener *l, struct stream *stream)
{
	struct rig *r = ctx;
	struct session *s = xcalloc(1, sizeof *s);

	assert_true(!r->listener || l == r->listener);
	s->rig = r;
	s->stream = stream;
	r->sessions++;
	r->ever++;
	stream_set_handlers(stream, &session_handlers, s);
	assert_int_equal(stream_input(stream).n, 0); /* nothing yet, whatever came behind a PROXY header */
	buf_printf(&r->log, "[%s%s]", stream_peer(stream)->ip, stream_peer(stream)->loopback ? " loopback" : "");
	if (r->tls)
		stream_start_tls(stream, r->tls);
	if (!r->silent)
		stream_write(stream, VIEW_LIT("220 hello\r\n"));
}

static struct view refusal(void *ctx, struct listener *l, enum listener_refusal why)
{
	(void)ctx;
	(void)l;
	return why == LISTENER_TOO_MANY ? VIEW_LIT("421 too many\r\n") : VIEW_LIT("421 too many of you\r\n");
}

static const struct listener_handlers handlers = {on_stream, refusal};
static const struct stream_limits stream_limits = {4096, 65536, 16384, 4096};

static int listening(struct sockaddr_in6 *ret)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int off = 0;
	socklen_t n = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	ret->sin6_family = AF_INET6;
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof *ret), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &n), 0);
	return fd;
}

static void rig_init(struct rig *r)
{
	int fd;

	memset(r, 0, sizeof *r);
	buf_init(&r->log, 1 << 20);
	r->base = event_base_new();
	r->conf.max_connections = 10;
	r->conf.max_connections_per_address = 3;
	r->limits = listener_limits_new(&r->conf);
	fd = listening(&r->address);
	r->listener = listener_new(r->base, fd, &stream_limits, r->limits, &handlers, r);
}

static void turns(struct rig *r, int n)
{
	for (int i = 0; i < n; i++)
		assert_true(event_base_loop(r->base, EVLOOP_NONBLOCK) >= 0);
}

static void rig_fini(struct rig *r)
{
	listener_free(&r->listener);
	turns(r, 20);
	assert_int_equal(r->sessions, 0);
	listener_limits_free(&r->limits);
	event_base_free(r->base);
	buf_fini(&r->log);
}

/* A client from `from` (IPv4 loopback addresses are all ours, on Linux). */
static int client(struct rig *r, const char *from)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = r->address.sin6_port};
	struct sockaddr_in source = {.sin_family = AF_INET};
	struct timeval patience = {20, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(inet_pton(AF_INET, from, &source.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&source, sizeof source), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	return fd;
}

static void assert_heard(int fd, const char *want)
{
	char bytes[100] = {0};

	assert_true(recv(fd, bytes, sizeof bytes - 1, 0) >= 0);
	assert_string_equal(bytes, want);
}

static void greets(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	rig_init(&r);
	fd = client(&r, "127.0.0.1");
	turns(&r, 3);
	assert_heard(fd, "220 hello\r\n");
	assert_string_equal(buf_cstr(&r.log), "[127.0.0.1 loopback]");
	(void)close(fd);
	turns(&r, 3);
	assert_int_equal(r.sessions, 0);
	rig_fini(&r);
}

static void per_address(void **state)
{
	struct rig r;
	int fds[5];

	(void)state;
	rig_init(&r);
	for (int i = 0; i < 5; i++)
		fds[i] = client(&r, i < 4 ? "127.0.0.1" : "127.0.0.2");
	turns(&r, 10);
	assert_heard(fds[2], "220 hello\r\n");
	assert_heard(fds[3], "421 too many of you\r\n");
	assert_heard(fds[3], "");
	assert_heard(fds[4], "220 hello\r\n");
	assert_int_equal(r.sessions, 4);
	/* one leaves, another may come */
	(void)close(fds[0]);
	(void)close(fds[3]);
	turns(&r, 3);
	fds[0] = client(&r, "127.0.0.1");
	turns(&r, 3);
	assert_heard(fds[0], "220 hello\r\n");
	/* listed networks know no such limit */
	struct view network = VIEW_LIT("127.0.0.0/31");
	r.conf.unlimited_networks = (struct conf_list){&network, 1};
	listener_limits_configure(r.limits, &r.conf);
	fds[3] = client(&r, "127.0.0.1");
	turns(&r, 3);
	assert_heard(fds[3], "220 hello\r\n");
	for (int i = 0; i < 5; i++)
		(void)close(fds[i]);
	turns(&r, 5);
	rig_fini(&r);
}

static void in_all(void **state)
{
	struct rig r;
	int fds[12];

	(void)state;
	rig_init(&r);
	for (int i = 0; i < 12; i++) {
		char from[] = "127.0.1.10";

		from[9] = (char)('0' + i % 10);
		fds[i] = client(&r, from);
	}
	turns(&r, 20);
	assert_int_equal(r.sessions, 10);
	assert_heard(fds[9], "220 hello\r\n");
	assert_heard(fds[10], "421 too many\r\n");
	assert_heard(fds[11], "421 too many\r\n");
	for (int i = 0; i < 12; i++)
		(void)close(fds[i]);
	turns(&r, 20);
	fds[0] = client(&r, "127.0.0.1");
	turns(&r, 3);
	assert_heard(fds[0], "220 hello\r\n");
	(void)close(fds[0]);
	turns(&r, 5);
	rig_fini(&r);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void proxy_header(void **state)
{
	struct view network = VIEW_LIT("127.0.0.9/32");
	struct rig r;
	int fds[6];

	(void)state;
	rig_init(&r);
	r.conf.proxy_networks = (struct conf_list){&network, 1};
	listener_limits_configure(r.limits, &r.conf);
	/* in pieces, with the first command behind it */
	fds[0] = client(&r, "127.0.0.9");
	turns(&r, 3);
	assert_int_equal(r.ever, 0);
	say(fds[0], "PROXY TCP4 192.0.2.1");
	turns(&r, 3);
	say(fds[0], " 198.51.100.2 4711 25\r\nEHLO x\r\n");
	turns(&r, 5);
	assert_heard(fds[0], "220 hello\r\n");
	assert_string_equal(buf_cstr(&r.log), "[192.0.2.1]<EHLO x\r\n>");
	buf_reset(&r.log);
	/* the limit is that of the client, not of the proxy */
	for (int i = 1; i < 5; i++) {
		fds[i] = client(&r, "127.0.0.9");
		say(fds[i], i < 3 ? "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n"
				  : "PROXY TCP6 2001:db8::77 2001:db8::1 4711 25\r\n");
		turns(&r, 3);
	}
	assert_int_equal(r.sessions, 5);
	fds[5] = client(&r, "127.0.0.9");
	say(fds[5], "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n");
	turns(&r, 5);
	assert_heard(fds[5], "421 too many of you\r\n");
	(void)close(fds[5]);
	/* an IPv6 client is its /64 */
	fds[5] = client(&r, "127.0.0.9");
	say(fds[5], "PROXY TCP6 2001:db8::1:2:3:4 2001:db8::1 4711 25\r\n");
	turns(&r, 5);
	assert_heard(fds[5], "220 hello\r\n");
	(void)close(fds[5]);
	turns(&r, 5);
	(void)close(fds[2]);
	fds[2] = client(&r, "127.0.0.9");
	say(fds[2], "PROXY TCP6 2001:db8::78 2001:db8::1 4711 25\r\n");
	turns(&r, 5);
	assert_heard(fds[2], "220 hello\r\n");
	fds[5] = client(&r, "127.0.0.9");
	say(fds[5], "PROXY TCP6 2001:db8:0:0:ffff:: 2001:db8::1 4711 25\r\n");
	turns(&r, 5);
	assert_heard(fds[5], "421 too many of you\r\n");
	(void)close(fds[5]);
	for (int i = 0; i < 5; i++)
		(void)close(fds[i]);
	turns(&r, 5);
	buf_reset(&r.log);
	/* no header: no service. From elsewhere it is just bad input. */
	fds[0] = client(&r, "127.0.0.9");
	say(fds[0], "EHLO x\r\n");
	turns(&r, 5);
	assert_heard(fds[0], "");
	fds[1] = client(&r, "127.0.0.8");
	say(fds[1], "PROXY UNKNOWN\r\n");
	turns(&r, 5);
	assert_heard(fds[1], "220 hello\r\n");
	assert_string_equal(buf_cstr(&r.log), "[127.0.0.8 loopback]<PROXY UNKNOWN\r\n>");
	(void)close(fds[0]);
	(void)close(fds[1]);
	turns(&r, 5);
	/* the listener goes while a header is awaited */
	fds[0] = client(&r, "127.0.0.9");
	turns(&r, 3);
	rig_fini(&r);
	assert_heard(fds[0], "");
	(void)close(fds[0]);
}

/* A TLS-first port behind a proxy: the ClientHello may come in one packet with the header. */
static void proxy_header_before_tls(void **state)
{
	struct view network = VIEW_LIT("127.0.0.9/32");
	struct tls_fixture key;
	struct rig r;
	struct buf error = BUF_INIT(500), hello = BUF_INIT(10000);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char bytes[20000];
	int fd, n;

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r);
	assert_int_equal(tls_server_new(buf_view(&key.pem), 12, tls_fixture_sign, &key, &r.tls, &error), 0);
	r.conf.proxy_networks = (struct conf_list){&network, 1};
	listener_limits_configure(r.limits, &r.conf);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	buf_append_cstr(&hello, "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n");
	n = BIO_read(out, bytes, sizeof bytes);
	buf_append(&hello, bytes, (size_t)n);
	fd = client(&r, "127.0.0.9");
	assert_int_equal(send(fd, hello.p, hello.n, 0), hello.n);
	turns(&r, 5);
	n = (int)recv(fd, bytes, sizeof bytes, 0);
	assert_true(n > 0);
	assert_int_equal(BIO_write(in, bytes, n), n);
	assert_int_equal(SSL_do_handshake(ssl), 1);
	n = BIO_read(out, bytes, sizeof bytes);
	assert_int_equal(send(fd, bytes, (size_t)n, 0), n);
	turns(&r, 5);
	n = (int)recv(fd, bytes, sizeof bytes, 0);
	assert_int_equal(BIO_write(in, bytes, n), n);
	n = SSL_read(ssl, bytes, sizeof bytes);
	assert_int_equal(n, 11);
	assert_memory_equal(bytes, "220 hello\r\n", 11);
	assert_string_equal(buf_cstr(&r.log), "[192.0.2.1]tls:ok ");
	(void)close(fd);
	turns(&r, 5);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	buf_fini(&hello);
	tls_server_unref(&r.tls);
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static void pauses(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	rig_init(&r);
	listener_pause(r.listener);
	fd = client(&r, "127.0.0.1");
	turns(&r, 5);
	assert_int_equal(r.ever, 0);
	listener_resume(r.listener);
	turns(&r, 5);
	assert_heard(fd, "220 hello\r\n");
	(void)close(fd);
	turns(&r, 5);
	rig_fini(&r);
}

/* Without descriptors it rests, and serves the one that waited when there are some again. */
static void no_descriptors(void **state)
{
	struct rig r;
	struct rlimit limit, none;
	uint64_t start_ms, loops = 0;
	int fd, spare;

	(void)state;
	rig_init(&r);
	fd = client(&r, "127.0.0.1");
	spare = dup(fd);
	(void)close(spare);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)spare;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	start_ms = clock_mono_ms();
	while (clock_mono_ms() - start_ms < 500) {
		assert_true(event_base_loop(r.base, EVLOOP_ONCE) >= 0);
		loops++;
	}
	assert_true(loops < 20);
	assert_int_equal(r.ever, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (r.ever == 0 && clock_mono_ms() - start_ms < 20000)
		assert_true(event_base_loop(r.base, EVLOOP_ONCE) >= 0);
	turns(&r, 3);
	assert_heard(fd, "220 hello\r\n");
	(void)close(fd);
	turns(&r, 3);
	rig_fini(&r);
}

/* Two processes on one socket (here two loops): a burst is not all taken by the first. */
static void shared_socket(void **state)
{
	struct rig a, b;
	int fds[40];

	(void)state;
	rig_init(&a);
	a.conf.max_connections = a.conf.max_connections_per_address = 100;
	listener_limits_configure(a.limits, &a.conf);
	memset(&b, 0, sizeof b);
	buf_init(&b.log, 1 << 20);
	b.base = event_base_new();
	b.conf = a.conf;
	b.limits = listener_limits_new(&b.conf);
	int fd;

	listener_free(&a.listener);
	fd = listening(&a.address);
	a.listener = listener_new(a.base, dup(fd), &stream_limits, a.limits, &handlers, &a);
	b.listener = listener_new(b.base, fd, &stream_limits, b.limits, &handlers, &b);
	for (int i = 0; i < 40; i++)
		fds[i] = client(&a, "127.0.0.1");
	for (int i = 0; i < 60; i++)
		assert_true(event_base_loop(i % 2 ? b.base : a.base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	assert_int_equal(a.sessions + b.sessions, 40);
	assert_true(a.sessions >= 10 && b.sessions >= 10);
	for (int i = 0; i < 40; i++) {
		assert_heard(fds[i], "220 hello\r\n");
		(void)close(fds[i]);
	}
	turns(&a, 5);
	turns(&b, 5);
	rig_fini(&b);
	rig_fini(&a);
}

static void on_parent_gone(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	_exit(((struct rig *)arg)->ever > 0 ? 0 : 1);
}

/* A process that serves until the parent closes the pipe `alive`. */
static pid_t server(int listening_fd, const int alive[2])
{
	struct rig r = {.silent = false};
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)close(alive[1]);
	r.base = event_base_new();
	buf_init(&r.log, 1 << 20);
	r.conf.max_connections = r.conf.max_connections_per_address = 1000;
	r.limits = listener_limits_new(&r.conf);
	r.listener = listener_new(r.base, listening_fd, &stream_limits, r.limits, &handlers, &r);
	(void)event_base_once(r.base, alive[0], EV_READ, on_parent_gone, &r, NULL);
	(void)event_base_dispatch(r.base);
	_exit(2);
}

/* Six idle processes on one socket: a connection wakes one of them. Counted are the times they went to sleep. */
static void one_wakes_up(void **state)
{
	enum { PROCESSES = 6, CONNECTIONS = 300 };
	struct rig r = {.silent = false};
	pid_t pids[PROCESSES];
	int alive[2], fd;
	long sleeps = 0;

	(void)state;
	fd = listening(&r.address);
	assert_int_equal(pipe(alive), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = server(fd, alive);
		assert_true(pids[i] > 0);
	}
	(void)usleep(100000);
	for (int i = 0; i < CONNECTIONS; i++) {
		int c = client(&r, "127.0.0.1");

		assert_heard(c, "220 hello\r\n");
		(void)close(c);
	}
	(void)close(alive[1]);
	for (int i = 0; i < PROCESSES; i++) {
		struct rusage usage;

		assert_int_equal(wait4(pids[i], NULL, 0, &usage), pids[i]);
		sleeps += usage.ru_nvcsw;
	}
	(void)close(alive[0]);
	(void)close(fd);
	/* two a connection (it comes, it goes), not two and five more */
	assert_true(sleeps < 4 * CONNECTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(greets),
	    cmocka_unit_test(per_address),
	    cmocka_unit_test(in_all),
	    cmocka_unit_test(proxy_header),
	    cmocka_unit_test(proxy_header_before_tls),
	    cmocka_unit_test(pauses),
	    cmocka_unit_test(no_descriptors),
	    cmocka_unit_test(shared_socket),
	    cmocka_unit_test(one_wakes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
