/* SPDX-License-Identifier: ISC
 * Keys from files to signatures, over a real channel: tls_keys in the front end, keyd's threads at the other end. */
#include "ipc/channel.h"
#include "ipc/msgs/sign_msgs.h"
#include "ipc/sync.h"
#include "ipc/tls_keys.h"
#include "keyd/front.h"
#include "keyd/fronts.h"
#include "keyd/signer.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define SPACES "                                                                "
#define TLS13_TBS                                                                                                      \
	VIEW_LIT(SPACES "TLS 1.3, server CertificateVerify\0"                                                          \
			"0123456789abcdef0123456789abcdef")

#define RANDOMS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TLS12_TBS                                                                                                      \
	VIEW_LIT(RANDOMS "\3\0\x1d\x20"                                                                                \
			 "0123456789abcdef0123456789abcdef") /* X25519 */

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

static bool verifies_as(EVP_PKEY *key, const char *digest, bool pss, struct view signature, struct view tbs)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	bool ok = EVP_DigestVerifyInit_ex(ctx, &how, digest, NULL, NULL, key, NULL) == 1 &&
		  (!pss || (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
			    EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		  EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n, (const unsigned char *)tbs.p,
				   tbs.n) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static bool verifies(EVP_PKEY *key, struct view signature, struct view tbs)
{
	return verifies_as(key, "SHA256", false, signature, tbs);
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
	struct signer *s = signer_new(k);
	EVP_PKEY *ec = ec_key(), *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	struct buf out = BUF_INIT(KEYS_SIGNATURE_MAX);

	(void)state;
	with_key(with_key(k, ec), rsa);
	assert_null(signer_sign_tls(s, 0, 0x0403, TLS13_TBS, &out));
	assert_true(verifies(ec, buf_view(&out), TLS13_TBS));
	buf_reset(&out);
	assert_null(signer_sign_tls(s, 1, 0x0804, TLS13_TBS, &out));
	assert_int_equal(out.n, 256);
	buf_reset(&out);
	assert_non_null(signer_sign_tls(s, 2, 0x0403, TLS13_TBS, &out)); /* no such key */
	assert_non_null(signer_sign_tls(s, 1, 0x0403, TLS13_TBS, &out)); /* ECDSA with an RSA key */
	assert_non_null(signer_sign_tls(s, 0, 0x0804, TLS13_TBS, &out));
	assert_non_null(signer_sign_tls(s, 1, 0x0401, TLS13_TBS, &out)); /* PKCS #1 v1.5 in TLS 1.3 */
	assert_non_null(signer_sign_tls(s, 0, 0x0203, TLS13_TBS, &out)); /* SHA-1 */
	assert_non_null(signer_sign_tls(s, 0, 0x0403, VIEW_LIT("From: me"), &out));
	assert_non_null(signer_sign_tls(s, 0, 0x0403, VIEW_EMPTY, &out));
	assert_int_equal(out.n, 0);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	signer_free(&s);
	keys_free(&k);
	buf_fini(&out);
}

/* One context is kept: each question may need another key, scheme or version than the one before. */
static void one_after_the_other(void **state)
{
	static const struct {
		uint16_t scheme;
		const char *digest;
		bool pss;
		bool tls12;
	} rsa_cases[] = {{0x0804, "SHA256", true, false}, {0x0805, "SHA384", true, false},
			 {0x0806, "SHA512", true, true},  {0x0401, "SHA256", false, true},
			 {0x0501, "SHA384", false, true}, {0x0601, "SHA512", false, true}};
	struct keys *k = keys_new();
	struct signer *s = signer_new(k);
	EVP_PKEY *ec = ec_key(), *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"),
		 *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
		 *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct buf out = BUF_INIT(KEYS_SIGNATURE_MAX);

	(void)state;
	with_key(with_key(with_key(with_key(k, ec), other), rsa), ed);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rsa_cases); i++) {
		size_t n = i / 2; /* the same twice: made anew, and kept */
		struct view tbs = rsa_cases[n].tls12 ? TLS12_TBS : TLS13_TBS;

		buf_reset(&out);
		assert_null(signer_sign_tls(s, 2, rsa_cases[n].scheme, tbs, &out));
		assert_true(verifies_as(rsa, rsa_cases[n].digest, rsa_cases[n].pss, buf_view(&out), tbs));
		if (i % 4 != 3)
			continue;
		buf_reset(&out);
		assert_null(signer_sign_tls(s, 1, 0x0503, TLS13_TBS, &out));
		assert_true(verifies_as(other, "SHA384", false, buf_view(&out), TLS13_TBS));
		buf_reset(&out);
		assert_null(signer_sign_tls(s, 3, 0x0807, TLS12_TBS, &out));
		assert_true(verifies_as(ed, NULL, false, buf_view(&out), TLS12_TBS));
		buf_reset(&out);
		assert_null(signer_sign_tls(s, 0, 0x0403, TLS12_TBS, &out));
		assert_true(verifies(ec, buf_view(&out), TLS12_TBS));
		/* a refusal in between changes nothing */
		assert_non_null(signer_sign_tls(s, 0, 0x0804, TLS13_TBS, &out));
	}
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
	signer_free(&s);
	keys_free(&k);
	buf_fini(&out);
}

/* The number of a key that went is another key's: what the signer kept does not sign for that. */
static void a_number_goes_on_to_another_key(void **state)
{
	struct keys *k = keys_new();
	struct signer *s = signer_new(k);
	EVP_PKEY *first = ec_key(), *last = ec_key();
	struct buf out = BUF_INIT(KEYS_SIGNATURE_MAX);

	(void)state;
	with_key(k, first);
	assert_null(signer_sign_tls(s, 0, 0x0403, TLS13_TBS, &out));
	assert_true(verifies(first, buf_view(&out), TLS13_TBS));
	for (size_t i = 1; i < KEYS_MAX; i++) {
		EVP_PKEY *key = ec_key();

		with_key(k, key);
		EVP_PKEY_free(key);
	}
	with_key(k, last);
	buf_reset(&out);
	assert_null(signer_sign_tls(s, 0, 0x0403, TLS13_TBS, &out));
	assert_true(verifies(last, buf_view(&out), TLS13_TBS));
	assert_false(verifies(first, buf_view(&out), TLS13_TBS));
	EVP_PKEY_free(first);
	EVP_PKEY_free(last);
	signer_free(&s);
	keys_free(&k);
	buf_fini(&out);
}

/* ---- both ends ---- */

/* keyd's loop and threads, without its process. */
struct server {
	struct keys *keys;
	struct event_base *base;
	struct fronts *fronts;
	int fd; /* of the front end served last */
	size_t ended, odd;
};

static void on_end(void *ctx, int fd, const char *odd)
{
	struct server *s = ctx;

	assert_int_equal(fd, s->fd);
	s->ended++;
	s->odd += odd != NULL;
}

static void server_init(struct server *s, struct keys *k)
{
	*s = (struct server){.keys = k, .base = event_base_new()};
	s->fronts = fronts_new(s->base, k);
}

static int server_add(struct server *s)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->fd = pair[0];
	assert_int_equal(fronts_add(s->fronts, pair[0]), 0);
	return pair[1];
}

static int server_start(struct server *s, struct keys *k)
{
	server_init(s, k);
	return server_add(s);
}

/* All front ends have hung up, or will. */
static void server_join(struct server *s)
{
	while (fronts_count(s->fronts) > 0)
		assert_int_equal(event_base_loop(s->base, EVLOOP_ONCE), 0);
	fronts_free(&s->fronts);
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

/* Whoever ends, the loop hears of it, of the descriptor that is still open, and whether the rules were broken. */
static void ends_are_told(void **state)
{
	struct server s;
	int fd;

	(void)state;
	server_init(&s, keys_new());
	channel_on_end(on_end, &s);
	(void)close(server_add(&s));
	assert_int_equal(event_base_loop(s.base, EVLOOP_ONCE), 0);
	assert_int_equal(s.ended, 1);
	assert_int_equal(s.odd, 0);
	fd = server_add(&s);
	assert_int_equal(write(fd, "rubbish rubbish rubbish", 23), 23);
	assert_int_equal(event_base_loop(s.base, EVLOOP_ONCE), 0);
	assert_int_equal(s.ended, 2);
	assert_int_equal(s.odd, 1);
	(void)close(fd);
	assert_int_equal(fronts_count(s.fronts), 0);
	channel_on_end(NULL, NULL);
	server_join(&s);
}

struct asker {
	pthread_t thread;
	struct tls_keys *front;
	EVP_PKEY *key;
	bool ok;
};

static void *ask_often(void *arg)
{
	struct asker *a = arg;
	struct buf spki = BUF_INIT(9000), out = BUF_INIT(2000);

	spki_of(a->key, &spki);
	a->ok = true;
	for (int i = 0; i < 50 && a->ok; i++) {
		buf_reset(&out);
		a->ok = tls_keys_sign(a->front, buf_view(&spki), 0x0403, TLS13_TBS, &out) == 0 &&
			verifies(a->key, buf_view(&out), TLS13_TBS);
	}
	buf_fini(&spki);
	buf_fini(&out);
	return NULL;
}

/* Several front ends at once, each with a key of its own, while more keys come. */
static void many_at_once(void **state)
{
	enum { ASKERS = 4 };
	struct asker askers[ASKERS];
	struct server s;

	(void)state;
	server_init(&s, keys_new());
	for (size_t i = 0; i < ASKERS; i++) {
		askers[i].key = ec_key();
		askers[i].front = tls_keys_new();
		with_key(s.keys, askers[i].key);
		tls_keys_set_channel(askers[i].front, server_add(&s));
	}
	for (size_t i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
	while (keys_count(s.keys) < KEYS_MAX) {
		EVP_PKEY *more = ec_key();

		with_key(s.keys, more);
		EVP_PKEY_free(more);
	}
	for (size_t i = 0; i < ASKERS; i++) {
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
		assert_true(askers[i].ok);
		tls_keys_free(&askers[i].front);
		EVP_PKEY_free(askers[i].key);
	}
	server_join(&s);
}

/* ---- when, and on which core ---- */

static uint64_t turn_ns(void)
{
	uint64_t attr[6] = {0}; /* struct sched_attr, whose fourth of six is sched_runtime */

	return syscall(SYS_sched_getattr, 0, attr, sizeof attr, 0) == 0 ? attr[3] : 0;
}

static void *turn_of_thread(void *arg)
{
	*(uint64_t *)arg = turn_ns();
	return NULL;
}

/* What is asked for before the sandbox is true of the threads that come later. A kernel that knows no turns says 0. */
static void threads_have_short_turns(void **state)
{
	uint64_t before = turn_ns(), mine, theirs = UINT64_MAX;
	pthread_t thread;

	(void)state;
	front_prepare();
	mine = turn_ns();
	assert_int_equal(pthread_create(&thread, NULL, turn_of_thread, &theirs), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(mine == theirs);
	assert_true(mine == (before ? 100000 : 0));
}

static void *run_front(void *arg)
{
	(void)front_run(arg);
	return NULL;
}

static void ask_from(struct sync_channel *c, uint16_t cpu)
{
	struct buf payload = BUF_INIT(1000);
	struct sign_tls_sign question = {.key_index = 0, .scheme = 0x0403, .cpu = cpu, .tbs = TLS13_TBS};
	struct sign_msg m;

	assert_true(sign_put_tls_sign(&payload, &question));
	assert_int_equal(sync_channel_call(c, SIGN_TLS_SIGN, buf_view(&payload), NULL, 0, 20000, &m), 0);
	assert_int_equal(m.type, SIGN_SIGNATURE);
	buf_fini(&payload);
}

static int cores_of(pthread_t thread, int cpu)
{
	cpu_set_t set;

	assert_int_equal(pthread_getaffinity_np(thread, sizeof set, &set), 0);
	return CPU_ISSET(cpu, &set) ? CPU_COUNT(&set) : 0;
}

/* It goes where it is asked from twice running, and does not mind numbers of cores that are not there. */
static void follows_its_front_end(void **state)
{
	struct keys *k = keys_new();
	EVP_PKEY *ec = ec_key();
	struct sync_channel c;
	struct front *f;
	pthread_t thread;
	int pair[2], cpu = sched_getcpu(), all;

	(void)state;
	assert_true(cpu >= 0);
	with_key(k, ec);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f = front_new(pair[0], k);
	sync_channel_init(&c, pair[1], &sign_proto, SIGN_PEER_FRONT, SIGN_PEER_KEY);
	assert_int_equal(pthread_create(&thread, NULL, run_front, f), 0);
	all = cores_of(thread, cpu);
	ask_from(&c, UINT16_MAX);
	ask_from(&c, UINT16_MAX);
	ask_from(&c, 1000);
	ask_from(&c, 1000);
	ask_from(&c, (uint16_t)cpu);
	ask_from(&c, 1001);
	ask_from(&c, (uint16_t)cpu);
	ask_from(&c, UINT16_MAX); /* what came of the one before is done by now */
	assert_int_equal(cores_of(thread, cpu), all);
	ask_from(&c, (uint16_t)cpu);
	ask_from(&c, (uint16_t)cpu);
	ask_from(&c, UINT16_MAX);
	assert_int_equal(cores_of(thread, cpu), 1);
	sync_channel_fini(&c);
	assert_int_equal(pthread_join(thread, NULL), 0);
	front_free(&f);
	EVP_PKEY_free(ec);
	keys_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_that_are_no_keys),
	    cmocka_unit_test(keys_keep_their_numbers),
	    cmocka_unit_test(signs_only_what_tls_signs),
	    cmocka_unit_test(one_after_the_other),
	    cmocka_unit_test(a_number_goes_on_to_another_key),
	    cmocka_unit_test(front_and_keyd),
	    cmocka_unit_test(keyd_dies),
	    cmocka_unit_test(ends_are_told),
	    cmocka_unit_test(many_at_once),
	    cmocka_unit_test(threads_have_short_turns),
	    cmocka_unit_test(follows_its_front_end),
	};
	bool locked;

	if (keys_prepare(&locked) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
