/* SPDX-License-Identifier: ISC
 * One question at a time over a channel's socket: waiting for the answer, or for the next question. */
#include "ipc/sync.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
	READ_BYTES = 16 * 1024,
	ARENA_MAX = 16 * 1024 * 1024,
	KEEP_BYTES = 4096, /* of `out`, between two frames */
	HELLO_BYTES = FRAME_HEAD_BYTES + sizeof(uint64_t),
};

void sync_channel_init(struct sync_channel *s, int fd, const struct channel_proto *proto, unsigned self, unsigned peer)
{
	*s = (struct sync_channel){.fd = fd, .proto = proto, .self = self, .peer = peer};
	buf_init(&s->out, HELLO_BYTES + FRAME_HEAD_BYTES + CHANNEL_FRAME_MAX);
	buf_init(&s->in, 2 * (CHANNEL_FRAME_MAX + FRAME_HEAD_BYTES) + READ_BYTES);
	arena_init(&s->arena, ARENA_MAX);
}

void sync_channel_fini(struct sync_channel *s)
{
	fd_close(&s->fd);
	frame_fds_close(&s->in_fds);
	buf_fini(&s->out);
	buf_fini(&s->in);
	arena_fini(&s->arena);
}

/* Not in the receive itself: there the reader of a Unix stream is woken up also when the peer has taken what we sent. */
static int wait_for(struct sync_channel *s, short what, uint64_t until_ms)
{
	struct pollfd p = {s->fd, what, 0};
	uint64_t now = until_ms == UINT64_MAX ? 0 : clock_mono_ms();
	int for_ms = until_ms == UINT64_MAX ? -1 : until_ms > now ? (int)(until_ms - now) : 0;
	int n = poll(&p, 1, for_ms);

	if (n == 0)
		return -ETIMEDOUT;
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int write_all(struct sync_channel *s, struct view bytes, const int *fds, size_t n_fds, uint64_t until_ms)
{
	while (bytes.n) {
		long n = frame_send(s->fd, bytes, fds, n_fds);
		int r = 0;

		if (n >= 0) {
			bytes = view_sub(bytes, (size_t)n, bytes.n);
			n_fds = 0;
		} else if (n == -EAGAIN) {
			r = wait_for(s, POLLOUT, until_ms);
		} else {
			r = (int)n;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_frame(struct sync_channel *s, uint16_t type, uint32_t id, struct view payload, const int *fds,
		      size_t n_fds, uint64_t until_ms)
{
	struct frame_head h = {(uint32_t)payload.n, type, (uint8_t)n_fds, id};
	char head[FRAME_HEAD_BYTES];
	int r;

	if (payload.n > CHANNEL_FRAME_MAX || n_fds > CHANNEL_FDS_MAX)
		return -EMSGSIZE;
	buf_reset(&s->out);
	if (!s->greeting_sent)
		frame_hello_format(&s->out, s->proto->version);
	s->greeting_sent = true;
	frame_head_format(&h, head);
	buf_append(&s->out, head, sizeof head);
	buf_append_view(&s->out, payload);
	r = write_all(s, buf_view(&s->out), fds, n_fds, until_ms);
	if (s->out.cap > KEEP_BYTES)
		buf_fini(&s->out);
	return r;
}

static int read_more(struct sync_channel *s, uint64_t until_ms)
{
	char *room = buf_reserve(&s->in, READ_BYTES);
	int r = room ? wait_for(s, POLLIN, until_ms) : -EPROTO;
	long n;

	if (r < 0)
		return r;
	n = frame_recv(s->fd, room, READ_BYTES, &s->in_fds);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n == 0 ? -EPIPE : (int)n;
	buf_commit(&s->in, (size_t)n);
	return 0;
}

/* Waits until a whole frame stands at the front of s->in. */
static int read_frame(struct sync_channel *s, uint64_t until_ms, struct frame_head *ret_head, struct view *ret_payload)
{
	struct frame_head h;

	buf_consume(&s->in, s->in_taken);
	s->in_taken = 0;
	for (;;) {
		enum parse p = frame_head_parse(buf_view(&s->in), &h);
		int r;

		if (p == PARSE_BAD)
			return -EPROTO;
		if (p == PARSE_DONE && s->in.n - FRAME_HEAD_BYTES >= h.n)
			break;
		r = read_more(s, until_ms);
		if (r < 0)
			return r;
	}
	s->in_taken = FRAME_HEAD_BYTES + h.n;
	*ret_head = h;
	*ret_payload = view_sub(buf_view(&s->in), FRAME_HEAD_BYTES, h.n);
	return 0;
}

/* The next frame after the hello; its descriptors are in `fds`. */
static int next_frame(struct sync_channel *s, uint64_t until_ms, struct frame_head *ret_head, struct view *ret_payload,
		      int fds[CHANNEL_FDS_MAX])
{
	int r = read_frame(s, until_ms, ret_head, ret_payload);

	if (r == 0 && !s->greeted) {
		s->greeted = frame_hello_ok(ret_head, *ret_payload, s->proto->version);
		r = s->greeted ? read_frame(s, until_ms, ret_head, ret_payload) : -EPROTO;
	}
	if (r < 0)
		return r;
	return frame_fds_take(&s->in_fds, ret_head->n_fds, fds) ? 0 : -EPROTO;
}

static int decode(struct sync_channel *s, const struct frame_head *h, struct view payload, int *fds, void *ret)
{
	arena_reset(&s->arena);
	return s->proto->decode(h->type, payload, fds, h->n_fds, s->peer, &s->arena, ret) ? 0 : -EPROTO;
}

static void drop(const struct frame_head *h, int *fds)
{
	for (size_t i = 0; i < h->n_fds; i++)
		fd_close(&fds[i]);
}

/* ---- the end that asks ---- */

static int send_until(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
		      uint64_t until_ms)
{
	return send_frame(s, type, s->last_id, payload, fds, n_fds, until_ms);
}

static int next_until(struct sync_channel *s, uint64_t until_ms, void *ret)
{
	int r = 0;

	while (r == 0) {
		struct frame_head h;
		struct view payload;
		int fds[CHANNEL_FDS_MAX];

		r = next_frame(s, until_ms, &h, &payload, fds);
		if (r == 0 && h.id == s->last_id)
			return decode(s, &h, payload, fds, ret);
		if (r == 0)
			drop(&h, fds);
	}
	return r;
}

int sync_channel_call(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
		      int timeout_ms, void *ret)
{
	uint64_t until_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	int r;

	s->last_id = frame_id_next(s->last_id, s->self, s->peer);
	r = send_until(s, type, payload, fds, n_fds, until_ms);
	return r < 0 ? r : next_until(s, until_ms, ret);
}

int sync_channel_begin(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
		       int timeout_ms)
{
	s->last_id = frame_id_next(s->last_id, s->self, s->peer);
	return sync_channel_follow(s, type, payload, fds, n_fds, timeout_ms);
}

int sync_channel_follow(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
			int timeout_ms)
{
	return send_until(s, type, payload, fds, n_fds, clock_mono_ms() + (uint64_t)timeout_ms);
}

int sync_channel_next(struct sync_channel *s, int timeout_ms, void *ret)
{
	return next_until(s, clock_mono_ms() + (uint64_t)timeout_ms, ret);
}

/* ---- the end that answers ---- */

int sync_channel_take(struct sync_channel *s, uint32_t *ret_id, void *ret)
{
	int r = 0;

	while (r == 0) {
		struct frame_head h;
		struct view payload;
		int fds[CHANNEL_FDS_MAX];

		r = next_frame(s, UINT64_MAX, &h, &payload, fds);
		if (r == 0 && !frame_id_is_mine(h.id, s->self, s->peer)) {
			*ret_id = h.id;
			return decode(s, &h, payload, fds, ret);
		}
		if (r == 0)
			drop(&h, fds); /* an answer, and nothing was asked */
	}
	return r;
}

int sync_channel_answer(struct sync_channel *s, uint32_t id, uint16_t type, struct view payload, int timeout_ms)
{
	return send_frame(s, type, id, payload, NULL, 0, clock_mono_ms() + (uint64_t)timeout_ms);
}
