/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_STREAM_INTERNAL_H
#define POMBO_IO_STREAM_INTERNAL_H

#include "io/stream.h"
#include "io/turn.h"

struct tls_conn;
struct deflate;

struct stream {
	struct turn *turn;
	const struct stream_handlers *handlers;
	void *ctx;
	struct event readable;
	struct event *writable; /* while the socket takes no more */
	struct turn_job job;
	struct turn_job later; /* queued: no more of what is there already in this turn */
	struct turn_deadline deadline;
	struct buf in; /* unread input that outlives its turn, from in_at on */
	size_t in_at;
	struct view fresh; /* unread input in the scratch memory, inside on_input only */
	struct buf out; /* not written yet; plaintext */
	struct buf raw; /* to be written before it, as it is */
	struct tls_conn *tls;
	struct deflate *deflate; /* NULL: bytes are what they are */
	struct buf packed; /* with `deflate`: what comes between `out` and `raw` */
	struct stream_limits limits;
	struct stream_peer peer;
	uint64_t idle_ms;
	uint64_t idle_from_ms;
	uint64_t total_at_ms;
	uint64_t end_at_ms; /* of closing */
	void (*release)(void *owner, const struct stream_peer *peer);
	void *release_owner;
	int fd;
	enum stream_end end;
	bool reading : 1;
	bool paused : 1;
	bool offer : 1; /* on_input is due */
	bool was_full : 1; /* on_drain is due */
	bool eof : 1;
	bool more_unread : 1; /* the last read filled its buffer */
	bool established : 1; /* on_tls was told */
	bool handed_over : 1; /* nothing was said in plaintext */
	bool closing : 1;
	bool notified : 1; /* close_notify is out */
	bool lingering : 1; /* FIN is out */
	bool dead : 1;
};

/* ---- shared by stream.c and stream_tls.c ---- */

static inline size_t stream_unread(const struct stream *s)
{
	return s->fresh.n + s->in.n - s->in_at;
}

/* Ends now; on_closed at the end of the turn. */
void stream_die(struct stream *s, enum stream_end end);
/* Ends when the output is written. */
void stream_end(struct stream *s, enum stream_end end);
void stream_schedule(struct stream *s);
/* As stream_input(), also before it was offered for the first time. */
struct view stream_all_input(const struct stream *s);
/* New plaintext, in scratch memory. Never more than the buffer has room for. */
void stream_take_input(struct stream *s, struct view bytes);
/* What the peer sent, decrypted: unpacked where need be. */
void stream_take_bytes(struct stream *s, struct view bytes);
/* Something unpacked can be offered without reading more. */
bool stream_can_inflate(const struct stream *s);
/* What is to be encrypted, or sent as it is: packed as far as makes sense at once. */
struct buf *stream_wire_out(struct stream *s);
/* Written by the role, and not encrypted or sent. */
static inline size_t stream_plain_bytes(const struct stream *s)
{
	return s->out.n + s->packed.n;
}
/* Sends `bytes`; how many were taken. */
size_t stream_send_some(struct stream *s, struct view bytes);
bool stream_tls_can_decrypt(const struct stream *s);
void stream_tls_decrypt(struct stream *s);
void stream_tls_flush(struct stream *s);
size_t stream_tls_read_size(const struct stream *s, size_t room);

/* ---- for the listener ---- */

/* What the listener does with a stream before a role sees it. For src/io only. */

/* As stream_new(), for a socket that is non-blocking and has TCP_NODELAY already, and whose peer is known. */
struct stream *stream_new_accepted(struct event_base *base, int fd, const struct stream_peer *peer,
				   const struct stream_limits *limits, const struct stream_handlers *handlers,
				   void *ctx);
void stream_set_peer(struct stream *s, const struct stream_peer *peer);
/* From a socket's address; port 0 and an empty text for anything but IPv4 and IPv6. */
struct sockaddr;
void stream_peer_from(const struct sockaddr *address, struct stream_peer *ret);
/* Called when the stream is freed, after on_closed. */
void stream_set_release(struct stream *s, void (*release)(void *owner, const struct stream_peer *peer), void *owner);
/* The stream is handed to its real owner: input that is there already is offered anew, and may be the first of a TLS handshake: nothing was
 * said in plaintext yet. */
void stream_hand_over(struct stream *s);

#endif
