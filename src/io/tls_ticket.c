/* SPDX-License-Identifier: ISC
 * Keys of TLS session tickets: in memory only, of this process only, a new one each hour.
 *
 * A ticket that another process of the kind gave cannot be read here: the client gets a full handshake. */
#include "base/clock.h"
#include "base/random.h"
#include "io/tls_internal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

enum {
	KEYS = 3, /* the present one and two for reading only */
	KEY_LIFE_MS = 3600 * 1000,
	NAME_BYTES = 16,
	SECRET_BYTES = 32,
};

struct ticket_key {
	uint64_t made_ms; /* 0: none yet */
	unsigned char name[NAME_BYTES];
	unsigned char aes[SECRET_BYTES];
	unsigned char hmac[SECRET_BYTES];
};

static struct ticket_key keys[KEYS]; /* newest first */
static EVP_CIPHER *aes_256_cbc;

static void rotate(uint64_t now_ms)
{
	if (keys[0].made_ms && now_ms - keys[0].made_ms < KEY_LIFE_MS)
		return;
	memmove(&keys[1], &keys[0], (KEYS - 1) * sizeof keys[0]);
	random_bytes(&keys[0], sizeof keys[0]);
	keys[0].made_ms = now_ms ? now_ms : 1;
}

static bool start(const struct ticket_key *k, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		  int encrypt)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->hmac, sizeof k->hmac),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
	    OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, params) && EVP_CipherInit_ex(cipher, aes_256_cbc, NULL, k->aes, iv, encrypt);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good but give a new ticket, 0 unknown key, -1 error. */
static int on_ticket(SSL *ssl, unsigned char name[NAME_BYTES], unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int encrypt)
{
	uint64_t now_ms = clock_mono_ms();

	(void)ssl;
	rotate(now_ms);
	if (encrypt) {
		memcpy(name, keys[0].name, NAME_BYTES);
		random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(aes_256_cbc));
		return start(&keys[0], iv, cipher, mac, 1) ? 1 : -1;
	}
	for (size_t i = 0; i < KEYS; i++) {
		if (!keys[i].made_ms || now_ms - keys[i].made_ms > (uint64_t)KEYS * KEY_LIFE_MS ||
		    memcmp(name, keys[i].name, NAME_BYTES) != 0)
			continue;
		if (!start(&keys[i], iv, cipher, mac, 0))
			return -1;
		return i == 0 ? 1 : 2;
	}
	return 0;
}

int tls_ticket_setup(SSL_CTX *ctx)
{
	if (!aes_256_cbc)
		aes_256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!aes_256_cbc || !SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket))
		return -EIO;
	/* One ticket a connection: two are for browsers that open several at once. */
	if (!SSL_CTX_set_num_tickets(ctx, 1))
		return -EIO;
	(void)SSL_CTX_set_timeout(ctx, (KEYS - 1) * KEY_LIFE_MS / 1000);
	return 0;
}
