/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_SYNC_H
#define POMBO_IPC_SYNC_H

#include "ipc/frame.h"

/* The same frames over a blocking socket, one question at a time: for a TLS handshake that needs keyd's
 * signature (about 0.1 ms), for the command line, and for tools; and the other end of that, for a thread that does nothing but answer.
 * A question costs each end a send, a wait and a receive. */
struct sync_channel {
	int fd;
	const struct channel_proto *proto;
	unsigned self;
	unsigned peer;
	uint32_t last_id;
	struct buf out; /* the frame that is being sent */
	struct buf in; /* read and not yet taken */
	size_t in_taken; /* of it: the frame that the last answer points into */
	struct frame_fds in_fds;
	struct arena arena;
	bool greeting_sent;
	bool greeted;
};

void sync_channel_init(struct sync_channel *s, int fd, const struct channel_proto *proto, unsigned self, unsigned peer);
void sync_channel_fini(struct sync_channel *s); /* closes fd */
/* Sends one frame (payload made by NAME_put_x; fds stay the caller's) and waits for the answer with its id; other frames are dropped.
 * 0, or -errno (-ETIMEDOUT; -EPROTO when the peer is odd; then the channel is of no further use). `ret` is the generated
 * struct NAME_msg, valid until the next call. */
must_check int sync_channel_call(struct sync_channel *s, uint16_t type, struct view payload, const int *fds,
				 size_t n_fds, int timeout_ms, void *ret);
/* The same without waiting: for a request of several frames (sync_channel_follow()), whose answers sync_channel_next() takes.
 * 0 or -errno. */
must_check int sync_channel_begin(struct sync_channel *s, uint16_t type, struct view payload, const int *fds,
				  size_t n_fds, int timeout_ms);
/* Sends a further frame of the last call's request, under its id; before any call, a message that nobody answers. 0 or -errno. */
must_check int sync_channel_follow(struct sync_channel *s, uint16_t type, struct view payload, const int *fds,
				   size_t n_fds, int timeout_ms);
/* Waits for the next frame with the id of the last call: for answers that come in several frames. */
must_check int sync_channel_next(struct sync_channel *s, int timeout_ms, void *ret);

/* ---- the end that answers ---- */

/* Waits for the next question, without a deadline. 0, or -errno (-EPIPE: the peer went; -EPROTO: it is odd). `ret` is valid until the next call. */
must_check int sync_channel_take(struct sync_channel *s, uint32_t *ret_id, void *ret);
/* 0 or -errno (-ETIMEDOUT: the peer does not read its answers). */
must_check int sync_channel_answer(struct sync_channel *s, uint32_t id, uint16_t type, struct view payload,
				   int timeout_ms);

#endif
