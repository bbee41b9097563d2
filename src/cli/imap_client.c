/* SPDX-License-Identifier: ISC
 * A small IMAP client. */
#include "cli/imap_client.h"

#include "base/encode.h"
#include "cli/cli.h"
#include "cli/imap_parse.h"
#include "cli/show.h"
#include "cli/spool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	IN_BYTES = 65536,
	WAIT_S = 300,
	COMMAND_MAX = 1 << 16,
	LINE_MAX_BYTES = 1 << 20,
	LITERAL_IN_MEMORY = 256 * 1024,
	RESPONSE_MAX = 2 * LINE_MAX_BYTES,
	ANSWERS_MAX = 50 * 1000 * 1000
};

struct imap_client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL before STARTTLS */
	struct buf in; /* read and not taken */
	struct buf response; /* the one given last */
	struct spool large; /* its large literal, if has_large */
	bool has_large;
	uint64_t max_literal;
	unsigned tag, answers; /* to the command under way */
	bool plain; /* AUTH=PLAIN */
	char *refusal; /* how the last command was refused; or NULL */
};

/* ---- bytes ---- */

static int broken(const char *why)
{
	return cli_fail(CLI_TRY_AGAIN, "the other server", why, "run the same command again: it goes on where it was");
}

static int write_all(struct imap_client *c, struct view bytes)
{
	while (bytes.n) {
		ssize_t n =
		    c->ssl ? SSL_write(c->ssl, bytes.p, (int)bytes.n) : send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n <= 0)
			return broken("the connection broke while writing");
		bytes = view_sub(bytes, (size_t)n, bytes.n);
	}
	return 0;
}

static int read_more(struct imap_client *c)
{
	char *room = buf_reserve(&c->in, IN_BYTES);
	ssize_t n = !room ? -1 : c->ssl ? SSL_read(c->ssl, room, IN_BYTES) : recv(c->fd, room, IN_BYTES, 0);

	if (n <= 0)
		return broken("the connection broke");
	buf_commit(&c->in, (size_t)n);
	return 0;
}

/* `n` bytes from c->in to c->response. */
static int take(struct imap_client *c, size_t n)
{
	while (n) {
		size_t part = c->in.n < n ? c->in.n : n;
		int r;

		buf_append(&c->response, c->in.p, part);
		buf_consume(&c->in, part);
		n -= part;
		r = n ? read_more(c) : 0;
		if (r)
			return r;
	}
	return c->response.overflow ? broken("a response is too long") : 0;
}

/* The literal that was announced, out of the response. */
static int take_large(struct imap_client *c, uint64_t n)
{
	if (c->has_large || n > c->max_literal)
		return broken("a response is too long");
	c->has_large = true;
	spool_reset(&c->large);
	while (n) {
		size_t part = c->in.n < n ? c->in.n : n;
		int r;

		spool_append(&c->large, view_from(c->in.p, part));
		buf_consume(&c->in, part);
		n -= part;
		r = n ? read_more(c) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* "{12345}" at the response's end becomes "{0}". */
static void empty_literal(struct imap_client *c)
{
	while (c->response.p[c->response.n - 1] != '{')
		buf_truncate(&c->response, c->response.n - 1);
	buf_append_cstr(&c->response, "0}\r\n");
}

/* A line with its end. */
static int take_line(struct imap_client *c)
{
	size_t looked = 0;

	for (;;) {
		struct view rest = view_sub(buf_view(&c->in), looked, c->in.n);
		size_t at = view_find_char(rest, '\n');
		int r;

		if (at < rest.n)
			return take(c, looked + at + 1);
		if (c->in.n > LINE_MAX_BYTES)
			return broken("a line without an end");
		looked = c->in.n;
		r = read_more(c);
		if (r)
			return r;
	}
}

/* One response, literals and all. */
static int read_response(struct imap_client *c)
{
	buf_reset(&c->response);
	c->has_large = false;
	for (;;) {
		size_t start = c->response.n;
		uint64_t literal;
		int r = take_line(c);

		if (r)
			return r;
		if (!imap_ends_in_literal(view_sub(buf_view(&c->response), start, c->response.n), &literal))
			return 0;
		if (literal > LITERAL_IN_MEMORY) {
			empty_literal(c);
			r = take_large(c, literal);
		} else {
			r = take(c, literal);
		}
		if (r)
			return r;
	}
}

int imap_client_send(struct imap_client *c, const char *command)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(COMMAND_MAX);
	int r;

	buf_printf(&line, "p%u %s\r\n", ++c->tag, command);
	r = line.overflow ? broken("a command is too long") : write_all(c, buf_view(&line));
	if (line.n)
		explicit_bzero(line.p, line.n); /* LOGIN holds a password */
	c->answers = 0;
	return r;
}

int imap_client_next(struct imap_client *c, struct view *ret, bool *ret_done)
{
	_cleanup_(buf_fini) struct buf tag = BUF_INIT(32);
	int r = read_response(c);

	*ret_done = false;
	if (r)
		return r;
	if (++c->answers > ANSWERS_MAX)
		return broken("it answers without end");
	*ret = view_trim(buf_view(&c->response));
	if (view_starts_with_nocase(*ret, VIEW_LIT("* BYE")))
		return broken("it said goodbye");
	buf_printf(&tag, "p%u ", c->tag);
	if (!view_starts_with(*ret, buf_view(&tag)))
		return 0;
	*ret = view_sub(*ret, tag.n, ret->n);
	*ret_done = true;
	free(c->refusal);
	c->refusal = NULL;
	if (!view_starts_with_nocase(*ret, VIEW_LIT("OK"))) {
		c->refusal = view_to_cstr(view_sub(*ret, 0, 500));
		c->refusal = c->refusal ? c->refusal : xstrdup("?");
	}
	return 0;
}

struct spool *imap_client_large(struct imap_client *c)
{
	return c->has_large ? &c->large : NULL;
}

const char *imap_client_refusal(const struct imap_client *c)
{
	return c->refusal;
}

int imap_client_check(const struct imap_client *c)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(4096);

	if (!c->refusal)
		return 0;
	show_clean(view_from_cstr(c->refusal), &clean);
	return cli_fail(CLI_NOT_ALLOWED, "the other server refuses", buf_cstr(&clean), NULL);
}

static int finish(struct imap_client *c)
{
	bool done = false;
	struct view line;
	int r = 0;

	while (r == 0 && !done) {
		r = imap_client_next(c, &line, &done);
		c->plain |= r == 0 && view_find(line, VIEW_LIT("AUTH=PLAIN")) < line.n;
	}
	return r ? r : imap_client_check(c);
}

static int run(struct imap_client *c, const char *command)
{
	int r = imap_client_send(c, command);

	return r ? r : finish(c);
}

/* ---- open ---- */

static int connect_to(const struct imap_url *u, int *ret_fd)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const struct timeval wait = {.tv_sec = WAIT_S};
	struct addrinfo *list, *a;
	int e = getaddrinfo(u->host, u->port, &hints, &list);

	*ret_fd = -1;
	if (e)
		return cli_fail(CLI_NOT_RUNNING, u->host, gai_strerror(e), NULL);
	for (a = list; a && *ret_fd < 0; a = a->ai_next) {
		*ret_fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (*ret_fd < 0)
			continue;
		(void)setsockopt(*ret_fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
		(void)setsockopt(*ret_fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
		if (connect(*ret_fd, a->ai_addr, a->ai_addrlen) < 0) {
			e = errno;
			fd_close(ret_fd);
		}
	}
	freeaddrinfo(list);
	return *ret_fd < 0 ? cli_fail_errno(CLI_NOT_RUNNING, u->host, e, "is it the right host and port?") : 0;
}

/* Whose certificate it has to be. */
static bool name_peer(SSL *ssl, const char *host)
{
	struct in6_addr ip;

	if (inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static int start_tls(struct imap_client *c, const struct imap_url *u, const char *ca_file, bool insecure)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c->ctx || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION))
		return cli_fail(CLI_OTHER, "TLS", "the library failed", NULL);
	if (ca_file ? !SSL_CTX_load_verify_locations(c->ctx, ca_file, NULL) : !SSL_CTX_set_default_verify_paths(c->ctx))
		return cli_fail(CLI_BAD_DATA, ca_file ? ca_file : "the system's certificates", "they cannot be read",
				NULL);
	SSL_CTX_set_verify(c->ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	c->ssl = SSL_new(c->ctx);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) || !name_peer(c->ssl, u->host))
		return cli_fail(CLI_OTHER, "TLS", "the library failed", NULL);
	if (SSL_connect(c->ssl) != 1) {
		long verify = SSL_get_verify_result(c->ssl);

		return cli_fail(CLI_NOT_ALLOWED, u->host,
				verify != X509_V_OK ? X509_verify_cert_error_string(verify)
						    : "no TLS could be agreed on",
				"with --cafile its certificate's authority can be named");
	}
	return 0;
}

static void put_quoted(struct buf *out, struct view v)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, v.p[i]);
	}
	buf_append_char(out, '"');
}

static int authenticate_plain(struct imap_client *c, struct view user, struct view password)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(4096), line = BUF_INIT(8192);
	int r = imap_client_send(c, "AUTHENTICATE PLAIN");
	struct view answer = VIEW_EMPTY;
	bool done = false;

	while (r == 0 && !done && !view_starts_with(answer, VIEW_LIT("+")))
		r = imap_client_next(c, &answer, &done);
	if (r == 0 && done)
		r = c->refusal ? imap_client_check(c) : broken("it takes no AUTHENTICATE PLAIN");
	if (r)
		return r;
	buf_append_char(&plain, '\0');
	buf_append_view(&plain, user);
	buf_append_char(&plain, '\0');
	buf_append_view(&plain, password);
	encode_base64(&line, buf_view(&plain));
	buf_append_cstr(&line, "\r\n");
	r = write_all(c, buf_view(&line));
	explicit_bzero(plain.p, plain.n);
	explicit_bzero(line.p, line.n);
	return r ? r : finish(c);
}

static int log_in(struct imap_client *c, const struct imap_url *u, struct view password)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(8192);
	int r = run(c, "CAPABILITY");

	if (r)
		return r;
	if (c->plain)
		return authenticate_plain(c, view_from_cstr(u->user), password);
	buf_append_cstr(&line, "LOGIN ");
	put_quoted(&line, view_from_cstr(u->user));
	buf_append_char(&line, ' ');
	put_quoted(&line, password);
	r = run(c, buf_cstr(&line) ? buf_cstr(&line) : "LOGIN");
	if (line.n)
		explicit_bzero(line.p, line.n);
	return r;
}

/* The greeting has to be OK: PREAUTH would take STARTTLS away. */
static int greet(struct imap_client *c)
{
	int r = read_response(c);

	if (r == 0 && !view_starts_with_nocase(buf_view(&c->response), VIEW_LIT("* OK")))
		return broken("it does not greet as an IMAP server that lets one log in");
	return r;
}

int imap_client_open(const struct imap_url *u, struct view password, const char *ca_file, bool insecure,
		     uint64_t max_literal, struct imap_client **ret)
{
	struct imap_client *c = xcalloc(1, sizeof *c);
	int r;

	*ret = c;
	(void)signal(SIGPIPE, SIG_IGN);
	c->in = BUF_INIT(LINE_MAX_BYTES + 2 * IN_BYTES);
	c->response = BUF_INIT(RESPONSE_MAX);
	c->large = SPOOL_INIT;
	c->max_literal = max_literal;
	r = connect_to(u, &c->fd);
	if (r == 0 && u->tls_at_start)
		r = start_tls(c, u, ca_file, insecure);
	if (r == 0)
		r = greet(c);
	if (r == 0 && !u->tls_at_start)
		r = run(c, "STARTTLS");
	if (r == 0 && !u->tls_at_start) {
		buf_reset(&c->in); /* what came before TLS counts for nothing */
		c->plain = false;
		r = start_tls(c, u, ca_file, insecure);
	}
	return r ? r : log_in(c, u, password);
}

void imap_client_close(struct imap_client **cp)
{
	struct imap_client *c = *cp;

	if (!c)
		return;
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	fd_close(&c->fd);
	buf_fini(&c->in);
	buf_fini(&c->response);
	spool_fini(&c->large);
	free(c->refusal);
	free(c);
	*cp = NULL;
}
