/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_CHANNEL_H
#define POMBO_IPC_CHANNEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

/* One end of a socketpair between two of our processes. A frame is: u32 payload length, u16 type, u8 number of
 * fds, u8 zero, u32 request id; then the payload (ipc/codec.h). The first frame either way is a hello with the
 * list's version; a peer whose list differs, or who sends anything its list does not allow it, is dropped
 * (STYLE 42): the channel closes, the process lives.
 *
 * Frames are gathered and written once per loop turn. Replies go back under the request's id; a late or unknown
 * id is dropped here, never in a role. Each end gives its ids from a half of its own (ipc/frame.h), so an id tells who
 * asked. One thread only. NULL is taken everywhere as a channel that is closed. */
struct event_base;
struct channel;

/* Generated from src/ipc/msgs/NAME.def by tools/gen-msgs.py. */
struct channel_proto {
	const char *name;
	uint64_t version;
	size_t msg_size;
	bool (*decode)(uint16_t type, struct view payload, int *fds, size_t n_fds, unsigned from, struct arena *arena,
		       void *ret);
	void (*log)(struct log_line *l, const void *msg);
};

enum {
	CHANNEL_FRAME_MAX = 1024 * 1024, /* payload bytes; anything longer is BAD */
	CHANNEL_FDS_MAX = 4, /* per frame */
	CHANNEL_OUT_MAX =
	    64 * 1024 * 1024, /* hard bound of bytes waiting to be written; passing it closes the channel */
	CHANNEL_OUT_HIGH = 1024 * 1024, /* above: channel_is_full() */
	CHANNEL_OUT_LOW = 256 * 1024, /* below again: on_drain */
};

/* `msg` is the generated struct NAME_msg; it and its views are valid during the call only. fds in it belong to the
 * callee. `id` is 0 or the request to answer with NAME_send_x(c, id, …). A request may go on in several frames with the
 * same id: the asker sends them with channel_call_id(), here they come as on_msg, one by one. */
struct channel_handlers {
	void (*on_msg)(void *ctx, struct channel *c, uint32_t id, const void *msg);
	/* The peer went or was dropped: channel_error() says why. Every pending call has heard NULL before. Comes from the
	 * loop, never out of a send or call. The channel frees itself after this. */
	void (*on_close)(void *ctx, struct channel *c);
	void (*on_drain)(void *ctx, struct channel *c); /* may be NULL */
};

/* `answer` NULL: none came in time, or the channel went. fds in the answer belong to the callee. */
typedef void channel_answer_fn(void *ctx, const void *answer);

/* Calls of more than one frame, and callers that go. */
/* The id of the call made last: NAME_send_x(c, id, …) sends further frames of the same request (data, end). */
uint32_t channel_call_id(const struct channel *c);
/* Only from within an answer function: that was not the last frame of the answer (a page, flow control). The
 * function hears the next one too; the deadline starts anew. */
void channel_call_continues(struct channel *c);
/* The caller goes, and what it asked for has to be given back: `fn` hears the answer in its place, however late, or NULL when the channel goes. */
void channel_call_leave(struct channel *c, uint32_t id, channel_answer_fn *fn, void *ctx);
/* The caller goes: its function hears nothing any more, an answer that comes is dropped (its fds closed). */
static inline void channel_call_cancel(struct channel *c, uint32_t id)
{
	channel_call_leave(c, id, NULL, NULL);
}

/* Takes over `fd` (made non-blocking). `self` and `peer` are values of enum NAME_peer. */
struct channel *channel_new(struct event_base *base, int fd, const struct channel_proto *proto, unsigned self,
			    unsigned peer, const struct channel_handlers *handlers, void *ctx);
/* One over which this end only asks: answers reach their callbacks, anything else was refused by the decoder. *slot: the channel, NULL from when it
 * closes; the one that was there before is freed. 0 always, for a role to say of a
 * channel that it was given. */
int channel_renew(struct channel **slot, struct event_base *base, int fd, const struct channel_proto *proto,
		  unsigned self, unsigned peer);
/* Closes after what is gathered was tried to be written once; on_close is not called; pending calls hear NULL. May be
 * called from any of the channel's own callbacks. */
void channel_free(struct channel **c);
/* Why the channel closed, for the log; valid in on_close. */
const char *channel_error(const struct channel *c);
/* It closed because the peer closed, not because the peer said what it must not; valid in on_close. */
bool channel_peer_went(const struct channel *c);
/* Hears of the end of every channel of the process, by its descriptor (closed next); `odd` is NULL, or how the peer broke the
 * rules. For role.c alone: the supervisor is told. */
void channel_on_end(void (*fn)(void *ctx, int fd, const char *odd), void *ctx);
/* Says the same of a descriptor that was served without a channel (ipc/sync.h): in the main thread, before it is closed. */
void channel_ended(int fd, const char *odd);
/* Writes what has gathered now, not at the end of the turn: for who has much to do until then. */
void channel_flush(struct channel *c);
bool channel_is_full(const struct channel *c);
/* Does anything wait to be written, descriptors too? After channel_flush(): the peer does not read. */
bool channel_has_unwritten(const struct channel *c);
/* Stops and resumes reading from this peer: backpressure (ARCHITECTURE invariant 5). Answers wait too. on_msg is not called
 * out of resume, but later in the turn. */
void channel_pause(struct channel *c);
void channel_resume(struct channel *c);
size_t channel_pending_calls(const struct channel *c);
unsigned channel_peer(const struct channel *c);

/* deadline_ms 0: none. For generated code: a buffer to append the payload to (NULL when closed); then exactly one of send or call,
 * also when encoding failed (`ok` false: the frame is taken back). */
struct buf *channel_frame_begin(struct channel *c);
bool channel_frame_send(struct channel *c, uint16_t type, uint32_t id, const int *fds, size_t n_fds, bool ok);
/* A payload that was encoded elsewhere: `frame` begins with FRAME_HEAD_BYTES (frame.h) of room; its bytes move, it is empty afterwards. */
bool channel_frame_give(struct channel *c, uint16_t type, uint32_t id, struct buf *frame);
bool channel_frame_call(struct channel *c, uint16_t type, const int *fds, size_t n_fds, bool ok, uint32_t deadline_ms,
			channel_answer_fn *fn, void *ctx);

#endif
