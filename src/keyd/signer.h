/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_SIGNER_H
#define POMBO_KEYD_SIGNER_H

#include "keyd/keys.h"

/* Signs TLS handshakes for one front end; each thread has its own. It keeps OpenSSL's context of the key and scheme it used last: finding
 * the algorithms anew each time costs a fifth of an ECDSA signature, and twice that with cold caches. */
struct signer;

/* `k` outlives it. */
struct signer *signer_new(struct keys *k);
void signer_free(struct signer **s);
/* Signs `tbs` when it is what a TLS server signs and `scheme` suits the key and the version: appends to `ret`, returns NULL. Otherwise why not;
 * `ret` is untouched. */
must_check const char *signer_sign_tls(struct signer *s, size_t key, uint16_t scheme, struct view tbs, struct buf *ret);

#endif
