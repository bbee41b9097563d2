/* SPDX-License-Identifier: ISC
 * The hash of a message's content, for a DKIM signature. */
#include "policyd/body_hash.h"

#include "mail/dkim_canon.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct body_hash {
	struct dkim_body canon;
	EVP_MD *sha256;
	EVP_MD_CTX *ctx;
	uint64_t skip;
	bool failed;
};

int body_hash_prepare(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
}

static void put(void *ctx, struct view bytes)
{
	struct body_hash *h = ctx;

	h->failed |= EVP_DigestUpdate(h->ctx, bytes.p, bytes.n) != 1;
}

struct body_hash *body_hash_new(void)
{
	struct body_hash *h = xcalloc(1, sizeof *h);

	h->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	return h;
}

void body_hash_free(struct body_hash **hp)
{
	struct body_hash *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->sha256);
	free(h);
}

void body_hash_begin(struct body_hash *h, uint64_t skip)
{
	h->skip = skip;
	h->failed = !h->ctx || !h->sha256 || EVP_DigestInit_ex2(h->ctx, h->sha256, NULL) != 1;
	dkim_body_init(&h->canon, put, h);
}

void body_hash_feed(struct body_hash *h, struct view bytes)
{
	size_t past = h->skip < bytes.n ? (size_t)h->skip : bytes.n;

	h->skip -= past;
	if (!h->failed)
		dkim_body_feed(&h->canon, view_sub(bytes, past, bytes.n));
}

bool body_hash_end(struct body_hash *h, uint8_t ret[BODY_HASH_BYTES])
{
	if (!h->failed)
		dkim_body_finish(&h->canon);
	return !h->failed && EVP_DigestFinal_ex(h->ctx, ret, NULL) == 1;
}
