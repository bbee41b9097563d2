/* SPDX-License-Identifier: ISC
 * The process: what it has and the front end has not. */
#include "popd/popd.h"

#include "popd/session.h"

/* A piece of a message is 256 KiB at most, and a little more with its dots doubled. */
const struct stream_limits popd_stream_limits = {
    .in_max = 32 << 10,
    .out_max = 2 << 20,
    .out_high = 256 << 10,
    .out_low = 64 << 10,
};

void popd_init(struct front *f, struct event_base *base, unsigned index, const struct conf *conf)
{
	front_init(f, &session_protocol, base, index);
	popd_configure(f, conf);
}

void popd_configure(struct front *f, const struct conf *conf)
{
	front_configure(f, conf, conf->pop_idle_timeout);
}
