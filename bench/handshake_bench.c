/* SPDX-License-Identifier: ISC
 * What a full TLS 1.3 handshake (X25519, the key's signature) costs the server: with the key in its own process, and through keyd.
 *
 *     handshake_bench CHAIN.pem KEY.pem [HANDSHAKES A ROUND]
 *
 * Both ways go through src/io's TLS; the key in the process is used as libssl itself would. keyd is a process of its own behind a socketpair, under
 * its filter of system calls, and its CPU counts: all of it from the round's begin to its end. The client's, in the server's thread, does not, but
 * it uses the same caches, both ways.
 *
 * Other load, and neighbours of a virtual machine, change what everything costs by half within milliseconds. So rounds are short and come by
 * turns, and the difference is the median over pairs of neighbouring rounds; those in which another program had the core in between are in the
 * first figure only. */
#include "base/syscalls.h"
#include "io/tls_conn.h"
#include "ipc/tls_keys.h"
#include "keyd/front.h"
#include "keyd/keys.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 301, WIRE_MAX = 1024 * 1024, RSA_PSS_SHA256 = 0x0804 };

static void die(const char *what)
{
	(void)fprintf(stderr, "handshake_bench: %s\n", what);
	exit(1);
}

static double us_of(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		die("no clock");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (!key)
		die("no key");
	(void)fclose(f);
	return key;
}

/* A tls_sign_fn: signs as libssl does with a key of its own. */
static int sign_here(void *ctx, struct view spki, uint16_t scheme, struct view tbs, struct buf *ret)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	unsigned char signature[1024];
	size_t n = sizeof signature;
	bool ok = EVP_DigestSignInit_ex(md, &how, "SHA256", NULL, NULL, ctx, NULL) == 1;

	(void)spki;
	if (scheme == RSA_PSS_SHA256)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestSign(md, signature, &n, (const unsigned char *)tbs.p, tbs.n) == 1;
	EVP_MD_CTX_free(md);
	if (!ok)
		return -1;
	buf_append(ret, signature, n);
	return 0;
}

/* Returns the front end's end of the channel. */
static int start_keyd(const char *key, pid_t *ret_pid)
{
	struct buf error = BUF_INIT(500);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		die("no socketpair");
	*ret_pid = fork();
	if (*ret_pid == 0) {
		struct keys *k = keys_new();
		bool locked;

		(void)close(fds[0]);
		if (keys_prepare(&locked) < 0 || keys_load(k, open(key, O_RDONLY | O_CLOEXEC), &error) < 0)
			die(buf_cstr(&error));
		front_prepare();
		if (syscalls_filter(SANDBOX_PURE) < 0)
			die("no seccomp");
		_exit(front_run(front_new(fds[1], k)) != NULL);
	}
	(void)close(fds[1]);
	return fds[0];
}

static void to_client(struct buf *wire, SSL *client)
{
	if (wire->n)
		(void)BIO_write(SSL_get_rbio(client), wire->p, (int)wire->n);
	buf_reset(wire);
}

/* One handshake; returns the server's CPU. */
static double shake(struct tls_server *server, SSL_CTX *clients)
{
	struct buf wire = BUF_INIT(WIRE_MAX);
	SSL *client = SSL_new(clients);
	struct tls_conn *conn;
	double from = us_of(CLOCK_THREAD_CPUTIME_ID), used;
	int done = 0;

	conn = tls_conn_new(server, &wire);
	used = us_of(CLOCK_THREAD_CPUTIME_ID) - from;
	SSL_set_bio(client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(client);
	for (int step = 0; step < 10 && (done != 1 || tls_conn_state(conn) == TLS_HANDSHAKE); step++) {
		char *p;
		long n;

		done = SSL_do_handshake(client);
		n = BIO_get_mem_data(SSL_get_wbio(client), &p);
		from = us_of(CLOCK_THREAD_CPUTIME_ID);
		tls_conn_feed(conn, view_from(p, (size_t)n));
		tls_conn_handshake(conn);
		tls_conn_keep(conn);
		used += us_of(CLOCK_THREAD_CPUTIME_ID) - from;
		(void)BIO_reset(SSL_get_wbio(client));
		to_client(&wire, client);
	}
	if (tls_conn_state(conn) != TLS_OPEN || done != 1)
		die(tls_conn_error(conn));
	from = us_of(CLOCK_THREAD_CPUTIME_ID);
	tls_conn_free(&conn);
	used += us_of(CLOCK_THREAD_CPUTIME_ID) - from;
	SSL_free(client);
	buf_fini(&wire);
	return used;
}

/* `ret_alone`: nobody else had the core meanwhile, who would have left caches to be filled anew. */
static double round_of(struct tls_server *server, SSL_CTX *clients, size_t n, pid_t keyd, bool *ret_alone)
{
	double from = us_of(CLOCK_MONOTONIC), mine = us_of(CLOCK_THREAD_CPUTIME_ID), used = 0, keyds = 0;
	clockid_t clock = CLOCK_REALTIME;

	if (keyd && clock_getcpuclockid(keyd, &clock) != 0)
		die("no clock of keyd");
	if (keyd)
		keyds = us_of(clock);
	for (size_t i = 0; i < n; i++)
		used += shake(server, clients);
	if (keyd)
		keyds = us_of(clock) - keyds;
	mine = us_of(CLOCK_THREAD_CPUTIME_ID) - mine;
	*ret_alone = us_of(CLOCK_MONOTONIC) - from < (mine + keyds) * 1.1;
	return (used + keyds) / (double)n;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct figures {
	double here[ROUNDS], there[ROUNDS], more[ROUNDS];
	size_t n;
};

static void add(struct figures *f, double here, double there)
{
	f->here[f->n] = here;
	f->there[f->n] = there;
	f->more[f->n++] = (there / here - 1) * 100;
}

/* Sorts them. */
static double median(double *v, size_t n)
{
	qsort(v, n, sizeof v[0], by_size);
	return v[n / 2];
}

static void print(const char *which, struct figures *f)
{
	printf("%zu pairs of rounds, %s", f->n, which);
	if (f->n > 0) {
		printf(": key in the process %.0f us, through keyd %.0f us; by pairs %+.1f %%", median(f->here, f->n),
		       median(f->there, f->n), median(f->more, f->n));
		printf(" [half of them between %+.1f and %+.1f %%]", f->more[f->n / 4], f->more[f->n * 3 / 4]);
	}
	printf("\n");
}

static struct tls_server *server_of(struct view chain, tls_sign_fn *sign, void *ctx)
{
	struct buf error = BUF_INIT(500);
	struct tls_server *t;

	if (tls_server_new(chain, 12, sign, ctx, &t, &error) < 0)
		die(buf_cstr(&error));
	return t;
}

int main(int argc, char **argv)
{
	size_t n = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 5;
	static struct figures all, undisturbed;
	bool alone[2];
	struct tls_keys *keys = tls_keys_new();
	struct tls_server *with_key, *through_keyd;
	char chain[65536];
	SSL_CTX *clients;
	ssize_t size;
	pid_t keyd;

	if (argc < 3 || tls_prepare() < 0)
		die("usage: handshake_bench CHAIN.pem KEY.pem [HANDSHAKES]");
	size = read(open(argv[1], O_RDONLY | O_CLOEXEC), chain, sizeof chain);
	if (size <= 0)
		die("no chain");
	tls_keys_set_channel(keys, start_keyd(argv[2], &keyd));
	clients = SSL_CTX_new(TLS_client_method());
	with_key = server_of(view_from(chain, (size_t)size), sign_here, read_key(argv[2]));
	through_keyd = server_of(view_from(chain, (size_t)size), tls_keys_sign, keys);
	(void)round_of(with_key, clients, 10, 0, &alone[0]);
	(void)round_of(through_keyd, clients, 10, keyd, &alone[0]);
	for (size_t i = 0; i < ROUNDS; i++) {
		double here = 0, there;

		if (i % 2)
			here = round_of(with_key, clients, n, 0, &alone[0]);
		there = round_of(through_keyd, clients, n, keyd, &alone[1]);
		if (i % 2 == 0)
			here = round_of(with_key, clients, n, 0, &alone[0]);
		add(&all, here, there);
		if (alone[0] && alone[1])
			add(&undisturbed, here, there);
	}
	printf("server CPU of a full handshake\n");
	print("all", &all);
	print("nobody else on the core", &undisturbed);
	(void)kill(keyd, SIGKILL);
	(void)waitpid(keyd, NULL, 0);
	return 0;
}
