/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_TLS_H
#define POMBO_IO_TLS_H

#include "base/buf.h"
#include "base/mem.h"

/* TLS server settings of a front end: certificate here, private key in keyd. */
struct tls_server;

/* Everything that OpenSSL reads from files or allocates for good: to be called in a role's prepare(), before the sandbox. No system
 * configuration file is read. 0 or negative errno; again and again is fine. */
must_check int tls_prepare(void);

/* Signs for the handshake: asks keyd (ipc/tls_keys.h) and waits for it. Appends the signature (as TLS wants it) to `ret`; 0 or negative errno.
 * spki_der: the SubjectPublicKeyInfo of the key that is to sign; scheme: SignatureScheme (RFC 8446 §4.2.3); tbs: the whole content to be
 * signed. */
typedef int tls_sign_fn(void *ctx, struct view spki_der, uint16_t scheme, struct view tbs, struct buf *ret);

/* One SSL_CTX from the chain (PEM, leaf first). TLS 1.2 with ECDHE+AEAD only, and 1.3; no compression, no renegotiation; tickets with keys that
 * rotate, in memory only; SSL_MODE_RELEASE_BUFFERS. `min_version` 12 or 13. 0, or -EINVAL with a text for the log in `error`. `sign_ctx` outlives
 * every connection. */
must_check int tls_server_new(struct view chain_pem, unsigned min_version, tls_sign_fn *sign, void *sign_ctx,
			      struct tls_server **ret, struct buf *error);
/* Connections that use it keep it alive. */
void tls_server_unref(struct tls_server **t);
struct tls_server *tls_server_ref(struct tls_server *t);

#endif
