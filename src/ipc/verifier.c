/* SPDX-License-Identifier: ISC
 * Makes what is kept of a password, and checks a password against its argon2id hash. */
#include "ipc/verifier.h"

#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

enum {
	ARGON2_MEMORY_BYTES = 19 * 1024 * 1024,
	ARGON2_PASSES = 2,
	ARGON2_MEMORY_KIB_MAX = 256 * 1024,
	ARGON2_PASSES_MAX = 16,
	/* Normalization can make text longer: NFKC of one letter is at most 18 letters. */
	PREPARED_MAX = 18 * VERIFIER_PASSWORD_MAX,
};

_Static_assert(VERIFIER_ARGON2_BYTES == crypto_pwhash_STRBYTES, "room for libsodium's PHC text");

bool verifier_prepare_password(struct view typed, struct buf *ret)
{
	char *text;
	char *prepared = NULL;
	int failed;

	if (typed.n == 0 || typed.n > VERIFIER_PASSWORD_MAX || view_has_nul(typed) || !view_is_utf8(typed))
		return false;
	text = view_to_cstr(typed);
	/* flags 0: unassigned code points pass ("query" strings, RFC 3454 §7), so that newer letters can be typed at all. */
	failed = stringprep_profile(text, &prepared, "SASLprep", 0);
	if (!failed) {
		buf_append_cstr(ret, prepared);
		sodium_memzero(prepared, strlen(prepared));
		free(prepared); /* an empty one, from soft hyphens alone, is refused below */
	}
	sodium_memzero(text, typed.n);
	free(text);
	return !failed && ret->n > 0 && !ret->overflow;
}

void verifier_scram_keys(struct view prepared, struct view salt, uint32_t iterations,
			 uint8_t ret_stored_key[VERIFIER_KEY_BYTES], uint8_t ret_server_key[VERIFIER_KEY_BYTES])
{
	uint8_t salted[VERIFIER_KEY_BYTES];
	uint8_t client_key[VERIFIER_KEY_BYTES];
	int ok;

	assert(prepared.n <= PREPARED_MAX && salt.n <= VERIFIER_PASSWORD_MAX && iterations <= INT32_MAX);
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
	struct buf prepared = BUF_INIT(PREPARED_MAX);
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

/* The number behind `name` ("m=") in the PHC text's parameters; false when there is none within `max`. */
static bool phc_number_within(struct view phc, struct view name, uint64_t max)
{
	size_t at = view_find(phc, name);
	struct view rest = view_sub(phc, at + name.n, 12);
	size_t digits = 0;
	uint64_t value;

	while (digits < rest.n && ascii_is_digit(rest.p[digits]))
		digits++;
	return at < phc.n && view_to_u64(view_sub(rest, 0, digits), max, &value);
}

bool verifier_check_argon2(struct view phc, struct view prepared)
{
	char text[VERIFIER_ARGON2_BYTES] = {0};

	if (phc.n >= sizeof text || view_has_nul(phc) || !view_starts_with(phc, VIEW_LIT("$argon2id$v=19$m=")) ||
	    !phc_number_within(phc, VIEW_LIT("$m="), ARGON2_MEMORY_KIB_MAX) ||
	    !phc_number_within(phc, VIEW_LIT(",t="), ARGON2_PASSES_MAX) || sodium_init() < 0)
		return false;
	memcpy(text, phc.p, phc.n);
	return crypto_pwhash_str_verify(text, prepared.p, prepared.n) == 0;
}

struct view verifier_argon2_of_nobody(void)
{
	/* Salt and hash are zero bytes: finding a password for it is a preimage attack. */
	return VIEW_LIT(
	    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}
