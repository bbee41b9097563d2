/* SPDX-License-Identifier: ISC
 * The private keys, in locked memory. */
#include "keyd/keys.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	LOCKED_MIN_BYTES = 64 * 1024, /* eight RSA-4096 keys and one file */
	LOCKED_MAX_BYTES = 4 * 1024 * 1024, /* and the DKIM keys of 3,000 domains; pages count when they are used */
	LOCKED_BLOCK_BYTES = 32,
};

struct key {
	EVP_PKEY *pkey;
	struct buf spki_der;
};

/* The thread that made it loads; only it may read without the lock. */
struct keys {
	pthread_mutex_t lock;
	struct key items[KEYS_MAX];
	size_t n;
	size_t oldest;
};

/* As much as may be locked: a power of two. */
static size_t locked_bytes(void)
{
	size_t n = LOCKED_MAX_BYTES;
	struct rlimit l;

	if (geteuid() == 0 || getrlimit(RLIMIT_MEMLOCK, &l) < 0)
		return n;
	while (n > LOCKED_MIN_BYTES && n > l.rlim_cur)
		n /= 2;
	return n;
}

int keys_prepare(bool *ret_locked)
{
	unsigned char byte;
	int locked = CRYPTO_secure_malloc_init(locked_bytes(), LOCKED_BLOCK_BYTES);

	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) || locked == 0 ||
	    RAND_bytes(&byte, 1) != 1)
		return -EIO;
	*ret_locked = locked == 1;
	return 0;
}

struct keys *keys_new(void)
{
	struct keys *k = xcalloc(1, sizeof *k);

	(void)pthread_mutex_init(&k->lock, NULL);
	for (size_t i = 0; i < KEYS_MAX; i++)
		buf_init(&k->items[i].spki_der, KEYS_SPKI_MAX);
	return k;
}

void keys_free(struct keys **kp)
{
	struct keys *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	for (size_t i = 0; i < KEYS_MAX; i++) {
		EVP_PKEY_free(k->items[i].pkey);
		buf_fini(&k->items[i].spki_der);
	}
	(void)pthread_mutex_destroy(&k->lock);
	free(k);
}

/* ---- loading ---- */

static int no_passphrase(char *ret, int size, int write, void *ctx)
{
	(void)ret;
	(void)size;
	(void)write;
	(void)ctx;
	return -1;
}

/* The whole file into locked memory: bytes read, or a negative errno. */
static ssize_t read_file(int fd, char *pem)
{
	size_t n = 0;

	while (n < KEYS_PEM_MAX) {
		ssize_t got = read(fd, pem + n, KEYS_PEM_MAX - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int read_key(int fd, EVP_PKEY **ret)
{
	char *pem = OPENSSL_secure_malloc(KEYS_PEM_MAX);
	ssize_t n = pem ? read_file(fd, pem) : -ENOMEM;
	BIO *bio = n >= 0 ? BIO_new_mem_buf(pem, (int)n) : NULL;

	*ret = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_secure_clear_free(pem, KEYS_PEM_MAX);
	return n < 0 ? (int)n : 0;
}

static bool usable(const EVP_PKEY *pkey)
{
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return EVP_PKEY_get_bits(pkey) >= 2048 && EVP_PKEY_get_size(pkey) <= KEYS_SIGNATURE_MAX;
	return EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_is_a(pkey, "ED25519");
}

static bool public_half(EVP_PKEY *pkey, struct buf *ret)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);

	buf_append(ret, der, n > 0 ? (size_t)n : 0);
	OPENSSL_free(der);
	return n > 0 && !ret->overflow;
}

static bool has(const struct keys *k, struct view spki_der)
{
	for (size_t i = 0; i < k->n; i++)
		if (view_eq(keys_spki(k, i), spki_der))
			return true;
	return false;
}

static struct key *next_place(struct keys *k)
{
	struct key *place;

	if (k->n < KEYS_MAX)
		return &k->items[k->n++];
	place = &k->items[k->oldest];
	k->oldest = (k->oldest + 1) % KEYS_MAX;
	EVP_PKEY_free(place->pkey);
	buf_fini(&place->spki_der);
	return place;
}

static void add(struct keys *k, EVP_PKEY *pkey, struct view spki_der)
{
	struct key *place;

	(void)EVP_PKEY_up_ref(pkey);
	(void)pthread_mutex_lock(&k->lock);
	place = next_place(k);
	place->pkey = pkey;
	buf_append_view(&place->spki_der, spki_der);
	(void)pthread_mutex_unlock(&k->lock);
}

int keys_load(struct keys *k, int fd, struct buf *error)
{
	_cleanup_(buf_fini) struct buf spki_der = BUF_INIT(KEYS_SPKI_MAX);
	EVP_PKEY *pkey = NULL;
	int err = read_key(fd, &pkey);

	fd_close(&fd);
	if (err < 0) {
		buf_append_cstr(error, "cannot be read");
	} else if (!pkey) {
		buf_append_cstr(error, "no private key in PEM without a passphrase");
		err = -EINVAL;
	} else if (!usable(pkey) || !public_half(pkey, &spki_der)) {
		buf_append_cstr(error, "not a key TLS can use: ECDSA, Ed25519, or RSA from 2048 to 8192 bits");
		err = -EINVAL;
	} else if (!has(k, buf_view(&spki_der))) {
		add(k, pkey, buf_view(&spki_der));
	}
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return err;
}

size_t keys_count(const struct keys *k)
{
	return k->n;
}

struct view keys_spki(const struct keys *k, size_t i)
{
	return buf_view(&k->items[i].spki_der);
}

/* ---- from other threads ---- */

EVP_PKEY *keys_get(struct keys *k, size_t i)
{
	EVP_PKEY *pkey = NULL;

	(void)pthread_mutex_lock(&k->lock);
	if (i < k->n && EVP_PKEY_up_ref(k->items[i].pkey))
		pkey = k->items[i].pkey;
	(void)pthread_mutex_unlock(&k->lock);
	return pkey;
}

size_t keys_list(struct keys *k, struct buf *bytes, struct view ret[KEYS_MAX])
{
	size_t n;

	buf_reset(bytes);
	(void)buf_reserve(bytes, KEYS_LIST_MAX); /* the views stay valid */
	(void)pthread_mutex_lock(&k->lock);
	n = k->n;
	for (size_t i = 0; i < n; i++) {
		struct view spki_der = keys_spki(k, i);
		size_t at = bytes->n;

		buf_append_view(bytes, spki_der);
		ret[i] = view_sub(buf_view(bytes), at, spki_der.n);
	}
	(void)pthread_mutex_unlock(&k->lock);
	return n;
}
