/* SPDX-License-Identifier: ISC
 * Signs with a private key, its context kept from one signature to the next. */
#include "keyd/signer.h"

#include "keyd/tbs.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

struct signer {
	struct keys *keys;
	EVP_MD_CTX *hash;
	/* Of the last signature, or all NULL. */
	EVP_PKEY *pkey;
	const struct tbs_scheme *how;
	EVP_MD *digest; /* NULL too where the algorithm hashes itself (Ed25519), */
	EVP_PKEY_CTX *ctx; /* and this */
};

struct signer *signer_new(struct keys *k)
{
	struct signer *s = xcalloc(1, sizeof *s);

	s->keys = k;
	s->hash = EVP_MD_CTX_new();
	assert(s->hash);
	return s;
}

static void forget(struct signer *s)
{
	(void)EVP_MD_CTX_reset(s->hash);
	EVP_PKEY_CTX_free(s->ctx);
	EVP_MD_free(s->digest);
	EVP_PKEY_free(s->pkey);
	s->ctx = NULL;
	s->digest = NULL;
	s->pkey = NULL;
	s->how = NULL;
}

void signer_free(struct signer **sp)
{
	struct signer *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	forget(s);
	EVP_MD_CTX_free(s->hash);
	free(s);
}

static bool prepare_digest(struct signer *s)
{
	s->digest = EVP_MD_fetch(NULL, s->how->digest, NULL);
	s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->pkey, NULL);
	if (!s->digest || !s->ctx || EVP_PKEY_sign_init(s->ctx) != 1)
		return false;
	if (s->how->pss && EVP_PKEY_CTX_set_rsa_padding(s->ctx, RSA_PKCS1_PSS_PADDING) != 1)
		return false;
	if (EVP_PKEY_CTX_set_signature_md(s->ctx, s->digest) != 1)
		return false;
	return !s->how->pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(s->ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* `pkey` is the signer's from here on. */
static bool prepare(struct signer *s, EVP_PKEY *pkey, const struct tbs_scheme *how)
{
	if (s->pkey == pkey && s->how == how) {
		EVP_PKEY_free(pkey);
		return true;
	}
	forget(s);
	s->pkey = pkey;
	s->how = how;
	return !how->digest || prepare_digest(s);
}

static bool sign_whole(struct signer *s, struct view tbs, unsigned char *out, size_t *n)
{
	return EVP_MD_CTX_reset(s->hash) == 1 &&
	       EVP_DigestSignInit_ex(s->hash, NULL, NULL, NULL, NULL, s->pkey, NULL) == 1 &&
	       EVP_DigestSign(s->hash, out, n, (const unsigned char *)tbs.p, tbs.n) == 1;
}

static bool sign_digest(struct signer *s, struct view tbs, unsigned char *out, size_t *n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_n = 0;

	return EVP_DigestInit_ex2(s->hash, s->digest, NULL) == 1 && EVP_DigestUpdate(s->hash, tbs.p, tbs.n) == 1 &&
	       EVP_DigestFinal_ex(s->hash, digest, &digest_n) == 1 &&
	       EVP_PKEY_sign(s->ctx, out, n, digest, digest_n) == 1;
}

static bool sign(struct signer *s, EVP_PKEY *pkey, const struct tbs_scheme *how, struct view tbs, struct buf *ret)
{
	unsigned char out[KEYS_SIGNATURE_MAX];
	size_t n = sizeof out;
	bool ok = prepare(s, pkey, how) && (how->digest ? sign_digest(s, tbs, out, &n) : sign_whole(s, tbs, out, &n));

	if (ok) {
		buf_append(ret, out, n);
		return true;
	}
	forget(s);
	ERR_clear_error();
	return false;
}

const char *signer_sign_tls(struct signer *s, size_t key, uint16_t scheme, struct view tbs, struct buf *ret)
{
	const struct tbs_scheme *how = tbs_scheme_find(scheme);
	enum tbs_kind kind = tbs_recognise(tbs);
	EVP_PKEY *pkey = keys_get(s->keys, key);

	if (!pkey)
		return "no such key";
	if (kind != TBS_OTHER && how && (kind == TBS_TLS12 || how->tls13) && EVP_PKEY_is_a(pkey, how->key_type))
		return sign(s, pkey, how, tbs, ret) ? NULL : "signing failed";
	EVP_PKEY_free(pkey);
	return kind == TBS_OTHER ? "not what a TLS server signs" : "the scheme does not suit the key or the version";
}
