/* SPDX-License-Identifier: ISC
 * What keyd signs for DKIM, and what it refuses; its keys' file. */
#include "keyd/dkim.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FROM "from:A <a@example.test>\r\n"
#define BH "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define TAGS(a, d, s, h)                                                                                               \
	"dkim-signature:v=1; a=" a "; c=relaxed/relaxed; d=" d "; s=" s "; t=1700000000; h=" h "; " BH "; b="
#define GOOD FROM "subject:x\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:From:Subject:Subject")

static bool is(struct view input)
{
	return dkim_input_is(input, VIEW_LIT("example.test"), VIEW_LIT("s1"), "rsa-sha256");
}

static void shapes(void **state)
{
	static const struct view bad[] = {
	    VIEW_LIT(""),
	    VIEW_LIT("Statement: I owe you money"),
	    VIEW_LIT(FROM TAGS("rsa-sha256", "evil.test", "s1", "From:From")),
	    VIEW_LIT(FROM TAGS("rsa-sha256", "example.test", "s2", "From:From")),
	    VIEW_LIT(FROM TAGS("ed25519-sha256", "example.test", "s1", "From:From")),
	    VIEW_LIT("subject:x\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:From:Subject")), /* no From */
	    VIEW_LIT(FROM FROM TAGS("rsa-sha256", "example.test", "s1", "From:From")), /* two */
	    VIEW_LIT(FROM "subject:x\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:From")), /* not named */
	    VIEW_LIT("subject:x\r\n" FROM TAGS("rsa-sha256", "example.test", "s1", "From:Subject")), /* another order */
	    VIEW_LIT(FROM "no field\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:From")),
	    VIEW_LIT(FROM "Subject:x\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:Subject")), /* not canonical */
	    VIEW_LIT(FROM "subject: x\r\n" TAGS("rsa-sha256", "example.test", "s1", "From:Subject")),
	    VIEW_LIT(TAGS("rsa-sha256", "example.test", "s1", "From:From")),
	    VIEW_LIT(GOOD "x"),
	    VIEW_LIT(GOOD "\r\n"),
	    VIEW_LIT(FROM "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=s1; t=1; h=From; " BH
			  "; l=0; b="),
	    VIEW_LIT(FROM "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; d=evil.test; s=s1; "
			  "t=1; h=From; " BH "; b="),
	    VIEW_LIT(FROM
		     "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=s1; t=1; h=From; bh=; b="),
	};

	(void)state;
	assert_true(is(VIEW_LIT(GOOD)));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (is(bad[i]))
			fail_msg("taken: %.*s", VIEW_FMT(bad[i]));
	for (size_t n = 0; n < sizeof GOOD - 1; n++)
		assert_false(is(view_from(GOOD, n)));
}

static int file_of(const char *text)
{
	int fd = memfd_create("keys", 0);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void put_key(struct buf *out, const char *name, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &pem);
	buf_printf(out, "key %s\n%.*s", name, (int)n, pem);
	BIO_free(bio);
}

static void signing(void **state)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *ec = EVP_EC_gen("P-256");
	struct buf text = BUF_INIT(65536), error = BUF_INIT(400), signature = BUF_INIT(DKIM_SIGNATURE_MAX);
	struct dkim_keys *k = dkim_keys_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char hash[32];
	bool no_key;
	struct view ed_input = VIEW_LIT(FROM TAGS("ed25519-sha256", "example.test", "e1", "From:From"));

	(void)state;
	buf_append_cstr(&text, "# a comment\n");
	put_key(&text, "example.test s1", rsa);
	put_key(&text, "example.test e1", ed);
	assert_int_equal(dkim_keys_load(k, file_of(buf_cstr(&text)), &error), 0);
	assert_int_equal(dkim_keys_count(k), 2);

	assert_null(dkim_keys_sign(k, VIEW_LIT("example.test"), VIEW_LIT("s1"), VIEW_LIT(GOOD), &signature, &no_key));
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, rsa, NULL), 1);
	assert_int_equal(EVP_DigestVerify(ctx, (unsigned char *)signature.p, signature.n, (const unsigned char *)GOOD,
					  sizeof GOOD - 1),
			 1);
	buf_reset(&signature);
	/* RFC 8463 §3: over the hash. */
	assert_null(dkim_keys_sign(k, VIEW_LIT("example.test"), VIEW_LIT("e1"), ed_input, &signature, &no_key));
	assert_int_equal(signature.n, 64);
	assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, ed_input.p, ed_input.n, hash, NULL), 1);
	EVP_MD_CTX_reset(ctx);
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, ed, NULL), 1);
	assert_int_equal(EVP_DigestVerify(ctx, (unsigned char *)signature.p, signature.n, hash, sizeof hash), 1);
	buf_reset(&signature);

	/* Another's domain, another's algorithm, what is no signature input. */
	assert_non_null(dkim_keys_sign(k, VIEW_LIT("evil.test"), VIEW_LIT("s1"), VIEW_LIT(GOOD), &signature, &no_key));
	assert_true(no_key);
	assert_non_null(
	    dkim_keys_sign(k, VIEW_LIT("example.test"), VIEW_LIT("e1"), VIEW_LIT(GOOD), &signature, &no_key));
	assert_false(no_key);
	assert_non_null(
	    dkim_keys_sign(k, VIEW_LIT("example.test"), VIEW_LIT("s1"), VIEW_LIT("pay me"), &signature, &no_key));
	assert_int_equal(signature.n, 0);

	/* A key of another kind is left out, the others are taken; a file replaces all. */
	buf_reset(&text);
	put_key(&text, "example.test x", ec);
	put_key(&text, "example.test e2", ed);
	assert_int_equal(dkim_keys_load(k, file_of(buf_cstr(&text)), &error), -EINVAL);
	assert_int_equal(dkim_keys_count(k), 1);
	buf_reset(&error);
	assert_int_equal(dkim_keys_load(k, file_of(""), &error), 0);
	assert_int_equal(dkim_keys_count(k), 0);
	buf_reset(&error);
	assert_int_equal(dkim_keys_load(k, file_of("key a b\nrubbish\nkey c d\n"), &error), -EINVAL);

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(ec);
	dkim_keys_free(&k);
	buf_fini(&text);
	buf_fini(&error);
	buf_fini(&signature);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(signing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
