/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_TLS_KEYS_H
#define POMBO_IPC_TLS_KEYS_H

#include "base/buf.h"
#include "base/mem.h"

/* A front end's way to the private keys of its certificates: asks keyd over the `sign` channel, synchronously (about 0.1 ms).
 *
 *     role prepare():                        tls_prepare()
 *     on_channel(list "sign", peer "key"):   tls_keys_set_channel(keys, fd)
 *     on_certificate(pem):                   tls_server_new(pem, 12 or 13, tls_keys_sign, keys, &server, &error)
 *
 * While keyd is away signing fails, and with it the handshakes that need it; established connections do not notice. */
struct tls_keys;

struct tls_keys *tls_keys_new(void);
void tls_keys_free(struct tls_keys **k);
/* Takes over `fd`, and closes the former one: keyd was restarted. */
void tls_keys_set_channel(struct tls_keys *k, int fd);
/* A tls_sign_fn; ctx is the struct tls_keys. -ENOTCONN: no keyd; -ENOKEY: keyd has no such key; -EPERM: keyd refused. */
must_check int tls_keys_sign(void *ctx, struct view spki_der, uint16_t scheme, struct view tbs, struct buf *ret);

#endif
