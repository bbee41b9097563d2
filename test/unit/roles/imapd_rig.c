/* SPDX-License-Identifier: ISC
 * The rig's role is imapd. */
#include "imapd_rig.h"

#include <assert.h>
#include <string.h>

static struct front *open_imapd(struct event_base *base, const struct conf *conf)
{
	struct imapd *d = xcalloc(1, sizeof *d);

	imapd_init(d, base, 0, conf);
	return &d->front;
}

static void close_imapd(struct front *f)
{
	struct imapd *d = (struct imapd *)f;

	assert(d->bytes_in_flight == 0);
	imapd_fini(d);
}

const struct rig_role rig_role = {
    .open = open_imapd,
    .close = close_imapd,
    .limits = &imapd_stream_limits,
    .service = "imap",
    .login = "l LOGIN me secret\r\n",
    .logged_in = "l OK",
};

struct imapd *rig_imapd(const struct rig *r)
{
	return (struct imapd *)r->front;
}

size_t rig_select(struct rig *r)
{
	size_t client = rig_login(r);

	(void)wire_say(&r->wire, client, "s SELECT INBOX\r\n");
	assert(strstr(buf_cstr(&r->wire.heard), "s OK"));
	return client;
}
