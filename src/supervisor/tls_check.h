/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_TLS_CHECK_H
#define POMBO_SUPERVISOR_TLS_CHECK_H

#include "base/buf.h"
#include "base/mem.h"

/* Whether the certificate chain (PEM) can be read and the private key in `key_fd` is that of its first certificate. Looked at
 * in a child process, so that the key never enters this one. 0, or EX_CONFIG or EX_OSERR with `error`. */
must_check int tls_check(struct view chain_pem, const char *cert_path, int key_fd, const char *key_path,
			 struct buf *error);

#endif
