/* SPDX-License-Identifier: ISC
 * One connection of a client: reads into a bounded buffer, writes once a turn, keeps deadlines.
 *
 * Reading: one recv() per readable event goes into the loop's scratch memory, and on_input sees it there; only what
 * the role leaves is copied into a buffer of the stream's own. A paused stream reads on until its buffer is full, so that pausing
 * costs no epoll_ctl; on_input waits.
 *
 * Writing: gathered in `out`, sent at the end of the turn. What the socket does not take waits for EV_WRITE, in `raw` when
 * it is encrypted already.
 *
 * Ending: close -> (output is written) -> [peer still sends: FIN, read to its end] -> dead -> on_closed -> freed.
 * Closing a socket with unread input makes the kernel send a reset, which can overtake the last reply; hence the bracket. */
#include "io/stream.h"

#include "base/clock.h"
#include "io/deflate.h"
#include "io/stream_internal.h"
#include "io/tls_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PACK_BYTES = 64 * 1024, /* of plaintext at once */
	PACKED_BYTES = 128 * 1024, /* that wait to be sent or encrypted, before more is packed */
	FLUSH_MS = 10000, /* for output to be taken after stream_close() */
	LINGER_MS = 2000, /* for the peer to see it and hang up */
};

static size_t unwritten(const struct stream *s)
{
	return stream_plain_bytes(s) + s->raw.n;
}

void stream_schedule(struct stream *s)
{
	turn_queue(s->turn, &s->job);
}

/* ---- ends ---- */

void stream_die(struct stream *s, enum stream_end end)
{
	if (s->dead)
		return;
	if (!s->closing)
		s->end = end;
	s->closing = true;
	s->dead = true;
	stream_schedule(s);
}

static void die_of_errno(struct stream *s, int error)
{
	stream_die(s, error == ECONNRESET || error == EPIPE ? STREAM_CLOSED_BY_PEER : STREAM_ERROR);
}

void stream_end(struct stream *s, enum stream_end end)
{
	uint64_t now_ms = clock_mono_ms();

	if (s->closing)
		return;
	s->closing = true;
	s->end = end;
	s->more_unread |= stream_unread(s) > 0;
	s->offer = false;
	s->fresh = VIEW_EMPTY;
	s->in_at = s->in.n; /* the caller may still look at it: freed with the stream */
	if (s->tls && !s->established)
		buf_fini(&s->out); /* nobody can read it */
	s->end_at_ms = now_ms + FLUSH_MS;
	turn_set_deadline(s->turn, &s->deadline, s->end_at_ms, now_ms);
	stream_schedule(s);
}

static void stop_reading(struct stream *s)
{
	if (s->reading)
		(void)event_del(&s->readable);
	s->reading = false;
}

static void start_reading(struct stream *s)
{
	if (s->reading || s->eof)
		return;
	s->reading = true;
	if (event_add(&s->readable, NULL) < 0)
		stream_die(s, STREAM_ERROR);
}

static void free_stream(struct stream *s)
{
	stop_reading(s);
	if (s->writable)
		event_free(s->writable);
	(void)close(s->fd);
	turn_clear_deadline(s->turn, &s->deadline);
	if (s->handlers->on_closed)
		s->handlers->on_closed(s->ctx, s->end);
	if (s->release)
		s->release(s->release_owner, &s->peer);
	tls_conn_free(&s->tls);
	deflate_free(&s->deflate);
	buf_fini(&s->packed);
	buf_fini(&s->in);
	buf_fini(&s->out);
	buf_fini(&s->raw);
	turn_unref(&s->turn);
	free(s);
}

/* ---- deadlines ---- */

static uint64_t next_deadline(const struct stream *s)
{
	uint64_t at = s->total_at_ms ? s->total_at_ms : UINT64_MAX;

	if (s->closing)
		return s->end_at_ms;
	if (s->idle_ms && !s->paused && s->idle_from_ms + s->idle_ms < at)
		at = s->idle_from_ms + s->idle_ms;
	return at;
}

/* A deadline that moved away is noticed when the former one comes; only sooner needs to be set. */
static void arm(struct stream *s, uint64_t now_ms)
{
	uint64_t at = next_deadline(s);

	if (at != UINT64_MAX && (!s->deadline.entry.at || at < s->deadline.entry.due_ms))
		turn_set_deadline(s->turn, &s->deadline, at, now_ms);
}

static void on_deadline(struct turn_deadline *d, uint64_t now_ms)
{
	struct stream *s = (struct stream *)((char *)d - offsetof(struct stream, deadline));

	if (s->dead)
		return;
	if (next_deadline(s) > now_ms) {
		arm(s, now_ms);
	} else if (s->closing) {
		stream_die(s, s->end);
	} else {
		if (s->handlers->on_timeout)
			s->handlers->on_timeout(s->ctx);
		stream_end(s, STREAM_TIMEOUT);
		s->end = STREAM_TIMEOUT;
	}
}

void stream_set_idle_timeout(struct stream *s, uint64_t ms)
{
	s->idle_ms = ms;
	s->idle_from_ms = clock_mono_ms();
	arm(s, s->idle_from_ms);
}

void stream_set_total_timeout(struct stream *s, uint64_t ms)
{
	uint64_t now_ms = clock_mono_ms();

	s->total_at_ms = ms ? now_ms + ms : 0;
	arm(s, now_ms);
}

/* ---- input ---- */

/* Copies what on_input left in the scratch memory. */
static void keep_fresh(struct stream *s)
{
	struct view left = s->fresh;

	s->fresh = VIEW_EMPTY;
	if (left.n == 0)
		return;
	buf_append_view(&s->in, left);
	assert(!s->in.overflow);
}

static void offer_input(struct stream *s)
{
	s->offer = false;
	if (s->paused || s->closing || stream_unread(s) == 0)
		return;
	s->handed_over = false;
	s->handlers->on_input(s->ctx);
}

/* New plaintext, in scratch memory. Never more than the buffer has room for. */
void stream_take_input(struct stream *s, struct view bytes)
{
	if (s->closing || bytes.n == 0)
		return;
	if (s->in_at > 0) {
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	if (s->in.n > 0)
		buf_append_view(&s->in, bytes);
	else
		s->fresh = bytes;
	offer_input(s);
	keep_fresh(s);
	if (s->in.n == s->in_at) {
		s->in_at = 0;
		buf_fini(&s->in);
	}
}

bool stream_can_inflate(const struct stream *s)
{
	return s->deflate && !s->closing && stream_unread(s) < s->limits.in_max && deflate_has_more(s->deflate);
}

/* As much as there is room for; the rest waits packed. */
static void inflate_some(struct stream *s)
{
	size_t room = s->limits.in_max - stream_unread(s), n;
	bool bad;

	if (!s->turn->inflated)
		s->turn->inflated = xmalloc(TURN_SCRATCH_BYTES);
	n = deflate_read(s->deflate, s->turn->inflated, room < TURN_SCRATCH_BYTES ? room : TURN_SCRATCH_BYTES, &bad);
	stream_take_input(s, view_from(s->turn->inflated, n));
	if (bad)
		stream_end(s, STREAM_ERROR);
	if (deflate_has_more(s->deflate)) /* a few bytes may stand for very many */
		turn_queue_later(s->turn, &s->later);
	stream_schedule(s);
}

void stream_take_bytes(struct stream *s, struct view bytes)
{
	if (!s->deflate) {
		stream_take_input(s, bytes);
	} else if (bytes.n > 0 && !s->closing) {
		deflate_feed(s->deflate, bytes);
		inflate_some(s);
	}
}

/* Sends `bytes`; how many were taken. */
size_t stream_send_some(struct stream *s, struct view bytes)
{
	size_t done = 0;

	while (done < bytes.n) {
		ssize_t n = send(s->fd, bytes.p + done, bytes.n - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				die_of_errno(s, errno);
			break;
		}
		done += (size_t)n;
	}
	return done;
}

/* Within TLS what can be read of it counts: a record that comes byte by byte, or keys that change for ever, would be no end of it. */
static void on_bytes(struct stream *s, struct view bytes)
{
	if (!s->established)
		s->idle_from_ms = clock_mono_ms();
	if (!s->tls) {
		stream_take_bytes(s, bytes);
		return;
	}
	tls_conn_feed(s->tls, bytes);
	stream_tls_decrypt(s);
	tls_conn_keep(s->tls);
}

static size_t read_size(const struct stream *s)
{
	size_t room = s->limits.in_max - stream_unread(s);

	if (s->closing)
		return TURN_SCRATCH_BYTES;
	if (s->deflate && deflate_has_more(s->deflate))
		return 0;
	if (s->tls)
		return stream_tls_read_size(s, room);
	return room < TURN_SCRATCH_BYTES ? room : TURN_SCRATCH_BYTES;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	size_t want = read_size(s);
	ssize_t n;

	(void)what;
	if (want == 0) {
		stop_reading(s);
		return;
	}
	n = recv(fd, s->turn->input, want, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			die_of_errno(s, errno);
		return;
	}
	s->more_unread = (size_t)n == want;
	if (n == 0) {
		s->eof = true;
		stop_reading(s);
		stream_schedule(s);
	} else if (!s->closing) {
		on_bytes(s, view_from(s->turn->input, (size_t)n));
		if (s->eof) /* said within TLS */
			stop_reading(s);
	}
}

struct view stream_all_input(const struct stream *s)
{
	return s->fresh.n > 0 ? s->fresh : view_sub(buf_view(&s->in), s->in_at, s->in.n);
}

struct view stream_input(const struct stream *s)
{
	/* What came behind a PROXY header is offered by on_input, unless it turns out to be TLS. */
	return s->handed_over ? VIEW_EMPTY : stream_all_input(s);
}

void stream_consume(struct stream *s, size_t n)
{
	assert(n <= stream_unread(s) || s->closing);
	if (s->closing)
		return;
	if (s->fresh.n > 0)
		s->fresh = view_sub(s->fresh, n, s->fresh.n);
	else
		s->in_at += n;
	if (!s->reading || s->deflate)
		stream_schedule(s);
}

void stream_acknowledge(struct stream *s)
{
	int on = 1;

	if (!s->dead)
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void stream_pause(struct stream *s)
{
	s->paused = true;
}

static void unpause(struct stream *s)
{
	s->paused = false;
	if (s->closing)
		return;
	s->idle_from_ms = clock_mono_ms();
	arm(s, s->idle_from_ms);
	s->offer = true;
}

void stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	unpause(s);
	stream_schedule(s);
}

void stream_yield(struct stream *s)
{
	unpause(s);
	if (!s->closing)
		turn_queue_later(s->turn, &s->later);
}

/* ---- output ---- */

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	event_free(s->writable);
	s->writable = NULL;
	s->idle_from_ms = clock_mono_ms(); /* a slow reader is not an idle one */
	stream_schedule(s);
}

static void wait_writable(struct stream *s)
{
	s->writable = event_new(s->turn->base, s->fd, EV_WRITE, on_writable, s);
	if (!s->writable || event_add(s->writable, NULL) < 0)
		stream_die(s, STREAM_ERROR);
}

struct buf *stream_wire_out(struct stream *s)
{
	if (!s->deflate)
		return &s->out;
	while (s->out.n > 0 && s->packed.n < PACKED_BYTES) {
		size_t n = s->out.n < PACK_BYTES ? s->out.n : PACK_BYTES;

		deflate_write(s->deflate, view_sub(buf_view(&s->out), 0, n), n == s->out.n, &s->packed);
		buf_consume(&s->out, n);
	}
	return &s->packed;
}

static void send_plain(struct stream *s)
{
	struct buf *wire = stream_wire_out(s);

	while (wire->n > 0 && !s->dead) {
		buf_consume(wire, stream_send_some(s, buf_view(wire)));
		if (wire->n > 0)
			return; /* the socket takes no more */
		wire = stream_wire_out(s);
	}
}

static void flush(struct stream *s)
{
	if (s->dead || s->writable)
		return;
	if (s->out.overflow) {
		stream_die(s, STREAM_ERROR);
		return;
	}
	if (s->notified)
		buf_fini(&s->out); /* said after the goodbye: it can go nowhere, and waiting for it would not end */
	if (s->established && (s->closing ? !s->notified : stream_plain_bytes(s) > 0)) {
		stream_tls_flush(s);
	} else {
		if (s->raw.n > 0)
			buf_consume(&s->raw, stream_send_some(s, buf_view(&s->raw)));
		if (!s->tls && s->raw.n == 0)
			send_plain(s);
	}
	if (s->raw.n == 0)
		buf_fini(&s->raw);
	if (s->out.n == 0)
		buf_fini(&s->out);
	if (s->packed.n == 0)
		buf_fini(&s->packed);
	if (s->raw.n > 0 || (stream_plain_bytes(s) > 0 && (!s->tls || s->established)))
		wait_writable(s);
}

static void drain(struct stream *s)
{
	if (!s->was_full || s->closing || unwritten(s) > s->limits.out_low)
		return;
	s->was_full = false;
	if (s->handlers->on_drain)
		s->handlers->on_drain(s->ctx);
}

void stream_write(struct stream *s, struct view bytes)
{
	if (s->closing)
		return;
	buf_append_view(&s->out, bytes);
	stream_flush(s);
}

struct buf *stream_out(struct stream *s)
{
	return &s->out;
}

void stream_flush(struct stream *s)
{
	s->handed_over = false;
	if (unwritten(s) > s->limits.out_high)
		s->was_full = true;
	if (s->out.overflow)
		stream_die(s, STREAM_ERROR);
	if (!s->writable)
		stream_schedule(s);
}

bool stream_is_full(const struct stream *s)
{
	return unwritten(s) > s->limits.out_high;
}

bool stream_has_unsent(const struct stream *s)
{
	return unwritten(s) > 0;
}

/* ---- the end of a turn ---- */

/* Everything is written, or nothing can be: hang up now, or let the peer read first. */
static void close_step(struct stream *s)
{
	uint64_t now_ms;

	if (s->dead || unwritten(s) > 0)
		return;
	if (s->eof || (!s->lingering && !s->more_unread)) {
		stream_die(s, s->end);
	} else if (!s->lingering) {
		now_ms = clock_mono_ms();
		s->lingering = true;
		(void)shutdown(s->fd, SHUT_WR);
		s->end_at_ms = now_ms + LINGER_MS;
		arm(s, now_ms);
		start_reading(s);
	}
}

static void end_of_turn(struct turn_job *j)
{
	struct stream *s = (struct stream *)((char *)j - offsetof(struct stream, job));

	if (stream_can_inflate(s) && !s->later.queued)
		inflate_some(s);
	else if (stream_tls_can_decrypt(s))
		stream_tls_decrypt(s);
	if (s->offer && !s->later.queued) {
		offer_input(s);
		if (s->in.n == s->in_at) {
			s->in_at = 0;
			buf_fini(&s->in);
		}
	}
	if (!s->closing && s->eof && !s->paused && !s->offer && !stream_can_inflate(s) && !stream_tls_can_decrypt(s))
		stream_end(s, STREAM_CLOSED_BY_PEER);
	flush(s);
	drain(s);
	if (s->closing)
		close_step(s);
	else if (read_size(s) > 0)
		start_reading(s);
	if (s->dead && !s->job.queued && !s->later.queued)
		free_stream(s);
}

static void on_later(struct turn_job *j)
{
	stream_schedule((struct stream *)((char *)j - offsetof(struct stream, later)));
}

void stream_close(struct stream *s)
{
	stream_end(s, STREAM_CLOSED_BY_US);
}

void stream_abort(struct stream *s)
{
	stream_die(s, STREAM_CLOSED_BY_US);
}

bool stream_is_closing(const struct stream *s)
{
	return s->closing;
}

/* ---- birth ---- */

void stream_peer_from(const struct sockaddr *address, struct stream_peer *ret)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	struct in_addr mapped;

	memset(ret, 0, sizeof *ret);
	if (address->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, ret->ip, sizeof ret->ip);
		ret->port = ntohs(v4->sin_port);
		ret->loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	} else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&mapped, v6->sin6_addr.s6_addr + 12, sizeof mapped);
		(void)inet_ntop(AF_INET, &mapped, ret->ip, sizeof ret->ip);
		ret->port = ntohs(v6->sin6_port);
		ret->loopback = ntohl(mapped.s_addr) >> 24 == 127;
	} else if (address->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, ret->ip, sizeof ret->ip);
		ret->port = ntohs(v6->sin6_port);
		ret->loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
}

struct stream *stream_new_accepted(struct event_base *base, int fd, const struct stream_peer *peer,
				   const struct stream_limits *limits, const struct stream_handlers *handlers,
				   void *ctx)
{
	struct stream *s = xcalloc(1, sizeof *s);
	int failed;

	s->turn = turn_ref(base);
	s->handlers = handlers;
	s->ctx = ctx;
	s->fd = fd;
	s->peer = *peer;
	s->limits = *limits;
	s->job.run = end_of_turn;
	s->later.run = on_later;
	s->deadline.run = on_deadline;
	s->fresh = VIEW_EMPTY;
	buf_init(&s->in, limits->in_max);
	buf_init(&s->out, limits->out_max);
	buf_init(&s->raw, limits->out_max + TURN_WIRE_MAX);
	buf_init(&s->packed, limits->out_max + 2 * PACKED_BYTES);
	failed = event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, on_readable, s);
	assert(!failed);
	start_reading(s);
	return s;
}

struct stream *stream_new(struct event_base *base, int fd, const struct stream_limits *limits,
			  const struct stream_handlers *handlers, void *ctx)
{
	struct sockaddr_storage address = {0};
	socklen_t n = sizeof address;
	struct stream_peer peer = {0};
	int on = 1;

	(void)evutil_make_socket_nonblocking(fd);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* not on a Unix socket */
	if (getpeername(fd, (struct sockaddr *)&address, &n) == 0)
		stream_peer_from((const struct sockaddr *)&address, &peer);
	return stream_new_accepted(base, fd, &peer, limits, handlers, ctx);
}

void stream_set_handlers(struct stream *s, const struct stream_handlers *handlers, void *ctx)
{
	s->handlers = handlers;
	s->ctx = ctx;
}

void stream_start_deflate(struct stream *s)
{
	assert(!s->deflate);
	if (s->closing)
		return;
	s->deflate = deflate_new();
	buf_append_view(&s->packed, buf_view(&s->out));
	buf_fini(&s->out);
	if (stream_unread(s) > 0) {
		deflate_feed(s->deflate, stream_all_input(s));
		s->fresh = VIEW_EMPTY;
		s->in_at = 0;
		buf_fini(&s->in);
	}
	stream_schedule(s);
}

bool stream_is_deflated(const struct stream *s)
{
	return s->deflate;
}

const struct stream_peer *stream_peer(const struct stream *s)
{
	return &s->peer;
}

void stream_set_peer(struct stream *s, const struct stream_peer *peer)
{
	s->peer = *peer;
}

void stream_set_release(struct stream *s, void (*release)(void *owner, const struct stream_peer *peer), void *owner)
{
	s->release = release;
	s->release_owner = owner;
}

void stream_hand_over(struct stream *s)
{
	s->handed_over = true;
	s->offer = true;
	stream_schedule(s);
}
