/* SPDX-License-Identifier: ISC
 * stored's way to dnsd: questions go out with dns_call_x(sd->dns, …). */
#include "stored/stored.h"

#include "ipc/msgs/dns_msgs.h"

#include <errno.h>

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	/* dnsd only answers; answers reach their callbacks in channel.c. */
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static void on_close(void *ctx, struct channel *c)
{
	struct stored *sd = ctx;

	if (sd->dns == c)
		sd->dns = NULL;
}

int dns_peer_add(struct stored *sd, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};

	if (sd->dns)
		channel_free(&sd->dns);
	sd->dns = channel_new(role_base(sd->role), fd, &dns_proto, DNS_PEER_STORE, DNS_PEER_DNS, &handlers, sd);
	return sd->dns ? 0 : -ENOMEM;
}
