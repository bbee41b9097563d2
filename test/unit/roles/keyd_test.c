/* SPDX-License-Identifier: ISC
 * Keys from files to signatures, over a real channel: tls_keys in the front end, keyd in a thread of its own. */
#include "ipc/tls_keys.h"
#include "keyd/keyd.h"
#include "keyd/keys.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SPACES "                                                                "
#define TLS13_TBS                                                                                                      \
	VIEW_LIT(SPACES "TLS 1.3, server CertificateVerify\0"                                                          \
			"0123456789abcdef0123456789abcdef")

/* A pipe that holds the text, as a file would be handed over. */
static int file_of(struct view text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text.p, text.n), text.n);
	(void)close(fds[1]);
	return fds[0];
}

static int key_file(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int fd;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &p);
	fd = file_of(view_from(p, (size_t)n));
	BIO_free(bio);
	return fd;
}

static struct keys *with_key(struct keys *k, EVP_PKEY *key)
{
	struct buf error = BUF_INIT(500);

	assert_int_equal(keys_load(k, key_file(key), &error), 0);
	return k;
}

static void spki_of(EVP_PKEY *key, struct buf *ret)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);

	buf_reset(ret);
	buf_append(ret, der, (size_t)n);
	OPENSSL_free(der);
}

static EVP_PKEY *ec_key(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static bool verifies(EVP_PKEY *key, struct view signature, struct view tbs)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
		  EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n, (const unsigned char *)tbs.p,
				   tbs.n) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static void files_that_are_no_keys(void **state)
{
	struct keys *k = keys_new();
	struct buf error = BUF_INIT(500);
	EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *good = ec_key();
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	(void)state;
	assert_int_equal(keys_load(k, file_of(VIEW_EMPTY), &error), -EINVAL);
	assert_true(error.n > 0);
	assert_int_equal(
	    keys_load(k, file_of(VIEW_LIT("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), &error),
	    -EINVAL);
	assert_int_equal(keys_load(k, key_file(weak), &error), -EINVAL);
	assert_int_equal(keys_load(k, key_file(other), &error), -EINVAL);
	assert_int_equal(keys_load(k, -1, &error), -EBADF);
	/* with a passphrase: nobody is asked for it */
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, good, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &p);
	assert_int_equal(keys_load(k, file_of(view_from(p, (size_t)n)), &error), -EINVAL);
	assert_int_equal(keys_count(k), 0);
	BIO_free(bio);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(other);
	EVP_PKEY_free(good);
	keys_free(&k);
	buf_fini(&error);
}

static void keys_keep_their_numbers(void **state)
{
	struct keys *k = keys_new();
	EVP_PKEY *keys[KEYS_MAX + 1];
	struct buf spki = BUF_INIT(9000);

	(void)state;
	for (size_t i = 0; i <= KEYS_MAX; i++)
		keys[i] = ec_key();
	for (size_t i = 0; i < KEYS_MAX; i++) {
		with_key(with_key(k, keys[i]), keys[i]);
		assert_int_equal(keys_count(k), i + 1);
		spki_of(keys[i], &spki);
		assert_true(view_eq(keys_spki(k, i), buf_view(&spki)));
	}
	with_key(k, keys[KEYS_MAX]);
	assert_int_equal(keys_count(k), KEYS_MAX);
	spki_of(keys[KEYS_MAX], &spki);
	assert_true(view_eq(keys_spki(k, 0), buf_view(&spki)));
	spki_of(keys[1], &spki);
	assert_true(view_eq(keys_spki(k, 1), buf_view(&spki)));
	for (size_t i = 0; i <= KEYS_MAX; i++)
		EVP_PKEY_free(keys[i]);
	keys_free(&k);
	buf_fini(&spki);
}

static void signs_only_what_tls_signs(void **state)
{
	struct keys *k = keys_new();
	EVP_PKEY *ec = ec_key(), *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	struct buf out = BUF_INIT(KEYS_SIGNATURE_MAX);

	(void)state;
	with_key(with_key(k, ec), rsa);
	assert_null(keys_sign_tls(k, 0, 0x0403, TLS13_TBS, &out));
	assert_true(verifies(ec, buf_view(&out), TLS13_TBS));
	buf_reset(&out);
	assert_null(keys_sign_tls(k, 1, 0x0804, TLS13_TBS, &out));
	assert_int_equal(out.n, 256);
	buf_reset(&out);
	assert_non_null(keys_sign_tls(k, 2, 0x0403, TLS13_TBS, &out)); /* no such key */
	assert_non_null(keys_sign_tls(k, 1, 0x0403, TLS13_TBS, &out)); /* ECDSA with an RSA key */
	assert_non_null(keys_sign_tls(k, 0, 0x0804, TLS13_TBS, &out));
	assert_non_null(keys_sign_tls(k, 1, 0x0401, TLS13_TBS, &out)); /* PKCS #1 v1.5 in TLS 1.3 */
	assert_non_null(keys_sign_tls(k, 0, 0x0203, TLS13_TBS, &out)); /* SHA-1 */
	assert_non_null(keys_sign_tls(k, 0, 0x0403, VIEW_LIT("From: me"), &out));
	assert_non_null(keys_sign_tls(k, 0, 0x0403, VIEW_EMPTY, &out));
	assert_int_equal(out.n, 0);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	keys_free(&k);
	buf_fini(&out);
}

/* ---- both ends ---- */

struct server {
	struct keys *keys;
	struct event_base *base;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *s = arg;

	(void)event_base_dispatch(s->base); /* until the front end hangs up: no event is left then */
	return NULL;
}

static int server_start(struct server *s, struct keys *k)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->keys = k;
	s->base = event_base_new();
	keyd_serve(s->base, pair[0], k);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return pair[1];
}

static void server_join(struct server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	event_base_free(s->base);
	keys_free(&s->keys);
}

static void front_and_keyd(void **state)
{
	struct tls_keys *front = tls_keys_new();
	EVP_PKEY *ec = ec_key(), *other = ec_key(), *third = ec_key();
	struct server one, two;
	struct buf spki = BUF_INIT(9000), other_spki = BUF_INIT(9000), third_spki = BUF_INIT(9000),
		   out = BUF_INIT(2000);

	(void)state;
	spki_of(ec, &spki);
	spki_of(other, &other_spki);
	spki_of(third, &third_spki);
	assert_int_equal(tls_keys_sign(front, buf_view(&spki), 0x0403, TLS13_TBS, &out), -ENOTCONN);
	tls_keys_set_channel(front, server_start(&one, with_key(with_key(keys_new(), other), ec)));
	assert_int_equal(tls_keys_sign(front, buf_view(&spki), 0x0403, TLS13_TBS, &out), 0);
	assert_true(verifies(ec, buf_view(&out), TLS13_TBS));
	buf_reset(&out);
	assert_int_equal(tls_keys_sign(front, buf_view(&spki), 0x0403, VIEW_LIT("From: me"), &out), -EPERM);
	assert_int_equal(tls_keys_sign(front, buf_view(&third_spki), 0x0403, TLS13_TBS, &out), -ENOKEY);
	assert_int_equal(out.n, 0);
	/* keyd was restarted and numbers its keys otherwise: each still signs with its own */
	tls_keys_set_channel(front, server_start(&two, with_key(with_key(with_key(keys_new(), third), ec), other)));
	server_join(&one);
	assert_int_equal(tls_keys_sign(front, buf_view(&spki), 0x0403, TLS13_TBS, &out), 0);
	assert_true(verifies(ec, buf_view(&out), TLS13_TBS));
	buf_reset(&out);
	assert_int_equal(tls_keys_sign(front, buf_view(&third_spki), 0x0403, TLS13_TBS, &out), 0);
	assert_true(verifies(third, buf_view(&out), TLS13_TBS));
	tls_keys_free(&front);
	server_join(&two);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	EVP_PKEY_free(third);
	buf_fini(&spki);
	buf_fini(&other_spki);
	buf_fini(&third_spki);
	buf_fini(&out);
}

/* keyd dies, or talks nonsense: an error, soon, and no more calls on that channel. */
static void keyd_dies(void **state)
{
	struct tls_keys *front = tls_keys_new();
	EVP_PKEY *ec = ec_key();
	struct buf spki = BUF_INIT(9000), out = BUF_INIT(2000);
	int pair[2];

	(void)state;
	spki_of(ec, &spki);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		tls_keys_set_channel(front, pair[1]);
		if (i == 1)
			assert_int_equal(write(pair[0], "rubbish rubbish rubbish", 23), 23);
		(void)close(pair[0]);
		assert_true(tls_keys_sign(front, buf_view(&spki), 0x0403, TLS13_TBS, &out) < 0);
		assert_int_equal(tls_keys_sign(front, buf_view(&spki), 0x0403, TLS13_TBS, &out), -ENOTCONN);
	}
	tls_keys_free(&front);
	EVP_PKEY_free(ec);
	buf_fini(&spki);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_that_are_no_keys),
	    cmocka_unit_test(keys_keep_their_numbers),
	    cmocka_unit_test(signs_only_what_tls_signs),
	    cmocka_unit_test(front_and_keyd),
	    cmocka_unit_test(keyd_dies),
	};
	bool locked;

	if (keys_prepare(&locked) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
