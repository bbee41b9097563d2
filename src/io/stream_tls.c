/* SPDX-License-Identifier: ISC
 * TLS of a stream: what it reads is decrypted into the loop's scratch memory, what it writes encrypted there. */
#include "io/tls_conn.h"

#include "base/clock.h"
#include "io/deflate.h"
#include "io/stream_internal.h"

#include <assert.h>

enum {
	RECORD_BYTES = 18 * 1024, /* a TLS record never needs more */
	ENCRYPT_BYTES = 128 * 1024, /* plaintext for one send */
};

/* Puts what TLS just encrypted behind what waits already. */
static void keep_wire(struct stream *s)
{
	struct buf *wire = &s->turn->wire;

	buf_append_view(&s->raw, buf_view(wire));
	if (s->raw.overflow || wire->overflow)
		stream_die(s, STREAM_ERROR);
	buf_reset(wire);
	stream_schedule(s);
}

/* Sends what TLS just encrypted, or keeps it. */
static void send_wire(struct stream *s)
{
	struct buf *wire = &s->turn->wire;

	if (s->raw.n == 0)
		buf_consume(wire, stream_send_some(s, buf_view(wire)));
	if (wire->n > 0 || wire->overflow)
		keep_wire(s);
}

/* Tells the outcome of the handshake once; true when plaintext can flow. */
static bool handshake(struct stream *s)
{
	if (s->established)
		return true;
	tls_conn_handshake(s->tls);
	if (tls_conn_state(s->tls) == TLS_OPEN)
		keep_wire(s); /* tickets: they leave together with the first reply */
	else
		send_wire(s);
	switch (tls_conn_state(s->tls)) {
	case TLS_HANDSHAKE:
		return false;
	case TLS_FAILED:
		if (!s->closing && s->handlers->on_tls)
			s->handlers->on_tls(s->ctx, tls_conn_error(s->tls));
		stream_end(s, STREAM_ERROR);
		return false;
	case TLS_OPEN:
	case TLS_PEER_DONE:
		break;
	}
	s->established = true;
	if (s->handlers->on_tls)
		s->handlers->on_tls(s->ctx, NULL);
	return !s->closing;
}

/* Decrypts what was fed, as far as there is room. */
void stream_tls_decrypt(struct stream *s)
{
	size_t room = s->deflate ? TURN_SCRATCH_BYTES : s->limits.in_max - stream_unread(s);
	size_t n;

	if (s->closing || !handshake(s) || (s->deflate && deflate_has_more(s->deflate)))
		return;
	n = tls_conn_read(s->tls, s->turn->plain, room < TURN_SCRATCH_BYTES ? room : TURN_SCRATCH_BYTES);
	if (n > 0)
		s->idle_from_ms = clock_mono_ms();
	send_wire(s); /* the answer to a KeyUpdate, an alert */
	stream_take_bytes(s, view_from(s->turn->plain, n));
	switch (tls_conn_state(s->tls)) {
	case TLS_HANDSHAKE:
	case TLS_OPEN:
		break;
	case TLS_PEER_DONE:
		s->eof = true;
		break;
	case TLS_FAILED:
		stream_end(s, STREAM_ERROR);
		break;
	}
	stream_schedule(s);
}

bool stream_tls_can_decrypt(const struct stream *s)
{
	return s->tls && !s->closing && stream_unread(s) < s->limits.in_max && tls_conn_has_more(s->tls) &&
	       !(s->deflate && deflate_has_more(s->deflate));
}

size_t stream_tls_read_size(const struct stream *s, size_t room)
{
	if (room == 0 || tls_conn_has_more(s->tls))
		return 0;
	if (room < RECORD_BYTES)
		room = RECORD_BYTES;
	return room < TURN_SCRATCH_BYTES ? room : TURN_SCRATCH_BYTES;
}

/* Encrypts and sends `out` piece by piece; the farewell rides in the last one. */
void stream_tls_flush(struct stream *s)
{
	do {
		struct buf *out = stream_wire_out(s);
		size_t n = out->n < ENCRYPT_BYTES ? out->n : ENCRYPT_BYTES;

		if (n > 0)
			tls_conn_write(s->tls, view_sub(buf_view(out), 0, n));
		buf_consume(out, n);
		if (s->closing && stream_plain_bytes(s) == 0 && !s->notified) {
			s->notified = true;
			tls_conn_close_notify(s->tls);
		}
		if (s->raw.n > 0)
			keep_wire(s);
		buf_consume(&s->raw, stream_send_some(s, buf_view(&s->raw)));
		send_wire(s);
		if (tls_conn_state(s->tls) == TLS_FAILED)
			stream_die(s, STREAM_ERROR);
	} while (stream_plain_bytes(s) > 0 && s->raw.n == 0 && !s->dead);
}

void stream_start_tls(struct stream *s, struct tls_server *tls)
{
	assert(!s->tls && (stream_unread(s) == 0 || s->handed_over));
	if (s->closing)
		return;
	/* What was written before goes out before, as it is. */
	buf_append_view(&s->raw, buf_view(&s->out));
	buf_fini(&s->out);
	s->tls = tls_conn_new(tls, &s->turn->wire);
	if (stream_unread(s) > 0) {
		tls_conn_feed(s->tls, stream_all_input(s));
		tls_conn_keep(s->tls);
		s->fresh = VIEW_EMPTY;
		s->in_at = 0;
		buf_fini(&s->in);
	}
	stream_schedule(s);
}

void stream_start_tls_client(struct stream *s, struct tls_client *tls, const struct tls_target *target)
{
	assert(!s->tls && stream_unread(s) == 0);
	if (s->closing)
		return;
	buf_append_view(&s->raw, buf_view(&s->out));
	buf_fini(&s->out);
	s->tls = tls_conn_new_client(tls, target, &s->turn->wire);
	(void)handshake(s);
	stream_schedule(s);
}

int stream_tls_verified(const struct stream *s, const char **ret_why)
{
	*ret_why = "";
	return s->established ? (int)tls_conn_verified(s->tls, ret_why) : (int)TLS_NOT_VERIFIED;
}

int stream_tls_flaw(const struct stream *s)
{
	return s->established ? (int)tls_conn_flaw(s->tls) : (int)TLS_FLAW_NONE;
}

bool stream_tls_ended(const struct stream *s)
{
	return s->established && tls_conn_state(s->tls) == TLS_PEER_DONE;
}

bool stream_is_tls(const struct stream *s)
{
	return s->established;
}

struct view stream_tls_text(const struct stream *s)
{
	return s->established ? tls_conn_text(s->tls) : VIEW_EMPTY;
}

struct view stream_tls_sni(const struct stream *s)
{
	return s->established ? tls_conn_sni(s->tls) : VIEW_EMPTY;
}

bool stream_tls_exporter(const struct stream *s, struct buf *out)
{
	return s->established && tls_conn_exporter(s->tls, out);
}

bool stream_tls_unique(const struct stream *s, struct buf *out)
{
	return s->established && tls_conn_unique(s->tls, out);
}

bool stream_tls_server_end_point(const struct stream *s, struct buf *out)
{
	return s->established && tls_conn_server_end_point(s->tls, out);
}
