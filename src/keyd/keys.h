/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_KEYS_H
#define POMBO_KEYD_KEYS_H

#include "base/buf.h"
#include "base/mem.h"

/* The private keys. A key keeps its number as long as this process lives; the eighth newest goes when a ninth comes. */
enum { KEYS_MAX = 8, KEYS_PEM_MAX = 16384, KEYS_SIGNATURE_MAX = 1024 };
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

/* Signs `tbs` when it is what a TLS server signs and `scheme` suits the key and the version: appends to `ret`, returns NULL. Otherwise why not;
 * `ret` is untouched. */
must_check const char *keys_sign_tls(const struct keys *k, size_t i, uint16_t scheme, struct view tbs, struct buf *ret);

#endif
