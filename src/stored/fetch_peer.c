/* SPDX-License-Identifier: ISC
 * stored's way to fetchd: requests go out with fetch_call_x(sd->fetch, …). */
#include "stored/stored.h"

#include "ipc/msgs/fetch_msgs.h"

#include <errno.h>

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	/* fetchd only answers; answers reach their callbacks in channel.c. */
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static void on_close(void *ctx, struct channel *c)
{
	struct stored *sd = ctx;

	if (sd->fetch == c)
		sd->fetch = NULL;
}

int fetch_peer_add(struct stored *sd, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};

	if (sd->fetch)
		channel_free(&sd->fetch);
	sd->fetch =
	    channel_new(role_base(sd->role), fd, &fetch_proto, FETCH_PEER_STORE, FETCH_PEER_FETCH, &handlers, sd);
	return sd->fetch ? 0 : -ENOMEM;
}
