/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_STREAM_H
#define POMBO_IO_STREAM_H

#include "base/buf.h"
#include "base/mem.h"

/* One connection of a client: a non-blocking TCP socket, plain or under TLS, on the role's loop. Reads into a bounded
 * buffer, gathers writes, keeps deadlines. Callbacks never destroy the stream: stream_close() marks it, the loop frees it at the
 * end of the turn (STYLE 21). An idle stream holds no buffers. */
struct event_base;
struct stream;
struct tls_server;

enum stream_end { STREAM_CLOSED_BY_US, STREAM_CLOSED_BY_PEER, STREAM_ERROR, STREAM_TIMEOUT };

struct stream_handlers {
	/* Bytes are there: look at stream_input(), take with stream_consume(). Called again when more arrived, and after
	 * stream_resume(). Return without consuming to wait for more; a full input buffer that nobody consumes from stops reading. */
	void (*on_input)(void *ctx);
	/* Output that was above the high mark is below the low mark again. */
	void (*on_drain)(void *ctx);
	/* The TLS handshake that stream_start_tls() began is over. error NULL: established. Otherwise the stream is closed next. */
	void (*on_tls)(void *ctx, const char *error);
	/* The stream is over, whoever ended it; always called, exactly once, last, never from within a call of the role's. It is
	 * closed already and frees itself after this. A peer that only shut down its sending side gets everything answered before:
	 * its end counts when no input is left and the stream is not paused. */
	void (*on_closed)(void *ctx, enum stream_end end);
	/* Idle or total deadline passed: the role may write a last line (421, * BYE) and then stream_close(); if it does nothing it is
	 * closed with STREAM_TIMEOUT. */
	void (*on_timeout)(void *ctx);
};

struct stream_limits {
	size_t in_max; /* input buffer bytes */
	size_t out_max; /* hard bound: passing it closes the stream */
	size_t out_high;
	size_t out_low;
};

struct stream_peer {
	char ip[64]; /* text form of the client's address (after PROXY), proven: INET6_ADDRSTRLEN is 46 */
	uint16_t port;
	bool loopback;
};

/* Takes over `fd`. TCP_NODELAY is set. */
struct stream *stream_new(struct event_base *base, int fd, const struct stream_limits *limits,
			  const struct stream_handlers *handlers, void *ctx);
void stream_set_handlers(struct stream *s, const struct stream_handlers *handlers, void *ctx);
const struct stream_peer *stream_peer(const struct stream *s);

/* Valid until on_input returns, consumed or not; outside of on_input until the role returns to the loop. */
struct view stream_input(const struct stream *s);
void stream_consume(struct stream *s, size_t n);
void stream_pause(struct stream *s); /* no on_input until resume; what arrives waits, in_max bytes at most */
void stream_resume(struct stream *s); /* on_input comes (later in this turn) if bytes are there already */
/* From within on_input, or paused: as stream_resume(), but on_input comes only when all other connections had their turn. */
void stream_yield(struct stream *s);

/* The peer has not said all that it will say before it waits for us: what arrived is acknowledged now, not with the next write or 40 ms later.
 * A peer that writes one thing in two pieces, without TCP_NODELAY, holds the second back until then. */
void stream_acknowledge(struct stream *s);

/* Copies the bytes; written at the end of the turn, all at once. */
void stream_write(struct stream *s, struct view bytes);
/* Output buffer to append to directly; call stream_flush() after. */
struct buf *stream_out(struct stream *s);
void stream_flush(struct stream *s);
bool stream_is_full(const struct stream *s); /* above out_high: stop producing until on_drain */
/* Something that was written is still here, and cannot have reached the other side; also from within on_closed. */
bool stream_has_unsent(const struct stream *s);

/* The idle deadline starts anew at each input (within TLS: at what can be read, not at parts of records or what TLS says to itself), when blocked
 * output moves on, and on resume; it rests while paused. The total deadline counts from the call. 0: none. Deadlines come up to 0.13 s late. */
void stream_set_idle_timeout(struct stream *s, uint64_t ms);
void stream_set_total_timeout(struct stream *s, uint64_t ms);

/* Begins a TLS handshake as server. What was written before still goes out in plaintext, what is written from now on waits for the handshake.
 * Unread input must be empty (the caller refuses injected plaintext, RFC 3207 §4.2 / CVE-2011-0411): that is asserted. Only a stream fresh from the
 * listener may have some. The handshake has no deadline of its own, and each byte of it starts the idle one anew: set the total one. */
void stream_start_tls(struct stream *s, struct tls_server *tls);
/* The same as client, at once. */
struct tls_client;
struct tls_target;
void stream_start_tls_client(struct stream *s, struct tls_client *tls, const struct tls_target *target);
/* As client, once established: how far the peer's certificate was verified (enum tls_verified), and why not further. */
/* Why it is not verified. */
int stream_tls_flaw(const struct stream *s); /* enum tls_flaw */
int stream_tls_verified(const struct stream *s, const char **ret_why);
/* The other side said that nothing more comes (close_notify). Where it only hung up, somebody on the way may have cut off what it said
 * (RFC 8446 §6.1). */
bool stream_tls_ended(const struct stream *s);
bool stream_is_tls(const struct stream *s);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty without TLS. Valid while the stream lives. */
struct view stream_tls_text(const struct stream *s);
struct view stream_tls_sni(const struct stream *s);
/* Channel bindings: tls-exporter (RFC 9266, 32 bytes; TLS 1.3 or EMS) and tls-server-end-point (RFC 5929 §4). false: not available. */
must_check bool stream_tls_exporter(const struct stream *s, struct buf *out);
must_check bool stream_tls_unique(const struct stream *s, struct buf *out); /* RFC 5929 §3: TLS 1.2 with EMS */
must_check bool stream_tls_server_end_point(const struct stream *s, struct buf *out);

/* From now on both sides speak DEFLATE (RFC 1951, 4978), below TLS where that is on. What was written before goes out as it is; unread input is
 * taken for packed already. Once only. Input that is not DEFLATE ends the stream. */
void stream_start_deflate(struct stream *s);
bool stream_is_deflated(const struct stream *s);

/* Writes what is gathered (within 10 s), sends TLS close_notify, closes; on_closed follows. Consume what was answered first: where input is left,
 * the peer gets 2 s to read the last reply and hang up, as closing at once would reset the connection. */
void stream_close(struct stream *s);
/* Closes at once, for a peer that takes nothing any more: what is not written is lost. */
void stream_abort(struct stream *s);
bool stream_is_closing(const struct stream *s);

#endif
