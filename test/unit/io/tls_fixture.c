/* SPDX-License-Identifier: ISC
 * Keys, certificates and signatures for tests. */
#include "tls_fixture.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

static EVP_PKEY *make_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, "provider=default", "RSA", (size_t)2048);
	if (strcmp(kind, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, "provider=default", "ED25519");
	return EVP_PKEY_Q_keygen(NULL, "provider=default", "EC", kind);
}

void tls_fixture_init(struct tls_fixture *f, const char *kind)
{
	X509_NAME *name;
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int ok;

	memset(f, 0, sizeof *f);
	buf_init(&f->pem, 16384);
	buf_init(&f->tbs, 16384);
	buf_init(&f->spki, 16384);
	f->key = make_key(kind);
	f->cert = X509_new();
	assert(f->key && f->cert && bio);
	ok = X509_set_version(f->cert, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(f->cert), 1) &&
	     X509_gmtime_adj(X509_getm_notBefore(f->cert), -60) &&
	     X509_gmtime_adj(X509_getm_notAfter(f->cert), 86400) && X509_set_pubkey(f->cert, f->key);
	name = X509_get_subject_name(f->cert);
	ok = ok &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mail.example.org", -1, -1,
					0) &&
	     X509_set_issuer_name(f->cert, name) &&
	     X509_sign(f->cert, f->key, strcmp(kind, "ED25519") == 0 ? NULL : EVP_sha256()) > 0 &&
	     PEM_write_bio_X509(bio, f->cert);
	assert(ok);
	n = BIO_get_mem_data(bio, &p);
	buf_append(&f->pem, p, (size_t)n);
	BIO_free(bio);
}

void tls_fixture_fini(struct tls_fixture *f)
{
	EVP_PKEY_free(f->key);
	X509_free(f->cert);
	buf_fini(&f->pem);
	buf_fini(&f->tbs);
	buf_fini(&f->spki);
}

bool tls_fixture_sign_with(EVP_PKEY *key, uint16_t scheme, struct view tbs, struct buf *ret)
{
	static const struct {
		uint16_t scheme;
		const char *digest;
		int padding;
	} how[] = {{0x0403, "SHA256", 0},
		   {0x0503, "SHA384", 0},
		   {0x0603, "SHA512", 0},
		   {0x0401, "SHA256", RSA_PKCS1_PADDING},
		   {0x0501, "SHA384", RSA_PKCS1_PADDING},
		   {0x0601, "SHA512", RSA_PKCS1_PADDING},
		   {0x0804, "SHA256", RSA_PKCS1_PSS_PADDING},
		   {0x0805, "SHA384", RSA_PKCS1_PSS_PADDING},
		   {0x0806, "SHA512", RSA_PKCS1_PSS_PADDING},
		   {0x0807, NULL, 0}};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	unsigned char bytes[1024];
	size_t n = sizeof bytes, i = 0;
	bool ok;

	while (i < ARRAY_LEN(how) && how[i].scheme != scheme)
		i++;
	ok = i < ARRAY_LEN(how) &&
	     EVP_DigestSignInit_ex(ctx, &pctx, how[i].digest, NULL, "provider=default", key, NULL) == 1 &&
	     (!how[i].padding || EVP_PKEY_CTX_set_rsa_padding(pctx, how[i].padding) == 1) &&
	     (how[i].padding != RSA_PKCS1_PSS_PADDING ||
	      EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1) &&
	     EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)tbs.p, tbs.n) == 1;
	EVP_MD_CTX_free(ctx);
	if (ok)
		buf_append(ret, bytes, n);
	return ok;
}

int tls_fixture_sign(void *ctx, struct view spki_der, uint16_t scheme, struct view tbs, struct buf *ret)
{
	struct tls_fixture *f = ctx;

	f->calls++;
	f->scheme = scheme;
	buf_reset(&f->tbs);
	buf_append_view(&f->tbs, tbs);
	buf_reset(&f->spki);
	buf_append_view(&f->spki, spki_der);
	if (f->fail_with)
		return f->fail_with;
	return tls_fixture_sign_with(f->key, scheme, tbs, ret) ? 0 : -5;
}
