/* SPDX-License-Identifier: ISC
 * An OpenSSL provider whose private keys are elsewhere: a key holds its public half, and signing asks a callback.
 *
 * A provider rather than an EC_KEY_METHOD or RSA_METHOD because digest_sign gets the whole content that is to be signed, so that the
 * holder of the key can look at it; the methods get a bare hash. libssl uses it for CertificateVerify (TLS 1.3) and
 * ServerKeyExchange (TLS 1.2).
 *
 * Its key types bear the names of OpenSSL's own, because libssl tells certificates apart by them; its signatures bear names of
 * their own, so that OpenSSL comes straight here. The default properties "?provider=default" keep everybody else's
 * fetches of "EC" and "RSA" away from here. */
#include "base/buf.h"
#include "io/tls_internal.h"

#include <errno.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER_NAME "pombo-remote"
#define PROPERTIES "provider=" PROVIDER_NAME
#define PARAM_ORIGIN "pombo-origin"

enum { SPKI_MAX = 8192 };

/* A key of ours. One that came by import (libssl compares it with the certificate's) cannot sign. */
struct remote_key {
	EVP_PKEY *public_key;
	struct buf spki_der;
	tls_sign_fn *sign;
	void *sign_ctx;
};

struct remote_signature {
	const struct remote_key *key;
	uint16_t scheme; /* with PKCS #1 padding where the key is RSA */
	bool pss;
};

/* ---- keys ---- */

static void *key_new(void *provider)
{
	struct remote_key *k = xcalloc(1, sizeof *k);

	(void)provider;
	buf_init(&k->spki_der, SPKI_MAX);
	return k;
}

static void key_free(void *key)
{
	struct remote_key *k = key;

	if (!k)
		return;
	EVP_PKEY_free(k->public_key);
	buf_fini(&k->spki_der);
	free(k);
}

static int key_has(const void *key, int selection)
{
	(void)selection; /* "private" too: it can sign */
	return key != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
	const struct remote_key *ka = a, *kb = b;

	(void)selection;
	return ka->public_key && kb->public_key && EVP_PKEY_eq(ka->public_key, kb->public_key) == 1;
}

static EVP_PKEY *public_from_params(const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider=default");
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static int key_import(struct remote_key *k, const char *type, const OSSL_PARAM params[])
{
	const OSSL_PARAM *origin = OSSL_PARAM_locate_const(params, PARAM_ORIGIN);
	const void *p;
	size_t n;

	if (!origin) {
		k->public_key = public_from_params(type, params);
		return k->public_key != NULL;
	}
	if (!OSSL_PARAM_get_octet_ptr(origin, &p, &n) || n != sizeof *k)
		return 0;
	k->public_key = ((const struct remote_key *)p)->public_key;
	k->sign = ((const struct remote_key *)p)->sign;
	k->sign_ctx = ((const struct remote_key *)p)->sign_ctx;
	buf_append_view(&k->spki_der, buf_view(&((const struct remote_key *)p)->spki_der));
	return EVP_PKEY_up_ref(k->public_key);
}

static int import_ec(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "EC", params);
}

static int import_rsa(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "RSA", params);
}

static int import_ed25519(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "ED25519", params);
}

static const OSSL_PARAM *importable(int selection)
{
	static const OSSL_PARAM params[] = {
	    {PARAM_ORIGIN, OSSL_PARAM_OCTET_PTR, NULL, 0, 0},
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	    OSSL_PARAM_END,
	};

	(void)selection;
	return params;
}

static int key_get_params(void *key, OSSL_PARAM params[])
{
	const struct remote_key *k = key;

	return k->public_key && EVP_PKEY_get_params(k->public_key, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM params[] = {
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
	    OSSL_PARAM_END,
	};

	(void)provider;
	return params;
}

static const char *signature_of_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "POMBO-ECDSA" : NULL;
}

static const char *signature_of_rsa(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "POMBO-RSA" : NULL;
}

static const char *signature_of_ed25519(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "POMBO-ED25519" : NULL;
}

#define FN(id, fn)                                                                                                     \
	{                                                                                                              \
		id, (void (*)(void))(fn)                                                                               \
	}
#define KEY_TABLE(import_fn, signature_fn)                                                                             \
	{                                                                                                              \
		FN(OSSL_FUNC_KEYMGMT_NEW, key_new), FN(OSSL_FUNC_KEYMGMT_FREE, key_free),                              \
		    FN(OSSL_FUNC_KEYMGMT_HAS, key_has), FN(OSSL_FUNC_KEYMGMT_MATCH, key_match),                        \
		    FN(OSSL_FUNC_KEYMGMT_IMPORT, import_fn), FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, importable),           \
		    FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                                                  \
		    FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),                                               \
		    FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, signature_fn), {0, NULL},                               \
	}

static const OSSL_DISPATCH ec_keys[] = KEY_TABLE(import_ec, signature_of_ec);
static const OSSL_DISPATCH rsa_keys[] = KEY_TABLE(import_rsa, signature_of_rsa);
static const OSSL_DISPATCH ed25519_keys[] = KEY_TABLE(import_ed25519, signature_of_ed25519);

/* ---- signatures ---- */

/* SignatureScheme, RFC 8446 §4.2.3. In TLS 1.2 the ECDSA ones name the hash only, whatever the curve. */
static const struct {
	const char *digest;
	uint16_t ecdsa;
	uint16_t rsa_pkcs1;
	uint16_t rsa_pss;
} schemes[] = {
    {"SHA256", 0x0403, 0x0401, 0x0804},   {"SHA2-256", 0x0403, 0x0401, 0x0804}, {"SHA384", 0x0503, 0x0501, 0x0805},
    {"SHA2-384", 0x0503, 0x0501, 0x0805}, {"SHA512", 0x0603, 0x0601, 0x0806},   {"SHA2-512", 0x0603, 0x0601, 0x0806},
};
enum { SCHEME_ED25519 = 0x0807 };

static uint16_t rsa_pss_of(uint16_t rsa_pkcs1)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].rsa_pkcs1 == rsa_pkcs1)
			return schemes[i].rsa_pss;
	return 0;
}

static void *signature_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return xcalloc(1, sizeof(struct remote_signature));
}

static void signature_free(void *signature)
{
	free(signature);
}

static uint16_t scheme_for(const struct remote_key *k, const char *digest)
{
	if (EVP_PKEY_is_a(k->public_key, "ED25519"))
		return !digest || !*digest ? SCHEME_ED25519 : 0;
	for (size_t i = 0; digest && i < ARRAY_LEN(schemes); i++)
		if (strcmp(schemes[i].digest, digest) == 0)
			return EVP_PKEY_is_a(k->public_key, "EC") ? schemes[i].ecdsa : schemes[i].rsa_pkcs1;
	return 0;
}

static int signature_set_params(void *signature, const OSSL_PARAM params[])
{
	struct remote_signature *s = signature;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	int padding;

	if (p && p->data_type == OSSL_PARAM_UTF8_STRING) {
		s->pss = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
	} else if (p) {
		if (!OSSL_PARAM_get_int(p, &padding))
			return 0;
		s->pss = padding == RSA_PKCS1_PSS_PADDING;
	}
	return 1; /* the salt is as long as the digest: TLS knows no other */
}

static const OSSL_PARAM *signature_settable(void *signature, void *provider)
{
	static const OSSL_PARAM params[] = {
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
	    OSSL_PARAM_END,
	};

	(void)signature;
	(void)provider;
	return params;
}

static int signature_init(void *signature, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct remote_signature *s = signature;

	s->key = key;
	s->scheme = scheme_for(s->key, digest);
	return s->key->sign && s->scheme && (!params || signature_set_params(signature, params));
}

static int signature_sign(void *signature, unsigned char *ret, size_t *ret_n, size_t max, const unsigned char *tbs,
			  size_t tbs_n)
{
	const struct remote_signature *s = signature;
	int size = EVP_PKEY_get_size(s->key->public_key);
	struct buf out;
	int ok;

	if (!ret) {
		*ret_n = (size_t)size;
		return 1;
	}
	buf_init(&out, max);
	ok = s->key->sign(s->key->sign_ctx, buf_view(&s->key->spki_der), s->pss ? rsa_pss_of(s->scheme) : s->scheme,
			  view_from(tbs, tbs_n), &out) == 0 &&
	     out.n > 0 && !out.overflow;
	if (ok) {
		memcpy(ret, out.p, out.n);
		*ret_n = out.n;
	}
	buf_fini(&out);
	return ok;
}

static const OSSL_DISPATCH signatures[] = {
    FN(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
    FN(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
    FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_init),
    FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_sign),
    FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set_params),
    FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
    {0, NULL},
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
	    {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, ec_keys, "EC public key"},
	    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, rsa_keys, "RSA public key"},
	    {"ED25519:1.3.101.112", PROPERTIES, ed25519_keys, "Ed25519 public key"},
	    {NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM signers[] = {
	    {"POMBO-ECDSA", PROPERTIES, signatures, "remote ECDSA"},
	    {"POMBO-RSA", PROPERTIES, signatures, "remote RSA"},
	    {"POMBO-ED25519", PROPERTIES, signatures, "remote Ed25519"},
	    {NULL, NULL, NULL, NULL},
	};

	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signers : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ret)
{
	static const OSSL_DISPATCH functions[] = {
	    FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
	    {0, NULL},
	};

	(void)in;
	*out = functions;
	*ret = (void *)handle;
	return 1;
}

int tls_remote_load(void)
{
	static OSSL_PROVIDER *standard, *remote; /* held for good */

	if (remote)
		return 0;
	/* Naming one provider keeps the default one from coming by itself. */
	if (!standard)
		standard = OSSL_PROVIDER_load(NULL, "default");
	if (!standard || !EVP_set_default_properties(NULL, "?provider=default") ||
	    !OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init))
		return -EIO;
	remote = OSSL_PROVIDER_load(NULL, PROVIDER_NAME);
	return remote ? 0 : -EIO;
}

static const char *type_of(const EVP_PKEY *key)
{
	static const char *const types[] = {"EC", "RSA", "ED25519"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (EVP_PKEY_is_a(key, types[i]))
			return types[i];
	return NULL;
}

EVP_PKEY *tls_remote_key(EVP_PKEY *public_key, tls_sign_fn *sign, void *sign_ctx)
{
	struct remote_key origin = {public_key, BUF_INIT(SPKI_MAX), sign, sign_ctx};
	void *origin_p = &origin;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_ptr(PARAM_ORIGIN, &origin_p, sizeof origin), OSSL_PARAM_END};
	const char *type = type_of(public_key);
	EVP_PKEY_CTX *ctx = type ? EVP_PKEY_CTX_new_from_name(NULL, type, PROPERTIES) : NULL;
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(public_key, &der);
	EVP_PKEY *key = NULL;

	if (n > 0)
		buf_append(&origin.spki_der, der, (size_t)n);
	OPENSSL_free(der);
	if (!ctx || n <= 0 || origin.spki_der.overflow || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	buf_fini(&origin.spki_der);
	return key;
}
