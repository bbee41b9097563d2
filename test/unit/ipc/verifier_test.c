/* SPDX-License-Identifier: ISC */
#include "ipc/verifier.h"

#include "base/encode.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The exchange of RFC 7677 §3: user "user", password "pencil". */
static void rfc7677(void **state)
{
	static const char auth_message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)"
					   "hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
					   "i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct buf salt = BUF_INIT(64), proof = BUF_INIT(64), signature = BUF_INIT(64);
	uint8_t stored[VERIFIER_KEY_BYTES], server[VERIFIER_KEY_BYTES], mac[VERIFIER_KEY_BYTES],
	    hash[VERIFIER_KEY_BYTES];

	(void)state;
	assert_true(decode_base64(&salt, VIEW_LIT("W22ZaJ0SNY7soEsUEjb6gQ==")));
	assert_true(decode_base64(&proof, VIEW_LIT("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")));
	assert_true(decode_base64(&signature, VIEW_LIT("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	verifier_scram_keys(VIEW_LIT("pencil"), buf_view(&salt), 4096, stored, server);
	assert_non_null(
	    HMAC(EVP_sha256(), server, 32, (const unsigned char *)auth_message, strlen(auth_message), mac, NULL));
	assert_memory_equal(mac, signature.p, 32);
	assert_non_null(
	    HMAC(EVP_sha256(), stored, 32, (const unsigned char *)auth_message, strlen(auth_message), mac, NULL));
	for (size_t i = 0; i < 32; i++)
		mac[i] ^= (uint8_t)proof.p[i];
	assert_int_equal(EVP_Digest(mac, 32, hash, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(hash, stored, 32);
	buf_fini(&salt);
	buf_fini(&proof);
	buf_fini(&signature);
}

static bool checks(const struct verifier *v, struct view typed)
{
	struct buf prepared = BUF_INIT(4096);
	bool ok = verifier_prepare_password(typed, &prepared) &&
		  verifier_check_argon2(view_from_cstr(v->argon2), buf_view(&prepared));

	buf_fini(&prepared);
	return ok;
}

static void made_and_checked(void **state)
{
	struct verifier v, again;
	uint8_t stored[VERIFIER_KEY_BYTES], server[VERIFIER_KEY_BYTES];

	(void)state;
	assert_int_equal(verifier_make(VIEW_LIT("caf\xc3\xa9 \xf0\x9f\x98\x80"), &v), 0);
	assert_true(checks(&v, VIEW_LIT("caf\xc3\xa9 \xf0\x9f\x98\x80")));
	/* the same letters composed otherwise, and a no-break space (RFC 4013 §2.1) */
	assert_true(checks(&v, VIEW_LIT("cafe\xcc\x81\xc2\xa0\xf0\x9f\x98\x80")));
	assert_false(checks(&v, VIEW_LIT("cafe \xf0\x9f\x98\x80")));
	assert_true(v.scram_iterations >= 100000);
	verifier_scram_keys(VIEW_LIT("caf\xc3\xa9 \xf0\x9f\x98\x80"), view_from(v.scram_salt, sizeof v.scram_salt),
			    v.scram_iterations, stored, server);
	assert_memory_equal(stored, v.scram_stored_key, sizeof stored);
	assert_memory_equal(server, v.scram_server_key, sizeof server);

	assert_int_equal(verifier_make(VIEW_LIT("caf\xc3\xa9 \xf0\x9f\x98\x80"), &again), 0);
	assert_string_not_equal(v.argon2, again.argon2);
	assert_memory_not_equal(v.scram_salt, again.scram_salt, sizeof v.scram_salt);
}

static void what_cannot_be_a_password(void **state)
{
	static char too_long[VERIFIER_PASSWORD_MAX + 1];
	const struct view cases[] = {
	    VIEW_LIT(""),
	    VIEW_LIT("a\0b"),
	    VIEW_LIT("\xff"),
	    VIEW_LIT("bell\a"),
	    VIEW_LIT("\xee\x80\x80"), /* private use */
	    VIEW_LIT("\xc2\xad"), /* soft hyphen: mapped to nothing, nothing is left */
	    VIEW_LIT("\xd8\xa7"
		     "1"), /* RFC 4013 §3, example 7: bidirectional check */
	    {too_long, sizeof too_long},
	};
	struct verifier v = {.scram_iterations = 7};
	struct buf prepared = BUF_INIT(4096);

	(void)state;
	memset(too_long, 'a', sizeof too_long);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(verifier_make(cases[i], &v), -EINVAL);
		assert_false(verifier_prepare_password(cases[i], &prepared));
	}
	assert_int_equal(v.scram_iterations, 7);
	assert_true(verifier_prepare_password((struct view){too_long, VERIFIER_PASSWORD_MAX}, &prepared));
	buf_fini(&prepared);
}

/* RFC 4013 §3. */
static void saslprep_examples(void **state)
{
	static const struct {
		struct view in;
		const char *out;
	} cases[] = {
	    {VIEW_LIT("I\xc2\xadX"), "IX"}, {VIEW_LIT("user"), "user"},       {VIEW_LIT("USER"), "USER"},
	    {VIEW_LIT("\xc2\xaa"), "a"},    {VIEW_LIT("\xe2\x85\xa8"), "IX"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf prepared = BUF_INIT(4096);

		assert_true(verifier_prepare_password(cases[i].in, &prepared));
		assert_string_equal(buf_cstr(&prepared), cases[i].out);
		buf_fini(&prepared);
	}
}

static void hashes_from_a_hostile_store(void **state)
{
	static const struct view cases[] = {
	    VIEW_LIT(""),
	    VIEW_LIT("$argon2id$"),
	    VIEW_LIT(
		"$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
	    VIEW_LIT(
		"$argon2id$v=19$m=64,t=4000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
	    VIEW_LIT("$argon2id$v=19$m=64$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
	    VIEW_LIT("$argon2id$v=19$m=,t=,p=$$"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_false(verifier_check_argon2(cases[i], VIEW_LIT("pencil")));
	assert_false(verifier_check_argon2(verifier_argon2_of_nobody(), VIEW_LIT("pencil")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc7677),
	    cmocka_unit_test(made_and_checked),
	    cmocka_unit_test(what_cannot_be_a_password),
	    cmocka_unit_test(saslprep_examples),
	    cmocka_unit_test(hashes_from_a_hostile_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
