/* SPDX-License-Identifier: ISC
 * Makes what is kept of a password. */
#include "ipc/verifier.h"

#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>

enum {
	ARGON2_MEMORY_BYTES = 19 * 1024 * 1024,
	ARGON2_PASSES = 2,
};

_Static_assert(VERIFIER_ARGON2_BYTES == crypto_pwhash_STRBYTES, "room for libsodium's PHC text");

void verifier_scram_keys(struct view prepared, struct view salt, uint32_t iterations,
			 uint8_t ret_stored_key[VERIFIER_KEY_BYTES], uint8_t ret_server_key[VERIFIER_KEY_BYTES])
{
	uint8_t salted[VERIFIER_KEY_BYTES];
	uint8_t client_key[VERIFIER_KEY_BYTES];
	int ok;

	assert(prepared.n <= VERIFIER_PREPARED_MAX && salt.n <= VERIFIER_PASSWORD_MAX && iterations <= INT32_MAX);
	ok = PKCS5_PBKDF2_HMAC(prepared.p, (int)prepared.n, (const unsigned char *)salt.p, (int)salt.n, (int)iterations,
			       EVP_sha256(), sizeof salted, salted);
	ok = ok && HMAC(EVP_sha256(), salted, sizeof salted, (const unsigned char *)"Client Key", 10, client_key, NULL);
	ok = ok && EVP_Digest(client_key, sizeof client_key, ret_stored_key, NULL, EVP_sha256(), NULL);
	ok = ok &&
	     HMAC(EVP_sha256(), salted, sizeof salted, (const unsigned char *)"Server Key", 10, ret_server_key, NULL);
	assert(ok);
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(client_key, sizeof client_key);
}

int verifier_make(struct view password, struct verifier *ret)
{
	struct buf prepared = BUF_INIT(VERIFIER_PREPARED_MAX);
	struct verifier v = {.scram_iterations = VERIFIER_SCRAM_ITERATIONS};
	int err = 0;

	if (sodium_init() < 0)
		return -EIO;
	if (!verifier_prepare_password(password, &prepared)) {
		err = -EINVAL;
	} else if (crypto_pwhash_str_alg(v.argon2, prepared.p, prepared.n, ARGON2_PASSES, ARGON2_MEMORY_BYTES,
					 crypto_pwhash_ALG_ARGON2ID13) < 0) {
		err = -ENOMEM;
	} else {
		random_bytes(v.scram_salt, sizeof v.scram_salt);
		verifier_scram_keys(buf_view(&prepared), view_from(v.scram_salt, sizeof v.scram_salt),
				    v.scram_iterations, v.scram_stored_key, v.scram_server_key);
		*ret = v;
	}
	if (prepared.p)
		sodium_memzero(prepared.p, prepared.cap);
	buf_fini(&prepared);
	verifier_wipe(&v);
	return err;
}

void verifier_wipe(struct verifier *v)
{
	sodium_memzero(v, sizeof *v);
}
