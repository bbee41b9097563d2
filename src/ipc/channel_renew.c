/* SPDX-License-Identifier: ISC
 * Channels to processes that only answer: one place holds each, and a new one takes the former's. */
#include "ipc/channel.h"

static void on_nothing(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static void leave_slot(void *ctx, struct channel *c)
{
	struct channel **slot = ctx;

	if (*slot == c)
		*slot = NULL;
}

int channel_renew(struct channel **slot, struct event_base *base, int fd, const struct channel_proto *proto,
		  unsigned self, unsigned peer)
{
	static const struct channel_handlers handlers = {.on_msg = on_nothing, .on_close = leave_slot};

	channel_free(slot);
	*slot = channel_new(base, fd, proto, self, peer, &handlers, slot);
	return 0;
}
