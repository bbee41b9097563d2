/* SPDX-License-Identifier: ISC
 * TLS as a client: one SSL_CTX, names and TLSA records for each connection. */
#include "io/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

enum { AUTHORITIES_MAX = 8 * 1024 * 1024, READ_BYTES = 65536 };

struct tls_client {
	unsigned refs;
	int authorities; /* to be read when they are needed; or -1 */
	SSL_CTX *ctx;
};

static bool configure(SSL_CTX *ctx)
{
	/* Level 1: a weak key is better than none where nobody verifies; what is verified is judged by its policy. */
	SSL_CTX_set_security_level(ctx, 1);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL); /* the result is kept all the same */
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) && SSL_CTX_dane_enable(ctx) > 0;
}

int tls_client_new(struct tls_client **ret)
{
	struct tls_client *t;

	if (tls_prepare() < 0)
		return -EINVAL;
	ERR_clear_error();
	t = xcalloc(1, sizeof *t);
	t->refs = 1;
	t->authorities = -1;
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (!t->ctx || !configure(t->ctx)) {
		tls_client_unref(&t);
		return -EINVAL;
	}
	*ret = t;
	return 0;
}

/* ---- authorities ---- */

static void read_all(int fd, struct buf *ret)
{
	ssize_t n = 1;

	while (n > 0) {
		char *p = buf_reserve(ret, READ_BYTES);

		n = p ? pread(fd, p, READ_BYTES, (off_t)ret->n) : 0;
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			buf_commit(ret, (size_t)n);
	}
}

static void add_authorities(X509_STORE *store, struct view pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x;

	if (!bio)
		abort(); /* memory */
	for (; (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(x))
		(void)X509_STORE_add_cert(store, x);
	(void)BIO_free(bio);
	ERR_clear_error();
}

static void need_authorities(struct tls_client *t)
{
	_cleanup_(buf_fini) struct buf pem = BUF_INIT(AUTHORITIES_MAX);
	X509_STORE *store;

	if (t->authorities < 0)
		return;
	store = X509_STORE_new();
	if (!store)
		abort(); /* memory */
	read_all(t->authorities, &pem);
	fd_close(&t->authorities);
	if (pem.n)
		add_authorities(store, buf_view(&pem));
	SSL_CTX_set_cert_store(t->ctx, store);
}

void tls_client_set_authorities(struct tls_client *t, int fd)
{
	fd_close(&t->authorities);
	t->authorities = fd;
}

struct tls_client *tls_client_ref(struct tls_client *t)
{
	t->refs++;
	return t;
}

void tls_client_unref(struct tls_client **tp)
{
	struct tls_client *t = *tp;

	*tp = NULL;
	if (!t || --t->refs > 0)
		return;
	SSL_CTX_free(t->ctx);
	fd_close(&t->authorities);
	free(t);
}

SSL_CTX *tls_client_ctx(struct tls_client *t)
{
	need_authorities(t);
	return t->ctx;
}

static bool add_tlsa(SSL *ssl, const struct tls_target *target)
{
	bool any = false;

	for (size_t i = 0; i < target->tlsa_count; i++) {
		const struct tls_tlsa *r = &target->tlsa[i];
		bool usable = r->usage == 2 || r->usage == 3; /* RFC 7672 §3.1.3: PKIX-TA and PKIX-EE are not */

		any |= usable && SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
						   (const unsigned char *)r->data.p, r->data.n) > 0;
	}
	ERR_clear_error();
	return any;
}

bool tls_client_aim(SSL *ssl, const struct tls_target *target)
{
	if (target->tlsa_count > 0) {
		if (!target->name || SSL_dane_enable(ssl, target->name) <= 0)
			return false;
		/* RFC 7672 §3.1.1: with DANE-EE neither names nor dates matter. */
		(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	} else if (target->name) {
		/* RFC 8461 §4.2, RFC 9525: the name is a DNS-ID; what a subject says is no name of a host. */
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
		(void)SSL_set_tlsext_host_name(ssl, target->name);
		(void)SSL_set1_host(ssl, target->name);
	}
	for (size_t i = 0; i < target->other_name_count; i++)
		(void)SSL_add1_host(ssl, target->other_names[i]);
	return target->tlsa_count == 0 || add_tlsa(ssl, target);
}
