/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_TLS_FIXTURE_H
#define POMBO_TEST_TLS_FIXTURE_H

#include "io/tls.h"

#include <openssl/ssl.h>

/* A certificate with its private key, and a tls_sign_fn that signs with it in this process. */
struct tls_fixture {
	EVP_PKEY *key;
	X509 *cert;
	struct buf pem;
	/* of the last call */
	uint16_t scheme;
	struct buf tbs;
	struct buf spki;
	int calls;
	int fail_with; /* negative errno to answer */
};

/* "P-256", "P-384", "RSA", "ED25519" */
void tls_fixture_init(struct tls_fixture *f, const char *kind);
void tls_fixture_fini(struct tls_fixture *f);
int tls_fixture_sign(void *ctx, struct view spki_der, uint16_t scheme, struct view tbs, struct buf *ret);
/* Signs `tbs` as the scheme says, with any key. */
bool tls_fixture_sign_with(EVP_PKEY *key, uint16_t scheme, struct view tbs, struct buf *ret);

#endif
