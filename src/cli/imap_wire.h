/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_IMAP_WIRE_H
#define POMBO_CLI_IMAP_WIRE_H

#include "base/buf.h"
#include "cli/patience.h"

#include <openssl/ssl.h>

/* A connection to another server, for imap_client.c: TCP, TLS, and how long it may take. Every int is 0 or an exit status, the error
 * printed. */
struct imap_wire {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL before TLS */
	struct patience patience;
};

struct imap_url;

must_check int imap_wire_connect(struct imap_wire *w, const struct imap_url *u, uint32_t idle_s);
must_check int imap_wire_tls(struct imap_wire *w, const struct imap_url *u, const char *ca_file, bool insecure);
/* After a connect, however it went; closed twice is well. */
void imap_wire_close(struct imap_wire *w);
/* Waits for some bytes, at most `max`, and appends them. */
must_check int imap_wire_read(struct imap_wire *w, struct buf *in, size_t max);
must_check int imap_wire_write(struct imap_wire *w, struct view bytes);
/* What goes wrong with the other server, now; the same command may be run again. */
int imap_wire_broken(const char *why);

#endif
