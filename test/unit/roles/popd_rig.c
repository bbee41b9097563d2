/* SPDX-License-Identifier: ISC
 * The rig's role is popd. */
#include "popd/popd.h"
#include "rig.h"

static struct front *open_popd(struct event_base *base, const struct conf *conf)
{
	struct front *f = xcalloc(1, sizeof *f);

	popd_init(f, base, 0, conf);
	return f;
}

const struct rig_role rig_role = {
    .open = open_popd,
    .close = front_fini,
    .limits = &popd_stream_limits,
    .service = "pop3",
    .login = "USER me\r\nPASS secret\r\n",
    .logged_in = " messages (",
};
