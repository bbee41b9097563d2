/* SPDX-License-Identifier: ISC
 * The role imapd. */
#include "front/serve.h"
#include "imapd/imapd.h"
#include "mail/charset.h"

static const struct port_service services[] = {{"imap", false}, {"imaps", true}, {NULL, false}};

static const struct ports_spec ports = {
    .stream_limits = &imapd_stream_limits,
    .services = services,
    .too_many = {"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
		 sizeof "* BYE [UNAVAILABLE] Too many connections, try again later\r\n" - 1},
    .too_many_from_address = {"* BYE [LIMIT] Too many connections from your address\r\n",
			      sizeof "* BYE [LIMIT] Too many connections from your address\r\n" - 1},
    .on_stream = front_on_stream,
};

static int prepare(struct role *r, void **ret_server, const struct ports_spec **ret_ports)
{
	struct imapd *d = xcalloc(1, sizeof *d);

	charset_preload(); /* files cannot be opened later */
	imapd_init(d, role_base(r), role_index(r), role_conf(r));
	*ret_server = d;
	*ret_ports = &ports;
	return 0;
}

static int configure(void *server, const struct conf *conf)
{
	imapd_configure(server, conf);
	return 0;
}

static void count(void *server, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct imapd *d = server;

	front_count(server, ret_sessions, ret_accepted, ret_messages, ret_in_flight);
	*ret_in_flight = d->bytes_in_flight;
}

int main(void)
{
	static const struct serve_spec spec = {
	    .name = "imapd",
	    .prepare = prepare,
	    .set_channel = front_set_channel,
	    .set_tls = front_set_tls,
	    .configure = configure,
	    .stop = front_stop,
	    .count = count,
	};

	return serve_run(&spec);
}
