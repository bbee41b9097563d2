/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICYD_BODY_HASH_H
#define POMBO_POLICYD_BODY_HASH_H

#include "base/mem.h"
#include "base/view.h"

/* SHA-256 of the content in DKIM's relaxed form (RFC 6376 §3.7), as it streams by. */
enum { BODY_HASH_BYTES = 32 };
struct body_hash;

/* Before the sandbox: OpenSSL looks around once. */
must_check int body_hash_prepare(void);
struct body_hash *body_hash_new(void);
void body_hash_free(struct body_hash **h);
/* Starts a message whose first `skip` bytes, the header block, do not count. */
void body_hash_begin(struct body_hash *h, uint64_t skip);
void body_hash_feed(struct body_hash *h, struct view bytes);
/* False: OpenSSL failed. */
must_check bool body_hash_end(struct body_hash *h, uint8_t ret[BODY_HASH_BYTES]);

#endif
