/* SPDX-License-Identifier: ISC
 * Brings a typed password into its one form and checks it against an argon2id hash. Apart from verifier.c so that authd, which
 * makes no verifiers, links no OpenSSL. */
#include "ipc/verifier.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

enum { ARGON2_MEMORY_KIB_MAX = 256 * 1024, ARGON2_PASSES_MAX = 16 };

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
