/* SPDX-License-Identifier: ISC
 * Whatever bytes a peer writes, in whatever pieces: the channel takes well-formed frames or closes, once; nothing else. */
#include "ipc/channel.h"

#include "ipc/frame.h"
#include "ipc/msgs/smtp_msgs.h"

#include <assert.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	struct channel *c;
	size_t msgs;
	size_t closed;
	size_t answers;
};

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct heard *h = ctx;
	struct smtp_rcpt_ok ok = {true};

	(void)msg;
	assert(h->closed == 0);
	h->msgs++;
	if (id)
		(void)smtp_send_rcpt_ok(c, id, &ok);
}

static void on_close(void *ctx, struct channel *c)
{
	struct heard *h = ctx;

	assert(channel_error(c)[0] != '\0');
	h->closed++;
	h->c = NULL;
}

static void on_answer(void *ctx, const struct smtp_msg *m)
{
	struct heard *h = ctx;

	(void)m;
	h->answers++;
}

/* The first byte says where the bytes are cut; a hello is put in front unless it is odd. */
static struct heard run(struct event_base *base, const uint8_t *data, size_t size, size_t piece)
{
	static const struct channel_handlers handlers = {on_msg, on_close, NULL};
	struct heard h = {0};
	struct smtp_grant_ended question = {VIEW_EMPTY};
	struct buf hello = BUF_INIT(64);
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return h;
	h.c = channel_new(base, sv[0], &smtp_proto, SMTP_PEER_STORE, SMTP_PEER_MX, &handlers, &h);
	assert(smtp_call_grant_ended(h.c, &question, 0, on_answer, &h));
	frame_hello_format(&hello, SMTP_VERSION);
	if (data[0] % 8)
		assert(write(sv[1], hello.p, hello.n) == (ssize_t)hello.n);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (send(sv[1], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	(void)close(sv[1]);
	for (int i = 0; i < 4; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	assert(h.closed == 1 && h.answers == 1);
	buf_fini(&hello);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	struct heard whole, pieces;

	if (!base)
		base = event_base_new();
	if (size < 2 || size > 65536)
		return 0;
	whole = run(base, data, size, size);
	pieces = run(base, data, size, size / 7 + 1);
	assert(whole.msgs == pieces.msgs);
	return 0;
}
