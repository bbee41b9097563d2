/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_TLS_CONN_H
#define POMBO_IO_TLS_CONN_H

#include "base/buf.h"
#include "io/tls.h"

/* The TLS of one connection as a transformation of bytes: ciphertext is fed in, plaintext read out, and the other way round. It
 * touches no socket: the stream reads and writes once a turn, however many records that is. For src/io only.
 *
 * What is encrypted is appended to `wire`, which the caller sends after each call. */
struct tls_conn;

enum tls_state {
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_PEER_DONE, /* close_notify came: no more plaintext */
	TLS_FAILED,
};

struct tls_conn *tls_conn_new(struct tls_server *server, struct buf *wire);
struct tls_conn *tls_conn_new_client(struct tls_client *client, const struct tls_target *target, struct buf *wire);
/* Once TLS_OPEN, as a client. `ret_why`: why not, static. */
enum tls_verified tls_conn_verified(const struct tls_conn *c, const char **ret_why);
enum tls_flaw tls_conn_flaw(const struct tls_conn *c);
void tls_conn_free(struct tls_conn **c);
enum tls_state tls_conn_state(const struct tls_conn *c);
const char *tls_conn_error(const struct tls_conn *c); /* why TLS_FAILED; for the log */

/* Lends bytes from the socket until tls_conn_keep(), which copies what is left of them. */
void tls_conn_feed(struct tls_conn *c, struct view cipher);
void tls_conn_keep(struct tls_conn *c);
/* Something can be read without feeding more. */
bool tls_conn_has_more(const struct tls_conn *c);

void tls_conn_handshake(struct tls_conn *c);
/* Plaintext into `p`, 0 when there is none (now, or for good: see the state). */
size_t tls_conn_read(struct tls_conn *c, char *p, size_t max);
void tls_conn_write(struct tls_conn *c, struct view plain); /* TLS_OPEN or TLS_PEER_DONE only */
void tls_conn_close_notify(struct tls_conn *c); /* once, whatever the state */

struct view tls_conn_text(struct tls_conn *c);
struct view tls_conn_sni(const struct tls_conn *c);
must_check bool tls_conn_exporter(const struct tls_conn *c, struct buf *out);
must_check bool tls_conn_unique(const struct tls_conn *c, struct buf *out);
must_check bool tls_conn_server_end_point(const struct tls_conn *c, struct buf *out);

#endif
