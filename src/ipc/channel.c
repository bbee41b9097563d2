/* SPDX-License-Identifier: ISC
 * One end of a socketpair: frames gathered and written once a loop turn, read and decoded in place, calls with deadlines.
 *
 * A channel is OPEN, then BROKEN (the peer went or is odd; the deferred event tells the owner) or FREED (the owner let go).
 * Memory goes only in leave(), when no callback of this channel is on the stack. */
#include "ipc/channel.h"

#include "base/clock.h"
#include "ipc/calls.h"
#include "ipc/frame.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_BYTES = 66 * 1024, /* a data frame of 64 KiB comes in one read */
	ARENA_MAX = 16 * 1024 * 1024, /* lists of one message */
	MARKS_MAX = 2048, /* frames with descriptors that wait to be written */
	KEEP_BYTES = 4096, /* larger buffers go when the channel has been idle */
	IDLE_MS = 1000,
	TICK_MS = 64, /* deadlines are kept to this; a power of two */
};

enum channel_state { CHANNEL_OPEN, CHANNEL_BROKEN, CHANNEL_FREED };

/* Where in the written stream descriptors go out. */
struct mark {
	uint64_t at;
	size_t n;
	int fds[CHANNEL_FDS_MAX];
};

struct channel {
	enum channel_state state;
	int fd;
	int depth; /* callbacks of this channel on the stack */
	const struct channel_proto *proto;
	unsigned self;
	unsigned peer;
	const struct channel_handlers *handlers;
	void *ctx;
	const char *error;

	struct event *readable;
	struct event *writable; /* added only while the socket is full */
	struct event *turn_end; /* made active when there is something to write or to end */
	struct event *timer;
	uint64_t timer_at; /* UINT64_MAX: not set */

	struct buf in;
	struct frame_fds in_fds;
	struct arena arena;
	void *msg;
	bool greeted;
	bool paused;
	bool busy; /* something moved since the last idle tick */

	struct buf out;
	size_t out_at; /* written already */
	uint64_t out_stream; /* position of out.p[0] in all that was ever written */
	size_t frame_at;
	struct mark *marks;
	size_t n_marks;
	bool was_full;

	struct calls calls;
	uint32_t last_id;
	uint32_t answering; /* the call whose answer is being told */
	bool keep; /* it stays open */
};

static const char peer_went[] = "the peer went";

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)(fds[i] >= 0 && close(fds[i]));
}

static void (*end_fn)(void *ctx, int fd, const char *odd);
static void *end_ctx;

void channel_on_end(void (*fn)(void *ctx, int fd, const char *odd), void *ctx)
{
	end_fn = fn;
	end_ctx = ctx;
}

void channel_ended(int fd, const char *odd)
{
	if (end_fn)
		end_fn(end_ctx, fd, odd);
}

static void destroy(struct channel *c)
{
	channel_ended(c->fd, c->error[0] && c->error != peer_went ? c->error : NULL);
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->turn_end);
	event_free(c->timer);
	for (size_t i = 0; i < c->n_marks; i++)
		close_fds(c->marks[i].fds, c->marks[i].n);
	free(c->marks);
	frame_fds_close(&c->in_fds);
	fd_close(&c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	arena_fini(&c->arena);
	calls_fini(&c->calls);
	free(c->msg);
	free(c);
}

static void enter(struct channel *c)
{
	c->depth++;
}

static void leave(struct channel *c)
{
	if (--c->depth == 0 && c->state == CHANNEL_FREED)
		destroy(c);
}

static void set_timer(struct channel *c, uint64_t at_ms)
{
	uint64_t now;
	struct timeval tv;

	at_ms |= TICK_MS - 1;
	if (at_ms >= c->timer_at)
		return;
	now = clock_mono_ms();
	c->timer_at = at_ms;
	at_ms = at_ms > now ? at_ms - now : 0;
	tv = (struct timeval){(time_t)(at_ms / 1000), (suseconds_t)(at_ms % 1000 * 1000)};
	(void)event_add(c->timer, &tv);
}

static void set_busy(struct channel *c)
{
	c->busy = true;
	if (c->in.cap > KEEP_BYTES || c->out.cap > KEEP_BYTES)
		set_timer(c, clock_mono_ms() + IDLE_MS);
}

/* The end comes from the loop: nobody's call chain is cut off below it. */
static void break_off(struct channel *c, const char *why)
{
	if (c->state != CHANNEL_OPEN)
		return;
	c->state = CHANNEL_BROKEN;
	c->error = why;
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	event_active(c->turn_end, EV_TIMEOUT, 0);
}

static void end_calls(struct channel *c)
{
	struct call call;

	while (c->calls.n) {
		size_t cursor = 0;

		while (calls_take_expired(&c->calls, UINT64_MAX, &cursor, &call))
			call.fn(call.ctx, NULL);
	}
}

/* ---- writing ---- */

static void forget_mark(struct channel *c)
{
	close_fds(c->marks[0].fds, c->marks[0].n);
	c->n_marks--;
	memmove(c->marks, c->marks + 1, c->n_marks * sizeof *c->marks);
}

/* Bytes up to the next frame with descriptors, or from it on with them. */
static long write_once(struct channel *c)
{
	uint64_t at = c->out_stream + c->out_at;
	struct view bytes = view_sub(buf_view(&c->out), c->out_at, c->out.n);
	bool with_fds = c->n_marks && c->marks[0].at == at;
	const struct mark *next = c->n_marks > with_fds ? &c->marks[with_fds] : NULL;
	long n;

	if (next)
		bytes.n = (size_t)(next->at - at);
	n = frame_send(c->fd, bytes, with_fds ? c->marks[0].fds : NULL, with_fds ? c->marks[0].n : 0);
	if (n > 0 && with_fds)
		forget_mark(c);
	return n;
}

static void forget_written(struct channel *c)
{
	c->out_stream += c->out_at;
	buf_consume(&c->out, c->out_at);
	c->out_at = 0;
}

static void flush(struct channel *c)
{
	while (c->out_at < c->out.n) {
		long n = write_once(c);

		if (n == -EAGAIN) {
			(void)event_add(c->writable, NULL);
			break;
		}
		if (n < 0) {
			/* What the peer still said before it went is read first, then the end is seen there. */
			if (n != -EPIPE && n != -ECONNRESET)
				break_off(c, "cannot write");
			else if (c->paused)
				break_off(c, peer_went);
			return;
		}
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out.n || c->out_at > CHANNEL_OUT_LOW)
		forget_written(c);
}

void channel_flush(struct channel *c)
{
	if (!c || c->state != CHANNEL_OPEN || event_pending(c->writable, EV_WRITE, NULL))
		return;
	enter(c);
	flush(c);
	leave(c);
}

static void drained(struct channel *c)
{
	if (!c->was_full || c->out.n - c->out_at > CHANNEL_OUT_LOW)
		return;
	c->was_full = false;
	if (c->handlers->on_drain)
		c->handlers->on_drain(c->ctx, c);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *c = ctx;

	(void)fd;
	(void)what;
	if (c->state != CHANNEL_OPEN)
		return;
	enter(c);
	flush(c);
	drained(c);
	leave(c);
}

static void on_turn_end(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *c = ctx;

	(void)fd;
	(void)what;
	if (c->state == CHANNEL_OPEN && !event_pending(c->writable, EV_WRITE, NULL)) {
		enter(c);
		flush(c);
		if (c->state == CHANNEL_OPEN)
			drained(c);
		leave(c);
	} else if (c->state == CHANNEL_BROKEN) {
		enter(c);
		end_calls(c);
		if (c->state == CHANNEL_BROKEN) /* no answer function freed it */
			c->handlers->on_close(c->ctx, c);
		c->state = CHANNEL_FREED;
		leave(c);
	}
}

struct buf *channel_frame_begin(struct channel *c)
{
	if (!c || c->state != CHANNEL_OPEN)
		return NULL;
	c->frame_at = c->out.n;
	c->out.max = c->out.n + FRAME_HEAD_BYTES + CHANNEL_FRAME_MAX;
	(void)buf_reserve(&c->out, FRAME_HEAD_BYTES);
	buf_commit(&c->out, FRAME_HEAD_BYTES);
	return &c->out;
}

static bool add_mark(struct channel *c, const int *fds, size_t n_fds)
{
	struct mark *m;

	if (c->n_marks == MARKS_MAX)
		return false;
	c->marks = xrealloc(c->marks, (c->n_marks + 1) * sizeof *c->marks);
	m = &c->marks[c->n_marks++];
	m->at = c->out_stream + c->frame_at;
	m->n = n_fds;
	memcpy(m->fds, fds, n_fds * sizeof *fds);
	return true;
}

bool channel_frame_send(struct channel *c, uint16_t type, uint32_t id, const int *fds, size_t n_fds, bool ok)
{
	struct frame_head h = {.type = type, .n_fds = (uint8_t)n_fds, .id = id};

	if (!c || c->state != CHANNEL_OPEN) {
		close_fds(fds, n_fds);
		return false;
	}
	if (!ok || c->out.overflow || !frame_fds_ok(fds, n_fds)) {
		close_fds(fds, n_fds);
		c->out.overflow = false;
		buf_truncate(&c->out, c->frame_at);
		return false;
	}
	h.n = (uint32_t)(c->out.n - c->frame_at - FRAME_HEAD_BYTES);
	frame_head_format(&h, c->out.p + c->frame_at);
	if (n_fds && !add_mark(c, fds, n_fds)) {
		close_fds(fds, n_fds);
		break_off(c, "too many descriptors wait to be written");
		return false;
	}
	if (c->out.n - c->out_at > CHANNEL_OUT_MAX) {
		break_off(c, "too many bytes wait to be written");
		return false;
	}
	if (channel_is_full(c))
		c->was_full = true;
	set_busy(c);
	event_active(c->turn_end, EV_TIMEOUT, 0);
	return true;
}

bool channel_frame_give(struct channel *c, uint16_t type, uint32_t id, struct buf *frame)
{
	bool ok = !frame->overflow && frame->n >= FRAME_HEAD_BYTES;

	if (ok && c && c->state == CHANNEL_OPEN) {
		if (c->out_at == c->out.n) { /* nothing waits: the memory itself moves */
			forget_written(c);
			buf_fini(&c->out);
			c->out = *frame;
			*frame = BUF_INIT(frame->max);
			c->frame_at = 0;
		} else {
			c->frame_at = c->out.n;
			c->out.max = c->out.n + frame->n;
			buf_append_view(&c->out, buf_view(frame));
		}
		ok = c->out.n - c->frame_at <= FRAME_HEAD_BYTES + CHANNEL_FRAME_MAX;
		ok = channel_frame_send(c, type, id, NULL, 0, ok);
	}
	buf_fini(frame);
	return ok && c && c->state == CHANNEL_OPEN;
}

static void add_call(struct channel *c, struct call *call)
{
	call->deadline_ms = UINT64_MAX;
	if (call->for_ms) {
		call->deadline_ms = clock_mono_ms() + call->for_ms;
		set_timer(c, call->deadline_ms);
	}
	calls_add(&c->calls, call);
}

bool channel_frame_call(struct channel *c, uint16_t type, const int *fds, size_t n_fds, bool ok, uint32_t deadline_ms,
			channel_answer_fn *fn, void *ctx)
{
	struct call call = {.for_ms = deadline_ms, .fn = fn, .ctx = ctx};

	if (c) {
		call.id = c->last_id;
		do
			call.id = frame_id_next(call.id, c->self, c->peer);
		while (calls_find(&c->calls, call.id));
	}
	if (!channel_frame_send(c, type, call.id, fds, n_fds, ok))
		return false;
	c->last_id = call.id;
	add_call(c, &call);
	return true;
}

/* ---- reading ---- */

static void tell_answer(struct channel *c, struct call *call)
{
	c->answering = call->id;
	c->keep = false;
	call->fn(call->ctx, c->msg);
	c->answering = 0;
	if (c->keep && c->state == CHANNEL_OPEN)
		add_call(c, call);
}

/* One whole frame after the hello. */
static void dispatch(struct channel *c, const struct frame_head *h, struct view payload)
{
	struct call call = {0};
	int fds[CHANNEL_FDS_MAX];

	if (!frame_fds_take(&c->in_fds, h->n_fds, fds)) {
		break_off(c, "a descriptor is missing");
		return;
	}
	if (frame_id_is_mine(h->id, c->self, c->peer) && !calls_take(&c->calls, h->id, &call)) {
		close_fds(fds, h->n_fds); /* late */
		return;
	}
	arena_reset(&c->arena);
	if (!c->proto->decode(h->type, payload, fds, h->n_fds, c->peer, &c->arena, c->msg)) {
		if (call.id)
			calls_add(&c->calls, &call); /* hears NULL with the others */
		break_off(c, "a frame that is not in the list");
		return;
	}
	if (call.id)
		tell_answer(c, &call);
	else
		c->handlers->on_msg(c->ctx, c, h->id, c->msg);
}

static void take_frame(struct channel *c, const struct frame_head *h, struct view payload)
{
	if (c->greeted) {
		dispatch(c, h, payload);
		return;
	}
	c->greeted = frame_hello_ok(h, payload, c->proto->version);
	if (!c->greeted)
		break_off(c, "the peer is of another version");
}

/* Takes the complete frames at the front of `bytes`; says how many bytes that were. */
static size_t take_frames(struct channel *c, struct view bytes)
{
	size_t at = 0;

	while (c->state == CHANNEL_OPEN && !c->paused) {
		struct frame_head h;
		enum parse r = frame_head_parse(view_sub(bytes, at, bytes.n), &h);

		if (r == PARSE_BAD)
			break_off(c, "a frame out of bounds");
		if (r != PARSE_DONE || bytes.n - at - FRAME_HEAD_BYTES < h.n)
			break;
		take_frame(c, &h, view_sub(bytes, at + FRAME_HEAD_BYTES, h.n));
		at += FRAME_HEAD_BYTES + h.n;
	}
	return at;
}

/* The frame that began in an earlier read is filled up and taken; what follows it is left in `bytes`. */
static void fill_up(struct channel *c, struct view *bytes)
{
	while (c->in.n && bytes->n && frame_lacking(buf_view(&c->in))) {
		size_t n = frame_lacking(buf_view(&c->in));

		if (n <= CHANNEL_FRAME_MAX)
			(void)buf_reserve(&c->in, n); /* at once, not by doubling */
		buf_append_view(&c->in, view_sub(*bytes, 0, n));
		*bytes = view_sub(*bytes, n, bytes->n);
	}
	buf_consume(&c->in, take_frames(c, buf_view(&c->in)));
}

static void take_bytes(struct channel *c, struct view bytes)
{
	if (c->in.n)
		fill_up(c, &bytes);
	if (c->in.n == 0)
		bytes = view_sub(bytes, take_frames(c, bytes), bytes.n);
	if (c->state == CHANNEL_OPEN)
		buf_append_view(&c->in, bytes);
	assert(!c->in.overflow);
}

/* What a long frame lacks is read to where it belongs, and no further. */
static long read_rest(struct channel *c, size_t n)
{
	char *to = buf_reserve(&c->in, n);
	long got;

	assert(to);
	got = frame_recv(c->fd, to, n, &c->in_fds);
	if (got > 0) {
		buf_commit(&c->in, (size_t)got);
		take_bytes(c, VIEW_EMPTY);
	}
	return got;
}

static long read_some(struct channel *c)
{
	char bytes[READ_BYTES];
	long n = frame_recv(c->fd, bytes, sizeof bytes, &c->in_fds);

	if (n > 0)
		take_bytes(c, view_from(bytes, (size_t)n));
	return n;
}

static void read_once(struct channel *c)
{
	size_t rest = c->in.n >= FRAME_HEAD_BYTES ? frame_lacking(buf_view(&c->in)) : 0;
	long n = rest > KEEP_BYTES ? read_rest(c, rest) : read_some(c);

	if (n > 0) {
		if (c->state == CHANNEL_OPEN)
			set_busy(c);
	} else if (n != -EAGAIN) {
		break_off(c, n == -EPROTO ? "too many descriptors" : peer_went);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *c = ctx;

	(void)fd;
	(void)what;
	enter(c);
	if (c->state == CHANNEL_OPEN && !c->paused && c->in.n)
		take_bytes(c, VIEW_EMPTY); /* left over from a pause */
	if (c->state == CHANNEL_OPEN && !c->paused)
		read_once(c);
	leave(c);
}

/* ---- time ---- */

static void release_idle(struct channel *c)
{
	if (c->busy) {
		c->busy = false;
		if (c->in.cap > KEEP_BYTES || c->out.cap > KEEP_BYTES)
			set_timer(c, clock_mono_ms() + IDLE_MS);
		return;
	}
	if (c->in.n == 0)
		buf_fini(&c->in);
	if (c->out.n == 0)
		buf_fini(&c->out);
	arena_reset(&c->arena);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *c = ctx;
	uint64_t now = clock_mono_ms(), next;
	struct call call;
	size_t cursor = 0;

	(void)fd;
	(void)what;
	c->timer_at = UINT64_MAX;
	enter(c);
	while (c->state == CHANNEL_OPEN && calls_take_expired(&c->calls, now, &cursor, &call))
		call.fn(call.ctx, NULL);
	if (c->state == CHANNEL_OPEN) {
		release_idle(c);
		next = calls_next_deadline(&c->calls);
		if (next != UINT64_MAX)
			set_timer(c, next);
	}
	leave(c);
}

/* ---- life ---- */

struct channel *channel_new(struct event_base *base, int fd, const struct channel_proto *proto, unsigned self,
			    unsigned peer, const struct channel_handlers *handlers, void *ctx)
{
	struct channel *c = xcalloc(1, sizeof *c);

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	c->fd = fd;
	c->proto = proto;
	c->self = self;
	c->peer = peer;
	c->handlers = handlers;
	c->ctx = ctx;
	c->error = "";
	c->timer_at = UINT64_MAX;
	c->msg = xcalloc(1, proto->msg_size);
	buf_init(&c->in, CHANNEL_FRAME_MAX + FRAME_HEAD_BYTES + READ_BYTES);
	buf_init(&c->out, FRAME_HEAD_BYTES + CHANNEL_FRAME_MAX);
	arena_init(&c->arena, ARENA_MAX);
	calls_init(&c->calls);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	c->turn_end = event_new(base, -1, 0, on_turn_end, c);
	c->timer = event_new(base, -1, 0, on_timer, c);
	assert(c->readable && c->writable && c->turn_end && c->timer);
	(void)event_add(c->readable, NULL);
	frame_hello_format(&c->out, proto->version);
	event_active(c->turn_end, EV_TIMEOUT, 0);
	return c;
}

void channel_free(struct channel **cc)
{
	struct channel *c = *cc;

	*cc = NULL;
	if (!c || c->state == CHANNEL_FREED)
		return;
	if (c->state == CHANNEL_OPEN)
		flush(c);
	c->state = CHANNEL_FREED;
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	(void)event_del(c->turn_end);
	(void)event_del(c->timer);
	enter(c);
	end_calls(c);
	leave(c);
}

const char *channel_error(const struct channel *c)
{
	return c ? c->error : "";
}

bool channel_peer_went(const struct channel *c)
{
	return c && c->error == peer_went;
}

bool channel_has_unwritten(const struct channel *c)
{
	return c && c->out.n > c->out_at;
}

bool channel_is_full(const struct channel *c)
{
	return c && c->out.n - c->out_at > CHANNEL_OUT_HIGH;
}

void channel_pause(struct channel *c)
{
	if (!c || c->paused || c->state != CHANNEL_OPEN)
		return;
	c->paused = true;
	(void)event_del(c->readable);
}

void channel_resume(struct channel *c)
{
	if (!c || !c->paused || c->state != CHANNEL_OPEN)
		return;
	c->paused = false;
	(void)event_add(c->readable, NULL);
	if (c->in.n)
		event_active(c->readable, EV_READ, 0);
}

size_t channel_pending_calls(const struct channel *c)
{
	return c ? c->calls.n : 0;
}

uint32_t channel_call_id(const struct channel *c)
{
	return c ? c->last_id : 0;
}

void channel_call_leave(struct channel *c, uint32_t id, channel_answer_fn *fn, void *ctx)
{
	struct call call;

	if (c && id == c->answering)
		c->keep = false;
	if (c && calls_take(&c->calls, id, &call) && fn)
		add_call(c, &(struct call){.id = id, .fn = fn, .ctx = ctx});
}

void channel_call_continues(struct channel *c)
{
	if (c && c->answering)
		c->keep = true;
}

unsigned channel_peer(const struct channel *c)
{
	return c->peer;
}
