/* SPDX-License-Identifier: ISC
 * A frame's head, the hello, request ids, and bytes with descriptors over a socket. */
#include "ipc/frame.h"

#include "ipc/codec.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ID_TOP = 1u << 31 };

void frame_head_format(const struct frame_head *h, char ret[FRAME_HEAD_BYTES])
{
	uint32_t n = htole32(h->n), id = htole32(h->id);
	uint16_t type = htole16(h->type);

	memcpy(ret, &n, 4);
	memcpy(ret + 4, &type, 2);
	ret[6] = (char)h->n_fds;
	ret[7] = 0;
	memcpy(ret + 8, &id, 4);
}

enum parse frame_head_parse(struct view bytes, struct frame_head *ret)
{
	struct frame_head h;

	if (bytes.n < FRAME_HEAD_BYTES)
		return PARSE_MORE;
	memcpy(&h.n, bytes.p, 4);
	memcpy(&h.type, bytes.p + 4, 2);
	h.n_fds = (uint8_t)bytes.p[6];
	memcpy(&h.id, bytes.p + 8, 4);
	h.n = le32toh(h.n);
	h.type = le16toh(h.type);
	h.id = le32toh(h.id);
	if (h.n > CHANNEL_FRAME_MAX || h.n_fds > CHANNEL_FDS_MAX || bytes.p[7] != 0)
		return PARSE_BAD;
	*ret = h;
	return PARSE_DONE;
}

size_t frame_lacking(struct view bytes)
{
	struct frame_head h;
	enum parse r = frame_head_parse(bytes, &h);

	if (r == PARSE_MORE)
		return FRAME_HEAD_BYTES - bytes.n;
	if (r == PARSE_BAD || bytes.n >= FRAME_HEAD_BYTES + h.n)
		return 0;
	return FRAME_HEAD_BYTES + h.n - bytes.n;
}

void frame_hello_format(struct buf *out, uint64_t version)
{
	struct frame_head h = {sizeof version, FRAME_TYPE_HELLO, 0, 0};
	char head[FRAME_HEAD_BYTES];

	frame_head_format(&h, head);
	buf_append(out, head, sizeof head);
	codec_put_u64(out, version);
}

bool frame_hello_ok(const struct frame_head *h, struct view payload, uint64_t version)
{
	uint64_t theirs;

	if (h->type != FRAME_TYPE_HELLO || h->n_fds != 0 || h->id != 0 || payload.n != sizeof theirs)
		return false;
	memcpy(&theirs, payload.p, sizeof theirs);
	return le64toh(theirs) == version;
}

bool frame_id_is_mine(uint32_t id, unsigned self, unsigned peer)
{
	assert(self != peer);
	return id != 0 && ((id & ID_TOP) != 0) == (self > peer);
}

uint32_t frame_id_next(uint32_t last, unsigned self, unsigned peer)
{
	uint32_t n = (last + 1) & (ID_TOP - 1);

	if (n == 0)
		n = 1;
	return self > peer ? n | ID_TOP : n;
}

bool frame_fds_ok(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] < 0)
			return false;
	return n <= CHANNEL_FDS_MAX;
}

bool frame_fds_take(struct frame_fds *q, size_t n, int *ret)
{
	if (n > q->n)
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = q->fds[i];
	q->n -= n;
	memmove(q->fds, q->fds + n, q->n * sizeof q->fds[0]);
	return true;
}

void frame_fds_close(struct frame_fds *q)
{
	for (size_t i = 0; i < q->n; i++)
		fd_close(&q->fds[i]);
	q->n = 0;
}

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)]; /* proven: frame_send asserts it */
};

long frame_send(int fd, struct view bytes, const int *fds, size_t n_fds)
{
	union control control;
	struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	assert(n_fds <= CHANNEL_FDS_MAX);
	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Puts what came into the queue; what has no room is closed and makes the whole bad. */
static bool queue_fds(struct frame_fds *q, struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
		if (q->n < ARRAY_LEN(q->fds)) {
			q->fds[q->n++] = fd;
		} else {
			fd_close(&fd);
			ok = false;
		}
	}
	return ok;
}

long frame_recv(int fd, char *bytes, size_t n, struct frame_fds *q)
{
	union control control;
	struct iovec iov = {bytes, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	bool ok = true;
	ssize_t got;

	do
		got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && !queue_fds(q, c))
			ok = false;
	if (!ok || (m.msg_flags & MSG_CTRUNC))
		return -EPROTO;
	return got;
}
