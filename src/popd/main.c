/* SPDX-License-Identifier: ISC
 * The role popd. */
#include "front/serve.h"
#include "popd/popd.h"

static const struct port_service services[] = {{"pop3", false}, {"pop3s", true}, {NULL, false}};

static const struct ports_spec ports = {
    .stream_limits = &popd_stream_limits,
    .services = services,
    .too_many = {"-ERR [SYS/TEMP] Too many connections, try again later\r\n",
		 sizeof "-ERR [SYS/TEMP] Too many connections, try again later\r\n" - 1},
    .too_many_from_address = {"-ERR [SYS/TEMP] Too many connections from your address\r\n",
			      sizeof "-ERR [SYS/TEMP] Too many connections from your address\r\n" - 1},
    .on_stream = front_on_stream,
};

static int prepare(struct role *r, void **ret_server, const struct ports_spec **ret_ports)
{
	struct front *f = xcalloc(1, sizeof *f);

	popd_init(f, role_base(r), role_index(r), role_conf(r));
	*ret_server = f;
	*ret_ports = &ports;
	return 0;
}

static int configure(void *server, const struct conf *conf)
{
	popd_configure(server, conf);
	return 0;
}

int main(void)
{
	static const struct serve_spec spec = {
	    .name = "popd",
	    .prepare = prepare,
	    .set_channel = front_set_channel,
	    .set_tls = front_set_tls,
	    .configure = configure,
	    .stop = front_stop,
	    .count = front_count,
	};

	return serve_run(&spec);
}
