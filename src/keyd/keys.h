/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_KEYS_H
#define POMBO_KEYD_KEYS_H

#include "base/buf.h"
#include "base/mem.h"

#include <openssl/types.h>

/* The private keys. A key keeps its number as long as this process lives; the eighth newest goes when a ninth comes. */
enum {
	KEYS_MAX = 8,
	KEYS_PEM_MAX = 16384,
	KEYS_SIGNATURE_MAX = 1024,
	KEYS_SPKI_MAX = 8192,
	KEYS_LIST_MAX = KEYS_MAX * KEYS_SPKI_MAX,
};
struct keys;

/* Sets OpenSSL up and locks memory for the keys: before the sandbox. `ret_locked`: false when the kernel would not lock it. */
must_check int keys_prepare(bool *ret_locked);
struct keys *keys_new(void);
void keys_free(struct keys **k);

/* Reads a private key (PEM, without a passphrase) from `fd`, which is closed. The same key again changes nothing.
 * 0; -EINVAL: no such key, or one that TLS cannot use (with a text in `error`); another errno from reading. */
must_check int keys_load(struct keys *k, int fd, struct buf *error);
size_t keys_count(const struct keys *k);
/* The public half of key `i`, SubjectPublicKeyInfo in DER. */
struct view keys_spki(const struct keys *k, size_t i);

/* From any thread, while the one that made `k` goes on loading. */
/* A reference of the caller's to the private key `i`; NULL: there is none. */
EVP_PKEY *keys_get(struct keys *k, size_t i);
/* All public halves at once, copied to `bytes` (KEYS_LIST_MAX); returns how many. */
size_t keys_list(struct keys *k, struct buf *bytes, struct view ret[KEYS_MAX]);

#endif
