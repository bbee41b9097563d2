/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_VERIFIER_H
#define POMBO_IPC_VERIFIER_H

#include "base/buf.h"
#include "base/mem.h"

/* What the store keeps of a password: an argon2id hash for the mechanisms that send the password, and the keys of
 * SCRAM-SHA-256 (RFC 5802 §3, RFC 7677). Pure but for the random salts: `pombo account` makes them, authd checks them.
 *
 * argon2id with m=19 MiB, t=2, p=1 (the second choice of OWASP's table, as strong as the others): about 25 ms a guess, and few enough
 * megabytes for one guess a core. SCRAM with 200,000 iterations: about 70 ms once a login, on the client's side. */
enum {
	VERIFIER_PASSWORD_MAX = 1024, /* bytes */
	VERIFIER_PREPARED_MAX = 18 * VERIFIER_PASSWORD_MAX, /* NFKC makes at most 18 letters of one */
	VERIFIER_ARGON2_BYTES = 128, /* crypto_pwhash_STRBYTES */
	VERIFIER_SALT_BYTES = 16,
	VERIFIER_KEY_BYTES = 32,
	VERIFIER_SCRAM_ITERATIONS = 200000,
};

struct verifier {
	char argon2[VERIFIER_ARGON2_BYTES]; /* PHC text, NUL-terminated; proven: libsodium's own bound */
	uint8_t scram_salt[VERIFIER_SALT_BYTES];
	uint32_t scram_iterations;
	uint8_t scram_stored_key[VERIFIER_KEY_BYTES];
	uint8_t scram_server_key[VERIFIER_KEY_BYTES];
};

/* 0; -EINVAL when nobody could log in with it: empty, over VERIFIER_PASSWORD_MAX, not UTF-8, or with characters that
 * SASLprep prohibits (control characters, private use …; RFC 4013 §2.3). */
must_check int verifier_make(struct view password, struct verifier *ret);
void verifier_wipe(struct verifier *v);

/* SASLprep (RFC 4013): the one form of a password, however a client composed its letters. Letters newer than Unicode 3.2 stay as
 * they are. False when the password is none (as above). Appends to `ret`; its bytes are secret. */
must_check bool verifier_prepare_password(struct view typed, struct buf *ret);
/* True when `prepared` (see above) is the password of the PHC text. False also for a hash that would cost more than 256 MiB or 16 passes. */
must_check bool verifier_check_argon2(struct view phc, struct view prepared);
/* A hash at the usual cost that no password fits, for the same work where there is no account. */
struct view verifier_argon2_of_nobody(void);

/* SCRAM's SaltedPassword, ClientKey's hash and ServerKey; `prepared` as above. iterations >= 1. */
void verifier_scram_keys(struct view prepared, struct view salt, uint32_t iterations,
			 uint8_t ret_stored_key[VERIFIER_KEY_BYTES], uint8_t ret_server_key[VERIFIER_KEY_BYTES]);

#endif
