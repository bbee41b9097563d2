/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_SCRAM_H
#define POMBO_AUTHD_SCRAM_H

#include "base/buf.h"
#include "base/mem.h"

/* The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677), with the channel bindings tls-exporter (RFC 9266),
 * tls-unique and tls-server-end-point (RFC 5929). Pure: no clock, no random numbers, no directory.
 *
 * scram_first() takes the client's first message, scram_challenge() makes the answer from the account's keys (or fake ones),
 * scram_final() checks the proof. */
enum {
	SCRAM_MESSAGE_MAX = 4096, /* of a client; names and nonces are shorter */
	SCRAM_KEY_BYTES = 32,
	SCRAM_SERVER_NONCE_BYTES = 18, /* random bytes, 24 characters */
};

enum scram_verdict {
	SCRAM_OK,
	SCRAM_MALFORMED, /* not what the RFC says */
	SCRAM_REFUSED, /* well-formed, but not this user, or not over this channel */
};

struct scram_channel {
	bool plus; /* the mechanism is -PLUS */
	struct view tls_exporter; /* empty where there is none; so are the others */
	struct view tls_unique;
	struct view tls_server_end_point;
};

struct scram {
	struct buf user; /* as the client sent it, decoded */
	struct buf authzid; /* empty: none */
	struct buf binding; /* what "c=" must be, decoded: GS2 header and binding data */
	struct buf nonce; /* the client's, then both */
	struct buf auth_message;
	uint8_t stored_key[SCRAM_KEY_BYTES];
	uint8_t server_key[SCRAM_KEY_BYTES];
};

void scram_init(struct scram *s);
void scram_fini(struct scram *s); /* wipes */

/* "y" where bindings were to be had is refused: somebody took -PLUS out of the list that the client saw (RFC 5802 §6). */
must_check enum scram_verdict scram_first(struct scram *s, struct view message, const struct scram_channel *channel);
/* Appends the server's first message. Keys are SCRAM_KEY_BYTES each; others count as keys that nothing fits. */
void scram_challenge(struct scram *s, struct view salt, uint32_t iterations, struct view stored_key,
		     struct view server_key, struct view server_nonce, struct buf *out);
/* SCRAM_OK: the client proved that it knows the password; the server's final message is appended to `out`. */
must_check enum scram_verdict scram_final(struct scram *s, struct view message, struct buf *out);

#endif
