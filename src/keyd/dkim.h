/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_DKIM_H
#define POMBO_KEYD_DKIM_H

#include "base/buf.h"
#include "base/mem.h"

/* The DKIM keys, each for one domain and selector, and what they sign: the canonical header fields of a message with a DKIM-Signature of that
 * domain and selector at their end (RFC 6376 §3.7), From among them, and nothing else.
 *
 * They come in one file: for each key a line "key DOMAIN SELECTOR", then the private key in PEM. Other lines between them do not count. */
struct dkim_keys;

enum { DKIM_KEYS_FILE_MAX = 16 * 1024 * 1024, DKIM_SIGNATURE_MAX = 1024 };

struct dkim_keys *dkim_keys_new(void);
void dkim_keys_free(struct dkim_keys **k);
/* Replaces all keys by those of the file, which is closed. 0; -EINVAL (with a text in `error`): a key in it is none, or of another kind than RSA
 * (from 1024 bits) or Ed25519; the others are taken. Another errno: cannot be read; nothing has changed. */
must_check int dkim_keys_load(struct dkim_keys *k, int fd, struct buf *error);
size_t dkim_keys_count(const struct dkim_keys *k);

/* Appends the signature to `ret` and returns NULL; otherwise why not. */
must_check const char *dkim_keys_sign(const struct dkim_keys *k, struct view domain, struct view selector,
				      struct view input, struct buf *ret, bool *ret_no_key);

/* Whether `input` has the form of what is signed for that domain and selector with that algorithm ("rsa-sha256"). Pure. */
must_check bool dkim_input_is(struct view input, struct view domain, struct view selector, const char *algorithm);

#endif
