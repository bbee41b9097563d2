/* SPDX-License-Identifier: ISC
 * TLS as a client: one SSL_CTX, names and TLSA records for each connection. */
#include "io/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

struct tls_client {
	unsigned refs;
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

int tls_client_new(const char *ca_file, struct tls_client **ret, struct buf *error)
{
	struct tls_client *t;

	if (tls_prepare() < 0)
		return -EINVAL;
	ERR_clear_error();
	t = xcalloc(1, sizeof *t);
	t->refs = 1;
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (!t->ctx || !configure(t->ctx)) {
		buf_append_cstr(error, "TLS settings");
		tls_client_unref(&t);
		return -EINVAL;
	}
	if (SSL_CTX_load_verify_file(t->ctx, ca_file) != 1)
		buf_printf(error, "cannot read certificate authorities from %s", ca_file);
	ERR_clear_error();
	*ret = t;
	return 0;
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
	free(t);
}

SSL_CTX *tls_client_ctx(const struct tls_client *t)
{
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
		(void)SSL_set_tlsext_host_name(ssl, target->name);
		(void)SSL_set1_host(ssl, target->name);
	}
	if (target->other_name)
		(void)SSL_add1_host(ssl, target->other_name);
	return target->tlsa_count == 0 || add_tlsa(ssl, target);
}
