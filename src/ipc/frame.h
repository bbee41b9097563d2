/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_FRAME_H
#define POMBO_IPC_FRAME_H

#include "base/buf.h"
#include "base/mem.h"
#include "ipc/channel.h"

/* What stands in front of a frame's payload, and how frames and descriptors pass a socket. Shared by channel.c and sync.c. */
enum {
	FRAME_HEAD_BYTES = 12,
	FRAME_TYPE_HELLO = 0, /* lists number their messages from 1 */
};

struct frame_head {
	uint32_t n; /* payload bytes */
	uint16_t type;
	uint8_t n_fds;
	uint32_t id;
};

void frame_head_format(const struct frame_head *h, char ret[FRAME_HEAD_BYTES]);
/* PARSE_MORE with less than a head; PARSE_BAD when a length or number is out of bounds. */
enum parse frame_head_parse(struct view bytes, struct frame_head *ret);
/* Bytes that the frame at the front still lacks; 0 when it is whole or bad. */
size_t frame_lacking(struct view bytes);

/* The hello: its payload is the list's version. */
void frame_hello_format(struct buf *out, uint64_t version);
must_check bool frame_hello_ok(const struct frame_head *h, struct view payload, uint64_t version);

/* Request ids: the end whose kind has the lower number gives 1..2^31-1, the other end gives those with the top bit set,
 * so an id tells by itself who asked. */
bool frame_id_is_mine(uint32_t id, unsigned self, unsigned peer);
uint32_t frame_id_next(uint32_t last, unsigned self, unsigned peer);

/* Descriptors that arrived and are not yet claimed by a frame, in order. */
struct frame_fds {
	int fds[16];
	size_t n;
};

/* May all go with one frame. */
must_check bool frame_fds_ok(const int *fds, size_t n);
/* The first `n` move to `ret`; false when fewer are there. */
must_check bool frame_fds_take(struct frame_fds *q, size_t n, int *ret);
void frame_fds_close(struct frame_fds *q);

/* One sendmsg; fds go with the first byte. Bytes written, or -errno (-EAGAIN). Never raises SIGPIPE. */
must_check long frame_send(int fd, struct view bytes, const int *fds, size_t n_fds);
/* One recvmsg. Bytes read, 0 at the end, or -errno (-EAGAIN; -EPROTO when more descriptors came than may wait). */
must_check long frame_recv(int fd, char *bytes, size_t n, struct frame_fds *q);

#endif
