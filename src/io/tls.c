/* SPDX-License-Identifier: ISC
 * TLS server settings of a front end: one SSL_CTX made from a certificate chain, its private key elsewhere. */
#include "io/tls.h"

#include "io/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct tls_server {
	unsigned refs;
	SSL_CTX *ctx;
	unsigned char end_point[EVP_MAX_MD_SIZE];
	unsigned end_point_n;
};

enum { CHAIN_MAX = 10 };

/* X25519 and AES-128 first: as strong as the rest of the handshake, and the cheapest. */
static const char groups[] = "X25519:P-256:P-384";
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
static const char sigalgs[] =
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
    "rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512";

int tls_prepare(void)
{
	unsigned char byte;
	SSL_CTX *ctx;

	/* Without NO_LOAD_CONFIG the first SSL_CTX reads /etc/ssl/openssl.cnf. */
	if (!OPENSSL_init_ssl(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) ||
	    tls_remote_load() < 0 || RAND_bytes(&byte, 1) != 1)
		return -EIO;
	ctx = SSL_CTX_new(TLS_server_method()); /* fetches the algorithms */
	SSL_CTX_free(ctx);
	return ctx ? 0 : -EIO;
}

static int fail(struct buf *error, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	buf_printf(error, "%s: %s", what, why ? why : "not possible");
	ERR_clear_error();
	return -EINVAL;
}

static bool configure(SSL_CTX *ctx, unsigned min_version)
{
	SSL_CTX_set_security_level(ctx, 2); /* RSA from 2048 bits, no SHA-1 */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
					   SSL_OP_NO_ANTI_REPLAY);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	return SSL_CTX_set_min_proto_version(ctx, min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, suites) && SSL_CTX_set_cipher_list(ctx, ciphers) &&
	       SSL_CTX_set1_groups_list(ctx, groups) && SSL_CTX_set1_sigalgs_list(ctx, sigalgs) &&
	       SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"pombo", 5) && tls_ticket_setup(ctx) == 0;
}

/* The leaf, and the chain into `ctx`; NULL when the text is no chain of certificates. */
static X509 *load_chain(SSL_CTX *ctx, struct view pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, pem.n > INT32_MAX ? 0 : (int)pem.n);
	X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
	X509 *next = NULL;
	bool ok = leaf && SSL_CTX_use_certificate(ctx, leaf) == 1;

	for (int i = 0; ok && i < CHAIN_MAX && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)); i++) {
		ok = SSL_CTX_add0_chain_cert(ctx, next) == 1;
		if (!ok)
			X509_free(next);
	}
	if (ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error(); /* the end of the text */
	BIO_free(bio);
	if (!ok || ERR_peek_error()) {
		X509_free(leaf);
		return NULL;
	}
	return leaf;
}

/* RFC 5929 §4.1: the hash of the certificate's signature, but SHA-256 for MD5 and SHA-1; none where it has no single hash. */
static void set_end_point(struct tls_server *t, const X509 *leaf)
{
	int digest_nid = NID_undef;
	const EVP_MD *md;

	if (!X509_get_signature_info((X509 *)leaf, &digest_nid, NULL, NULL, NULL) || digest_nid == NID_undef)
		return;
	if (digest_nid == NID_md5 || digest_nid == NID_sha1)
		digest_nid = NID_sha256;
	md = EVP_get_digestbynid(digest_nid);
	if (!md || !X509_digest(leaf, md, t->end_point, &t->end_point_n))
		t->end_point_n = 0;
}

static int load(struct tls_server *t, struct view chain_pem, unsigned min_version, tls_sign_fn *sign, void *sign_ctx,
		struct buf *error)
{
	X509 *leaf;
	EVP_PKEY *key;
	bool used;

	if (!t->ctx || !configure(t->ctx, min_version))
		return fail(error, "TLS settings");
	leaf = load_chain(t->ctx, chain_pem);
	if (!leaf)
		return fail(error, "certificate chain");
	key = tls_remote_key(X509_get0_pubkey(leaf), sign, sign_ctx);
	used = key && SSL_CTX_use_PrivateKey(t->ctx, key) == 1;
	EVP_PKEY_free(key);
	set_end_point(t, leaf);
	X509_free(leaf);
	return used ? 0 : fail(error, "the certificate's key");
}

int tls_server_new(struct view chain_pem, unsigned min_version, tls_sign_fn *sign, void *sign_ctx,
		   struct tls_server **ret, struct buf *error)
{
	struct tls_server *t;
	int err;

	if (tls_prepare() < 0)
		return fail(error, "OpenSSL");
	ERR_clear_error();
	t = xcalloc(1, sizeof *t);
	t->refs = 1;
	t->ctx = SSL_CTX_new(TLS_server_method());
	err = load(t, chain_pem, min_version, sign, sign_ctx, error);
	if (err < 0)
		tls_server_unref(&t);
	else
		*ret = t;
	return err;
}

struct tls_server *tls_server_ref(struct tls_server *t)
{
	t->refs++;
	return t;
}

void tls_server_unref(struct tls_server **tp)
{
	struct tls_server *t = *tp;

	*tp = NULL;
	if (!t || --t->refs > 0)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

SSL_CTX *tls_server_ctx(const struct tls_server *t)
{
	return t->ctx;
}

struct view tls_server_end_point(const struct tls_server *t)
{
	return view_from(t->end_point, t->end_point_n);
}
