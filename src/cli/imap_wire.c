/* SPDX-License-Identifier: ISC
 * A connection to another server: TCP, TLS, and how long it may take. */
#include "cli/imap_wire.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/imap_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int imap_wire_broken(const char *why)
{
	return cli_fail(CLI_TRY_AGAIN, "the other server", why, "run the same command again: it goes on where it was");
}

/* ---- waiting ---- */

static int give_up(const struct imap_wire *w)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(256);

	if (patience_was_silent(&w->patience))
		buf_printf(&why, "it said nothing for %llu s", (unsigned long long)w->patience.idle_ms / 1000);
	else
		buf_append_cstr(&why, "it says hardly anything, for a long time");
	return cli_fail(CLI_TRY_AGAIN, "the other server", buf_cstr(&why),
			"run the same command again, it goes on where it was; --timeout waits longer");
}

/* Until the connection can be read from (or written to) again. */
static int wait_for(struct imap_wire *w, short events)
{
	struct pollfd p = {.fd = w->fd, .events = events};

	for (;;) {
		uint64_t left = patience_left_ms(&w->patience), before = clock_mono_ms();
		int n;

		if (left == 0)
			return give_up(w);
		n = poll(&p, 1, left < INT32_MAX ? (int)left : INT32_MAX);
		patience_waited(&w->patience, clock_mono_ms() - before, n > 0);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return imap_wire_broken("the connection cannot be waited for");
	}
}

/* After a call of the library or the kernel that returned `n`. -1: try again, it can be done now; 1: it cannot be done; else an exit status. */
static int wait_again(struct imap_wire *w, ssize_t n, short events)
{
	int r;

	if (w->ssl) {
		int e = SSL_get_error(w->ssl, (int)n);

		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return 1;
		events = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		return 1;
	}
	r = wait_for(w, events);
	return r ? r : -1;
}

int imap_wire_write(struct imap_wire *w, struct view bytes)
{
	while (bytes.n) {
		ssize_t n;
		int r;

		ERR_clear_error();
		n = w->ssl ? SSL_write(w->ssl, bytes.p, (int)bytes.n) : send(w->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n > 0) {
			bytes = view_sub(bytes, (size_t)n, bytes.n);
			continue;
		}
		r = wait_again(w, n, POLLOUT);
		if (r >= 0)
			return r > 1 ? r : imap_wire_broken("the connection broke while writing");
	}
	return 0;
}

int imap_wire_read(struct imap_wire *w, struct buf *in, size_t max)
{
	char *room = buf_reserve(in, max);

	while (room) {
		ssize_t n;
		int r;

		ERR_clear_error();
		n = w->ssl ? SSL_read(w->ssl, room, (int)max) : recv(w->fd, room, max, 0);
		if (n > 0) {
			buf_commit(in, (size_t)n);
			patience_got(&w->patience, (uint64_t)n);
			return 0;
		}
		r = wait_again(w, n, POLLIN);
		if (r >= 0)
			return r > 1 ? r : imap_wire_broken("the connection broke");
	}
	return imap_wire_broken("it says too much at once");
}

/* ---- the beginning ---- */

/* To one of its addresses. 0, a positive errno, or ETIMEDOUT. */
static int connect_one(struct imap_wire *w, const struct addrinfo *a)
{
	struct pollfd p = {.events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0, n;

	w->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (w->fd < 0)
		return errno;
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	p.fd = w->fd;
	do {
		n = poll(&p, 1, (int)w->patience.idle_ms);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? ETIMEDOUT : errno;
	return getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

int imap_wire_connect(struct imap_wire *w, const struct imap_url *u, uint32_t idle_s)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *a;
	int e = getaddrinfo(u->host, u->port, &hints, &list);

	*w = (struct imap_wire){.fd = -1};
	patience_init(&w->patience, (uint64_t)idle_s * 1000);
	if (e)
		return cli_fail(CLI_NOT_RUNNING, u->host, gai_strerror(e), "is that the server's name?");
	for (a = list; a && w->fd < 0; a = a->ai_next) {
		e = connect_one(w, a);
		if (e)
			fd_close(&w->fd);
	}
	freeaddrinfo(list);
	return e ? cli_fail_errno(CLI_NOT_RUNNING, u->host, e, "is it the right host and port?") : 0;
}

/* Whose certificate it has to be. */
static bool name_peer(SSL *ssl, const char *host)
{
	struct in6_addr ip;

	if (inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static int no_tls(const struct imap_wire *w, const struct imap_url *u)
{
	long verify = SSL_get_verify_result(w->ssl);

	if (verify == X509_V_OK)
		return cli_fail(
		    CLI_NOT_ALLOWED, u->host, "no TLS could be agreed on",
		    "imaps:// is TLS from the start, imap:// turns to it (STARTTLS): try the other, or another port");
	return cli_fail(CLI_NOT_ALLOWED, u->host, X509_verify_cert_error_string(verify),
			"with --cafile its certificate's authority can be named");
}

int imap_wire_tls(struct imap_wire *w, const struct imap_url *u, const char *ca_file, bool insecure)
{
	int n;

	w->ctx = SSL_CTX_new(TLS_client_method());
	if (!w->ctx || !SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION))
		return cli_fail(CLI_OTHER, "TLS", "the library failed", NULL);
	(void)SSL_CTX_set_mode(w->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (ca_file ? !SSL_CTX_load_verify_locations(w->ctx, ca_file, NULL) : !SSL_CTX_set_default_verify_paths(w->ctx))
		return cli_fail(CLI_BAD_DATA, ca_file ? ca_file : "the system's certificates", "they cannot be read",
				"--cafile names a file of certificates (PEM)");
	SSL_CTX_set_verify(w->ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	w->ssl = SSL_new(w->ctx);
	if (!w->ssl || !SSL_set_fd(w->ssl, w->fd) || !name_peer(w->ssl, u->host))
		return cli_fail(CLI_OTHER, "TLS", "the library failed", NULL);
	while ((n = SSL_connect(w->ssl)) != 1) {
		int r = wait_again(w, n, POLLIN);

		if (r >= 0)
			return r > 1 ? r : no_tls(w, u);
	}
	return 0;
}

void imap_wire_close(struct imap_wire *w)
{
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	w->ssl = NULL;
	w->ctx = NULL;
	fd_close(&w->fd);
}
