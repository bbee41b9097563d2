/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_TLS_INTERNAL_H
#define POMBO_IO_TLS_INTERNAL_H

#include "io/tls.h"

#include <openssl/ssl.h>

/* What tls.c, tls_conn.c, tls_remote.c and tls_ticket.c share. For src/io only. */

SSL_CTX *tls_server_ctx(const struct tls_server *t);
SSL_CTX *tls_client_ctx(struct tls_client *t);
/* Sets name and TLSA records. False: no usable record among them. */
must_check bool tls_client_aim(SSL *ssl, const struct tls_target *target);
/* tls-server-end-point of the leaf certificate (RFC 5929 §4); empty when there is none. */
struct view tls_server_end_point(const struct tls_server *t);

/* Loads the provider whose keys are public halves that sign through a tls_sign_fn. 0 or -EIO; once loaded it stays. */
must_check int tls_remote_load(void);
/* A private key for SSL_CTX_use_PrivateKey() that goes with `public_key`; NULL when its kind cannot sign for TLS. */
EVP_PKEY *tls_remote_key(EVP_PKEY *public_key, tls_sign_fn *sign, void *sign_ctx);

/* Encrypts session tickets under keys of this process that rotate. */
must_check int tls_ticket_setup(SSL_CTX *ctx);

#endif
