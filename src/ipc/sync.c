/* SPDX-License-Identifier: ISC
 * One question at a time over a channel's socket, waiting for the answer. */
#include "ipc/sync.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { READ_BYTES = 16 * 1024, ARENA_MAX = 16 * 1024 * 1024 };

void sync_channel_init(struct sync_channel *s, int fd, const struct channel_proto *proto, unsigned self, unsigned peer)
{
	*s = (struct sync_channel){.fd = fd, .proto = proto, .self = self, .peer = peer};
	buf_init(&s->in, 2 * (CHANNEL_FRAME_MAX + FRAME_HEAD_BYTES) + READ_BYTES);
	arena_init(&s->arena, ARENA_MAX);
}

void sync_channel_fini(struct sync_channel *s)
{
	fd_close(&s->fd);
	frame_fds_close(&s->in_fds);
	buf_fini(&s->in);
	arena_fini(&s->arena);
}

static int wait_for(struct sync_channel *s, short what, uint64_t until_ms)
{
	struct pollfd p = {s->fd, what, 0};
	uint64_t now = clock_mono_ms();
	int n = poll(&p, 1, until_ms > now ? (int)(until_ms - now) : 0);

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

static int send_frame(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
		      uint64_t until_ms)
{
	struct frame_head h = {(uint32_t)payload.n, type, (uint8_t)n_fds, s->last_id};
	_cleanup_(buf_fini) struct buf out = BUF_INIT(2 * FRAME_HEAD_BYTES + sizeof(uint64_t) + CHANNEL_FRAME_MAX);
	char head[FRAME_HEAD_BYTES];
	int r;

	if (payload.n > CHANNEL_FRAME_MAX || n_fds > CHANNEL_FDS_MAX)
		return -EMSGSIZE;
	if (!s->greeting_sent) {
		frame_hello_format(&out, s->proto->version);
		r = write_all(s, buf_view(&out), NULL, 0, until_ms);
		if (r < 0)
			return r;
		s->greeting_sent = true;
		buf_reset(&out);
	}
	frame_head_format(&h, head);
	buf_append(&out, head, sizeof head);
	buf_append_view(&out, payload);
	return write_all(s, buf_view(&out), fds, n_fds, until_ms);
}

static int read_more(struct sync_channel *s, uint64_t until_ms)
{
	char *room = buf_reserve(&s->in, READ_BYTES);
	long n;
	int r;

	if (!room)
		return -EPROTO;
	n = frame_recv(s->fd, room, READ_BYTES, &s->in_fds);
	if (n == -EAGAIN) {
		r = wait_for(s, POLLIN, until_ms);
		return r;
	}
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

static int next_until(struct sync_channel *s, uint64_t until_ms, void *ret)
{
	for (;;) {
		struct frame_head h;
		struct view payload;
		int fds[CHANNEL_FDS_MAX];
		int r = read_frame(s, until_ms, &h, &payload);

		if (r < 0)
			return r;
		if (!s->greeted) {
			s->greeted = frame_hello_ok(&h, payload, s->proto->version);
			if (!s->greeted)
				return -EPROTO;
			continue;
		}
		if (!frame_fds_take(&s->in_fds, h.n_fds, fds))
			return -EPROTO;
		if (h.id == s->last_id) {
			arena_reset(&s->arena);
			return s->proto->decode(h.type, payload, fds, h.n_fds, s->peer, &s->arena, ret) ? 0 : -EPROTO;
		}
		for (size_t i = 0; i < h.n_fds; i++)
			fd_close(&fds[i]);
	}
}

int sync_channel_call(struct sync_channel *s, uint16_t type, struct view payload, const int *fds, size_t n_fds,
		      int timeout_ms, void *ret)
{
	uint64_t until_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	int r;

	s->last_id = frame_id_next(s->last_id, s->self, s->peer);
	r = send_frame(s, type, payload, fds, n_fds, until_ms);
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
	return send_frame(s, type, payload, fds, n_fds, clock_mono_ms() + (uint64_t)timeout_ms);
}

int sync_channel_next(struct sync_channel *s, int timeout_ms, void *ret)
{
	return next_until(s, clock_mono_ms() + (uint64_t)timeout_ms, ret);
}
