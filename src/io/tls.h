/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_TLS_H
#define POMBO_IO_TLS_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

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

/* ---- as a client ---- */
struct tls_client;

/* Any certificate is taken: how far it was verified is told afterwards. Nobody is trusted yet: verified is then only what TLSA records vouch
 * for. To be called before the sandbox. 0 or -EINVAL. */
must_check int tls_client_new(struct tls_client **ret);
/* The authorities to trust from the next connection on: an open PEM file, taken over; it is read when the first connection is made, as few
 * servers make one soon and hundreds of certificates take 2 MiB. */
void tls_client_set_authorities(struct tls_client *t, int fd);
struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client **t);

/* RFC 6698 §2.1. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct view data;
};
struct tls_target {
	const char *name; /* SNI, and the name the certificate should have; NULL: none */
	const char *const *other_names; /* also taken, with TLSA records of usage 2 (RFC 7672 §3.2.2) */
	size_t other_name_count;
	const struct tls_tlsa *tlsa; /* DANE (RFC 7672): then nothing else counts */
	size_t tlsa_count;
};
/* What is wrong with a certificate that could not be verified. */
enum tls_flaw { TLS_FLAW_NONE, TLS_FLAW_EXPIRED, TLS_FLAW_NAME, TLS_FLAW_UNTRUSTED, TLS_FLAW_TLSA };
enum tls_verified { TLS_NOT_VERIFIED, TLS_VERIFIED_NAME, TLS_VERIFIED_DANE };

#endif
